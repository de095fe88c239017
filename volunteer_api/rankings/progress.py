"""How far a campaign has come towards its goals, by the rule of the rankings and at this moment."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from volunteer_api.activities.models import Campaign
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.rankings import progress_queries as queries
from volunteer_api.rankings.facts import Question, held_back
from volunteer_api.rankings.outcomes import sum_outcomes
from volunteer_api.rankings.progress_queries import Counted
from volunteer_api.rankings.schemas import ADDITIVE, Metric, Subject
from volunteer_api.rankings.service import TEXTS

MOST_ORGANIZATIONS = 100
MOST_DAYS = 366
# A goal's name, and what is counted towards it.
GOALS = {"activities": "activity_count", "attendances": "attendance_count", "minutes": "credited_minutes"}


@dataclass(frozen=True)
class Reached:
    """What was reached. All but the volunteers add up: who serves in two places is one volunteer of both."""

    activity_count: int = 0
    attendance_count: int = 0
    volunteer_count: int = 0
    credited_minutes: int = 0


@dataclass(frozen=True)
class Remainder:
    """What is counted in none of the parts that stand beside it."""

    activity_count: int
    attendance_count: int
    credited_minutes: int


@dataclass(frozen=True)
class ByOrganization:
    """own + Σ items + elsewhere = all that was reached, for all that adds up."""

    scope: Any
    level: str | None
    own: Reached
    items: list[dict[str, Any]]
    elsewhere: Remainder


@dataclass(frozen=True)
class Progress:
    """One campaign as it stands `as_of`; `earlier` + Σ by_day = reached, for all that adds up."""

    campaign: Campaign
    goals: dict[str, int | None]
    reached: Reached
    share_percent: dict[str, float | None]
    held_attendance_count: int
    outcomes: list[dict[str, Any]]
    by_organization: ByOrganization
    by_day: list[dict[str, Any]]
    earlier: Remainder
    rule: dict[str, Any]
    as_of: datetime


def progress_of(campaign: Campaign, level: str | None) -> Progress:
    """The progress, by the children of the campaign's organization or by its organizations of a level.

    Sixteen statements, however many activities there are: at most 100 organizations, those with the most activities
    first, and the last 366 days on which something was held or credited.
    """
    as_of = clock.now()
    question = Question(Subject.ORGANIZATION, Metric.ACTIVITY_COUNT, as_of, campaign_id=campaign.id)
    what = queries.counted(question)
    reached = _merged(db.session.execute(queries.in_all(one)).one() for one in what)
    days = _days(what)
    return Progress(
        campaign=campaign,
        goals=campaign.goals,
        reached=reached,
        share_percent={name: share(getattr(reached, of), campaign.goals[name]) for name, of in GOALS.items()},
        held_attendance_count=db.session.scalars(held_back(question)).one(),
        outcomes=sum_outcomes({"campaign_id": campaign.id}),
        by_organization=_by_organization(what, campaign.organization_id, level, reached),
        by_day=[{"on": day, **asdict(found)} for day, found in days.items()],
        earlier=_remainder(reached, days.values()),
        rule={
            "texts": {metric: _rule_text(metric) for metric in Metric},
            "attendances_for_held_shift": rules().attendances_for_held_shift,
        },
        as_of=as_of,
    )


def share(reached: int, goal: int | None) -> float | None:
    """Of a goal, in percent with one decimal; rounded down, so that 100 is said of nothing that is not reached."""
    return None if goal is None else max(0, reached) * 1000 // goal / 10


def _rule_text(metric: Metric) -> str:
    return texts.translate(TEXTS[metric], attendances=rules().attendances_for_held_shift)


def _merged(rows: Iterable[Row[Any]]) -> Reached:
    names = [field.name for field in fields(Reached)]
    return Reached(**{name: value for row in rows for name, value in row._mapping.items() if name in names})


def _days(what: Iterable[Counted]) -> dict[date, Reached]:
    """The latest days that have any, in order. Each kind of facts gives its latest, so that none of these is missed."""
    found: dict[date, list[Row[Any]]] = {}
    for one in what:
        for row in db.session.execute(queries.by_day(one, MOST_DAYS)):
            found.setdefault(row.on, []).append(row)
    days = {day: _merged(found[day]) for day in sorted(found)[-MOST_DAYS:]}
    # What was recorded and taken back at two places has rows, and nothing.
    return {day: reached for day, reached in days.items() if any(asdict(reached).values())}


def _by_organization(what: Iterable[Counted], scope: UUID, level: str | None, reached: Reached) -> ByOrganization:
    rows: dict[UUID, list[Row[Any]]] = {}
    for one in what:
        for row in db.session.execute(queries.by_organization(one, scope, level)):
            rows.setdefault(row.organization_id, []).append(row)
    found: Mapping[UUID, Reached] = {organization_id: _merged(mine) for organization_id, mine in rows.items()}
    most_first = sorted(found.keys() - {scope}, key=lambda one: (-found[one].activity_count, one))[:MOST_ORGANIZATIONS]
    listed = db.session.execute(queries.organizations(scope, level, [scope, *most_first], MOST_ORGANIZATIONS + 1)).all()
    own = found.get(scope, Reached())
    items = [(row, found.get(row.id, Reached())) for row in listed if row.id != scope]
    items.sort(key=lambda item: (-item[1].activity_count, item[0].id))
    return ByOrganization(
        scope=next(row for row in listed if row.id == scope),
        level=level,
        own=own,
        items=[{"organization": row, **asdict(part)} for row, part in items],
        elsewhere=_remainder(reached, [own, *(part for _, part in items)]),
    )


def _remainder(whole: Reached, parts: Iterable[Reached]) -> Remainder:
    listed = list(parts)
    return Remainder(**{name: getattr(whole, name) - sum(getattr(part, name) for part in listed) for name in ADDITIVE})
