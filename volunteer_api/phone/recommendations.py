"""Activities for one volunteer, each with the reasons why: near her, of her teams, of what she can do and has done.

Some sixty activities of each kind are looked at, however many there are; what she would be refused, what has no free
place for her and what she already goes to is left out by the judgment that a sign-up itself meets.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, literal, select, union

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import listing
from volunteer_api.activities.models import SPOT, Activity, Shift
from volunteer_api.activities.queries import place_of
from volunteer_api.activities.search_text import fold
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.geo import Place, meters_between
from volunteer_api.core.nearby import Nearest
from volunteer_api.core.paging import Key, page
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState
from volunteer_api.teams.models import Membership, MembershipState

LOOKED_AT = 60
# How many of the best are judged for each one that is shown.
SPARE = 3
NEARBY_M = 5_000
# The subdistrict's part of an official division code.
SUBDISTRICT_DIGITS = 9
TAKES_HER = (SignUpState.CONFIRMED, SignUpState.PENDING)
WEIGHTS = {
    "your_team": 4,
    "your_skill": 3,
    "near_you": 3,
    "your_field": 2,
    "near_home": 2,
    "team_before": 2,
    "served_before": 1,
    "soon": 0,
}


@dataclass(frozen=True)
class Reason:
    """Why an activity is recommended."""

    code: str
    detail: str


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
    """The best `limit` activities for the volunteer, the best first. At most eight statements, and the judgment's."""
    now, taste = clock.now(), _taste(volunteer, near)
    wanted = listing.open_for_sign_up(listing.times_of({}, now)), ~_goes_to(volunteer.id)
    found = _near_ids(taste, wanted) | set(db.session.scalars(_candidates(taste, wanted)))
    rows = db.session.execute(_with_offices(found), listing.summary_values(volunteer.id, now)).all()
    reasons = {row.id: _reasons(row, taste) for row in rows}
    best = sorted(rows, key=lambda row: (-_weight(reasons[row.id]), row.id))[: limit * SPARE]
    items = listing.summaries(best, volunteer.id, now)
    shown = [item for item in items if any(shift["would_be"] in TAKES_HER for shift in item["shifts"])]
    # Of equal weight, the soonest first.
    shown.sort(key=lambda item: (-_weight(reasons[item["id"]]), _first_free(item), item["id"]))
    return [
        item | {"reasons": reasons[item["id"]], "distance_m": _distance_m(item["place"], near)}
        for item in shown[:limit]
    ]


def _taste(volunteer: Volunteer, near: Place | None) -> Taste:
    teams = select(Membership.team_id).where(
        Membership.volunteer_id == volunteer.id, Membership.state == MembershipState.ACTIVE
    )
    served = db.session.execute(
        select(Activity.category, Activity.team_id)
        .distinct()
        .join(ServiceRecord, ServiceRecord.activity_id == Activity.id)
        .where(ServiceRecord.volunteer_id == volunteer.id)
    ).all()
    return Taste(
        near=near,
        home=volunteer.home_division[:SUBDISTRICT_DIGITS] if volunteer.home_division else None,
        skills=[str(skill) for skill in volunteer.skills],
        fields=frozenset(volunteer.service_categories),
        team_ids=frozenset(db.session.scalars(teams)),
        served_fields=frozenset(row.category for row in served),
        served_team_ids=frozenset(row.team_id for row in served if row.team_id is not None),
    )


def _goes_to(volunteer_id: UUID) -> ColumnElement[bool]:
    return exists().where(
        SignUp.volunteer_id == volunteer_id,
        SignUp.state.in_(ACTIVE_SIGN_UPS),
        Shift.id == SignUp.shift_id,
        Shift.activity_id == Activity.id,
    )


def _near_ids(taste: Taste, wanted: Iterable[ColumnElement[bool]]) -> set[UUID]:
    if taste.near is None:
        return set()
    nearest = Nearest(SPOT, Activity.id, taste.near, NEARBY_M, listing.PUBLISHED)
    statement = select(Activity.id, nearest.distance.label("square")).where(listing.PUBLISHED, *wanted)
    keys = [Key(nearest.distance, read=lambda row: row.square), Key(Activity.id, read=lambda row: row.id)]
    found = page(statement, keys, {"limit": LOOKED_AT}, narrow=nearest, values=nearest.values)
    return {row.id for row in found.items}


def _candidates(taste: Taste, wanted: Iterable[ColumnElement[bool]]) -> Any:
    """The ids of the soonest activities of each kind, and of all, in one statement."""
    kinds: list[ColumnElement[bool] | None] = [None]
    if fields := taste.fields | taste.served_fields:
        kinds.append(Activity.category.in_(fields))
    if team_ids := taste.team_ids | taste.served_team_ids:
        kinds.append(Activity.team_id.in_(team_ids))
    if taste.home is not None:
        at_home = select(Organization.id).where(Organization.division_code.startswith(taste.home, autoescape=True))
        kinds.append(Activity.organization_id.in_(at_home))
    times = listing.times_of({}, clock.now())
    walks: list[Select[UUID]] = []
    for kind in kinds:
        statement = select(Activity).where(listing.PUBLISHED, *wanted, *([kind] if kind is not None else []))
        walks.append(select(listing.walk(statement, times, literal(LOOKED_AT)).subquery().c.activity_id))
    return union(*walks)


def _with_offices(activity_ids: Iterable[UUID]) -> Select[*tuple[Any, ...]]:
    found = listing.summary_rows(for_caller=True).add_columns(Organization.division_code)
    return found.join(Organization, Organization.id == Activity.organization_id).where(Activity.id.in_(activity_ids))


def _reasons(row: Any, taste: Taste) -> list[Reason]:
    found: dict[str, str] = {}
    distance_m = _distance_m(place_of(row), taste.near)
    if row.team_id in taste.team_ids:
        found["your_team"] = texts.translate("It is of your team %(team)s.", team=row.team_name)
    elif row.team_id in taste.served_team_ids:
        found["team_before"] = texts.translate("You have served with %(team)s before.", team=row.team_name)
    if (skill := _skill_in(row, taste.skills)) is not None:
        found["your_skill"] = texts.translate("It has to do with what you can do: %(skill)s.", skill=skill)
    if distance_m is not None and distance_m <= NEARBY_M:
        found["near_you"] = texts.translate("It is %(meters)s m away from you.", meters=distance_m)
    if row.category in taste.fields:
        found["your_field"] = texts.translate("You offered to serve in this field.")
    elif row.category in taste.served_fields:
        found["served_before"] = texts.translate("You have served in this field before.")
    if taste.home is not None and (row.division_code or "").startswith(taste.home):
        found["near_home"] = texts.translate("It is held by your neighborhood.")
    if not found:
        found["soon"] = texts.translate("It begins soon and has free places.")
    return [Reason(code, detail) for code, detail in found.items()]


def _skill_in(activity: Any, skills: Sequence[str]) -> str | None:
    text = fold(" ".join([activity.title, activity.description or "", *activity.required_skills]))
    return next((skill for skill in skills if fold(skill) and fold(skill) in text), None)


def _weight(reasons: Sequence[Reason]) -> int:
    return sum(WEIGHTS[reason.code] for reason in reasons)


def _distance_m(place: Mapping[str, float] | None, near: Place | None) -> int | None:
    return None if place is None or near is None else round(meters_between((place["lat"], place["lng"]), near))


def _first_free(item: Mapping[str, Any]) -> Any:
    return min(shift["starts_at"] for shift in item["shifts"] if shift["would_be"] in TAKES_HER)
