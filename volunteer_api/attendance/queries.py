"""What check-in, check-out and the lists of attendances read."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Label, Select, Uuid, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Bundle, aliased

from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.queries import consents_to
from volunteer_api.activities.access import led_by
from volunteer_api.activities.models import Activity, ActivityLeader, Shift
from volunteer_api.attendance.models import (
    Attendance,
    GivenCodes,
    Grade,
    RollCallMark,
    RollCallStatus,
    State,
    WaitingCheckOut,
)
from volunteer_api.core import clock
from volunteer_api.core.database import Base, UtcDateTime, db
from volunteer_api.core.settings import rules
from volunteer_api.organizations.access import Permission, roles_with
from volunteer_api.organizations.models import Grant, Organization, PathMember, ScopeType
from volunteer_api.sign_ups.models import SignUp, SignUpState
from volunteer_api.stations.models import Station
from volunteer_api.teams.models import Membership, MembershipState, Team

Same = aliased(Attendance, name="same")
Others = aliased(Attendance, name="others")
Theirs = aliased(SignUp, name="theirs")
# How long after its end a shift without a check-out counts as served, and how long a duty.
SERVES_AFTER = timedelta(hours=2)
ONE_DAY = timedelta(days=1)
MOST_AROUND = 100
# What somebody rejected; a roll-call takes its own word back without that.
DECIDED_AGAINST = and_(Attendance.state == State.REJECTED, Attendance.reviewed_by.is_not(None))
SHIFT_COLUMNS = ("id", "created_at", "starts_at", "ends_at", "canceled_at")
ACTIVITY_COLUMNS = ("state", "published_at", "created_by", "latitude", "longitude", "radius_m")
# What a record of the ledger, and what is counted beside it, say of an activity.
COUNTED_COLUMNS = (
    "id",
    "title",
    "place_name",
    "organization_id",
    "organization_path_id",
    "team_id",
    "station_id",
    "campaign_id",
)
# Parameters of statements that are built once.
VOLUNTEER_ID: BindParameter[UUID] = bindparam("volunteer_id", type_=Uuid())
SHIFT_IDS: BindParameter[Any] = bindparam("shift_ids", type_=Uuid(), expanding=True)
# One row of several columns, whose types the caller knows.
Rows = Select[*tuple[Any, ...]]


def scene_of_check_in(volunteer_id: UUID, shift_id: UUID, moment: datetime) -> Rows:
    """All that a check-in to a shift at a moment looks at, in one row.

    The shift and its activity, the confirmed sign-up, whether the volunteer leads, an attendance at this very shift
    that was not rejected (`same`), if any, whether she has `others` that the check-in may change, whether a check-out
    of hers `waits` for its check-in, and at how many shifts she is that day on her own word (`unsigned`).
    """
    theirs = Theirs.shift_id == Others.shift_id, Theirs.volunteer_id == Others.volunteer_id
    unsigned = (
        Others.shift_id.is_not(None),
        Others.check_in_scanned_by.is_(None),
        Others.check_in_recorder_id.is_(None),
        ~exists().where(*theirs, Theirs.state == SignUpState.CONFIRMED),
    )
    besides = *_besides(volunteer_id, moment), _count_on("unsigned", volunteer_id, moment, *unsigned)
    return (
        _scene(volunteer_id, Same, *_at_the_end(volunteer_id), *besides)
        .outerjoin(
            Same, (Same.volunteer_id == volunteer_id) & (Same.shift_id == Shift.id) & (Same.state != State.REJECTED)
        )
        .where(Shift.id == shift_id)
        .order_by(Same.id)
        .limit(1)
    )


@cache
def plain_scene_of_check_in() -> Rows:
    """What `scene_of_check_in` reads, of parameters `volunteer_id`, `shift_id` and `moment`: the columns alone that a
    judgment needs, and whether there is anything that makes it no plain one (`busy`)."""
    return _scene(
        VOLUNTEER_ID,
        _is_busy(VOLUNTEER_ID, bindparam("shift_id", type_=Uuid()), bindparam("moment", type_=UtcDateTime())).label(
            "busy"
        ),
        of=(*_of(Shift, SHIFT_COLUMNS), *_of(Activity, ACTIVITY_COLUMNS)),
    ).where(Shift.id == bindparam("shift_id"))


@cache
def is_plain() -> ColumnElement[bool]:
    """The guard of a new attendance: nothing of the volunteer's may be changed by it, and nobody holds her now."""
    volunteer_id: BindParameter[UUID] = bindparam("row_volunteer_id", type_=Uuid())
    moment: BindParameter[datetime] = bindparam("row_checked_in_at", type_=UtcDateTime())
    free = select(Volunteer.id).where(Volunteer.id == volunteer_id, Volunteer.erased_at.is_(None))
    return and_(
        ~_is_busy(volunteer_id, bindparam("row_shift_id", type_=Uuid()), moment),
        free.with_for_update(key_share=True, skip_locked=True).scalar_subquery().is_not(None),
    )


