"""What volunteers hear of their hours."""

from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.templates import register

HOURS_CREDITED = NotificationKind.HOURS_CREDITED.value
HOURS_REVERSED = register(
    "hours_reversed",
    "Service time taken back",
    "%(minutes)s minutes for %(activity)s were taken back: %(reason)s. If that is wrong, dispute it in the app.",
)
