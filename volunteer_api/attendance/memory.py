"""What a batch looks at, read once: the plain taps of one volunteer change it here, and are written together.

It answers as queries.py does, from rows that the batch read at its beginning and from what its own taps made of them
since. What a tap means is judged where it always is; what a memory can't answer for sure is `NotPlain`, and goes the
general way.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import update

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance import queries, scene
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.attendance.scene import Scene
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.statements import insert_all
from volunteer_api.hours import service as hours
from volunteer_api.hours.service import Credited, Entries, Recorded
from volunteer_api.notifications.service import Notice, notify_all

# A tap looks a day back and forth from an attendance that begins a day before it, or less.
LOOKED_BACK, LOOKED_FORTH = timedelta(days=2), timedelta(days=2)
ONE_DAY = timedelta(days=1)
# More than anybody has in such a time.
MOST_REMEMBERED = 400
COLUMNS = tuple(column.key for column in Attendance.__table__.columns)


class NotPlain(Exception):
    """A tap that is for the general way: nothing has been changed by it yet."""


@dataclass(frozen=True)
class Seen:
    """What a check-in looks at of a row of `queries.scene_of_check_in`, with the scene of its shift."""

    Shift: Shift
    Activity: Activity
    leads: bool
    here: Scene
    # An attendance at this very shift, if any; whether others may be changed; at how many shifts of that day she is
    # without a sign-up; whether a check-out may wait for it.
    same: Attendance | None
    others: bool
    unsigned: int
    waits: bool = False


class Draft:
    """An attendance that has begun and is not written yet: the columns, without what the ORM keeps beside them."""

    def __init__(self, **given: Any) -> None:
        vars(self).update(dict.fromkeys(COLUMNS) | given)


def draft(**given: Any) -> Attendance:
    """A new attendance of these columns, which is none of the session's: whoever asks for it has it written."""
    return cast(Attendance, Draft(**given))


class Gathered:
    """What comes of several attendances, to be written by a few statements."""

    def __init__(self) -> None:
        self.new: dict[UUID, Attendance] = {}
        self.entries = Entries()
        self.notices: list[Notice] = []

    def write(self, known: Iterable[Attendance]) -> None:
        """Write it; `known` are the attendances that were there and may have changed."""
        new = list(self.new.values())
        # Who is named must be there before.
        named = {one: one.conflicts_with_id for one in (*known, *new) if one.conflicts_with_id in self.new}
        for attendance in named:
            attendance.conflicts_with_id = None
        # What was open is closed before another one is.
        db.session.flush()
        insert_all(Attendance, [vars(one) for one in new])
        if named:
            pairs = [{"id": one.id, "conflicts_with_id": other_id} for one, other_id in named.items()]
            db.session.execute(update(Attendance), pairs)
        self.entries.write()
        notify_all(self.notices)
        db.session.flush()


class Beside:
    """What an attendance is settled beside: its volunteer's others and her hours. She is locked; nobody changes them.

    `attendances` are those that began from a day before the attendance to a day after its end and all that somebody
    decided to reject at its shift, and `recorded` what the ledger has of her on its days.
    """

    def __init__(
        self, volunteer_id: UUID, attendances: list[Attendance], recorded: list[Recorded], gathered: Gathered
    ) -> None:
        self.volunteer_id = volunteer_id
        self.rejected = [one for one in attendances if one.state == State.REJECTED]
        self.attendances = [one for one in attendances if one.state != State.REJECTED]
        self.recorded: list[Recorded] | None = recorded
        self.gathered = gathered

    @property
    def entries(self) -> Entries:
        return self.gathered.entries

    def keep(self, attendance: Attendance) -> None:
        """Remember an attendance as it is now."""
        if isinstance(attendance, Draft) and attendance.id not in self.gathered.new:
            self.gathered.new[attendance.id] = attendance
            self.attendances.append(attendance)

    def around(self, attendance: Attendance, left_at: datetime) -> list[Attendance]:
        """As `queries.around`."""
        first, last = attendance.checked_in_at - queries.ONE_DAY, left_at + queries.ONE_DAY
        near = [one for one in self.attendances if one is not attendance and first < one.checked_in_at < last]
        near.sort(key=lambda one: one.id)
        near.sort(key=lambda one: one.checked_in_at, reverse=True)
        rejected = [one for one in self.rejected if one.shift_id == attendance.shift_id]
        return [*rejected, *near][: queries.MOST_AROUND]

    def credited_on(self, first: date, last: date, *, besides: Collection[UUID]) -> list[Credited]:
        """As `hours.credited_on`."""
        mine = [one for one in self.entries.credits if one.volunteer_id == self.volunteer_id]
        return hours.credited_among([*self._recorded(), *mine], first, last, besides=besides)

    def is_recorded(self, attendance: Attendance) -> bool:
        """Whether the ledger may have something of the attendance."""
        return bool(attendance.credited_minutes) or any(one.attendance_id == attendance.id for one in self._recorded())

    def _recorded(self) -> list[Recorded]:
        return self.recorded or []