@cache
def is_plain_and_consented() -> ColumnElement[bool]:
    """The same of one that has the volunteer's place: she consents to that still."""
    return and_(is_plain(), consents_to(bindparam("row_volunteer_id", type_=Uuid()), ConsentKind.LOCATION))


def _is_busy(volunteer_id: Any, shift_id: Any, moment: Any) -> ColumnElement[bool]:
    """Whether a check-in finds an attendance at the shift, others that it may change, or a check-out that waits."""
    same = exists().where(Same.volunteer_id == volunteer_id, Same.shift_id == shift_id, Same.state != State.REJECTED)
    waits = exists().where(WaitingCheckOut.volunteer_id == volunteer_id)
    return or_(same, _touched(Others, volunteer_id, moment).exists(), waits)


def scene_of_duty(volunteer_id: UUID, station_id: UUID, moment: datetime) -> Rows:
    """All that a check-in to a duty looks at, in one row.

    The station, the volunteer's part in it, a duty of hers at this station in which the moment lies (`same`), if any:
    an open one in whose frame, or in the half hour before whose beginning, it lies; whether she has `others` that the
    check-in may change, whether a check-out of hers `waits` for its check-in, and how many `duties` she has that day.
    """
    # What was told of earlier than that may be a duty of its own, whose check-out is on its way.
    before = moment + timedelta(minutes=rules().check_in_opens_minutes)
    lies_in = or_(
        and_(Same.state == State.OPEN, Same.frame_ends_at > moment, Same.checked_in_at <= before),
        and_(Same.checked_in_at <= moment, Same.checked_out_at > moment),
    )
    duties = _count_on("duties", volunteer_id, moment, Others.station_id.is_not(None))
    return (
        _duty(volunteer_id, moment, Same, *_besides(volunteer_id, moment), duties)
        .outerjoin(
            Same,
            and_(
                Same.volunteer_id == volunteer_id,
                Same.station_id == Station.id,
                Same.state != State.REJECTED,
                lies_in,
            ),
        )
        .where(Station.id == station_id)
        .order_by(Same.id)
        .limit(1)
    )


def scene_of_duty_check_out(volunteer_id: UUID, attendance_id: UUID) -> Rows:
    """All that a check-out of a duty looks at, in one row, with the attendance as it is under the volunteer's lock."""
    return (
        _duty(volunteer_id, Attendance.frame_starts_at, Attendance, _others(volunteer_id))
        .join(Attendance, Attendance.station_id == Station.id)
        .where(Attendance.id == attendance_id)
        .execution_options(populate_existing=True)
    )


def scene_of_check_out(volunteer_id: UUID, attendance_id: UUID) -> Rows:
    """All that a check-out looks at, in one row, with the attendance as it is under the volunteer's lock.

    `others` is whether she has other attendances that the check-out may change.
    """
    return (
        _scene(volunteer_id, Attendance, *_at_the_end(volunteer_id), _others(volunteer_id))
        .join(Attendance, Attendance.shift_id == Shift.id)
        .where(Attendance.id == attendance_id)
        .execution_options(populate_existing=True)
    )


@cache
def scenes_of_batch() -> Rows:
    """What both ends of attendances look at of several shifts, of parameters `volunteer_id` and `shift_ids`.

    The columns alone that their judgment and their minutes need.
    """
    of = _columns(SHIFT_COLUMNS, ACTIVITY_COLUMNS + COUNTED_COLUMNS)
    return _scene(VOLUNTEER_ID, *_at_the_end(VOLUNTEER_ID), of=of).where(Shift.id.in_(SHIFT_IDS))


