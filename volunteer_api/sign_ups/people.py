"""Reading what the judgment has to know of volunteers and activities, in a number of statements that does not grow."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Uuid, and_, bindparam, exists, func, join, or_, select, text

from volunteer_api.accounts.models import Guardian, Volunteer
from volunteer_api.activities.leaders import leaders_of
from volunteer_api.activities.models import LONGEST_SHIFT, Activity, Shift, ShiftRole, SignUpMode
from volunteer_api.activities.prospects import Planned
from volunteer_api.activities.roles import roles_of
from volunteer_api.core.database import UtcDateTime, db, one_of
from volunteer_api.core.rows_within import RowsWithin
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import among, among_given
from volunteer_api.organizations.queries import ancestors_then_and_now
from volunteer_api.qualifications.queries import Credentials, credentials_of
from volunteer_api.sign_ups import queries
from volunteer_api.sign_ups.eligibility import Demands, Person
from volunteer_api.sign_ups.judgment import (
    Engagement,
    Judgment,
    Question,
    Standing,
    could_take,
    has_place,
    judge,
    may_be_promoted,
    overlapping,
    waitlist_is_open,
)
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState
from volunteer_api.teams.models import Membership, MembershipState

# How many who wait are looked at first, and then at once at the most.
LINE, LONGEST_LINE = 20, 500


def prospects(
    caller_id: UUID | None,
    planned: Planned,
    now: datetime,
    roles: Sequence[ShiftRole | None] = (),
    facts: list[list[Any]] | None = None,
) -> list[Judgment]:
    """What would come of the caller's signing up for each of these shifts, in the role beside it where one is.

    One statement for somebody whose `facts` are not read yet, none for nobody; some more where an activity asks for
    members, trainings or insurance, and some where somebody waits beside a free place.
    """
    activities = {activity.id: activity for activity, _ in planned}.values()
    standing = None
    if caller_id is not None:
        known = {caller_id: _facts().read(facts)} if facts else _known([caller_id], now)
        standing = _standings(known, activities, now)[caller_id]
    demands = demands_of(activities if caller_id is not None else ())
    none = Demands()
    asked: Sequence[Question] = [
        Question(activity, shift, demands.get(activity.id, none), now, role=role)
        for (activity, shift), role in zip(planned, roles or [None] * len(planned), strict=True)
    ]
    if standing is not None:
        asked = _with_called(with_kept(asked), standing)
    return [judge(question, standing) for question in asked]


def caller_facts() -> ColumnElement[Any]:
    """What `prospects` takes as `facts`, as a column beside those of another statement."""
    return _facts().column


def facts_values(caller_id: UUID, now: datetime) -> dict[str, Any]:
    """The parameters of `caller_facts`."""
    return {"caller_id": caller_id, "engaged_since": _engaged_since(now)}


def standing_of(volunteer_id: UUID, activity: Activity, now: datetime, team_id: UUID | None = None) -> Standing:
    """One volunteer's standing, for a sign-up for `team_id` where one is named."""
    return standings_of([volunteer_id], [activity], now, [team_id] if team_id is not None else ())[volunteer_id]


def standings_of(
    volunteer_ids: Collection[UUID], activities: Collection[Activity], now: datetime, team_ids: Iterable[UUID] = ()
) -> dict[UUID, Standing]:
    """The volunteers' standings at `now`, as far as these activities and the teams named ask; whom nobody knows is left
    out.
    """
    return _standings(_known(volunteer_ids, now), activities, now, team_ids)


