"""Reading what the judgment has to know of volunteers and activities, in a number of statements that does not grow."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Uuid, and_, bindparam, exists, func, join, or_, select, text

from volunteer_api.accounts.models import Guardian, Volunteer
from volunteer_api.activities.models import LONGEST_SHIFT, Activity, Shift, ShiftRole
from volunteer_api.activities.prospects import Planned
from volunteer_api.activities.roles import roles_of
from volunteer_api.core.database import UtcDateTime, db, one_of
from volunteer_api.core.rows_within import RowsWithin
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import among, among_given
from volunteer_api.organizations.queries import ancestors_then_and_now
from volunteer_api.qualifications.queries import Credentials, credentials_of
from volunteer_api.sign_ups.eligibility import Demands, Person
from volunteer_api.sign_ups.judgment import (
    Engagement,
    Judgment,
    Question,
    Standing,
    has_place,
    judge,
    places_kept,
    waitlist_is_open,
)
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState
from volunteer_api.teams.models import Membership, MembershipState


def prospects(
    caller_id: UUID | None,
    planned: Planned,
    now: datetime,
    roles: Sequence[ShiftRole | None] = (),
    facts: list[list[Any]] | None = None,
) -> list[Judgment]:
    """What would come of the caller's signing up for each of these shifts, in the role beside it where one is.

    One statement for somebody whose `facts` are not read yet, none for nobody; some more where an activity asks for
    members, trainings or insurance, and one where somebody waits beside a place that is no longer given to who waits
    longest.
    """
    activities = {activity.id: activity for activity, _ in planned}.values()
    standing = None
    if caller_id is not None:
        known = {caller_id: _facts().read(facts)} if facts else _known([caller_id], now)
        standing = _standings(known, activities, now)[caller_id]
    demands = demands_of(activities if caller_id is not None else ())
    none = Demands()
    kept = kept_places([shift for _, shift in planned], now) if caller_id is not None else {}
    return [
        judge(
            Question(activity, shift, demands.get(activity.id, none), now, role=role, kept=kept.get(shift.id)), standing
        )
        for (activity, shift), role in zip(planned, roles or [None] * len(planned), strict=True)
    ]


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
    kept = kept_places([shift], now).get(shift.id)
    return Question(activity, shift, demands_of([activity])[activity.id], now, kept=kept, **asked)


def kept_places(shifts: Sequence[Shift | Any], now: datetime) -> dict[UUID, int]:
    """How many places are kept for who waits, of shifts with a free one that calls nobody any more. A statement there.

    Of the others it makes no difference.
    """
    asked = {
        shift.id: shift
        for shift in shifts
        if shift.waitlisted_count and has_place(shift) and not waitlist_is_open(shift, now)
    }
    if not asked:
        return {}
    return {shift_id: places_kept(asked[shift_id], found) for shift_id, found in roles_of(asked).items()}


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
