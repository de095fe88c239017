"""Activities for one volunteer, each with the reasons why: near her, of her teams, of what she can do and has done.

Some sixty activities of each kind are looked at, however many there are; what she would be refused, what has no free
place for her and what she already goes to is left out by the judgment that a sign-up itself meets. What many are
refused for (no place, a team that is not hers, her age) the database leaves out before; where the judgment leaves too
few, further ones are looked at, a bounded number of times. Each statement is built once, and she is bound to it by
name: to build them took most of the time of an answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Integer,
    Select,
    Uuid,
    bindparam,
    exists,
    func,
    literal_column,
    or_,
    select,
    union,
)

from volunteer_api.accounts.ages import age_on
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import listing
from volunteer_api.activities.models import SPOT, Activity, Shift
from volunteer_api.activities.next_shifts import Preferred
from volunteer_api.activities.queries import place_of
from volunteer_api.activities.search_text import same_width
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.geo import Place, meters_between
from volunteer_api.core.nearby import Nearest, distance_to
from volunteer_api.core.paging import Key, page
from volunteer_api.core.statements import among_constants, among_given
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization
from volunteer_api.sign_ups.eligibility import AGE_UNTOLD
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState
from volunteer_api.teams.models import Membership, MembershipState, Team

LOOKED_AT = 60
# How many of the best are judged at once for each one that is shown, for so many at least, and how often.
SPARE = 3
LEAST_SHOWN = 10
MOST_JUDGMENTS = 8
NEARBY_M = 5_000
# Of a daily activity, the next ten shifts may all be full.
FREE_FIRST = Preferred(free=True)
# She may come of the age until the shift: planned at most so many years ahead, and the judgment knows the day.
BIRTHDAYS = 4
# Above every highest age.
NO_AGE = 1_000
SOON = timedelta(days=14)
# The subdistrict's part of an official division code. Who named a district alone has no neighborhood that is known.
SUBDISTRICT_DIGITS = 9
TAKES_HER = (SignUpState.CONFIRMED, SignUpState.PENDING)
VOLUNTEER: ColumnElement[UUID] = bindparam("volunteer_id", type_=Uuid())
# The parameters that `times_of({}, now)` fills.
TIMES = listing.Times(now=..., closes=..., as_of=..., earliest_start=...).named()
# What `_candidates` asks for beside the soonest of all, as far as it is known of her; the values of its parameters.
FIELDS, TEAMS, HOME = "fields", "team_ids", "home"


@dataclass(frozen=True)
class Reason:
    """What speaks for an activity: how much, and how it is told."""

    weight: int
    sentence: str


REASONS = {
    "your_team": Reason(4, "It is of your team %(team)s."),
    "team_before": Reason(2, "You have served with %(team)s before."),
    "your_skill": Reason(3, "It has to do with what you can do: %(skill)s."),
    "near_you": Reason(3, "It is %(meters)s m away from you."),
    "your_field": Reason(2, "You offered to serve in this field."),
    "served_before": Reason(1, "You have served in this field before."),
    "near_home": Reason(2, "It is held by your neighborhood."),
    "soon": Reason(0, "It begins soon and has free places."),
    "has_places": Reason(0, "It has free places."),
}
# Reasons by their code, each with what its sentence names.
Reasons = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class Taste:
    """What is known of a volunteer that speaks for an activity."""

    near: Place | None
    home: str | None
    skills: Sequence[str]
    fields: frozenset[str]
    team_ids: frozenset[UUID]
    served_fields: frozenset[str]
    served_team_ids: frozenset[UUID]


def recommend(volunteer: Volunteer, near: Place | None, limit: int) -> list[dict[str, Any]]:
    """The best `limit` activities for the volunteer, the best first, in the form of `RecommendedActivity`.

    At most seven statements, and the judgment's, where the first ones that are looked at are enough.
    """
    now, taste, at_once = clock.now(), _taste(volunteer, near), max(limit, LEAST_SHOWN) * SPARE
    reasons: dict[UUID, Reasons] = {}
    shown: list[dict[str, Any]] = []
    waiting: list[UUID] = []
    may_be_more = True
    for _ in range(MOST_JUDGMENTS):
        if not waiting and may_be_more:
            further = _further(taste, _asked(volunteer, now) | {"seen_ids": [*reasons]})
            reasons |= further
            # Fewer than are looked at were all that there are.
            may_be_more = len(further) >= LOOKED_AT
            waiting = sorted(further, key=lambda activity_id: (-_weight(reasons[activity_id]), activity_id))
        best, waiting = waiting[:at_once], waiting[at_once:]
        items = listing.summaries_of(best, volunteer.id, now, FREE_FIRST) if best else []
        shown += [item for item in items if any(shift["would_be"] in TAKES_HER for shift in item["shifts"])]
        if len(shown) >= limit or not (waiting or may_be_more):
            break
    # Of equal weight, the soonest first.
    shown.sort(key=lambda item: (-_weight(reasons[item["id"]]), _first_free(item), item["id"]))
    for item in shown[:limit]:
        item["distance_m"] = _distance_m(item["place"], near)
        item["reasons"] = _told(
            reasons[item["id"]] or {"soon" if _first_free(item) <= now + SOON else "has_places": {}}
        )
    return shown[:limit]


def _asked(volunteer: Volunteer, now: datetime) -> dict[str, Any]:
    """The values of what `_takes_her` asks. Who did not tell her age counts as grown up, and meets no highest age."""
    age = age_on(volunteer.birth_date, clock.local_date(now)) if volunteer.birth_date is not None else None
    ages = {
        "oldest": age + BIRTHDAYS if age is not None else AGE_UNTOLD,
        "youngest": age if age is not None else NO_AGE,
    }
    # No shift starts later than that, so none counts that takes somebody on its waitlist alone.
    return listing.times_of({}, now).values() | ages | {"closes": listing.NEVER, "volunteer_id": volunteer.id}


def _further(taste: Taste, asked: Mapping[str, Any]) -> dict[UUID, Reasons]:
    """Activities that may take her and were not looked at yet, with what speaks for each."""
    found = _near_ids(taste, asked) | _candidate_ids(taste, asked)
    connection = db.session.connection()
    rows = connection.execute(_what_speaks(connection.dialect.name), {"activity_ids": [*found]})
    return {row.id: _reasons(row, taste) for row in rows}


def _taste(volunteer: Volunteer, near: Place | None) -> Taste:
    connection, asked = db.session.connection(), {"volunteer_id": volunteer.id}
    served = connection.execute(_served(), asked).all()
    home = (volunteer.home_division or "")[:SUBDISTRICT_DIGITS]
    return Taste(
        near=near,
        home=home if len(home) == SUBDISTRICT_DIGITS else None,
        skills=[str(skill) for skill in volunteer.skills],
        fields=frozenset(volunteer.service_categories),
        team_ids=frozenset(connection.execute(_teams(), asked).scalars()),
        served_fields=frozenset(row.category for row in served),
        served_team_ids=frozenset(row.team_id for row in served if row.team_id is not None),
    )


@cache
def _teams() -> Select[UUID]:
    return select(Membership.team_id).where(
        Membership.volunteer_id == VOLUNTEER, Membership.state == MembershipState.ACTIVE
    )


@cache
def _served() -> Select[*tuple[Any, ...]]:
    return (
        select(Activity.category, Activity.team_id)
        .join(ServiceRecord, ServiceRecord.activity_id == Activity.id)
        .where(ServiceRecord.volunteer_id == VOLUNTEER)
        .group_by(Activity.category, Activity.team_id)
        # What was reversed as a whole was no service.
        .having(func.sum(ServiceRecord.minutes) > 0)
    )


def _near_ids(taste: Taste, asked: Mapping[str, Any]) -> set[UUID]:
    if taste.near is None:
        return set()
    statement, keys = _near(db.session.connection().dialect.name)
    nearest = Nearest(SPOT, Activity.id, taste.near, NEARBY_M, listing.PUBLISHED)
    found = page(statement, keys, {"limit": LOOKED_AT}, narrow=nearest, values={**asked, **nearest.values})
    return {row.id for row in found.items}


@cache
def _near(dialect: str) -> tuple[Select[*tuple[Any, ...]], tuple[Key, ...]]:
    distance = distance_to(SPOT)
    statement = select(Activity.id, distance.label("square")).where(*_takes_her(dialect))
    return statement, (Key(distance, read=lambda row: row.square), Key(Activity.id, read=lambda row: row.id))


def _candidate_ids(taste: Taste, asked: Mapping[str, Any]) -> set[UUID]:
    """The ids of the soonest activities of each kind, and of all, in one statement."""
    known = {
        FIELDS: [*taste.fields | taste.served_fields],
        TEAMS: [*taste.team_ids | taste.served_team_ids],
        HOME: taste.home,
    }
    given = {name: value for name, value in known.items() if value}
    connection = db.session.connection()
    statement = _candidates(frozenset(given), connection.dialect.name)
    return set(connection.execute(statement, {**asked, **given}).scalars())


@lru_cache(maxsize=8)
def _candidates(given: frozenset[str], dialect: str) -> CompoundSelect[UUID]:
    neighbors = select(Organization.id).where(Organization.division_code.startswith(bindparam(HOME)))
    kinds = {
        FIELDS: among_given(Activity.category, FIELDS, dialect),
        TEAMS: among_given(Activity.team_id, TEAMS, dialect),
        HOME: Activity.organization_id.in_(neighbors),
    }
    # PostgreSQL keeps the plan of a walk only where it knows how short it is.
    limit: ColumnElement[int] = literal_column(str(LOOKED_AT), Integer())
    walks: list[Select[UUID]] = []
    for conditions in ((), *((kinds[name],) for name in sorted(given))):
        statement = select(Activity.id).where(*_takes_her(dialect), *conditions)
        walks.append(select(listing.walk(statement, TIMES, limit).subquery().c.activity_id))
    return union(*walks)


def _takes_her(dialect: str) -> list[ColumnElement[bool]]:
    goes_to = exists().where(
        SignUp.volunteer_id == VOLUNTEER,
        among_constants(SignUp.state, ACTIVE_SIGN_UPS),
        Shift.id == SignUp.shift_id,
        Shift.activity_id == Activity.id,
    )
    return [
        listing.open_for_sign_up(TIMES),
        or_(~Activity.members_only, Activity.team_id.in_(_teams())),
        func.coalesce(Activity.minimum_age, 0) <= bindparam("oldest", type_=Integer()),
        or_(Activity.maximum_age.is_(None), Activity.maximum_age >= bindparam("youngest", type_=Integer())),
        ~goes_to,
        ~among_given(Activity.id, "seen_ids", dialect),
    ]


@cache
def _what_speaks(dialect: str) -> Select[*tuple[Any, ...]]:
    """What `_reasons` looks at."""
    return (
        select(
            Activity.id,
            Activity.title,
            Activity.description,
            Activity.category,
            Activity.required_skills,
            Activity.latitude,
            Activity.longitude,
            Activity.team_id,
            Team.name.label("team_name"),
            Organization.division_code,
        )
        .join(Organization, Organization.id == Activity.organization_id)
        .outerjoin(Team, Team.id == Activity.team_id)
        .where(among_given(Activity.id, "activity_ids", dialect))
    )


def _reasons(row: Any, taste: Taste) -> Reasons:
    found: dict[str, dict[str, object]] = {}
    distance_m = _distance_m(place_of(row), taste.near)
    if row.team_id in taste.team_ids:
        found["your_team"] = {"team": row.team_name}
    elif row.team_id in taste.served_team_ids:
        found["team_before"] = {"team": row.team_name}
    if (skill := _skill_in(row, taste.skills)) is not None:
        found["your_skill"] = {"skill": skill}
    if distance_m is not None and distance_m <= NEARBY_M:
        found["near_you"] = {"meters": distance_m}
    if row.category in taste.fields:
        found["your_field"] = {}
    elif row.category in taste.served_fields:
        found["served_before"] = {}
    if taste.home is not None and (row.division_code or "").startswith(taste.home):
        found["near_home"] = {}
    return found


def _skill_in(activity: Any, skills: Sequence[str]) -> str | None:
    if not skills:
        return None
    # Signs count here: C++ is not in CPR.
    text = same_width(" ".join([activity.title, activity.description or "", *activity.required_skills]))
    return next((skill for skill in skills if skill.strip() and same_width(skill.strip()) in text), None)


def _weight(reasons: Iterable[str]) -> int:
    return sum(REASONS[code].weight for code in reasons)


def _told(reasons: Reasons) -> list[dict[str, str]]:
    return [
        {"code": code, "detail": texts.translate(REASONS[code].sentence, **named)} for code, named in reasons.items()
    ]


def _distance_m(place: Mapping[str, float] | None, near: Place | None) -> int | None:
    return None if place is None or near is None else round(meters_between((place["lat"], place["lng"]), near))


def _first_free(item: Mapping[str, Any]) -> Any:
    return min(shift["starts_at"] for shift in item["shifts"] if shift["would_be"] in TAKES_HER)