def _standings(
    rows: Mapping[UUID, Sequence[Any]],
    activities: Collection[Activity],
    now: datetime,
    team_ids: Iterable[UUID] = (),
) -> dict[UUID, Standing]:
    engagements: dict[UUID, list[Engagement]] = {volunteer_id: [] for volunteer_id in rows}
    for volunteer_id, found in rows.items():
        engagements[volunteer_id] = [_engagement(row) for row in found if row.sign_up_id is not None]
    named = {*team_ids, *(one.team_id for one in activities if one.members_only and one.team_id is not None)}
    teams = _teams(rows, named) if named else {}
    by_invitation = [one.id for one in activities if one.sign_up_mode == SignUpMode.INVITATION]
    leaders = leaders_of(by_invitation) if by_invitation else {}
    credentials = credentials_of(rows.keys()) if any(map(asks_for_credentials, activities)) else {}
    absences = _absences(rows, now) if rules().no_show_limit else {}
    return {
        volunteer_id: Standing(
            engagements[volunteer_id],
            Person(
                birth_date=found[0].birth_date,
                skills=found[0].skills,
                has_guardian=bool(found[0].has_guardian),
                has_guardian_contact=bool(found[0].has_guardian_contact),
                team_ids=teams.get(volunteer_id, ()),
                leads=[one for one in by_invitation if volunteer_id in leaders[one]],
                credentials=credentials.get(volunteer_id) or Credentials(),
                absences=absences.get(volunteer_id, 0),
            ),
        )
        for volunteer_id, found in rows.items()
    }


def asks_for_credentials(activity: Activity) -> bool:
    """Whether an insurance or a training is needed to take part in it."""
    return activity.hazardous or bool(activity.required_training_ids)


def demands_of(activities: Collection[Activity]) -> dict[UUID, Demands]:
    """What each of the activities asks for beside what stands in it; a statement where one of them is hazardous."""
    hazardous = {_holder_of(one) for one in activities if one.hazardous}
    insurers = ancestors_then_and_now(hazardous) if hazardous else {}
    absences, turns_away = rules().no_show_limit or None, rules().no_shows_refuse
    plain = Demands(
        absences=absences,
        turns_away=turns_away,
        minors_in_hazardous=rules().minors_in_hazardous,
        minors_at_night=rules().minors_at_night,
    )
    return {
        one.id: replace(plain, insurer_ids=insurers[_holder_of(one)]) if one.hazardous else plain for one in activities
    }


def _holder_of(activity: Activity) -> tuple[UUID, UUID]:
    # Who stood above it when it was published insured what it does; so does who stands there since it was merged.
    return activity.organization_id, activity.organization_path_id


def question_of(activity: Activity, shift: Shift, now: datetime, **asked: Any) -> Question:
    """A question about one shift, with what its activity asks for."""
    return Question(activity, shift, demands_of([activity])[activity.id], now, **asked)


def with_kept(questions: Sequence[Question]) -> Sequence[Question]:
    """The questions, those about shifts with a free place that call nobody any more with what is kept for who waits.

    For whoever is busy or not eligible no place is kept. Of the other questions it makes no difference, and they cost
    nothing. Where many wait, as many are looked at as it takes to know that no place is left.
    """
    asked = {
        one.shift.id: Question(one.activity, one.shift, one.demands, one.now)
        for one in questions
        if one.shift.waitlisted_count and has_place(one.shift) and not waitlist_is_open(one.shift, one.now)
    }
    if not asked:
        return questions
    takers = _takers(asked, could_take)
    kept = {
        shift_id: Counter(place for one in found for place in {None, one.role_id}) for shift_id, found in takers.items()
    }
    return [one._replace(kept=kept.get(one.shift.id)) for one in questions]


def _with_called(questions: Sequence[Question], standing: Standing) -> Sequence[Question]:
    """The questions of somebody who waits, with her own sign-up where it gets a free place as soon as she asks.

    Nearly nobody waits beside a place that she could have: she became eligible by something that calls nobody.
    """
    waits = {one.shift_id: one for one in standing.engagements if one.state == SignUpState.WAITLISTED}
    asked: dict[UUID, Question] = {}
    for question in questions if waits else ():
        shift, mine = question.shift, waits.get(question.shift.id)
        if mine is not None and mine.role_has_place and has_place(shift) and waitlist_is_open(shift, question.now):
            chosen = question._replace(chosen=True, team_id=None)
            if _may_be_called(chosen, standing, mine.sign_up_id):
                asked[shift.id] = chosen
    if not asked:
        return questions
    takers = _takers(asked, _may_be_called, until={waits[shift_id].sign_up_id for shift_id in asked})
    called = {one.id for found in takers.values() for one in found}
    return [one._replace(called=called) if one.shift.id in asked else one for one in questions]


