"""Rankings set against something: how many volunteers are registered, or what was reached before."""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Subquery, and_, case, cast, func, null, select

from volunteer_api.core.periods import Period
from volunteer_api.organizations.models import Organization
from volunteer_api.rankings import named
from volunteer_api.rankings.belonging import MEMBERS
from volunteer_api.rankings.facts import Question, Rows
from volunteer_api.rankings.named import Part
from volunteer_api.rankings.queries import merged_with_any, ranked
from volunteer_api.rankings.registered import count_of
from volunteer_api.rankings.schemas import Basis, Subject
from volunteer_api.rankings.shapes import EARLIER, kept_if_shared

# A value per volunteer is a whole number of these, cut by whole division: the same on every database, and its order is
# the values'.
PARTS = 10_000


def add_up(question: Question) -> bool:
    """Whether the places have no part in common, so that their values and what is elsewhere make the scope's."""
    return question.additive and question.basis is Basis.RAW and question.subject is not Subject.VOLUNTEER


def placed(question: Question, part: Part | None = None) -> Subquery:
    """Every subject with `id`, `name`, `rank`, `value`, `own`, `raw`, `registered`, `before` on the question's basis.

    Of these at least the `part` that is asked for, in the order of values, the largest first, and of ids. `value` is in
    ten-thousandths where it is per volunteer. Where places `add_up`, each has the `sum` of all beside it.
    To be executed with `values_of` the question.
    """
    if part is not None and named.can_tell(question):
        return named.places(question, part)
    match question.basis:
        case Basis.RAW:
            return _raw(ranked(question), add_up(question))
        case Basis.GROWTH:
            return _growth(question)
        case _:
            return _per_volunteer(ranked(question), None if question.is_of_members else merged_with_any(question))


def on_basis(question: Question, raw: int, registered: int | None) -> int:
    """The value of what was counted of a subject, on a basis that is not growth."""
    if question.basis is Basis.PER_VOLUNTEER:
        return raw * PARTS // registered if registered else 0
    return raw


def period_before(first: date, last: date, period: Period | None, today: date) -> tuple[date, date]:
    """The days before: the month before a month, the year before a year; else as many days as there are.

    Of a period that still runs, as many of these as have begun of it: else everybody falls on the first of a month.
    """
    begins, ends = _whole_period_before(first, last, period)
    return (begins, min(ends, begins + (today - first))) if first <= today <= last else (begins, ends)


def _whole_period_before(first: date, last: date, period: Period | None) -> tuple[date, date]:
    before = first - timedelta(days=1)
    if period is None or first.day != 1 or "W" in period.text or len(period.text) == len("2026-11-23"):
        return first - (last - first) - timedelta(days=1), before
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    count = first.year * 12 + first.month - 1 - months
    return date(count // 12, count % 12 + 1, 1), before


def _placed(
    subject_id: ColumnElement[Any],
    name: ColumnElement[Any],
    value: ColumnElement[Any],
    *,
    own: ColumnElement[Any] | None = None,
    raw: ColumnElement[Any],
    registered: ColumnElement[Any] | None = None,
    before: ColumnElement[Any] | None = None,
    sums: ColumnElement[Any] | None = None,
) -> Subquery:
    whole = [
        ("value", value),
        ("own", null() if own is None else own),
        ("raw", raw),
        ("registered", null() if registered is None else registered),
        ("before", null() if before is None else before),
        ("sum", null() if sums is None else sums),
    ]
    return select(
        subject_id.label("id"),
        name.label("name"),
        *(cast(column, BigInteger).label(label) for label, column in whole),
        func.rank().over(order_by=value.desc()).label("rank"),
    ).subquery("placed")


@kept_if_shared
def _raw(rows: Subquery, adds_up: bool) -> Subquery:
    value = rows.c.value
    sums = func.sum(value).over() if adds_up else None
    return _placed(rows.c.id, rows.c.name, value, own=rows.c.own, raw=value, sums=sums)


def _growth(question: Question) -> Subquery:
    """What was reached, less what was reached before; also of a subject that is among one of the two only."""
    return _grown(ranked(question.raw), ranked(question.earlier, EARLIER))


@kept_if_shared
def _grown(of_now: Subquery, of_before: Subquery) -> Subquery:
    now, before = of_now.alias("now"), of_before.alias("earlier")
    raw, was = func.coalesce(now.c.value, 0), func.coalesce(before.c.value, 0)
    rows = (
        select(
            func.coalesce(now.c.id, before.c.id).label("id"),
            func.coalesce(now.c.name, before.c.name).label("name"),
            raw.label("raw"),
            was.label("was"),
        )
        .select_from(now)
        .join(before, before.c.id == now.c.id, full=True)
        .subquery("grown")
    )
    return _placed(rows.c.id, rows.c.name, rows.c.raw - rows.c.was, raw=rows.c.raw, before=rows.c.was)


@kept_if_shared
def _per_volunteer(rows: Subquery, merged: Rows | None) -> Subquery:
    """Per member of a team where none are `merged`."""
    if merged is None:
        counted_rows, registered = MEMBERS.beside(rows, rows.c.id)
    else:
        registered = count_of(Organization, merged)
        # What has no division was not measured: it is no zero, and has no place.
        has_one = Organization.division_code.is_not(None)
        counted_rows = rows.join(Organization, and_(Organization.id == rows.c.id, has_one))
    counted = (
        select(rows.c.id, rows.c.name, rows.c.value, registered.label("registered"))
        .select_from(counted_rows)
        .subquery("counted")
    )
    return _placed(
        counted.c.id,
        counted.c.name,
        case((counted.c.registered > 0, counted.c.value * PARTS // counted.c.registered), else_=0),
        raw=counted.c.value,
        registered=counted.c.registered,
    )