@cache
def known_to_batch() -> Select[Attendance]:
    """A volunteer's attendances as they are under the lock, of parameters `volunteer_id`, `moment` and `shift_ids`.

    As `line_since`, those at the shifts named whenever they were; with them all that somebody decided to reject.
    """
    moment: BindParameter[datetime] = bindparam("moment", type_=UtcDateTime())
    standing = and_(
        Attendance.state != State.REJECTED, _reaches(Attendance, moment, Attendance.shift_id.in_(SHIFT_IDS))
    )
    return (
        select(Attendance)
        .where(Attendance.volunteer_id == VOLUNTEER_ID, or_(standing, DECIDED_AGAINST))
        .execution_options(populate_existing=True)
    )


@cache
def waited_for() -> Select[str]:
    """The keys of the check-ins that check-outs of a volunteer wait for, of a parameter `volunteer_id`."""
    return select(WaitingCheckOut.check_in_key).where(WaitingCheckOut.volunteer_id == VOLUNTEER_ID)


def line_since(volunteer_id: UUID, moment: datetime) -> Select[Attendance]:
    """A volunteer's attendances that began at a moment or later, or were not over then, as they are under the lock."""
    return _touched(Attendance, volunteer_id, moment).execution_options(populate_existing=True)


def around(attendance: Attendance, ends_at: datetime) -> Select[Attendance]:
    """What an attendance that ends then is judged beside: the volunteer's others, the latest hundred.

    Those that began at most a day before or after. Before them, what somebody decided to reject at the same shift,
    whenever it was tapped, or of duties at the same station, as long after as evidence is believed.
    """
    begins_at = attendance.checked_in_at
    near = and_(
        Attendance.state != State.REJECTED,
        Attendance.checked_in_at > begins_at - ONE_DAY,
        Attendance.checked_in_at < ends_at + ONE_DAY,
    )
    here = (
        Attendance.shift_id == attendance.shift_id
        if attendance.shift_id is not None
        else and_(
            Attendance.station_id == attendance.station_id,
            Attendance.checked_in_at > begins_at - ONE_DAY,
            Attendance.checked_in_at < ends_at + timedelta(hours=rules().late_evidence_hours),
        )
    )
    return (
        select(Attendance)
        .where(
            Attendance.volunteer_id == attendance.volunteer_id,
            Attendance.id != attendance.id,
            or_(near, and_(DECIDED_AGAINST, here)),
        )
        .order_by(DECIDED_AGAINST.desc(), Attendance.checked_in_at.desc(), Attendance.id)
        .limit(MOST_AROUND)
    )


def last_at(volunteer_id: UUID, *, shift_id: UUID | None = None, station_id: UUID | None = None) -> Select[Attendance]:
    """The volunteer's last attendances at a shift or a station, the latest first; at most twenty."""
    target = Attendance.shift_id == shift_id if shift_id is not None else Attendance.station_id == station_id
    return (
        select(Attendance)
        .where(Attendance.volunteer_id == volunteer_id, target)
        .order_by(Attendance.checked_in_at.desc(), Attendance.id.desc())
        .limit(20)
    )


def numbered(volunteer_numbers: Collection[str]) -> Select[Volunteer]:
    """The volunteers with these numbers."""
    return select(Volunteer).where(Volunteer.volunteer_number.in_(volunteer_numbers)).order_by(Volunteer.id)


def of_volunteer(volunteer_id: UUID) -> Select[Attendance]:
    """A volunteer's attendances."""
    return select(Attendance).where(Attendance.volunteer_id == volunteer_id)


def of_shift(shift_id: UUID) -> Rows:
    """A shift's attendances, each with whose it is."""
    return (
        select(*Attendance.__table__.columns, Bundle("volunteer", Volunteer.id, Volunteer.name))
        .join(Volunteer, Volunteer.id == Attendance.volunteer_id)
        .where(Attendance.shift_id == shift_id)
    )


