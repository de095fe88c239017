"""The verbs of notifications: notify, read, and the three steps of delivering."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.ids import new_id
from volunteer_api.core.logs import logger
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import delete_some, insert_all
from volunteer_api.core.tasks import enqueue
from volunteer_api.notifications.channels import Channel, Delivery
from volunteer_api.notifications.models import Notification
from volunteer_api.notifications.templates import render

DELIVER = "notifications.deliver"
BATCH = 100
MAX_ATTEMPTS = 10
FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(hours=6)
# Shorter than the first delay by what one slow send may take.
CLAIM_IS_SAFE = timedelta(seconds=30)


@dataclass(frozen=True)
class Notice:
    """What a volunteer is to hear of; see `notify`."""

    volunteer_id: UUID
    kind: str
    values: dict[str, str]
    dedup_key: str


def notify(*, volunteer_id: UUID, kind: str, values: dict[str, str], dedup_key: str) -> None:
    """Let a volunteer hear of something once: a second call with the same `dedup_key` changes nothing.

    The row is part of the caller's transaction and is sent after its commit. `values` fill the kind's template (see
    templates.py); more may be given for the phone, like the id of what to open. A person is named by `person_id`: the
    name is read with the inbox, so that none outlives its account in another's. Raises KeyError for an unknown kind or
    a missing value: a fault of the caller's code.
    """
    notify_all([Notice(volunteer_id, kind, values, dedup_key)])


def notify_all(notices: Sequence[Notice]) -> None:
    """The same for several, in one statement."""
    if not notices:
        return
    for notice in notices:
        # A row that can't be rendered would break the inbox for ever; better to fail where it is written.
        render(notice.kind, {"name": ""} | notice.values if "person_id" in notice.values else notice.values)
    now = clock.now()
    rows = [
        {
            "id": new_id(),
            "created_at": now,
            "volunteer_id": notice.volunteer_id,
            "kind": notice.kind,
            "values": notice.values,
            "dedup_key": notice.dedup_key,
            "attempts": 0,
            "next_attempt_at": now,
        }
        for notice in notices
    ]
    if insert_all(Notification, rows, skip_known=True):
        enqueue(DELIVER)


def mark_read(volunteer_id: UUID, *, ids: Sequence[UUID] = (), until: datetime | None = None) -> None:
    """Mark one's own notifications as read: those named, or all written up to `until`. Others' ids change nothing."""
    chosen: ColumnElement[bool] = Notification.id.in_(ids) if until is None else Notification.created_at <= until
    db.session.execute(
        update(Notification)
        .where(Notification.volunteer_id == volunteer_id, Notification.read_at.is_(None), chosen)
        .values(read_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def claim_due() -> list[Delivery]:
    """Take up to a hundred notifications that are due; nobody else gets them until their next attempt is due.

    The first of three steps, each on its own: claim and commit, send outside of any transaction, `settle`. A commit
    that is run again sends nothing again, and no lock is held while a channel waits. A claim counts as an attempt; the
    next is due after 1, 2, 4, … minutes, up to six hours, so that neither a failure nor a killed worker loses one.
    """
    now = clock.now()
    due = db.session.scalars(
        select(Notification)
        .where(Notification.next_attempt_at <= now)
        .order_by(Notification.next_attempt_at, Notification.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    for notification in due:
        notification.attempts += 1
        notification.next_attempt_at = now + _delay(notification.attempts)
    return [Delivery(notification.id, notification.volunteer_id, notification.kind) for notification in due]


def send(deliveries: Sequence[Delivery], channel: Channel) -> tuple[list[UUID], list[UUID]]:
    """Send what was claimed, in no transaction; returns the ids of those that went out and of those that failed.

    Those that the claim's first minute didn't suffice for are in neither list: another worker may have them by then.
    """
    sent: list[UUID] = []
    failed: list[UUID] = []
    until = clock.now() + CLAIM_IS_SAFE
    for delivery in deliveries:
        if clock.now() >= until:
            logger().warning("outbox_slow", left=len(deliveries) - len(sent) - len(failed))
            break
        try:
            channel.send(delivery)
        except Exception as error:  # whatever a channel fails of, it must not hold up the others
            notification_id = str(delivery.notification_id)
            logger().warning("notification_failed", notification_id=notification_id, error=type(error).__name__)
            failed.append(delivery.notification_id)
        else:
            sent.append(delivery.notification_id)
    return sent, failed


def settle(sent: Sequence[UUID], failed: Sequence[UUID]) -> None:
    """Record what went out; of what failed, give up what had its ten attempts, and leave the rest to its next one.

    Where this is lost the same ids are sent again, and a phone shows each once.
    """
    _finish(Notification.id.in_(sent), {"sent_at": clock.now(), "next_attempt_at": None})
    _finish(Notification.id.in_(failed) & (Notification.attempts >= MAX_ATTEMPTS), {"next_attempt_at": None})


def forget() -> int:
    """Delete notifications of more than a year ago, read or not, and those of erased people, some at a time.

    Something may still be written to an erased person's inbox, like the return of an activity that they planned.
    Returns how many.
    """
    over = clock.now() - timedelta(days=rules().notification_days)
    erased = select(Volunteer.id).where(Volunteer.erased_at.is_not(None))
    return delete_some(Notification, or_(Notification.created_at <= over, Notification.volunteer_id.in_(erased)))


def _finish(chosen: ColumnElement[bool], values: dict[str, datetime | None]) -> None:
    db.session.execute(
        update(Notification)
        .where(chosen, Notification.sent_at.is_(None))
        .values(values)
        .execution_options(synchronize_session=False)
    )


def _delay(attempts: int) -> timedelta:
    return min(FIRST_DELAY * (1 << (attempts - 1)), LONGEST_DELAY)
