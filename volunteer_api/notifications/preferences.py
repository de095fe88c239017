"""What somebody wants to hear of on her phones, and when; the inbox has everything all the same."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import settings
from volunteer_api.core.statements import among, insert
from volunteer_api.core.tasks import enqueue
from volunteer_api.notifications.groups import SWITCHABLE, Group
from volunteer_api.notifications.models import Notification, NotificationPreference, Push
from volunteer_api.notifications.providers import providers
from volunteer_api.notifications.service import DELIVER


@dataclass(frozen=True)
class QuietHours:
    """From one minute of the local day until another, that of the next day where it is not later."""

    from_minute: int
    to_minute: int

    def end_after(self, moment: datetime) -> datetime | None:
        """When the quiet hours in which a moment lies are over; None outside of them."""
        local = moment.astimezone(settings().zone)
        minute = local.hour * 60 + local.minute
        overnight = self.to_minute <= self.from_minute
        if overnight:
            inside = minute >= self.from_minute or minute < self.to_minute
        else:
            inside = self.from_minute <= minute < self.to_minute
        if not inside:
            return None
        day = local.date() + timedelta(days=1 if overnight and minute >= self.from_minute else 0)
        return clock.at_local(day, time(*divmod(self.to_minute, 60)))


@dataclass(frozen=True)
class Preferences:
    """The groups whose news is not pushed, and the hours in which a push waits (None: it never does)."""

    muted: frozenset[Group]
    quiet_hours: QuietHours | None


# Who said nothing sleeps from ten to seven.
DEFAULT = Preferences(frozenset(), QuietHours(22 * 60, 7 * 60))


def preferences_of(volunteer_ids: Collection[UUID]) -> dict[UUID, Preferences]:
    """The preferences of each of the people. One statement."""
    found = select(NotificationPreference).where(among(NotificationPreference.volunteer_id, volunteer_ids))
    given = {row.volunteer_id: _read(row) for row in db.session.scalars(found)}
    return {one: given.get(one, DEFAULT) for one in volunteer_ids}


def read(volunteer_id: UUID) -> dict[str, Any]:
    """Somebody's preferences, and what a device can subscribe with."""
    found = preferences_of([volunteer_id])[volunteer_id]
    quiet = found.quiet_hours
    return {
        "push": {group.value: group not in found.muted for group in SWITCHABLE},
        "quiet_hours": {"from": _told(quiet.from_minute), "to": _told(quiet.to_minute)} if quiet is not None else None,
        "providers": [{"name": name, "public_key": one.public_key} for name, one in sorted(providers().items())],
    }


def replace(volunteer_id: UUID, *, push: Mapping[str, bool], quiet_hours: Mapping[str, str] | None) -> None:
    """Let these be the whole of somebody's preferences; a group that is not named is pushed.

    `quiet_hours` are {"from": "22:00", "to": "07:00"} of the local day. What waits is looked at by the new ones.
    """
    former = preferences_of([volunteer_id])[volunteer_id].quiet_hours
    held_until = former.end_after(clock.now()) if former is not None else None
    row: dict[str, Any] = {
        "muted": [group for group in SWITCHABLE if not push.get(group, True)],
        "quiet_from_minute": _minute(quiet_hours["from"]) if quiet_hours is not None else None,
        "quiet_to_minute": _minute(quiet_hours["to"]) if quiet_hours is not None else None,
    }
    statement = insert(NotificationPreference).values(volunteer_id=volunteer_id, **row)
    db.session.execute(statement.on_conflict_do_update(index_elements=[NotificationPreference.volunteer_id], set_=row))
    waits = (Notification.volunteer_id == volunteer_id) & Notification.next_attempt_at.is_not(None)
    db.session.execute(update(Notification).where(waits).values(next_attempt_at=clock.now()))
    if held_until is not None:
        # What failed before they began. By the moment, for another push may be on its way just now.
        own = select(Notification.id).where(Notification.volunteer_id == volunteer_id)
        held = Push.notification_id.in_(own) & (Push.next_attempt_at == held_until)
        woken = update(Push).where(held).values(next_attempt_at=clock.now())
        db.session.execute(woken.execution_options(synchronize_session=False))
    enqueue(DELIVER)


def _read(row: NotificationPreference) -> Preferences:
    quiet = None
    if row.quiet_from_minute is not None and row.quiet_to_minute is not None:
        quiet = QuietHours(row.quiet_from_minute, row.quiet_to_minute)
    # A group of a later release, which was rolled back, switches nothing off.
    return Preferences(frozenset(group for group in SWITCHABLE if group in row.muted), quiet)


def _minute(told: str) -> int:
    hour, minute = map(int, told.split(":"))
    return hour * 60 + minute


def _told(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
