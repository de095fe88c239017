"""Service that can be disputed. Call them inside a unit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from tests.feedback.factories import Past, make_past
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME
from volunteer_api.hours import service as hours
from volunteer_api.hours.models import ServiceRecord, Source
from volunteer_api.hours.notices import HOURS_CREDITED
from volunteer_api.stations.models import Station

SHIFT_MINUTES = 120


@dataclass(frozen=True)
class Served:
    """A shift of two hours that is over; the first volunteer's attendance is held, nothing is known of the last."""

    past: Past
    shift_id: UUID
    attendance_id: UUID
    volunteer_id: UUID
    unknown_id: UUID

    @property
    def scene(self) -> Any:
        return self.past.scene

    def backfilled(self, minutes: int, *, recorder_id: UUID, approver_id: UUID) -> UUID:
        """A record of somebody of whom nothing else is known."""
        shift = db.session.get_one(Shift, self.shift_id)
        activity = db.session.get_one(Activity, shift.activity_id)
        told = hours.described(activity, shift, None, shift.starts_at, None, None) | {"leader_id": None}
        return self._write(
            minutes, shift.starts_at, shift.ends_at, told, recorder_id=recorder_id, approver_id=approver_id
        )

    def duty(self, minutes: int, starts_at: datetime, **people: UUID) -> UUID:
        """The same of a duty at the scene's station."""
        station = db.session.get_one(Station, self.scene.station_id)
        told = hours.described(None, None, station, starts_at, None, None)
        return self._write(minutes, starts_at, starts_at + timedelta(minutes=minutes), told, **people)

    def _write(self, minutes: int, starts_at: datetime, ends_at: datetime, told: Any, **people: UUID) -> UUID:
        record = ServiceRecord(
            volunteer_id=self.unknown_id,
            minutes=minutes,
            source=Source.BACKFILLED,
            starts_at=starts_at,
            ends_at=ends_at,
            reason="补录",
            **people,
            **told,
        )
        hours.write(record, told=HOURS_CREDITED)
        return record.id


def make_served(*, ended: timedelta = timedelta(hours=1), state: State = State.HELD) -> Served:
    """The shift, whose activity the scene's team leads."""
    past = make_past(people=1, ended=ended, state=state)
    other = make_past(people=1, scene=past.scene)
    shift = db.session.scalars(select(Shift).where(Shift.activity_id == past.activity_id)).one()
    attendance = db.session.scalars(select(Attendance).where(Attendance.shift_id == shift.id)).one()
    return Served(past, shift.id, attendance.id, past.people[0], other.people[0])


def ledger_sum(volunteer_id: UUID) -> int:
    """What the ledger holds of a volunteer in all."""
    total = select(func.sum(ServiceRecord.minutes)).where(ServiceRecord.volunteer_id == volunteer_id)
    return int(db.session.scalar(total) or 0)


def tally_sum(volunteer_id: UUID) -> int:
    """What the volunteer's tally says."""
    return hours.tally(volunteer_id, ALL_TIME).credited_minutes
