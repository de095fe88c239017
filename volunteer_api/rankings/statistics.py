"""Figures of a subtree, a campaign or all: in sum, by day or month, by category, by hour of the week, per head."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Subquery, cast, distinct, func, literal, select
from sqlalchemy.orm import aliased

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.rankings.by_day import values_by_day
from volunteer_api.rankings.facts import Question, Rows, activity_days, attended_shifts, records
from volunteer_api.rankings.local_days import local_hour_of_week
from volunteer_api.rankings.registered import residents_of
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.service import question_of, registered_of, require_known, rule_of

# A longer period is shown by month: a list of ten years of days is no figure that anybody reads.
MOST_DAYS = 371
HOURS_OF_A_WEEK = 7 * 24
ADDITIVE = (Metric.ACTIVITY_COUNT, Metric.ATTENDANCE_COUNT, Metric.CREDITED_MINUTES)


@dataclass(frozen=True)
class Statistics:
    """What was reached in a period; the parts add up to the totals, but for volunteers."""

    scope: Mapping[str, Any] | None
    totals: Mapping[str, int]
    by_period: list[Mapping[str, Any]]
    by_category: list[Mapping[str, Any]]
    attendances_by_hour_of_week: list[int]
    registered_count: int | None
    active_count: int | None
    resident_count: int | None
    registered_percent: float | None
    active_percent: float | None
    minutes_per_volunteer: float | None
    rules: list[Mapping[str, Any]]
    as_of: datetime


def read_statistics(query: Mapping[str, Any]) -> Statistics:
    """The figures that a loaded `FactsFilter` asks for, in a dozen statements.

    Raises NotFound (404) for an unknown scope or campaign.
    """
    question = question_of({**query, "subject": Subject.ORGANIZATION, "metric": Metric.ACTIVITY_COUNT})
    scope = require_known(question)
    by_period = _by_period(question)
    totals = {metric.value: sum(part[metric] for part in by_period.values()) for metric in ADDITIVE}
    volunteers = _volunteers(replace(question, metric=Metric.VOLUNTEER_COUNT))
    registered = registered_of(scope) if scope is not None else None
    active = _volunteers(replace(question, metric=Metric.VOLUNTEER_COUNT), living_in=scope) if registered else None
    residents = scope.resident_count if scope is not None else None
    minutes = totals[Metric.CREDITED_MINUTES]
    return Statistics(
        scope={"id": scope.id, "name": scope.name} if scope is not None else None,
        totals={**totals, Metric.VOLUNTEER_COUNT.value: volunteers},
        by_period=[{"period": name, **by_period[name]} for name in sorted(by_period)],
        by_category=_by_category(question),
        attendances_by_hour_of_week=_by_hour(question),
        registered_count=registered,
        active_count=active,
        active_percent=active * 1000 // registered / 10 if registered and active is not None else None,
        resident_count=residents,
        registered_percent=registered_percent(registered, residents),
        minutes_per_volunteer=minutes * 10 // volunteers / 10 if volunteers else None,
        rules=[rule_of(replace(question, metric=metric)) for metric in Metric],
        as_of=question.now,
    )


def _by_period(question: Question) -> dict[str, dict[str, int]]:
    """What adds up, by day where the period has at most 371, else by month."""
    first, last = question.first, question.last
    by_day = first is not None and last is not None and (last - first).days < MOST_DAYS
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(ADDITIVE, 0))
    for metric in ADDITIVE:
        for day, value in values_by_day(replace(question, metric=metric)).items():
            found[f"{day:%Y-%m-%d}" if by_day else f"{day:%Y-%m}"][metric] += value
    return found


def _by_category(question: Question) -> list[Mapping[str, Any]]:
    """What adds up by category, those with most activities first."""
    days = activity_days(question)
    attended = attended_shifts(question, Shift.id, Attendance.volunteer_id, Activity.id.label("activity_id"))
    ledger = records(question)
    measured: tuple[tuple[Metric, Subquery, ColumnElement[Any], ColumnElement[Any]], ...] = (
        (Metric.ACTIVITY_COUNT, days, days.c.id, func.count()),
        (Metric.ATTENDANCE_COUNT, attended, attended.c.activity_id, func.count()),
        (Metric.CREDITED_MINUTES, ledger, ledger.c.activity_id, func.sum(ledger.c.minutes)),
    )
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(ADDITIVE, 0))
    for metric, facts, activity_id, value in measured:
        statement: Rows = (
            select(Activity.category.label("category"), cast(value, BigInteger).label("value"))
            .select_from(facts)
            .join(Activity, Activity.id == activity_id)
            .group_by(Activity.category)
        )
        for row in db.session.execute(_in_scope(statement, facts, question)):
            found[row.category][metric] = int(row.value)
    ordered = sorted(found, key=lambda name: (-found[name][Metric.ACTIVITY_COUNT], name))
    return [{"category": name, **found[name]} for name in ordered]


def _by_hour(question: Question) -> list[int]:
    """How many attendances began in each hour of the local week, by the start of their shift."""
    hour = local_hour_of_week(Shift.starts_at).label("hour")
    attended = attended_shifts(question, Shift.id, Attendance.volunteer_id, hour)
    statement: Rows = (
        select(attended.c.hour, func.count().label("value")).select_from(attended).group_by(attended.c.hour)
    )
    hours = [0] * HOURS_OF_A_WEEK
    for row in db.session.execute(_in_scope(statement, attended, question)):
        hours[int(row.hour)] = int(row.value)
    return hours


def _volunteers(question: Question, living_in: Organization | None = None) -> int:
    """How many attended; of those registered in an organization's division, where one is given."""
    attended = attended_shifts(question, Attendance.volunteer_id)
    statement: Rows = select(func.count(distinct(attended.c.volunteer_id))).select_from(attended)
    if living_in is not None:
        residents = residents_of(literal(living_in.division_code))
        statement = statement.where(attended.c.volunteer_id.in_(residents))
    return int(db.session.scalars(_in_scope(statement, attended, question)).one())


def registered_percent(registered: int | None, residents: int | None) -> float | None:
    """Of a hundred residents, how many are registered volunteers, cut to a tenth; None without residents."""
    return registered * 1000 // residents / 10 if registered is not None and residents else None


def _in_scope(statement: Rows, facts: Subquery, question: Question) -> Select[Any]:
    if question.scope is None:
        return statement
    member = aliased(PathMember)
    return statement.join(member, member.path_id == facts.c.path_id).where(member.ancestor_id == question.scope)
