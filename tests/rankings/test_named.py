"""Named volunteers: read in pages from what is folded they stand where a live count of everybody puts them."""

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

from tests.factories import make_volunteer, unit_of
from tests.rankings.factories import Happening, Turn, write
from tests.rankings.test_folding import STARTS, World, make_world, question_of, rows_folded, take
from tests.rankings.test_service import NOW, build_tree
from volunteer_api.accounts import consents
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.models import Consent, Volunteer
from volunteer_api.activities.models import ActivityState
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import Base, db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import checking, folding, named_folding, names, service, sums
from volunteer_api.rankings.models import RankingHistogram, RankingNamed, RankingNameMark, RankingRule
from volunteer_api.rankings.schemas import Metric, Subject

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


def pages(query: dict[str, Any], limit: int) -> list[tuple[Any, ...]]:
    """All places, read to their end by cursor."""
    found: list[tuple[Any, ...]] = []
    cursor = None
    while True:
        page = service.rank({**query, "limit": limit} | ({"cursor": cursor} if cursor else {}))
        found += [(row.rank, row.subject["id"], row.subject["name"], row.value) for row in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


def near(query: dict[str, Any], volunteer_id: UUID) -> list[tuple[Any, ...]] | None:
    try:
        found = service.rank(query | {"around": volunteer_id}).items
    except NotFound:
        return None
    return [(row.rank, row.subject["id"], row.value) for row in found]


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

    def make() -> World:
        world = make_world()
        # Some who never do anything.
        world.people += [make_volunteer().id for _ in range(4)]
        for one in world.people:
            db.session.get_one(Volunteer, one).birth_date = draw.choice([ADULT, ADULT, ADULT, None])
            if draw.random() < 0.7:
                consent(one)
        return world

    def compare() -> None:
        """The same pages from what is folded and, without a rule by which it is, from a live count."""
        asked = [(query_of(world, draw, start), draw.choice([1, 2, 3, 20])) for _ in range(3)]
        people = draw.sample(world.people, 2)
        sums.forget()
        assert sums.names_are_folded()
        folded = told(asked, people)
        db.session.execute(delete(RankingRule))
        sums.forget()
        assert folded == told(asked, people)

    world = run(make)
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
    while run(folding.fold):
        pass
    run(compare, writes=False)
    before = run(rows_folded, writes=False)
    run(folding.rebuild)
    assert run(rows_folded, writes=False) == before


@settings(
    max_examples=3, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_pages_of_the_named_are_those_of_a_live_count(app: Flask, seed: int) -> None:
    with app.app_context():
        run_history(Random(seed))
