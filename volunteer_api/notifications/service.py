"""The verbs of notifications: notify, read, deliver."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, select, update

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.ids import new_id
from volunteer_api.core.logs import logger
from volunteer_api.core.statements import insert
from volunteer_api.core.tasks import enqueue
from volunteer_api.notifications.channels import Channel, Delivery
from volunteer_api.notifications.models import Notification, NotificationKind
from volunteer_api.notifications.templates import render

DELIVER = "notifications.deliver"
BATCH = 500
MAX_ATTEMPTS = 10
FIRST_DELAY = timedelta(minutes=1)
LONGEST_DELAY = timedelta(hours=6)


def notify(*, volunteer_id: UUID, kind: str, values: dict[str, str], dedup_key: str) -> None:
    """Let a volunteer hear of something once: a second call with the same `dedup_key` changes nothing.

    The row is part of the caller's transaction and is sent after its commit. `values` fill the kind's template (see
    templates.py); more may be given for the phone, like the id of what to open. Raises ValueError for an unknown kind,
    KeyError for a missing value: both are faults of the caller's code.
    """
    known = NotificationKind(kind)
    # A row that can't be rendered would break the inbox for ever; better to fail where it is written.
    render(known, values)
    now = clock.now()
    written = db.session.scalar(
        insert(Notification)
        .values(
            id=new_id(),
            created_at=now,
            volunteer_id=volunteer_id,
            kind=known.value,
            values=values,
            dedup_key=dedup_key,
            attempts=0,
            next_attempt_at=now,
        )
        .on_conflict_do_nothing(index_elements=["dedup_key"])
        .returning(Notification.id)
    )
    if written is not None:
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


def deliver(channel: Channel) -> int:
    """Send what is due through `channel`; returns how many went out.

    The rows are locked until the commit and those that another worker holds are passed over, so each is sent once.
    After a crash between sending and commit it is sent again, with the same id. A failure is tried again after 1, 2,
    4, … minutes, up to six hours apart, ten times.
    """
    now = clock.now()
    due = db.session.scalars(
        select(Notification)
        .where(Notification.next_attempt_at <= now)
        .order_by(Notification.next_attempt_at, Notification.id)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    return sum(_send(notification, channel, now) for notification in due)


def _send(notification: Notification, channel: Channel, now: datetime) -> bool:
    notification.attempts += 1
    try:
        channel.send(Delivery(notification.id, notification.volunteer_id, notification.kind))
    except Exception as error:  # whatever a channel fails of, it must not hold up the others
        logger().warning("notification_failed", notification_id=str(notification.id), error=type(error).__name__)
        given_up = notification.attempts >= MAX_ATTEMPTS
        notification.next_attempt_at = None if given_up else now + _delay(notification.attempts)
        return False
    notification.sent_at = now
    notification.next_attempt_at = None
    return True


def _delay(attempts: int) -> timedelta:
    return min(FIRST_DELAY * (1 << (attempts - 1)), LONGEST_DELAY)
