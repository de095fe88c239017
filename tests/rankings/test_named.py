"""Named volunteers: read in pages from what is folded they stand where a live count of everybody puts them."""

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text, update

from tests.factories import make_volunteer
from tests.rankings.factories import Happening, Turn, write
from tests.rankings.test_folding import STARTS, World, end_history, make_world, question_of, take
from tests.rankings.test_service import NOW, build_tree
from volunteer_api.accounts import consents
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import ActivityState
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import Base, db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import checking, folding, named, service, sums
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.models import RankingHistogram, RankingNamed, RankingNameMark, RankingRule
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.spans import Unit

pytestmark = pytest.mark.both_databases

ADULT = date(1990, 2, 28)
METRICS = (Metric.ACTIVITY_COUNT, Metric.ATTENDANCE_COUNT, Metric.CREDITED_MINUTES)
PERIODS = ("all", "month", "quarter", "year", "day", "week", "range", "since", "until")
VERBS = ("consent",) * 4 + ("erasure", "erasure", "birth", "birth", "erased") + ("fold",) * 4 + ("pass",) * 3
VERBS += ("write", "write", "come", "judge", "cancel", "shift", "change", "reverse")


def consent(volunteer_id: UUID) -> None:
    """Let her be named from now on, or no more."""
    if consents.has(volunteer_id, ConsentKind.RANKING_NAME):
        consents.withdraw(volunteer_id, ConsentKind.RANKING_NAME)
    else:
        consents.give_anew(volunteer_id, kind=ConsentKind.RANKING_NAME, version="1")


def decide(verb: str, volunteer_id: UUID, draw: Random) -> None:
    """Change something that decides whether somebody is named."""
    person = db.session.get_one(Volunteer, volunteer_id)
    match verb:
        case "consent":
            consent(volunteer_id)
        case "erasure":
            person.erases_at = None if person.erases_at else clock.now() + timedelta(days=7)
        case "erased":
            person.erased_at = None if person.erased_at else clock.now()
        case "birth":
            # Unknown, of age, or so from one of the next days on.
            soon = clock.today() + timedelta(days=draw.randint(-1, 3))
            person.birth_date = draw.choice([None, ADULT, date(soon.year - 18, soon.month, min(soon.day, 28))])
    db.session.flush()


def make_named_world(draw: Random, *, idle: int) -> World:
    """A world of which most consent to be named; so many of them never do anything."""
    world = make_world()
    world.people += [make_volunteer().id for _ in range(idle)]
    for one in world.people:
        db.session.get_one(Volunteer, one).birth_date = draw.choice([ADULT, ADULT, ADULT, None])
        if draw.random() < 0.7:
            consent(one)
    return world


def pages(query: dict[str, Any], limit: int) -> list[tuple[Any, ...]]:
    """All places, read to their end by cursor."""
    found: list[tuple[Any, ...]] = []
    cursor = None
    while True:
        page = service.rank({**query, "limit": limit} | ({"cursor": cursor} if cursor else {}))
        found += [
            (row.rank, row.subject["id"], row.subject["name"], row.value, row.raw, row.before) for row in page.items
        ]
        cursor = page.next_cursor
        if cursor is None:
            return found


def near(query: dict[str, Any], volunteer_id: UUID) -> list[tuple[Any, ...]] | None:
    try:
        found = service.rank(query | {"around": volunteer_id}).items
    except NotFound:
        return None
    return [(row.rank, row.subject["id"], row.value, row.raw, row.before) for row in found]


def told(asked: Sequence[tuple[dict[str, Any], int]], people: Sequence[UUID]) -> list[Any]:
    return [(query, pages(query, limit), [near(query, one) for one in people]) for query, limit in asked]


def query_of(world: World, draw: Random, start: datetime) -> dict[str, Any]:
    asked = (Subject.VOLUNTEER, draw.choice(METRICS), draw.choice(PERIODS), None, None, None)
    question = question_of(world, asked, start)
    assert question is not None
    days = {name: getattr(question, name) for name in ("first", "last") if getattr(question, name) is not None}
    return {"subject": Subject.VOLUNTEER, "metric": question.metric, **days}


