"""What volunteers hear of their hours."""

from collections.abc import Collection, Sequence
from uuid import UUID

from volunteer_api.hours.models import Backfill
from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.service import Notice
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.access import Permission, holders_near
from volunteer_api.organizations.models import Organization

HOURS_CREDITED = NotificationKind.HOURS_CREDITED.value
HOURS_RECORDED = register(
    "hours_recorded",
    "Somebody recorded service time for you",
    "%(minutes)s minutes for %(activity)s. They count once a second person approves them.",
)
HOURS_WITHDRAWN = register(
    "hours_withdrawn",
    "Recorded service time withdrawn",
    "Whoever recorded %(minutes)s minutes for you for %(activity)s took them back before they counted.",
)
HOURS_NOT_APPROVED = register(
    "hours_not_approved",
    "Service time not approved",
    "The %(minutes)s minutes that somebody recorded for you for %(activity)s do not count: %(reason)s. If that is "
    "wrong, ask whoever answers for it there.",
)
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
BACKFILLS_WAIT = register(
    "backfills_wait",
    "Hours wait for your decision",
    "Somebody recorded hours at %(organization)s afterwards. They count once a second person approves them.",
)
BACKFILLS_DUE = register(
    "backfills_due",
    "Hours must be decided soon",
    "%(count)s records of hours at %(organization)s must be decided by %(due_on)s.",
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


def sole(ids: Sequence[str]) -> list[UUID]:
    """Whom the first and the last of some ids are, if that is one person: what waits of her or by her alone, somebody
    else decides on, and hears of it, be it further up."""
    return [UUID(ids[0])] if len(set(ids)) == 1 else []


def to_volunteer(kind: str, backfill: Backfill, activity: str, **values: str) -> Notice:
    """What its volunteer hears of a backfill, once for each kind."""
    values = {"minutes": str(backfill.minutes), "activity": activity, "service_record_id": str(backfill.id), **values}
    return Notice(backfill.volunteer_id, kind, values, dedup_key=f"{kind}:{backfill.id}")


def to_reviewers(
    kind: str, organization: Organization, *, once: object, without: Collection[UUID] = (), **values: str
) -> list[Notice]:
    """What the nearest who decide on an organization's hours are told, each `once`."""
    values = {"organization": organization.name, "organization_id": str(organization.id), **values}
    return [
        Notice(reviewer_id, kind, values, dedup_key=f"{kind}:{organization.id}:{reviewer_id}:{once}")
        for reviewer_id in holders_near(organization.id, Permission.HOURS_REVIEW, without=without)
    ]
