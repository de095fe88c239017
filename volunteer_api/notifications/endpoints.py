"""Routes of the inbox."""

from typing import Any

from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.notifications import queries, service
from volunteer_api.notifications.schemas import NotificationFilter, NotificationRead, ReadMark

blueprint = feature_blueprint("notifications", __name__, "What one should hear of")


@endpoint(
    blueprint,
    "GET",
    "/me/notifications",
    access=signed_in,
    query=NotificationFilter,
    returns=page_of(NotificationRead),
)
def list_notifications(principal: Principal, query: dict[str, Any]) -> Page:
    """List one's notifications, newest first."""
    return queries.inbox(principal.volunteer_id, query)


@endpoint(blueprint, "POST", "/me/notifications/read", access=signed_in, body=ReadMark, status=204)
def mark_notifications_read(principal: Principal, body: dict[str, Any]) -> None:
    """Mark notifications as read."""
    service.mark_read(principal.volunteer_id, **body)