class Memory(Beside):
    """The same for a whole batch of one volunteer's taps: with the shifts, and the check-outs that wait."""

    def __init__(self, volunteer_id: UUID, shift_ids: Collection[UUID], first: datetime, received_at: datetime) -> None:
        """Read them, of taps from the moment `first` on; `shift_ids` are those that are checked in to."""
        self.since, self.until = first - LOOKED_BACK, received_at + LOOKED_FORTH
        known = {"volunteer_id": volunteer_id, "moment": self.since, "shift_ids": [*shift_ids]}
        found = db.session.scalars(queries.known_to_batch().limit(MOST_REMEMBERED), known).all()
        self.is_whole = len(found) < MOST_REMEMBERED
        super().__init__(volunteer_id, list(found), [], Gathered())
        # Check-ins alone ask for no hours.
        self.recorded = None
        self.at: dict[UUID, Attendance] = {}
        for one in sorted(self.attendances, key=lambda one: one.id):
            if one.shift_id is not None:
                self.at.setdefault(one.shift_id, one)
        named = {one.shift_id for one in self.attendances if one.shift_id is not None}
        scenes = {"volunteer_id": volunteer_id, "shift_ids": [*named.union(shift_ids)]}
        self.rows = {row.Shift.id: row for row in db.session.execute(queries.scenes_of_batch(), scenes)}
        self.scenes: dict[UUID, Scene] = {}
        self.waiting = set(db.session.scalars(queries.waited_for(), {"volunteer_id": volunteer_id}))

    def scene_of_check_in(self, shift_id: UUID, moment: datetime, key: str | None) -> Seen | None:
        """What a check-in to a shift looks at, None where there is no such shift.

        Raises NotPlain where more would come of it than the end of the one that is open before.
        """
        row = self.rows.get(shift_id)
        if row is None:
            return None
        same = self.at.get(shift_id)
        others = self.line_since(moment)
        if key in self.waiting or (same is None and not all(self._only_ends(one, moment) for one in others)):
            raise NotPlain()
        unsigned = self._unsigned_on(clock.local_date(moment))
        return Seen(row.Shift, row.Activity, row.leads, self._scene(shift_id), same, bool(others), unsigned)

    def load_with_others(self, attendance: Attendance) -> tuple[Attendance, Scene, bool]:
        """As `scene.load_with_others`. Raises NotPlain where the ledger may have something of the attendance."""
        here = self.scene_of(attendance)
        if self.is_recorded(attendance):
            raise NotPlain()
        others = any(one is not attendance for one in self.line_since(attendance.checked_in_at))
        return attendance, here, others

    def attendance(self, attendance_id: UUID) -> Attendance:
        """An attendance of the volunteer's own. Raises NotPlain where it is not remembered."""
        found = next((one for one in self.attendances if one.id == attendance_id), None)
        if found is None:
            raise NotPlain()
        return found

    def scene_of(self, attendance: Attendance) -> Scene:
        """The scene of an attendance at a shift. Raises NotPlain where it reaches beyond what is remembered."""
        if attendance.shift_id is None or attendance.shift_id not in self.rows:
            raise NotPlain()
        here = self._scene(attendance.shift_id)
        begins, ends = min(here.starts_at, attendance.checked_in_at), here.ends_at
        if begins < self.since + ONE_DAY or ends > self.until - ONE_DAY:
            raise NotPlain()
        return here

    def line_since(self, moment: datetime) -> list[Attendance]:
        """As `queries.line_since`."""
        return [
            one
            for one in self.attendances
            if one.checked_in_at >= moment
            or (one.state == State.OPEN if one.checked_out_at is None else one.checked_out_at > moment)
        ]

    def keep(self, attendance: Attendance) -> None:
        """Remember an attendance as it is now."""
        super().keep(attendance)
        if attendance.shift_id is not None:
            self.at.setdefault(attendance.shift_id, attendance)

    def write(self) -> None:
        """Write what has come out."""
        self.gathered.write(self.attendances)

    def _unsigned_on(self, day: date) -> int:
        return sum(
            one.shift_id is not None
            and not (one.check_in_scanned_by or one.check_in_recorder_id)
            and self.rows[one.shift_id].sign_up_id is None
            for one in self.attendances
            if clock.local_date(one.checked_in_at) == day
        )

    def _scene(self, shift_id: UUID) -> Scene:
        here = self.scenes.get(shift_id)
        if here is None:
            here = self.scenes[shift_id] = scene.of_shift(self.rows[shift_id])
        return here

    def _recorded(self) -> list[Recorded]:
        if self.recorded is None:
            days = clock.local_date(self.since), clock.local_date(self.until)
            self.recorded = hours.recorded_on(self.volunteer_id, *days)
        return self.recorded

    def _only_ends(self, attendance: Attendance, moment: datetime) -> bool:
        """Whether a check-in at a moment does no more to the attendance than to end it."""
        self.scene_of(attendance)
        return (
            attendance.state == State.OPEN
            and attendance.checked_in_at < moment
            and attendance.check_out_tapped_at is None
            and attendance.check_out_recorder_id is None
            and attendance.reviewed_by is None
        )
