"""Routes of loans and of numbered pieces."""

from collections.abc import Sequence
from typing import Any

from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import HTML, PDF, Download
from volunteer_api.core.endpoint import NONE, REQUIRED, endpoint, feature_blueprint, page_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.loans import access, assets, labels, queries, return_reversals, returns, schemas, service
from volunteer_api.loans.borrowers import Contact
from volunteer_api.loans.label_page import label_page
from volunteer_api.loans.models import Asset, Loan, LoanReturn
from volunteer_api.loans.queries import AssetView, LoanView
from volunteer_api.stations.models import Station

# Of one address: a sheet of a thousand costs a core a second.
LABELS = "120/10 minutes"

blueprint = feature_blueprint("loans", __name__, "Numbered assets and loans of durables")
pages = page_blueprint("loan_pages", __name__, "What the labels of numbered pieces lead to")


@endpoint(
    blueprint,
    "POST",
    "/stations/<uuid:station_id>/loans",
    access=access.to_lend,
    body=schemas.LoanCreate,
    returns=schemas.LoanRead,
    status=201,
    idempotency=REQUIRED,
)
def lend(principal: Principal, station: Station, body: dict[str, Any]) -> LoanView:
    """Lend a durable, or one numbered piece of it, to a volunteer or to a passer-by."""
    return service.lend(station_id=station.id, actor_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "GET",
    "/loans",
    access=signed_in,
    query=schemas.LoanFilter,
    returns=page_of(schemas.LoanSummaryRead),
)
def list_loans(principal: Principal, query: dict[str, Any]) -> Page:
    """List the loans of a station, or of all stations whose stock you read; where you only serve, open ones."""
    stations = access.reach(principal, query.get("station_id"))
    return queries.list_loans(stations, query, reader_id=principal.volunteer_id)


@endpoint(
    blueprint,
    "GET",
    "/me/loans",
    access=signed_in,
    query=schemas.OwnLoanFilter,
    returns=page_of(schemas.LoanSummaryRead),
)
def list_own_loans(principal: Principal, query: dict[str, Any]) -> Page:
    """List what you have borrowed."""
    return queries.loans_of(principal.volunteer_id, query)


@endpoint(blueprint, "GET", "/loans/<uuid:loan_id>", access=access.to_see_loan, returns=schemas.LoanRead)
def read_loan(principal: Principal, loan: Loan) -> LoanView:
    """Read a loan with what came back of it."""
    return queries.read_loan(loan.id, reader_id=principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/loans/lookup",
    access=access.to_look_up,
    body=schemas.LoanLookUp,
    returns=schemas.LoansFoundRead,
    idempotency=NONE,
)
def look_up_loans(principal: Principal, body: dict[str, Any]) -> dict[str, Sequence[LoanView]]:
    """Find the loans of somebody at the desk by her phone, her slip, or the piece that she brings."""
    return {"items": service.look_up(by=principal, **body)}


@endpoint(
    blueprint,
    "POST",
    "/loans/<uuid:loan_id>/return",
    access=access.to_take_back,
    body=schemas.LoanReturnCreate,
    returns=schemas.LoanRead,
    idempotency=REQUIRED,
)
def return_loan(principal: Principal, loan: Loan, body: dict[str, Any]) -> LoanView:
    """Take back a loan, or a part of it, at a station that you serve; or write off what is lost."""
    writes_off = body.get("write_off", False) or body["condition"] == "lost"
    access.require_taking_back(principal, loan, body["station_id"], writes_off=writes_off)
    return returns.take_back(loan, actor_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "POST",
    "/loans/<uuid:loan_id>/returns/<uuid:return_id>/reversal",
    access=access.to_undo_return,
    body=schemas.ReturnReversalCreate,
    returns=schemas.LoanRead,
    idempotency=REQUIRED,
)
def reverse_return(principal: Principal, found: LoanReturn, body: dict[str, Any]) -> LoanView:
    """Undo a return that was recorded by mistake: what it took back is lent again, as before."""
    return return_reversals.reverse(found, actor_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "POST",
    "/loans/<uuid:loan_id>/extension",
    access=access.to_extend,
    body=schemas.LoanExtensionCreate,
    returns=schemas.LoanRead,
    idempotency=REQUIRED,
)
def extend_loan(principal: Principal, loan: Loan, body: dict[str, Any]) -> LoanView:
    """Let somebody else's loan be due later."""
    return service.extend(loan, actor_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "GET",
    "/loans/<uuid:loan_id>/borrower",
    access=access.to_call_borrower,
    returns=schemas.BorrowerContactRead,
    audits=True,
    refuses=(409,),
)
def read_borrower(principal: Principal, loan: Loan) -> Contact:
    """Read the name and phone of a passer-by, to call about a loan; each reading is audited."""
    return service.contact(loan, by=principal)


@endpoint(
    blueprint,
    "GET",
    "/assets",
    access=signed_in,
    query=schemas.AssetFilter,
    returns=page_of(schemas.AssetRead),
)
def list_assets(principal: Principal, query: dict[str, Any]) -> Page:
    """List the numbered pieces of a station, or of all stations whose stock you read."""
    stations = access.reach(principal, query.get("station_id"))
    return queries.list_assets(stations, query, scope=str(principal.volunteer_id))


@endpoint(
    blueprint,
    "POST",
    "/assets",
    access=signed_in,
    body=schemas.AssetCreate,
    returns=schemas.AssetRead,
    status=201,
    idempotency=REQUIRED,
)
def create_asset(principal: Principal, body: dict[str, Any]) -> AssetView:
    """Give a piece on a station's shelf a number."""
    access.require_moving(principal, body["station_id"])
    return assets.number_piece(**body)


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/asset-labels.pdf",
    access=access.to_see_assets,
    query=schemas.LabelFilter,
    produces=PDF,
    limit=LABELS,
)
def print_asset_labels(station: Station, query: dict[str, Any]) -> Download:
    """Print the QR codes of a station's numbered pieces, twenty-four to a page to stick on them."""
    return labels.labels_at(station, query)


@endpoint(blueprint, "GET", "/assets/<uuid:asset_id>", access=access.to_see_asset, returns=schemas.AssetRead)
def read_asset(asset: Asset) -> AssetView:
    """Read a numbered piece."""
    return queries.read_asset(asset.id)


@endpoint(
    blueprint,
    "PATCH",
    "/assets/<uuid:asset_id>",
    access=access.to_keep_asset,
    body=schemas.AssetUpdate,
    returns=schemas.AssetRead,
    edits=True,
)
def change_asset(principal: Principal, asset: Asset, body: dict[str, Any]) -> AssetView:
    """Change a numbered piece; have it repaired, retire it, or say that it is lost or found."""
    return assets.change_asset(asset, actor_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "POST",
    "/assets/<uuid:asset_id>/relocation",
    access=access.to_keep_asset,
    body=schemas.AssetRelocation,
    returns=schemas.AssetRead,
    idempotency=REQUIRED,
)
def relocate_asset(principal: Principal, asset: Asset, body: dict[str, Any]) -> AssetView:
    """Carry a numbered piece to another station whose stock you move too; one that was lost is found there."""
    access.require_moving(principal, body["station_id"])
    return assets.relocate(asset, actor_id=principal.volunteer_id, **body)


@endpoint(pages, "GET", "/c/a/<string:code>", access=access.to_read_label, produces=HTML)
def read_label(asset: Asset) -> Download:
    """Read what a numbered piece's label is on and where it belongs, as anybody who scans it sees it."""
    return label_page(asset)
