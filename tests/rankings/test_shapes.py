"""Which questions share their SQL."""

import gc
import re
import weakref
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select

from volunteer_api.config import Rules
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import bases, queries, service
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.schemas import Basis, Metric, Subject
from volunteer_api.rankings.shapes import values_of
from volunteer_api.rankings.sums import counting_live

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
NOVEMBER = {"first": date(2026, 11, 1), "last": date(2026, 11, 30)}
OCTOBER = {"first": date(2026, 10, 1), "last": date(2026, 10, 31)}


@pytest.mark.either_database
@pytest.mark.parametrize("metric", Metric)
def test_questions_share_their_sql_and_no_value(unit: Callable[..., Any], metric: Metric) -> None:
    one = Question(Subject.ORGANIZATION, metric, NOW, scope=UUID(int=1), category="traffic_guidance", **NOVEMBER)
    other = replace(one, now=NOW + timedelta(days=1), scope=UUID(int=2), category="elderly_care", **OCTOBER)

    def look() -> None:
        assert bases.placed(one) is bases.placed(other)
        assert queries.scope_total(one) is queries.scope_total(other)
        in_level, in_year = replace(one, level="station"), {"first": date(2025, 1, 1), "last": date(2025, 12, 31)}
        assert queries.ranked(in_level) is queries.ranked(replace(in_level, level="practice_office", **in_year))
        # Nothing of the question that was first is left in it.
        fixed = select(bases.placed(one)).compile(db.engine).params.values()
        assert not [value for value in values_of(one).values() if value in fixed]

    unit(look)


@pytest.mark.either_database
@pytest.mark.parametrize("subject", [Subject.ORGANIZATION, Subject.TEAM, Subject.STATION])
@pytest.mark.parametrize("metric", Metric)
def test_the_shared_sql_is_that_of_each_question(unit: Callable[..., Any], subject: Subject, metric: Metric) -> None:
    """To the letter, but for what the parameters are called: so no plan depends on how it was built."""
    plain = Question(subject, metric, NOW)
    whole = replace(plain, scope=UUID(int=1), category="traffic_guidance", campaign_id=UUID(int=2), **NOVEMBER)

    def sql(rows: Any) -> str:
        told = select(rows).compile(db.engine, compile_kwargs={"render_postcompile": True})
        return re.sub(r"%\(\w+\)s", "?", str(told))

    def look() -> None:
        for question in (plain, whole, replace(whole, first=date(2026, 11, 2)), replace(whole, last=None)):
            assert sql(queries.ranked(question)) == sql(queries._ranked(question))
            total, each = queries.scope_total(question), queries._scope_total(question)
            assert sql(total.subquery("total")) == sql(each.subquery("total"))

    unit(look)


@pytest.mark.either_database
def test_questions_of_other_shapes_do_not(unit: Callable[..., Any]) -> None:
    one = Question(Subject.ORGANIZATION, Metric.ACTIVITY_COUNT, NOW, scope=UUID(int=1), **NOVEMBER)
    others = [
        replace(one, scope=None),
        replace(one, subject=Subject.TEAM),
        replace(one, level="practice_office"),
        replace(one, metric=Metric.CREDITED_MINUTES),
        replace(one, category="traffic_guidance"),
        replace(one, campaign_id=UUID(int=2)),
        # Put together from days, and without an end.
        replace(one, first=date(2026, 11, 2)),
        replace(one, last=None),
    ]

    def look() -> None:
        known = queries.ranked(one)
        assert all(queries.ranked(other) is not known for other in others)
        with counting_live():
            assert queries.ranked(one) is not known
        grown = replace(one, basis=Basis.GROWTH, before=(OCTOBER["first"], OCTOBER["last"]))
        assert bases.placed(grown) is bases.placed(replace(grown, scope=UUID(int=2)))
        db.session.execute(select(bases.placed(grown)), values_of(grown))

    unit(look)


def test_what_it_is_written_for_is_part_of_the_shape(
    postgresql_app: Flask, change_settings: Callable[..., None]
) -> None:
    question = Question(Subject.TEAM, Metric.ACTIVITY_COUNT, NOW, **NOVEMBER)
    seen: list[Any] = []

    def ask(*, at_one_moment: bool = False) -> Any:
        with postgresql_app.app_context():
            return run_unit(lambda: queries.ranked(question), writes=False, at_one_moment=at_one_moment)

    def is_another(**asked: Any) -> None:
        seen.append(ask(**asked))
        assert seen[-1] not in seen[:-1]

    is_another()
    assert ask() is seen[0]
    is_another(at_one_moment=True)
    with clock.at(NOW + timedelta(days=400)):
        is_another()
    change_settings(postgresql_app, zone=ZoneInfo("Asia/Urumqi"))
    is_another()
    change_settings(postgresql_app, rules=Rules(attendances_for_held_shift=7))
    is_another()


@pytest.mark.either_database
def test_what_is_built_for_one_question_goes_with_it(unit: Callable[..., Any]) -> None:
    """Kept by number, it would be a worker's most memory, and drive out what questions share."""
    shared = Question(Subject.TEAM, Metric.CREDITED_MINUTES, NOW, **NOVEMBER)
    single = replace(shared, subject=Subject.VOLUNTEER)

    def look() -> None:
        assert service._listed(bases.placed(shared)) is service._listed(bases.placed(shared))
        made = bases.placed(single)
        statement = service._listed(made)[0]
        seen = weakref.ref(made), weakref.ref(statement)
        del made, statement
        beside = queries.ranked(single)
        seen = *seen, weakref.ref(beside), weakref.ref(bases._grown(queries.ranked(shared), beside))
        del beside
        gc.collect()
        assert [one() for one in seen] == [None] * 4

    unit(look)
