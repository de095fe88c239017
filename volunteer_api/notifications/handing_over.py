"""Handing news over to the devices of who is to hear of it, or not, or later: a row in `pushes` for each."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update

from volunteer_api.accounts.models import DeviceSession
from volunteer_api.accounts.queries import is_open
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.statements import among, insert_all
from volunteer_api.notifications import subscriptions
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.models import Notification, Push, PushSubscription
from volunteer_api.notifications.preferences import Preferences, preferences_of
from volunteer_api.notifications.providers import providers
from volunteer_api.notifications.templates import TEMPLATES, group_of

HANDED_OVER_AT_ONCE = 200
# Of a person; the latest that subscribed. Nobody carries more, and a thousand would be an attack.
MOST_DEVICES = 10
# What happened is pushed for so long; what was to begin, until so long after: those who are late look at the phone.
NEWS_FOR = timedelta(days=3)
NEWS_AFTER_BEGINNING = timedelta(hours=2)


def hand_over() -> int:
    """Hand due notifications to their readers' devices; returns how many were looked at.

    None is made of what was read meanwhile, is too old, is of a group that its reader switched off, or whose reader
    has no device. In quiet hours it waits, save what can't: see `is_urgent`.
    """
    now = clock.now()
    due = db.session.scalars(
        select(Notification)
        # What a release that runs beside this one has more of, it hands over itself.
        .where(Notification.next_attempt_at <= now, among(Notification.kind, list(TEMPLATES)))
        .order_by(Notification.next_attempt_at, Notification.id)
        .limit(HANDED_OVER_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    readers = {one.volunteer_id for one in due}
    devices = _devices_of(readers) if readers else {}
    preferences = preferences_of(readers & devices.keys()) if devices else {}
    pushes: list[dict[str, Any]] = []
    for one in due:
        one.next_attempt_at = None
        if one.volunteer_id not in devices or one.read_at is not None or useless_from(one) <= now:
            continue
        one.next_attempt_at = held_until(one, preferences[one.volunteer_id], now)
        if one.next_attempt_at is None and group_of(one.kind) not in preferences[one.volunteer_id].muted:
            one.sent_at = now
            pushes += [_push(one.id, session_id, now) for session_id in devices[one.volunteer_id]]
    db.session.flush()
    insert_all(Push, pushes, skip_known=True)
    return len(due)


def hand_over_last(session_id: UUID) -> None:
    """Let the device of a session that has just ended hear of what it was ended by, like a new password; then it ends.

    That is what was written of the account's security and not handed over yet: whoever did it may be somebody else,
    and the owner's phones are those that were signed out. Nothing else reaches the device any more.
    """
    now = clock.now()
    news = db.session.scalars(
        select(Notification.id)
        .join(DeviceSession, DeviceSession.volunteer_id == Notification.volunteer_id)
        .where(
            DeviceSession.id == session_id,
            Notification.next_attempt_at <= now,
            Notification.read_at.is_(None),
            among(Notification.kind, [kind for kind in TEMPLATES if group_of(kind) is Group.SECURITY]),
        )
    ).all()
    if not news:
        subscriptions.unsubscribe(session_id)
        return
    found = update(PushSubscription).where(PushSubscription.session_id == session_id)
    ended = found.values(ends_at=now + NEWS_FOR).returning(PushSubscription.session_id)
    if db.session.scalar(ended.execution_options(synchronize_session=False)) is not None:
        db.session.execute(delete(Push).where(Push.session_id == session_id))
        insert_all(Push, [_push(one, session_id, now) for one in news])


def held_until(notification: Notification, preferences: Preferences, now: datetime) -> datetime | None:
    """When the quiet hours of its reader are over; None where it goes out now."""
    quiet_end = preferences.quiet_hours.end_after(now) if preferences.quiet_hours is not None else None
    return None if quiet_end is None or is_urgent(notification, quiet_end) else quiet_end


def is_urgent(notification: Notification, until: datetime) -> bool:
    """Whether it can't wait: of the account itself, or of what begins before `until`, like a shift that is canceled."""
    begins = notification.happens_at
    return group_of(notification.kind) is Group.SECURITY or (begins is not None and begins <= until)


def useless_from(notification: Notification) -> datetime:
    """From when on a push of it would only annoy."""
    if notification.happens_at is not None:
        return notification.happens_at + NEWS_AFTER_BEGINNING
    return notification.created_at + NEWS_FOR


def _devices_of(volunteer_ids: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """The sessions of people whose devices can be pushed to now."""
    rows = db.session.execute(
        select(DeviceSession.volunteer_id, DeviceSession.id)
        .join(PushSubscription, PushSubscription.session_id == DeviceSession.id)
        .where(
            among(DeviceSession.volunteer_id, list(volunteer_ids)),
            PushSubscription.provider.in_(list(providers())),
            *is_open(),
        )
        .order_by(PushSubscription.created_at.desc(), DeviceSession.id)
        # Who ends one now waits until its pushes are written, and then deletes them too.
        .with_for_update(of=PushSubscription, read=True, key_share=True)
    )
    found: dict[UUID, list[UUID]] = defaultdict(list)
    for volunteer_id, session_id in rows:
        if len(found[volunteer_id]) < MOST_DEVICES:
            found[volunteer_id].append(session_id)
    return found


def _push(notification_id: UUID, session_id: UUID, now: datetime) -> dict[str, Any]:
    return {"notification_id": notification_id, "session_id": session_id, "attempts": 0, "next_attempt_at": now}