def _may_be_called(question: Question, standing: Standing | None, _sign_up_id: UUID) -> bool:
    return (
        standing is not None
        and may_be_promoted(question, standing.person)
        and overlapping(question.shift, standing.engagements) is None
    )


def _takers(
    asked: Mapping[UUID, Question],
    could: Callable[[Question, Standing | None, UUID], bool],
    until: Collection[UUID] = (),
) -> dict[UUID, list[Row[Any]]]:
    """Who of those that wait for each shift has one of its free places, if whoever `could` takes one, the first first.

    All lines are walked together, each as far as it takes to know that no place is left, or to a sign-up in `until`.
    """
    now = next(iter(asked.values())).now
    activities = {one.activity.id: one.activity for one in asked.values()}.values()
    takers: dict[UUID, list[Row[Any]]] = {shift_id: [] for shift_id in asked}
    # Of the shifts, and of their roles.
    room = {role.id: role.capacity - role.confirmed_count for found in roles_of(asked).values() for role in found}
    room |= {shift_id: _room_in(one.shift) for shift_id, one in asked.items()}
    left, after, limit = set(asked), 0, LINE
    while left and (line := queries.lines(left, after, limit)):
        standings = standings_of({one.volunteer_id for one in line}, activities, now)
        for one in line:
            places = {one.shift_id, one.role_id or one.shift_id}
            has_room = all(room[place] > 0 for place in places)
            if has_room and could(asked[one.shift_id], standings.get(one.volunteer_id), one.id):
                takers[one.shift_id].append(one)
                room.update({place: room[place] - 1 for place in places})
        looked_at = Counter(one.shift_id for one in line)
        goes_on = {one for one in left if looked_at[one] == limit and room[one] > 0}
        left = goes_on - {one.shift_id for one in line if one.id in until}
        after, limit = after + limit, min(limit * 5, LONGEST_LINE)
    return takers


def _room_in(shift: Shift) -> int:
    # Where there is no end of places, everybody who waits has one.
    return shift.waitlisted_count if shift.capacity is None else shift.capacity - shift.confirmed_count


def first_to_call(question: Question) -> dict[SignUp, UUID | None]:
    """Whom the free places of a shift would be given to first; see `first_of`."""
    after = 0
    while line := queries.line(question.shift, after, LONGEST_LINE):
        if called := first_of(line, question._replace(chosen=True, team_id=None)):
            return called
        after = line[-1].position or 0
    return {}


def first_of(line: Sequence[SignUp], question: Question) -> dict[SignUp, UUID | None]:
    """The first who are eligible still, one for each free place of the shift and of the role that they named.

    Each with the team that she named, if it is hers still. `line` is free at the time of the shift (see
    `queries.line`).
    """
    shift, named = question.shift, [one.team_id for one in line if one.team_id is not None]
    standings = standings_of([one.volunteer_id for one in line], [question.activity], question.now, named)
    roles = roles_of([shift.id])[shift.id] if any(one.role_id is not None for one in line) else ()
    room: dict[UUID | None, int] = {role.id: role.capacity - role.confirmed_count for role in roles}
    room[None] = len(line) if shift.capacity is None else shift.capacity - shift.confirmed_count
    called: dict[SignUp, UUID | None] = {}
    for one in line:
        standing = standings.get(one.volunteer_id)
        places = {None, one.role_id}
        if standing and may_be_promoted(question, standing.person) and all(room[place] for place in places):
            called[one] = team_still_hers(one, standing)
            room.update({place: room[place] - 1 for place in places})
    return called


def team_still_hers(mine: SignUp, standing: Standing) -> UUID | None:
    """The team that somebody named, None once she is not in it, or it is closed: she comes, for no team."""
    return mine.team_id if mine.team_id in standing.person.team_ids else None


