"""What volunteers hear of their hours."""

from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.templates import register

HOURS_CREDITED = NotificationKind.HOURS_CREDITED.value
HOURS_BACKFILLED = register(
    "hours_backfilled",
    "Service time recorded for you",
    "%(minutes)s minutes were recorded afterwards for you for %(activity)s. If that is wrong, dispute it in the app.",
)
BACKFILL_REJECTED = register(
    "backfill_rejected",
    "Hours not approved",
    "The hours of %(name)s for %(activity)s that you recorded were not approved: %(reason)s",
)
BACKFILLS_LATE = register(
    "backfills_late",
    "Hours wait for too long",
    "%(count)s records of hours at %(organization)s wait for a decision past the ten working days. Decide on them.",
)
HOURS_REVERSED = register(
    "hours_reversed",
    "Service time taken back",
    "%(minutes)s minutes for %(activity)s were taken back: %(reason)s. If that is wrong, dispute it in the app.",
)
