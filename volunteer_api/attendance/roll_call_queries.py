"""What a roll-call reads: a number of statements that does not grow with the list."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import and_, false, null, or_, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, ActivityLeader, Shift
from volunteer_api.attendance import scene
from volunteer_api.attendance.memory import Beside, Gathered
from volunteer_api.attendance.models import Attendance, RollCallMark, State
from volunteer_api.attendance.queries import DECIDED_AGAINST, ONE_DAY
from volunteer_api.attendance.scene import Scene
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.hours import service as hours
from volunteer_api.sign_ups.models import SignUp, SignUpState

# More than the people of a list have in a few days.
MOST_BESIDE = 2000


@dataclass
class Person:
    """Somebody on the list, as she is under her lock.

    `attendance` is her latest at this shift, one that was not rejected before all others; `elsewhere` her open one at
    another place. With `beside`, what comes of her is written with what comes of the others.
    """

    id: UUID
    name: str
    sign_up: SignUp | None = None
    attendance: Attendance | None = None
    elsewhere: Attendance | None = None
    mark: RollCallMark | None = None
    beside: Beside | None = None

    @property
    def is_known_here(self) -> bool:
        """Whether the shift has to do with her: nobody else's name is told by a number."""
        return self.sign_up is not None or self.attendance is not None or self.mark is not None


def accounts_of(phones: Collection[str]) -> dict[str, UUID]:
    """The accounts of E.164 numbers, without those that nobody has."""
    if not phones:
        return {}
    found = db.session.execute(select(Volunteer.phone, Volunteer.id).where(Volunteer.phone.in_(phones)))
    return {str(row.phone): row.id for row in found}


def people_at(shift_id: UUID, volunteer_ids: Collection[UUID]) -> dict[UUID, Person]:
    """What the shift knows of these people; whom nobody knows is left out."""
    known = select(Volunteer.id, Volunteer.name).where(Volunteer.id.in_(volunteer_ids), Volunteer.erased_at.is_(None))
    people = {row.id: Person(row.id, row.name) for row in db.session.execute(known)}
    signed_up = select(SignUp).where(
        SignUp.shift_id == shift_id, SignUp.volunteer_id.in_(people), SignUp.state == SignUpState.CONFIRMED
    )
    for sign_up in db.session.scalars(signed_up.execution_options(populate_existing=True)):
        people[sign_up.volunteer_id].sign_up = sign_up
    marked = select(RollCallMark).where(RollCallMark.shift_id == shift_id, RollCallMark.volunteer_id.in_(people))
    for mark in db.session.scalars(marked.execution_options(populate_existing=True)):
        people[mark.volunteer_id].mark = mark
    present = (
        select(Attendance)
        .where(
            Attendance.volunteer_id.in_(people),
            or_(Attendance.shift_id == shift_id, Attendance.state == State.OPEN),
        )
        .order_by(Attendance.id)
        .execution_options(populate_existing=True)
    )
    for attendance in db.session.scalars(present):
        person = people[attendance.volunteer_id]
        if attendance.shift_id != shift_id:
            person.elsewhere = attendance
        elif person.attendance is None or attendance.state != State.REJECTED:
            person.attendance = attendance
    return people


def read_beside(people: Collection[Person], shift: Shift, until: datetime, gathered: Gathered) -> None:
    """Read what the attendances of these people are settled beside, at once; `until` is when they end at the latest."""
    ids = [person.id for person in people]
    began = [person.attendance.checked_in_at for person in people if person.attendance is not None]
    opens_at = shift.starts_at - timedelta(minutes=rules().check_in_opens_minutes)
    near = and_(
        Attendance.state != State.REJECTED,
        Attendance.checked_in_at > min([opens_at, *began]) - ONE_DAY,
        Attendance.checked_in_at < until + ONE_DAY,
    )
    rejected = and_(DECIDED_AGAINST, Attendance.shift_id == shift.id)
    around = (
        select(Attendance)
        .where(Attendance.volunteer_id.in_(ids), or_(near, rejected))
        .limit(MOST_BESIDE + 1)
        .execution_options(populate_existing=True)
    )
    found = db.session.scalars(around).all()
    if len(found) > MOST_BESIDE:
        # Then each by herself, who reads no more than a hundred.
        return
    recorded = hours.recorded_of(ids, clock.local_date(shift.starts_at), clock.local_date(shift.ends_at))
    for person in people:
        mine = [one for one in found if one.volunteer_id == person.id]
        person.beside = Beside(person.id, mine, recorded[person.id], gathered)


def scene_of(shift_id: UUID) -> Scene:
    """The scene of a shift for nobody in particular: without a sign-up."""
    leader = (
        select(ActivityLeader.volunteer_id)
        .where(ActivityLeader.activity_id == Activity.id)
        .order_by(ActivityLeader.volunteer_id)
        .limit(1)
        .scalar_subquery()
    )
    row = db.session.execute(
        select(
            Shift,
            Activity,
            null().label("sign_up_id"),
            null().label("team_id"),
            null().label("signed_up_at"),
            false().label("planned"),
            false().label("leads"),
            false().label("has_codes"),
            leader.label("leader_id"),
        )
        .join(Activity, Activity.id == Shift.activity_id)
        .where(Shift.id == shift_id)
    ).one()
    return scene.of_shift(row)