def run_history(draw: Random) -> None:
    start = moment = next(STARTS)

    def run(work: Callable[[], Any], *, writes: bool = True) -> Any:
        with clock.at(moment):
            return run_unit(work, writes=writes, at_one_moment=not writes)

    def compare() -> None:
        """The same pages from what is folded and, without a rule by which it is, from a live count."""
        asked = [(query_of(world, draw, start), draw.choice([1, 2, 3, 20])) for _ in range(3)]
        people = draw.sample(world.people, 2)
        sums.forget()
        assert sums.all_is_folded()
        folded = told(asked, people)
        db.session.execute(delete(RankingRule))
        sums.forget()
        assert folded == told(asked, people)

    world = run(lambda: make_named_world(draw, idle=4))
    for _ in range(4):
        run(lambda: take(world, "write", draw))
    for number in range(20):
        verb = draw.choice(VERBS)
        if verb == "pass":
            moment += timedelta(hours=draw.choice([1, 24, 24 * 40]))
        elif verb == "fold":
            run(folding.fold)
        elif verb in ("consent", "erasure", "birth", "erased"):
            run(lambda: decide(verb, draw.choice(world.people), draw))  # noqa: B023 - called at once
        else:
            run(lambda: take(world, verb, draw))  # noqa: B023 - called at once
        if number % 7 == 6:
            run(compare, writes=False)
    end_history(run, lambda: run(compare, writes=False))