def _known(volunteer_ids: Collection[UUID], now: datetime) -> dict[UUID, list[Any]]:
    values = {"volunteer_ids": list(volunteer_ids), "engaged_since": _engaged_since(now)}
    rows: dict[UUID, list[Any]] = {}
    connection = db.session.connection()
    for row in connection.execute(_people_given(connection.dialect.name), values):
        rows.setdefault(row.id, []).append(row)
    return rows


def _engaged_since(now: datetime) -> datetime:
    # An ended shift still asks for rest before one that began after it, and that may be running for as long as any.
    rest = timedelta(minutes=rules().rest_minutes)
    return now - rest - LONGEST_SHIFT if rest else now


@cache
def _people_given(dialect: str) -> Select[*tuple[Any, ...]]:
    # Of each table by itself: what PostgreSQL concludes from one value, it does not from an array.
    asked = [among_given(one, "volunteer_ids", dialect) for one in (Volunteer.id, SignUp.volunteer_id)]
    return _people(*asked)


@cache
def _facts() -> RowsWithin:
    return RowsWithin(_people(Volunteer.id == bindparam("caller_id", type_=Uuid())))


def _people(volunteers: ColumnElement[bool], *sign_ups: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Each of the volunteers with each of the engagements that end after `engaged_since`."""
    guardian = exists().where(Guardian.volunteer_id == Volunteer.id, Guardian.withdrawn_at.is_(None))
    role_has_place = or_(ShiftRole.id.is_(None), ShiftRole.confirmed_count < ShiftRole.capacity)
    counted = and_(
        SignUp.volunteer_id == Volunteer.id,
        *sign_ups,
        text(one_of("sign_ups.state", [*ACTIVE_SIGN_UPS, SignUpState.REJECTED])),
        Shift.ends_at > bindparam("engaged_since", type_=UtcDateTime()),
        Shift.canceled_at.is_(None),
    )
    return (
        select(
            Volunteer.id,
            Volunteer.birth_date,
            Volunteer.skills,
            guardian.label("has_guardian"),
            Volunteer.guardian_contact.is_not(None).label("has_guardian_contact"),
            SignUp.id.label("sign_up_id"),
            SignUp.shift_id,
            SignUp.role_id,
            SignUp.state,
            Shift.starts_at,
            Shift.ends_at,
            role_has_place.label("role_has_place"),
        )
        .select_from(Volunteer)
        .outerjoin(join(SignUp, Shift, Shift.id == SignUp.shift_id), counted)
        .outerjoin(ShiftRole, ShiftRole.id == SignUp.role_id)
        .where(volunteers, Volunteer.erased_at.is_(None))
        .order_by(Shift.starts_at, SignUp.id)
    )


def _engagement(row: Any) -> Engagement:
    return Engagement(
        row.sign_up_id,
        row.shift_id,
        row.state,
        row.starts_at,
        row.ends_at,
        role_has_place=bool(row.role_has_place),
        role_id=row.role_id,
    )


def _teams(volunteer_ids: Mapping[UUID, Any], team_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    found: dict[UUID, set[UUID]] = {}
    memberships = select(Membership.volunteer_id, Membership.team_id).where(
        among(Membership.volunteer_id, volunteer_ids),
        Membership.team_id.in_(team_ids),
        Membership.state == MembershipState.ACTIVE,
    )
    for row in db.session.execute(memberships):
        found.setdefault(row.volunteer_id, set()).add(row.team_id)
    return found


def _absences(volunteer_ids: Mapping[UUID, Any], now: datetime) -> dict[UUID, int]:
    counted = (
        select(SignUp.volunteer_id, func.count().label("absences"))
        .join(Shift, Shift.id == SignUp.shift_id)
        .where(
            among(SignUp.volunteer_id, volunteer_ids),
            SignUp.absent_at.is_not(None),
            Shift.starts_at >= now - timedelta(days=rules().no_show_days),
        )
        .group_by(SignUp.volunteer_id)
    )
    return {row.volunteer_id: row.absences for row in db.session.execute(counted)}