def serving(volunteer_id: UUID, station_id: UUID | None) -> Select[UUID]:
    """The volunteer's open attendance of a shift or a duty at the station, or at any station where None is named.

    A check-out that was forgotten gives no rights for days: a shift's attendance counts until two hours after its end,
    that of a duty as long as a duty may last. Nor does what anybody can claim alone: a place, a sign-up to what is open
    to all, or a code from the desk's screen. Somebody else has read her own code at the desk or put her on the roll; or
    she leads the activity; or the code of there says that she came, and somebody took her: into a team of the station's
    organization or of one above, or as who leads the activity chose her for the shift.
    """
    now = clock.now()
    vouched = or_(Attendance.check_in_scanned_by.is_not(None), Attendance.check_in_recorder_id.is_not(None))
    chosen = exists().where(
        SignUp.shift_id == Shift.id,
        SignUp.volunteer_id == volunteer_id,
        SignUp.state == SignUpState.CONFIRMED,
        SignUp.decided_by.is_not(None),
        SignUp.asked_by_team.is_(False),
        # Whom somebody names in her own place, no leader chose.
        SignUp.stands_in_for_id.is_(None),
    )
    taken = or_(_our_teams(volunteer_id).exists(), chosen)
    leads = and_(Activity.id.is_not(None), led_by(volunteer_id))
    in_time = or_(
        and_(
            Shift.starts_at <= now + timedelta(minutes=rules().check_in_opens_minutes),
            Shift.ends_at > now - SERVES_AFTER,
        ),
        and_(Attendance.shift_id.is_(None), Attendance.checked_in_at > now - timedelta(minutes=rules().duty_minutes)),
    )
    return (
        select(Attendance.id)
        .outerjoin(Shift, Shift.id == Attendance.shift_id)
        .outerjoin(Activity, Activity.id == Shift.activity_id)
        .join(Station, Station.id == func.coalesce(Attendance.station_id, Activity.station_id))
        .join(Organization, Organization.id == Station.organization_id)
        .where(
            Attendance.volunteer_id == volunteer_id,
            Attendance.state == State.OPEN,
            *(() if station_id is None else (Station.id == station_id,)),
            or_(vouched, leads, and_(Attendance.check_in_grade == Grade.STRONG, taken)),
            in_time,
        )
    )


def with_activity(attendance_id: UUID) -> Rows:
    """An attendance and the activity, or the station, that it was at."""
    return (
        select(Attendance, Activity, Station)
        .outerjoin(Shift, Shift.id == Attendance.shift_id)
        .outerjoin(Activity, Activity.id == Shift.activity_id)
        .outerjoin(Station, Station.id == Attendance.station_id)
        .where(Attendance.id == attendance_id)
    )


def shift_with_activity(shift_id: UUID) -> Rows:
    """A shift and its activity."""
    return select(Shift, Activity).join(Activity, Activity.id == Shift.activity_id).where(Shift.id == shift_id)


def waiting_minutes() -> Select[UUID, int]:
    """Every attendance of which minutes wait for review, and how many: what the tallies are compared with."""
    return select(Attendance.id, Attendance.held_minutes).where(Attendance.held_minutes != 0)


def _touched(attendance: Any, volunteer_id: Any, moment: Any) -> Select[Any]:
    return select(attendance).where(
        attendance.volunteer_id == volunteer_id, attendance.state != State.REJECTED, _reaches(attendance, moment)
    )