@settings(
    max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_pages_of_the_named_are_those_of_a_live_count(app: Flask, seed: int) -> None:
    with app.app_context():
        run_history(Random(seed))


def number_of(model: type[Base], volunteer_id: UUID) -> int:
    """How many rows are about her."""
    return db.session.scalars(select(func.count()).select_from(model).where(model.volunteer_id == volunteer_id)).one()


def make_people(*births: date | None, minutes: Sequence[int] = (60, 60, 30)) -> list[UUID]:
    """Volunteers who consent to be named; some of them attended for so many minutes on the day before."""
    people = [make_volunteer(birth_date=birth).id for birth in births]
    for one in people:
        consent(one)
    present = [(number, State.CREDITED, each) for number, each in enumerate(minutes)]
    turn = Turn(clock.now() - timedelta(days=1), present=present)
    write(Happening(ActivityState.COMPLETED, [turn]), build_tree()[0], people)
    return people


def listed(unit: Callable[..., Any], **query: Any) -> list[tuple[int, UUID, int]]:
    """Everybody who is named with her rank and minutes, two on each page."""
    asked = {"subject": Subject.VOLUNTEER, "metric": Metric.CREDITED_MINUTES, **query}
    found: list[tuple[int, UUID, int]] = unit(lambda: [(one[0], one[1], one[3]) for one in pages(asked, 2)])
    return found


@pytest.mark.parametrize("first", [None, NOW.date() - timedelta(days=2)])
@pytest.mark.both_databases
def test_ties_share_a_rank_on_whatever_page_and_those_with_nothing_come_last(
    unit: Callable[..., Any], first: date | None
) -> None:
    days = {"first": first, "last": NOW.date()} if first else {}
    with clock.at(NOW):
        # The second page begins with the last of three who have as much, and ends with somebody who has less.
        people = unit(lambda: make_people(*[ADULT] * 7, minutes=(60, 60, 60, 30)))
        expected = [(1, one, 60) for one in people[:3]] + [(4, people[3], 30)] + [(5, one, 0) for one in people[4:]]
        assert listed(unit, **days) == expected
        unit(folding.fold)
        assert listed(unit, **days) == expected


def test_who_takes_it_back_is_named_no_more_though_nothing_is_folded(unit: Callable[..., Any]) -> None:
    with clock.at(NOW):
        people = unit(lambda: make_people(*[ADULT] * 4))
        unit(folding.fold)
        assert unit(lambda: number_of(RankingNamed, people[0])) == len(Unit)
        unit(lambda: consent(people[0]))
        rest = [(1, people[1], 60), (2, people[2], 30), (3, people[3], 0)]
        assert listed(unit) == rest
        assert unit(lambda: near({"subject": Subject.VOLUNTEER, "metric": Metric.CREDITED_MINUTES}, people[0])) is None
        unit(folding.fold)
        assert listed(unit) == rest
        assert unit(lambda: [number_of(model, people[0]) for model in (RankingNamed, RankingNameMark)]) == [0, 0]
        # She is given back what she has, from her whole history.
        unit(lambda: consent(people[0]))
        everybody = [(1, people[0], 60), (1, people[1], 60), (3, people[2], 30), (4, people[3], 0)]
        assert listed(unit) == everybody
        unit(folding.fold)
        assert listed(unit) == everybody


def test_a_name_whose_mark_is_lost_is_not_told(unit: Callable[..., Any]) -> None:
    """As where rows were put back past the triggers."""
    with clock.at(NOW):
        people = unit(lambda: make_people(*[ADULT] * 4))
        unit(folding.fold)
        unit(lambda: consent(people[0]))
        unit(lambda: db.session.execute(delete(RankingNameMark)))
        assert [one[1] for one in listed(unit)] == people[1:]


def test_a_birthday_names_somebody_without_a_write(unit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing was folded for months, and then a month of birthdays at a time."""
    with clock.at(NOW):
        tomorrow, later = date(2008, 11, 24), date(2009, 3, 1)
        people = unit(lambda: make_people(tomorrow, ADULT, later, None))
        unit(folding.fold)
        assert listed(unit) == [(1, people[1], 60)]
    # The local day begins at 16:00.
    with clock.at(NOW.replace(hour=16)):
        both = [(1, people[0], 60), (1, people[1], 60)]
        assert listed(unit) == both
        unit(folding.fold)
        assert unit(lambda: db.session.scalars(select(RankingRule.adults_born_by)).one()) == tomorrow
        assert listed(unit) == both
    with clock.at(NOW.replace(year=2027, month=3)):
        everybody = [*both, (3, people[2], 30)]
        for _ in range(5):
            assert listed(unit) == everybody
            unit(folding.fold)
        assert unit(folding.fold) is False
        assert unit(lambda: db.session.scalars(select(RankingRule.adults_born_by)).one()) == date(2009, 3, 23)


def test_before_all_is_folded_they_are_counted_and_then_folded_at_once(unit: Callable[..., Any]) -> None:
    """As right after a migration that has more folded."""
    with clock.at(NOW):
        people = unit(lambda: make_people(*[ADULT] * 4))
        unit(folding.fold)
        before = listed(unit)
        unit(lambda: db.session.execute(delete(RankingNamed)))
        unit(lambda: db.session.execute(update(RankingRule).values(form=sums.FORM - 1)))
        assert listed(unit) == before
        unit(folding.fold)
        assert unit(lambda: number_of(RankingNamed, people[0])) == len(Unit)
        assert listed(unit) == before


WRONG = {
    "value": update(RankingNamed).where(RankingNamed.unit == "month").values(dict.fromkeys(METRICS, 7)),
    "missing": delete(RankingNamed).where(RankingNamed.credited_minutes == 0),
    "number": update(RankingHistogram).where(RankingHistogram.unit == "month").values(named_count=7),
}


def test_the_nightly_look_finds_what_is_wrong_with_the_named(unit: Callable[..., Any]) -> None:
    with clock.at(NOW):
        unit(lambda: make_people(*[ADULT] * 4))
        while unit(folding.fold):
            pass
        days = [NOW.date() - timedelta(days=ago) for ago in range(1, 4)]
        assert not any(unit(lambda: checking.names_differ(day)) for day in days)  # noqa: B023 - called at once
        for wrong in WRONG.values():
            unit(lambda: db.session.execute(wrong))  # noqa: B023 - called at once
            assert all(unit(lambda: checking.names_differ(day)) for day in days)  # noqa: B023 - called at once
            unit(folding.rebuild)


def test_consents_folds_and_readers_at_once(
    postgresql_app: Flask, postgresql_unit: Callable[..., Any], race: Callable[..., list[Any]]
) -> None:
    """Every list is of one moment, each on it with the rank that the others give her; in the end it is who consents."""
    postgresql_unit(folding.rebuild)
    people = postgresql_unit(lambda: make_people(*[ADULT] * 8, minutes=(60, 60, 30, 30, 30, 0, 10, 0)))
    asked = {"subject": Subject.VOLUNTEER, "metric": Metric.CREDITED_MINUTES}

    def read() -> list[tuple[Any, ...]]:
        return pages(asked, 3)

    def work(number: int) -> list[list[tuple[Any, ...]]]:
        with postgresql_app.app_context():
            for turn in range(6):
                if number < 3:
                    one = people[number + turn % 2 * 3]
                    run_unit(lambda: consent(one), writes=True)  # noqa: B023 - called at once
                elif number < 5:
                    run_unit(folding.fold, writes=True)
            return [run_unit(read, writes=False, at_one_moment=True) for _ in range(3)] if number >= 5 else []

    for lists in race(8, work):
        assert isinstance(lists, list), lists
        for rows in lists:
            assert len({row[1] for row in rows}) == len(rows)
            assert [row[0] for row in rows] == [1 + sum(one[3] > row[3] for one in rows) for row in rows]
    # Each of six was changed three times.
    expected = sorted(people[6:], key=lambda one: (one != people[6], one))
    for _ in range(2):
        assert [row[1] for row in postgresql_unit(read)] == expected
        while postgresql_unit(folding.fold):
            pass
    left = postgresql_unit(lambda: set(db.session.scalars(select(RankingNamed.volunteer_id))))
    assert left == set(expected)


@pytest.mark.usefixtures("postgresql_app")
def test_a_page_is_walked_to_and_not_sorted(postgresql_unit: Callable[..., Any]) -> None:
    """From its cursor along the index, by month and of all time, among so many who have as much."""
    spans = "(VALUES ('month', DATE '2026-11-01'), ('all', DATE '0001-01-01')) AS spans (unit, starts_on)"
    fill = (
        "INSERT INTO volunteers (id, created_at, version, volunteer_number, name, birth_date, skills,"
        " service_categories) SELECT gen_random_uuid(), now(), 1, number::text, '志愿者', '1990-01-01', '[]', '[]'"
        " FROM generate_series(1, 8000) AS number",
        "INSERT INTO consents (id, created_at, volunteer_id, kind, version, given_at)"
        " SELECT gen_random_uuid(), now(), id, 'ranking_name', '1', now() FROM volunteers",
        "INSERT INTO ranking_named (volunteer_id, unit, starts_on, activity_count, attendance_count, credited_minutes)"
        f" SELECT id, unit, starts_on, 1, 1, 60 - volunteer_number::int % 20 FROM volunteers, {spans}",
        "DELETE FROM ranking_name_marks",
        "ANALYZE ranking_named, volunteers, consents",
    )
    postgresql_unit(folding.rebuild)
    for statement in fill:
        postgresql_unit(lambda: db.session.execute(text(statement)))  # noqa: B023 - called at once

    def plan(first: date | None, last: date | None) -> str:
        question = Question(Subject.VOLUNTEER, Metric.CREDITED_MINUTES, NOW, first=first, last=last)
        statement = select(named.places(question, named.Part(21, (50, UUID(int=2**120)))))
        told = str(statement.compile(db.engine, compile_kwargs={"literal_binds": True}))
        return "\n".join(db.session.scalars(text("EXPLAIN " + told.replace(":", r"\:"))))

    for days in ((None, None), (date(2026, 11, 1), date(2026, 11, 30))):
        found = postgresql_unit(lambda: plan(*days))  # noqa: B023 - called at once
        walks = re.findall(
            r"Scan using ix_ranking_named_credited_minutes on ranking_named.*\n\s+Index Cond: (.*)", found
        )
        assert sum("credited_minutes = 50" in walk for walk in walks) == 1, found
        assert sum("credited_minutes < 50" in walk for walk in walks) == 1, found
