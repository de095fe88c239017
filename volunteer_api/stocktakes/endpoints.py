"""Routes of stocktakes."""

from typing import Any

from volunteer_api.core.access import Principal
from volunteer_api.core.endpoint import OPTIONAL, REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.stations.models import Station
from volunteer_api.stocktakes import access, queries, service
from volunteer_api.stocktakes.models import Stocktake
from volunteer_api.stocktakes.moments import same_lines
from volunteer_api.stocktakes.schemas import (
    CountedLines,
    StocktakeApproval,
    StocktakeCancellation,
    StocktakeCreate,
    StocktakeFilter,
    StocktakeLineRead,
    StocktakeRead,
    StocktakeSummaryRead,
)

blueprint = feature_blueprint("stocktakes", __name__, "Counts of a station's stock")


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/stocktakes",
    access=access.to_read_counts,
    query=StocktakeFilter,
    returns=page_of(StocktakeSummaryRead),
)
def list_stocktakes(station: Station, query: dict[str, Any]) -> Page:
    """List a station's counts, the latest first."""
    return queries.list_stocktakes(station.id, query)


@endpoint(
    blueprint,
    "POST",
    "/stations/<uuid:station_id>/stocktakes",
    access=access.to_count,
    body=StocktakeCreate,
    returns=StocktakeRead,
    status=201,
    idempotency=REQUIRED,
)
def start_stocktake(principal: Principal, station: Station, body: dict[str, Any]) -> queries.StocktakeView:
    """Begin a count of everything, of some items, or of what one shift hands over to the next."""
    stocktake_id = service.start_stocktake(station_id=station.id, by=principal.volunteer_id, **body)
    return access.view(principal, stocktake_id)


@endpoint(blueprint, "GET", "/stocktakes/<uuid:stocktake_id>", access=access.to_read_count, returns=StocktakeRead)
def read_stocktake(principal: Principal, stocktake: Stocktake) -> queries.StocktakeView:
    """Read a count with its first hundred lines."""
    return access.view(principal, stocktake.id)


@endpoint(
    blueprint,
    "GET",
    "/stocktakes/<uuid:stocktake_id>/lines",
    access=access.to_read_count,
    query=PageQuery,
    returns=page_of(StocktakeLineRead),
)
def list_stocktake_lines(principal: Principal, stocktake: Stocktake, query: dict[str, Any]) -> Page:
    """List the lines of a count by the names of the items."""
    return queries.list_lines(stocktake.id, query, hidden=access.hides_books(principal, stocktake))


@endpoint(
    blueprint,
    "PUT",
    "/stocktakes/<uuid:stocktake_id>/lines",
    access=access.to_work_on_count,
    body=CountedLines,
    returns=StocktakeRead,
    idempotency=OPTIONAL,
    fingerprint=same_lines,
)
def count_lines(principal: Principal, stocktake: Stocktake, body: dict[str, Any]) -> queries.StocktakeView:
    """Take what was counted, also in one batch what was counted without a network."""
    service.count_lines(stocktake, body["lines"], by=principal.volunteer_id)
    return access.view(principal, stocktake.id)


@endpoint(
    blueprint,
    "POST",
    "/stocktakes/<uuid:stocktake_id>/approval",
    access=access.to_work_on_count,
    body=StocktakeApproval,
    returns=StocktakeRead,
    idempotency=REQUIRED,
)
def approve_stocktake(
    principal: Principal, stocktake: Stocktake, body: dict[str, Any], names_version: bool
) -> queries.StocktakeView:
    """Approve a count, as it was read: what it differs from the books by is posted to the ledger, once."""
    may_approve = access.may_approve(principal, stocktake)
    service.approve(stocktake, by=principal.volunteer_id, may_approve=may_approve, names_version=names_version, **body)
    return access.view(principal, stocktake.id)


@endpoint(
    blueprint,
    "POST",
    "/stocktakes/<uuid:stocktake_id>/cancellation",
    access=access.to_work_on_count,
    body=StocktakeCancellation,
    returns=StocktakeRead,
    idempotency=REQUIRED,
)
def cancel_stocktake(principal: Principal, stocktake: Stocktake, body: dict[str, Any]) -> queries.StocktakeView:
    """Give a count up; nothing is posted."""
    service.cancel(stocktake, by=principal.volunteer_id, **body)
    return access.view(principal, stocktake.id)
