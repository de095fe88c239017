"""Routes of the hours ledger."""

from typing import Any

from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.hours import service
from volunteer_api.hours.schemas import ServiceRecordRead

blueprint = feature_blueprint("hours", __name__, "Service records: the hours ledger")


@endpoint(
    blueprint, "GET", "/me/service-records", access=signed_in, query=PageQuery, returns=page_of(ServiceRecordRead)
)
def list_my_service_records(principal: Principal, query: dict[str, Any]) -> Page:
    """List my service records, the latest day first."""
    return service.records_of(principal.volunteer_id, query)