def _reaches(attendance: Any, moment: Any, *or_else: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether an attendance began at a moment or later, or was not over then.

    One that nobody checked out of is over once it is closed: what follows leaves it as it is.
    """
    return or_(
        attendance.checked_in_at >= moment,
        and_(attendance.checked_out_at.is_(None), attendance.state == State.OPEN),
        attendance.checked_out_at > moment,
        *or_else,
    )


def _at_the_end(volunteer_id: Any) -> tuple[Label[UUID], Label[bool]]:
    """What a check-out looks at beside a check-in: who leads the activity, and whether she was marked absent."""
    leader_id = (
        select(ActivityLeader.volunteer_id)
        .where(ActivityLeader.activity_id == Activity.id)
        .order_by(ActivityLeader.volunteer_id)
        .limit(1)
        .scalar_subquery()
    )
    marked_absent = exists().where(
        RollCallMark.shift_id == Shift.id,
        RollCallMark.volunteer_id == volunteer_id,
        RollCallMark.status == RollCallStatus.ABSENT,
    )
    return leader_id.label("leader_id"), marked_absent.label("marked_absent")


def _besides(volunteer_id: UUID, moment: datetime) -> tuple[Label[bool], Label[bool]]:
    return (
        _touched(Others, volunteer_id, moment).exists().label("others"),
        exists().where(WaitingCheckOut.volunteer_id == volunteer_id).label("waits"),
    )


def _count_on(name: str, volunteer_id: UUID, moment: datetime, *those: ColumnElement[bool]) -> Label[int]:
    """How many of those attendances of the volunteer's began on the local day of a moment."""
    day = clock.local_date(moment)
    begins_at, ends_at = clock.days_between(day, day)
    found = select(func.count()).where(
        Others.volunteer_id == volunteer_id,
        Others.state != State.REJECTED,
        Others.checked_in_at >= begins_at,
        Others.checked_in_at < ends_at,
        *those,
    )
    return found.scalar_subquery().label(name)


def _others(volunteer_id: UUID) -> Label[bool]:
    touched = _touched(Others, volunteer_id, Attendance.checked_in_at).where(Others.id != Attendance.id)
    return touched.exists().label("others")


def _columns(of_shift: Sequence[str], of_activity: Sequence[str]) -> tuple[Bundle[Any], Bundle[Any]]:
    """Some columns of a shift and of its activity, in the place of both."""
    return Bundle("Shift", *_of(Shift, of_shift)), Bundle("Activity", *_of(Activity, of_activity))


def _of(model: type[Base], names: Sequence[str]) -> list[Any]:
    return [getattr(model, name) for name in names]


def _scene(volunteer_id: Any, *others: Any, of: tuple[Any, ...] = (Shift, Activity)) -> Rows:
    return (
        select(
            *of,
            SignUp.id.label("sign_up_id"),
            SignUp.team_id.label("team_id"),
            SignUp.created_at.label("signed_up_at"),
            (Activity.created_by == volunteer_id).label("planned"),
            led_by(volunteer_id).label("leads"),
            _was_given(volunteer_id, Shift.id).label("has_codes"),
            consents_to(volunteer_id, ConsentKind.LOCATION).label("keeps_place"),
            *others,
        )
        .select_from(Shift)
        .join(Activity, Activity.id == Shift.activity_id)
        .outerjoin(
            SignUp,
            (SignUp.shift_id == Shift.id)
            & (SignUp.volunteer_id == volunteer_id)
            & (SignUp.state == SignUpState.CONFIRMED),
        )
    )


def _was_given(volunteer_id: Any, target_id: Any, *those: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether somebody was given presence codes of a shift or a station."""
    return exists().where(GivenCodes.volunteer_id == volunteer_id, GivenCodes.target_id == target_id, *those)


def _above() -> Any:
    """The row's organization and those above it, for `column.in_(...)`."""
    above = select(PathMember.ancestor_id).where(PathMember.path_id == Organization.path_id)
    # By name: from two statements further out it would not be found, and all organizations be above.
    return above.correlate(Organization).scalar_subquery()


def _our_teams(volunteer_id: UUID) -> Select[UUID]:
    """The teams of the row's organization, or of one above it, in which the volunteer is."""
    return (
        select(Membership.team_id)
        .join(Team, Team.id == Membership.team_id)
        .where(
            Membership.volunteer_id == volunteer_id,
            Membership.state == MembershipState.ACTIVE,
            Team.organization_id.in_(_above()),
        )
    )


def somebody_attended(shifts: ColumnElement[bool]) -> bool:
    """Whether a shift of which this is true has an attendance that is not rejected."""
    attended = exists().where(Attendance.shift_id == Shift.id, Attendance.state != State.REJECTED, shifts)
    return bool(db.session.scalar(select(attended)))


def _duty(volunteer_id: UUID, moment: Any, *others: Any) -> Rows:
    """`has_codes`: she was given codes of the station that were good at the moment."""
    manages = exists().where(
        Grant.volunteer_id == volunteer_id,
        Grant.revoked_at.is_(None),
        Grant.role.in_(roles_with(Permission.STATION_MANAGE)),
        or_(
            and_(Grant.scope_type == ScopeType.STATION, Grant.scope_id == Station.id),
            and_(Grant.scope_type == ScopeType.ORGANIZATION, Grant.scope_id.in_(_above())),
        ),
    )
    ours = _our_teams(volunteer_id)
    return (
        select(
            Station,
            manages.label("manages"),
            _was_given(volunteer_id, Station.id, GivenCodes.good_until > moment).label("has_codes"),
            ours.exists().label("belongs"),
            # One team gets the minutes: her primary one, if it is a team of here, and else no other.
            ours.where(Membership.is_primary).scalar_subquery().label("team_id"),
            consents_to(volunteer_id, ConsentKind.LOCATION).label("keeps_place"),
            *others,
        )
        .select_from(Station)
        .join(Organization, Organization.id == Station.organization_id)
    )
