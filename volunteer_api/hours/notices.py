"""What volunteers hear of their hours."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours.models import Backfill
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.service import Notice, notify_all
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.access import Permission, administrators_near, holders_near
from volunteer_api.organizations.models import Organization

HOURS_CREDITED = NotificationKind.HOURS_CREDITED.value
HOURS_RECORDED = register(
    "hours_recorded",
    "Somebody recorded service time for you",
    "%(minutes)s minutes for %(activity)s. They count once a second person approves them.",
    Group.HOURS,
)
HOURS_WITHDRAWN = register(
    "hours_withdrawn",
    "Recorded service time withdrawn",
    "Whoever recorded %(minutes)s minutes for you for %(activity)s took them back before they counted.",
    Group.HOURS,
)
HOURS_NOT_APPROVED = register(
    "hours_not_approved",
    "Service time not approved",
    "The %(minutes)s minutes that somebody recorded for you for %(activity)s do not count: %(reason_sentence)s If "
    "that is wrong, ask whoever answers for it there.",
    Group.HOURS,
)
HOURS_BACKFILLED = register(
    "hours_backfilled",
    "Service time recorded for you",
    "%(minutes)s minutes were recorded afterwards for you for %(activity)s. If that is wrong, dispute it in the app.",
    Group.HOURS,
)
BACKFILL_REJECTED = register(
    "backfill_rejected",
    "Hours not approved",
    "The hours of %(name)s for %(activity)s that you recorded were not approved: %(reason)s",
    Group.HOURS,
)
BACKFILLS_WAIT = register(
    "backfills_wait",
    "Hours wait for your decision",
    "Somebody recorded hours at %(organization)s afterwards. They count once a second person approves them.",
    Group.REVIEWS,
)
BACKFILLS_DUE = register(
    "backfills_due",
    "Hours must be decided soon",
    "%(count)s records of hours at %(organization)s must be decided by %(due_on)s.",
    Group.REVIEWS,
)
BACKFILLS_LATE = register(
    "backfills_late",
    "Hours wait for too long",
    "%(count)s records of hours at %(organization)s wait for a decision past the ten working days. Decide on them.",
    Group.REVIEWS,
)
NOBODY_DECIDES = register(
    "nobody_decides",
    "Nobody can decide on hours that wait",
    "Hours at %(organization)s wait, and everybody who could decide on them recorded or served them. Give one more "
    "person the organizer's role there.",
    Group.REVIEWS,
)
HOURS_REVERSED = register(
    "hours_reversed",
    "Service time taken back",
    "%(minutes)s minutes for %(activity)s were taken back: %(reason_sentence)s If that is wrong, dispute it in the "
    "app.",
    Group.HOURS,
)


def remind(kind: str, waiting: Select[Organization, int, str, str], *, once: object, **values: str) -> None:
    """Tell the nearest reviewers of each organization how much waits there, each `once`.

    `waiting` has rows of an organization, how much, and the first and the last id of whose it is: what is all one
    person's somebody else decides on and hears of, be it further up.
    """
    for organization, count, first, last in db.session.execute(waiting).all():
        without = [UUID(first)] if first == last else []
        notify_all(to_reviewers(kind, organization, once=once, without=without, count=str(count), **values))


def tell_who_decides(backfills: Collection[Backfill], *, by: UUID) -> None:
    """Tell the nearest who may decide that hours were recorded there, once a day."""
    told: list[Notice] = []
    for organization_id in sorted({backfill.organization_id for backfill in backfills}):
        organization = db.session.get_one(Organization, organization_id)
        whose = {backfill.volunteer_id for backfill in backfills if backfill.organization_id == organization_id}
        without = [by] if len(whose) > 1 else [by, *whose]
        here = to_reviewers(BACKFILLS_WAIT, organization, once=clock.today(), without=without)
        alone = {one.volunteer_id for one in here}
        if len(whose) > 1 and len(alone) == 1 and alone <= whose:
            # On what is her own among them, somebody else decides.
            here += to_reviewers(BACKFILLS_WAIT, organization, once=clock.today(), without=[by, *alone])
        told += here
    notify_all(told)


def to_volunteer(kind: str, backfill: Backfill, activity: str, **values: str) -> Notice:
    """What its volunteer hears of a backfill, once for each kind."""
    values = {"minutes": str(backfill.minutes), "activity": activity, "service_record_id": str(backfill.id), **values}
    return Notice(backfill.volunteer_id, kind, values, dedup_key=f"{kind}:{backfill.id}")


def to_reviewers(
    kind: str, organization: Organization, *, once: object, without: Collection[UUID] = (), **values: str
) -> list[Notice]:
    """What the nearest who decide on an organization's hours are told, each `once`.

    Where nobody is left who may, those hear so who can give somebody the role.
    """
    reviewer_ids = holders_near(organization.id, Permission.HOURS_REVIEW, without=without)
    if not reviewer_ids and without:
        kind, reviewer_ids = NOBODY_DECIDES, administrators_near(organization.id)
    values = {"organization": organization.name, "organization_id": str(organization.id), **values}
    return [
        Notice(reviewer_id, kind, values, dedup_key=f"{kind}:{organization.id}:{reviewer_id}:{once}")
        for reviewer_id in reviewer_ids
    ]
