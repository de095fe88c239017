"""Routes of the inbox, and of how news reaches phones."""

from typing import Any

from volunteer_api.accounts.models import DeviceSession
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.notifications import access, preferences, queries, service, subscriptions
from volunteer_api.notifications.schemas import (
    NotificationFilter,
    NotificationRead,
    PreferencesRead,
    PreferencesUpdate,
    PushSubscriptionRead,
    PushSubscriptionUpdate,
    ReadMark,
)

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


@endpoint(
    blueprint,
    "PUT",
    "/me/push-subscriptions/<string:device_id>",
    access=access.own_device,
    body=PushSubscriptionUpdate,
    returns=PushSubscriptionRead,
)
def put_push_subscription(session: DeviceSession, body: dict[str, Any]) -> dict[str, Any] | None:
    """Let news be pushed to a device on which one is signed in, in the language of this request."""
    subscriptions.subscribe(session, **body)
    return subscriptions.read(session.id)


@endpoint(blueprint, "DELETE", "/me/push-subscriptions/<string:device_id>", access=access.own_device, status=204)
def delete_push_subscription(session: DeviceSession) -> None:
    """Let nothing more be pushed to a device."""
    subscriptions.unsubscribe(session.id)


@endpoint(blueprint, "GET", "/me/notification-preferences", access=signed_in, returns=PreferencesRead)
def read_notification_preferences(principal: Principal) -> dict[str, Any]:
    """What is pushed to one's phones, and when."""
    return preferences.read(principal.volunteer_id)


@endpoint(
    blueprint,
    "PUT",
    "/me/notification-preferences",
    access=signed_in,
    body=PreferencesUpdate,
    returns=PreferencesRead,
)
def put_notification_preferences(principal: Principal, body: dict[str, Any]) -> dict[str, Any]:
    """Replace one's preferences."""
    preferences.replace(principal.volunteer_id, **body)
    return preferences.read(principal.volunteer_id)
