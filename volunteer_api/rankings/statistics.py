"""Figures of a subtree, a campaign or all: in sum, by day or month, by category, by hour of the week, per head."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, cast, func, select

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance
from volunteer_api.core.database import db
from volunteer_api.rankings import changes, histograms, sums, volunteers
from volunteer_api.rankings.by_day import values_by_day
from volunteer_api.rankings.facts import Question, Rows, activity_days, attended_shifts, held_back, in_scope, records
from volunteer_api.rankings.local_days import local_hour_of_week
from volunteer_api.rankings.minutes import minutes
from volunteer_api.rankings.queries import present, scope_total
from volunteer_api.rankings.registered import residents_of
from volunteer_api.rankings.schemas import ADDITIVE, Metric, Subject
from volunteer_api.rankings.service import divisions_counted, question_of, registered_in, require_known, rule_of
from volunteer_api.rankings.shapes import values_of
from volunteer_api.rankings.spans import Run, Unit, days, whole

# A longer period is shown by month: a list of ten years of days is no figure that anybody reads.
MOST_DAYS = 371
HOURS_OF_A_WEEK = 7 * 24
# Whatever was held has the first; what was only recorded has the second.
BOTH = (Metric.ACTIVITY_COUNT, Metric.CREDITED_MINUTES)


@dataclass(frozen=True)
class Statistics:
    """What was reached in a period; the parts add up to the totals, but for volunteers."""

    scope: Mapping[str, Any] | None
    totals: Mapping[str, int]
    by_period: list[Mapping[str, Any]]
    by_category: list[Mapping[str, Any]]
    held_attendance_count: int
    duty_minutes: int
    attendances_by_hour_of_week: list[int]
    served_count: int
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
    by_category = _by_category(question)
    duties = totals[Metric.CREDITED_MINUTES] - sum(part[Metric.CREDITED_MINUTES] for part in by_category)
    codes = divisions_counted(question, scope, *BOTH) if scope is not None else []
    registered = registered_in(codes)
    served, active = _served(question, codes)
    residents = scope.resident_count if scope is not None else None
    credited = totals[Metric.CREDITED_MINUTES]
    return Statistics(
        scope={"id": scope.id, "name": scope.name} if scope is not None else None,
        totals={**totals, Metric.VOLUNTEER_COUNT.value: _volunteers(replace(question, metric=Metric.VOLUNTEER_COUNT))},
        by_period=[{"period": name, **by_period[name]} for name in sorted(by_period)],
        by_category=by_category,
        held_attendance_count=db.session.scalars(held_back(question)).one(),
        duty_minutes=duties,
        attendances_by_hour_of_week=_by_hour(question),
        registered_count=registered,
        served_count=served,
        active_count=active,
        active_percent=active * 1000 // registered / 10 if registered and active is not None else None,
        resident_count=residents,
        registered_percent=registered_percent(registered, residents),
        minutes_per_volunteer=credited * 10 // served / 10 if served else None,
        rules=[rule_of(replace(question, metric=metric)) for metric in Metric],
        as_of=question.now,
    )


def _by_period(question: Question) -> dict[str, dict[str, int]]:
    """What adds up, by day where the period has at most 371, else by month; what has none of it is left out."""
    first, last = question.first, question.last
    by_day = first is not None and last is not None and (last - first).days < MOST_DAYS
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(ADDITIVE, 0))
    for day, metric, value in _values(question, days(first, last) if by_day else whole(Unit.MONTH, first, last)):
        found[f"{day:%Y-%m-%d}" if by_day else f"{day:%Y-%m}"][metric] += value
    return {name: values for name, values in found.items() if any(values.values())}


def _values(question: Question, tiles: list[Run]) -> Iterator[tuple[date, Metric, int]]:
    """What adds up to the period, each value with the first day of what it is of; keys may repeat."""
    if sums.can_tell(question):
        for row in db.session.execute(sums.by_span(question, ADDITIVE, tiles)):
            yield from ((row.starts_on, metric, int(getattr(row, metric))) for metric in ADDITIVE)
        return
    for metric in ADDITIVE:
        for day, value in values_by_day(replace(question, metric=metric)).items():
            yield day, metric, value


def _by_category(question: Question) -> list[Mapping[str, Any]]:
    """What adds up by category, those with most activities first; what has none of it is left out."""
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(ADDITIVE, 0))
    for statement in _held_by_category(question) if sums.is_folded() else _held_by_category_live(question):
        for row in db.session.execute(statement).mappings():
            found[row["category"]].update({metric: int(row[metric]) for metric in ADDITIVE if metric in row})
    for category, value in db.session.execute(_minutes_by_category(question)):
        found[category][Metric.CREDITED_MINUTES] = int(value)
    with_any = [name for name, values in found.items() if any(values.values())]
    ordered = sorted(with_any, key=lambda name: (-found[name][Metric.ACTIVITY_COUNT], name))
    return [{"category": name, **found[name]} for name in ordered]


def _held_by_category(question: Question) -> Iterator[Rows]:
    """Activities and attendances of each category, from the folded shifts."""
    held = changes.shifts(question)
    # An activity counts once for each day on which it held a shift.
    statement: Rows = select(held.c.category, func.sum(held.c.attended).label("attended")).select_from(held)
    by_activity = (
        in_scope(statement, held, question)
        .group_by(held.c.category, held.c.activity_id, held.c.on)
        .subquery("by_activity")
    )
    yield select(
        by_activity.c.category,
        func.count().label(Metric.ACTIVITY_COUNT),
        cast(func.sum(by_activity.c.attended), BigInteger).label(Metric.ATTENDANCE_COUNT),
    ).group_by(by_activity.c.category)


def _held_by_category_live(question: Question) -> Iterator[Rows]:
    held = activity_days(question)
    attended = attended_shifts(question, Shift.id, Attendance.volunteer_id, Activity.id.label("activity_id"))
    for metric, facts, activity_id in (
        (Metric.ACTIVITY_COUNT, held, held.c.id),
        (Metric.ATTENDANCE_COUNT, attended, attended.c.activity_id),
    ):
        statement: Rows = (
            select(Activity.category.label("category"), func.count().label(metric))
            .select_from(facts)
            .join(Activity, Activity.id == activity_id)
        )
        yield in_scope(statement, facts, question).group_by(Activity.category)


def _minutes_by_category(question: Question) -> Rows:
    if sums.is_folded():
        rows = minutes(question)
        value = rows.c.credited_minutes
    else:
        rows = records(question)
        value = rows.c.minutes
    statement: Rows = (
        select(Activity.category, cast(func.sum(value), BigInteger).label("value"))
        .select_from(rows)
        .join(Activity, Activity.id == rows.c.activity_id)
    )
    return in_scope(statement, rows, question).group_by(Activity.category)


def _by_hour(question: Question) -> list[int]:
    """How many attendances began in each hour of the local week, by the start of their shift."""
    hour: ColumnElement[int] = local_hour_of_week(Shift.starts_at).label("hour")
    if sums.is_folded():
        held = changes.shifts(question)
        value: ColumnElement[int] = func.sum(held.c.attended)
        statement: Rows = select(hour, value.label("value")).join_from(held, Shift, Shift.id == held.c.shift_id)
    else:
        held = attended_shifts(question, Shift.id, Attendance.volunteer_id, hour)
        hour = held.c.hour
        statement = select(hour, func.count().label("value")).select_from(held)
    hours = [0] * HOURS_OF_A_WEEK
    for row in db.session.execute(in_scope(statement, held, question).group_by(hour)):
        hours[int(row.hour)] = int(row.value)
    return hours


def _volunteers(question: Question) -> int:
    """How many different ones attended."""
    if question.scope is not None:
        return int(db.session.execute(scope_total(question), values_of(question)).one().value)
    # Everybody who attended has a number of attendances.
    by_volunteer = replace(question, subject=Subject.VOLUNTEER, metric=Metric.ATTENDANCE_COUNT)
    if (number := _with_any(by_volunteer)) is not None:
        return number
    different = _present(question).distinct().subquery("different")
    return db.session.scalars(select(func.count()).select_from(different)).one()


def _served(question: Question, codes: Sequence[str]) -> tuple[int, int | None]:
    """How many different volunteers have minutes of a question; and of these, who live in one of the divisions.

    Read from the ledger, for whose they are is folded only as how many of all have which.
    """
    minutes_of = replace(question, subject=Subject.VOLUNTEER, metric=Metric.CREDITED_MINUTES)
    if (number := _with_any(minutes_of)) is not None:
        return number, None
    each = volunteers.values(minutes_of)
    if not codes:
        return db.session.scalars(select(func.count()).select_from(each)).one(), None
    residents = residents_of(codes).subquery("residents")
    [resident_id] = residents.c
    here = each.outerjoin(residents, resident_id == each.c.subject_id)
    row = db.session.execute(select(func.count(), func.count(resident_id)).select_from(here)).one()
    return row[0], row[1]


def _with_any(question: Question) -> int | None:
    """How many volunteers have a value at all, None where that is not folded."""
    if not histograms.can_tell(question):
        return None
    counts = histograms.counts(question)
    return int(db.session.scalars(select(func.coalesce(func.sum(counts.c.number), 0))).one())


def _present(question: Question) -> Rows:
    """Who attended; somebody who came twice may stand there twice."""
    found = present(question)
    statement: Rows = select(found.c.volunteer_id).select_from(found)
    return in_scope(statement, found, question)


def registered_percent(registered: int | None, residents: int | None) -> float | None:
    """Of a hundred residents, how many are registered volunteers, cut to a tenth; None without residents."""
    return registered * 1000 // residents / 10 if registered is not None and residents else None
