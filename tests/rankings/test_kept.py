"""Questions that took long are kept as spans of their own, and answered as a live count answers them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.rankings.factories import Happening, Turn, write
from tests.rankings.test_folding import NARROWED, STARTS, World, answer, question_of, rows_folded, take
from tests.rankings.test_named import ADULT, consent, decide, make_named_world, near, pages
from tests.rankings.test_service import NOW, build_tree
from volunteer_api.accounts.categories import Category
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, ActivityState
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.periods import parse_period
from volunteer_api.core.problems import Busy, Unavailable
from volunteer_api.core.tasks import run_task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.rankings import checking, counting, files, folding, keeping, kept, service, sums, tasks, volunteers
from volunteer_api.rankings.bases import period_before
from volunteer_api.rankings.counting import is_read
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.models import KeptQuestion, RankingNamed, RankingRule
from volunteer_api.rankings.schemas import ADDITIVE, Basis, Metric, Subject

VERBS = ("consent", "erasure", "birth", "erased", "fold", "fold", "fold", "pass", "keep", "keep")
VERBS += ("write", "come", "judge", "cancel", "shift", "change", "change", "reverse", "move")
PERIODS = ("all", "month", "year", "day", "range", "range", "since", "until")
# How many days ago the first and the last were: what they are set against is the same however late somebody asks.
GROWN = ((0, 0), (1, 0), (1, 1), (2, 1))


def draw_question(world: World, draw: Random, start: datetime) -> Question:
    """One that is not of the calendar: volunteers in a part of it all, or different ones over days that none fits."""
    if draw.random() < 0.3:
        subject, level = draw.choice(
            [(Subject.ORGANIZATION, OrganizationKind.PRACTICE_STATION), (Subject.TEAM, None), (Subject.STATION, None)]
        )
        narrowed = draw.choice((None, "category", "campaign"))
        asked = (
            subject,
            Metric.VOLUNTEER_COUNT,
            draw.choice(("range", "since")),
            draw.choice((None, 0, 1)),
            level,
            narrowed,
        )
    elif draw.random() < 0.4:
        today = clock.local_date(start)
        first, last = (today - timedelta(days=number) for number in draw.choice(GROWN))
        before = period_before(first, last, None, today)
        scope, narrowed = draw.choice((None, 0, 1)), draw.choice(NARROWED)
        asked = Subject.VOLUNTEER, draw.choice(ADDITIVE), "range", scope, None, narrowed
        part = question_of(world, asked, start)
        assert part is not None
        return replace(part, first=first, last=last, before=before, basis=Basis.GROWTH)
    else:
        scope, narrowed = draw.choice((None, 0, 1)), draw.choice(NARROWED)
        period = draw.choice(PERIODS if scope is not None or narrowed is not None else ("range", "since"))
        asked = Subject.VOLUNTEER, draw.choice(ADDITIVE), period, scope, None, narrowed
    question = question_of(world, asked, start)
    assert question is not None
    return question


def want(question: Question) -> None:
    """As if somebody had asked, and waited long."""
    # What it is kept of is not what a comparison before took away, and gave back.
    sums.forget()
    kept.want(question)
    kept.note_all(kept.wanted())


def query_of(question: Question) -> dict[str, Any]:
    names = ("subject", "metric", "basis", "scope", "category", "campaign_id", "first", "last")
    return {name: value for name in names if (value := getattr(question, name)) is not None}


def told(question: Question, people: Sequence[UUID]) -> list[Any]:
    found = [answer(question, people)]
    if question.subject is Subject.VOLUNTEER:
        query = query_of(question)
        found += [pages(query, 2), *(near(query, one) for one in people)]
    return found


def keep_all(run: Callable[..., Any]) -> None:
    while (number := run(keeping.claim)) is not None:
        run(partial(keeping.make, number))


def make_again() -> None:
    """Forget what is folded of the questions, and have them made anew."""
    for one in db.session.scalars(select(KeptQuestion)):
        keeping._forget_rows(one)
    keeping.make_again()


def compare_with_live(asked: Sequence[Question], people: Sequence[UUID]) -> list[list[Any]]:
    """What was told of each question from what is folded, which is what is told of it live."""
    chosen = [replace(one, now=clock.now()) for one in asked]
    sums.forget()
    assert sums.all_is_folded()
    folded = [told(one, people) for one in chosen]
    db.session.execute(delete(RankingRule))
    sums.forget()
    for question, was in zip(chosen, folded, strict=True):
        assert was == told(question, people), question
    return folded


def run_history(draw: Random, monkeypatch: pytest.MonkeyPatch) -> None:
    """Questions are kept at any moment, and compared with what is not folded then; at the end with nothing unfolded."""
    start = moment = next(STARTS)
    asked: list[Question] = []

    def run(work: Callable[[], Any], *, writes: bool = True) -> Any:
        with clock.at(moment):
            return run_unit(work, writes=writes, at_one_moment=not writes)

    def compare() -> None:
        compare_with_live(asked, world.people)

    def are_read() -> list[bool]:
        sums.forget()
        return [is_read(replace(one, now=clock.now())) for one in asked]

    world = run(lambda: make_named_world(draw, idle=2))
    for _ in range(4):
        run(lambda: take(world, "write", draw))
    run(folding.fold)
    # At times two shifts of an activity are folded apart.
    batch = draw.choice([folding.AT_ONCE["sqlite"], folding.Batch(1, 1, 1)])
    monkeypatch.setattr(folding, "AT_ONCE", {"sqlite": batch, "postgresql": batch})
    for number in range(24):
        verb = draw.choice(VERBS)
        if verb == "pass":
            moment += timedelta(hours=draw.choice([1, 3, 24, 24 * 20]))
        elif verb == "fold":
            run(folding.fold)
        elif verb == "keep":
            asked.append(run(lambda: draw_question(world, draw, start)))
            run(lambda: want(asked[-1]))
            keep_all(run)
        elif verb in ("consent", "erasure", "birth", "erased"):
            run(lambda: decide(verb, draw.choice(world.people), draw))  # noqa: B023 - called at once
        else:
            run(lambda: take(world, verb, draw))  # noqa: B023 - called at once
        if number % 6 == 5:
            run(compare, writes=False)
    # Of what was moved to later a fold waits for the end, and a rebuild does not.
    moment += timedelta(days=5)
    while run(folding.fold):
        pass
    keep_all(run)
    run(compare, writes=False)
    assert all(run(are_read, writes=False))
    before = run(rows_folded, writes=False)
    for again in (make_again, folding.rebuild):
        run(again)
        assert run(rows_folded, writes=False) == before


@settings(
    max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_what_is_kept_is_what_a_live_count_finds(app: Flask, seed: int) -> None:
    with app.app_context(), pytest.MonkeyPatch.context() as monkeypatch:
        run_history(Random(seed), monkeypatch)


@pytest.mark.both_databases
@pytest.mark.parametrize("in_part", [False, True])
def test_who_grew_who_fell_and_who_did_as_much_keep_their_order(
    app: Flask, unit: Callable[..., Any], in_part: bool
) -> None:
    yesterday, before = NOW - timedelta(days=1), NOW - timedelta(days=2)
    metrics = (Metric.ACTIVITY_COUNT, Metric.CREDITED_MINUTES)
    people: list[UUID] = []

    def do(*done: tuple[int, datetime, int]) -> None:
        office = db.session.get_one(Organization, office_id)
        for number, moment, minutes in done:
            turn = Turn(moment, present=[(number, State.CREDITED, minutes)])
            write(Happening(ActivityState.COMPLETED, [turn]), office, people)

    def begin() -> UUID:
        people.extend(make_volunteer(birth_date=ADULT).id for _ in range(9))
        # The last is counted and not named.
        for one in people[:-1]:
            consent(one)
        return build_tree()[1].id

    def compare() -> list[list[tuple[Any, ...]]]:
        with app.app_context():
            folded = run_unit(lambda: compare_with_live(asked, people[2:7:2]), writes=False, at_one_moment=True)
            run_unit(sums.forget, writes=False, at_one_moment=True)
            assert all(run_unit(lambda: [is_read(one) for one in asked], writes=False, at_one_moment=True))
            return [walked for _, walked, *_ in folded]

    with clock.at(NOW):
        office_id = unit(begin)
        day = yesterday.date()
        days = {"first": day, "last": day, "before": (day - timedelta(days=1), day - timedelta(days=1))}
        where = {"scope": office_id} if in_part else {}
        asked = [Question(Subject.VOLUNTEER, metric, NOW, basis=Basis.GROWTH, **days, **where) for metric in metrics]
        grew = [(0, yesterday, 60), (1, yesterday, 60), (8, yesterday, 90)]
        fell = [(2, yesterday, 30), (2, before, 60), (3, before, 90), (4, before, 90)]
        same = [(5, yesterday, 30), (5, before, 30)]
        unit(lambda: do(*grew, *fell, *same))
        unit(folding.fold)
        for one in asked:
            unit(lambda: want(one))  # noqa: B023 - called at once
        run_task(app, kept.KEEP)
        # In a part nobody has a place who did nothing in either of the two times.
        idle = [person for _, person, _, *values in compare()[1] if values == [0, 0, 0]]
        assert idle == ([] if in_part else people[6:8])
        # What is not folded yet: an idle one fell, one of the fallen caught up, one more grew; two names come and go.
        unit(lambda: do((6, before, 30), (2, yesterday, 30), (7, yesterday, 120)))
        unit(lambda: consent(people[8]))
        unit(lambda: decide("erasure", people[3], Random(1)))
        rows = compare()
        while unit(folding.fold):
            pass
        assert compare() == rows
        minutes = [(row[0], row[1], row[3:]) for row in rows[1]]
        assert minutes == [
            (1, people[7], (120, 120, 0)),
            (2, people[8], (90, 90, 0)),
            (3, people[0], (60, 60, 0)),
            (3, people[1], (60, 60, 0)),
            (5, people[2], (0, 60, 60)),
            (5, people[5], (0, 30, 30)),
            (7, people[6], (-30, 0, 30)),
            (8, people[4], (-90, 0, 90)),
        ]
        assert not nightly_finds(app)
        grown = kept.unit_of(unit(questions)[0].id)
        for of_unit in (kept.raw_unit_of(grown), grown):
            # As something wrote it past the triggers; nothing of it is kept.
            minutes_of = update(RankingNamed).where(RankingNamed.unit == of_unit)
            spoil = minutes_of.values(credited_minutes=RankingNamed.credited_minutes + 1)
            assert nightly_finds(app, spoil)


@pytest.mark.either_database
def test_a_period_that_runs_is_kept_for_a_day(app: Flask, unit: Callable[..., Any]) -> None:
    month, october = parse_period("2026-11"), (date(2026, 10, 1), date(2026, 10, 31))
    september = date(2026, 9, 1), date(2026, 9, 30)
    grown = Question(Subject.VOLUNTEER, Metric.ACTIVITY_COUNT, NOW, basis=Basis.GROWTH)
    over = replace(grown, first=october[0], last=october[1], before=september)

    def ask() -> tuple[date, date]:
        assert month.first is not None
        assert month.last is not None
        before = period_before(month.first, month.last, month, clock.today())
        for one in (replace(grown, first=month.first, last=month.last, before=before), over):
            want(one)
        return before

    with clock.at(NOW):
        unit(serve)
        unit(folding.fold)
    for number in range(3):
        with clock.at(NOW + timedelta(days=number)):
            before = unit(ask)
            run_task(app, kept.KEEP)
            run_task(app, tasks.DROP_KEPT)
            # Not yesterday's, which nobody can ask for any more.
            assert sorted((one.before_first, one.before_last) for one in unit(questions)) == [september, before]


def test_a_picture_of_what_is_kept_counts_nobody_whom_it_does_not_see(app: Flask, unit: Callable[..., Any]) -> None:
    day = (NOW - timedelta(days=1)).date()
    before = (day - timedelta(days=1), day - timedelta(days=1))
    question = Question(
        Subject.VOLUNTEER, Metric.CREDITED_MINUTES, NOW, first=day, last=day, basis=Basis.GROWTH, before=before
    )

    def draw() -> str:
        with app.app_context():
            sums.forget()
            return run_unit(lambda: files.draw_ranking(question, 1), writes=False, at_one_moment=True)

    with clock.at(NOW):
        unit(serve)
        unit(folding.fold)
        counted = draw()
        unit(lambda: want(question))
        run_task(app, kept.KEEP)
        read = draw()
    assert ("共3个" in counted, "1个并列第1名" in counted) == (True, True)
    assert ("共" in read, "个并列第1名" in read, "并列第1名" in read) == (False, False, True)


def nightly_finds(app: Flask, spoil: Any = None) -> bool:
    """Whether one of the nights finds what is kept to be other than counted: each looks at another metric.

    What is spoiled before it looks is as it was afterwards.
    """
    nights = [NOW.date() + timedelta(days=number) for number in range(len(ADDITIVE))]

    def look() -> bool:
        if spoil is not None:
            db.session.execute(spoil)
        return any(checking.kept_differ(night) for night in nights)

    with app.app_context():
        sums.forget()
        return bool(run_unit(look, writes=False, at_one_moment=True))


def serve() -> UUID:
    """Four volunteers, of whom three are named, in one office; returns it."""
    office = build_tree()[1]
    people = [make_volunteer(birth_date=ADULT).id for _ in range(4)]
    for one in people[:3]:
        consent(one)
    present = [(number, State.CREDITED, minutes) for number, minutes in enumerate((60, 90, 90, 30))]
    write(Happening(ActivityState.COMPLETED, [Turn(NOW - timedelta(days=1), present=present)]), office, people)
    return office.id


def questions() -> list[KeptQuestion]:
    return list(db.session.scalars(select(KeptQuestion).order_by(KeptQuestion.id)))


def asked_by(client: ApiClient, path: str) -> dict[str, Any]:
    """What is answered, but for its moment."""
    response = client.get(path)
    assert response.status_code == 200, response.get_json()
    # What is to be done once it is on its way.
    response.close()
    return {**response.get_json(), "as_of": None}


RANGE = f"from={NOW - timedelta(days=9):%Y-%m-%d}&to={NOW:%Y-%m-%d}"
GROWTH = "subject=volunteer&metric=credited_minutes&basis=growth"
PATHS = {
    "by name in an office": "/rankings?subject=volunteer&metric=credited_minutes&scope={office}",
    "by name over some days": f"/rankings?subject=volunteer&metric=attendance_count&{RANGE}",
    "by name as they grew": f"/rankings?{GROWTH}&{RANGE}",
    "by name in an office as they grew": f"/rankings?{GROWTH}&scope={{office}}&{RANGE}",
    "my place over some days": f"/me/ranking?metric=credited_minutes&{RANGE}",
    "different ones over some days": f"/rankings?subject=organization&metric=volunteer_count&scope={{office}}&{RANGE}",
}


@pytest.mark.parametrize("name", PATHS)
def test_what_took_long_is_read_from_sums_once_the_worker_has_kept_it(
    app: Flask, client: ApiClient, unit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    counted: list[Question] = []
    want = kept.want
    monkeypatch.setattr(kept, "want", lambda question: (counted.append(question), want(question)))
    with clock.at(NOW):
        office = unit(serve)
        unit(folding.fold)
        reader = client.as_(unit(make_volunteer))
        path = PATHS[name].format(office=office)
        monkeypatch.setattr(kept, "LONG_SECONDS", 60)
        first = asked_by(reader, path)
        # What was quick is counted again.
        assert (counted, unit(questions)) == ([], [])
        monkeypatch.setattr(kept, "LONG_SECONDS", 0)
        assert asked_by(reader, path) == first
        assert [one.made_at for one in unit(questions)] == [None]
        run_task(app, kept.KEEP)
        [one] = unit(questions)
        assert (one.made_at, one.row_count > 0, len(counted)) == (NOW, True, 1)
        assert asked_by(reader, path) == first
        # It is read, and nobody counted again.
        assert len(counted) == 1
        assert first.get("items") != []


def test_a_question_that_is_still_asked_stays_and_others_go(unit: Callable[..., Any], app: Flask) -> None:
    def ask() -> None:
        question = Question(Subject.VOLUNTEER, Metric.CREDITED_MINUTES, clock.now(), scope=office)
        kept.still_wanted(question) if is_read(question) else kept.want(question)

    def ask_and_note() -> None:
        unit(ask)
        with app.app_context():
            run_unit(ask, writes=False, at_one_moment=True)
            kept.note(app, kept.wanted())

    with clock.at(NOW):
        office = unit(serve)
        unit(folding.fold)
        ask_and_note()
        run_task(app, kept.KEEP)
    with clock.at(NOW + kept.NOTED_EACH / 2):
        ask_and_note()
        assert [one.asked_at for one in unit(questions)] == [NOW]
    late = NOW + keeping.FORGOTTEN_AFTER
    with clock.at(late):
        ask_and_note()
    with clock.at(late + timedelta(days=1)):
        run_task(app, tasks.DROP_KEPT)
        [one] = unit(questions)
        assert (one.asked_at, one.made_at) == (late, NOW)
    with clock.at(late + timedelta(days=15)):
        run_task(app, tasks.DROP_KEPT)
        assert unit(questions) == []
        assert not unit(lambda: [row for row in rows_folded()["ranking_named"] if f"'k{one.id}'" in row])


@pytest.mark.either_database
@pytest.mark.parametrize("bound", ["MOST_QUESTIONS", "MOST_ROWS"])
def test_too_many_push_out_what_was_asked_longest_ago(
    unit: Callable[..., Any], app: Flask, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    with clock.at(NOW):
        office = unit(serve)
        unit(folding.fold)
    few = {"MOST_QUESTIONS": {"sqlite": 2, "postgresql": 2}, "MOST_ROWS": 6}
    monkeypatch.setattr(keeping, bound, few[bound])
    for number, first in enumerate((None, date(2026, 11, 20), date(2026, 11, 19))):
        with clock.at(NOW + timedelta(minutes=number)):
            asked = Question(Subject.VOLUNTEER, Metric.CREDITED_MINUTES, clock.now(), scope=office, first=first)
            unit(lambda: want(asked))  # noqa: B023 - called at once
            run_task(app, kept.KEEP)
    assert [one.first for one in unit(questions)] == [date(2026, 11, 20), date(2026, 11, 19)]
    assert all(one.row_count == 3 for one in unit(questions))


@pytest.mark.either_database
def test_what_cannot_be_kept_is_not_tried_again_before_somebody_asks_again(
    unit: Callable[..., Any], app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_question: Any) -> Any:
        tried.append(clock.now())
        raise Unavailable()

    tried: list[datetime] = []
    with clock.at(NOW):
        office = unit(serve)
        unit(folding.fold)
        asked = Question(Subject.VOLUNTEER, Metric.CREDITED_MINUTES, NOW, scope=office)
        unit(lambda: want(asked))
    monkeypatch.setattr(keeping, "_worth", fail)
    for minute in range(1, 4):
        with clock.at(NOW + timedelta(minutes=minute)):
            run_task(app, kept.KEEP)
    assert len(tried) == 1
    monkeypatch.undo()
    later = NOW + kept.NOTED_EACH + timedelta(minutes=2)
    with clock.at(later):
        unit(lambda: want(asked))
    with clock.at(later + timedelta(minutes=1)):
        run_task(app, kept.KEEP)
        assert [one.made_at for one in unit(questions)] == [clock.now()]


@pytest.mark.either_database
def test_an_answer_stands_though_its_question_is_not_noted_and_a_count_that_failed_is_noted(
    unit: Callable[..., Any], client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_values: Any, **_named: Any) -> Any:
        raise Busy()

    monkeypatch.setattr(kept, "LONG_SECONDS", 0)
    with clock.at(NOW):
        path = PATHS["by name in an office"].format(office=unit(serve))
        unit(folding.fold)
        reader = client.as_(unit(make_volunteer))
        monkeypatch.setattr(kept, "run_unit", fail)
        assert len(asked_by(reader, path)["items"]) == 3
        assert unit(questions) == []
        monkeypatch.undo()
        monkeypatch.setattr(kept, "LONG_SECONDS", 0)
        # As where the database gave up after its thirty seconds.
        monkeypatch.setattr(service, "_page", fail)
        refused = reader.get(path)
        refused.close()
        assert refused.status_code == 503
        assert len(unit(questions)) == 1


def test_who_reads_while_it_is_kept_and_dropped_sees_the_same(
    postgresql_app: Flask,
    postgresql_unit: Callable[..., Any],
    race: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Readers, folds, and a worker that keeps and drops: real threads, and attendances that come in meanwhile."""
    monkeypatch.setattr(counting, "PATIENCE_SECONDS", 30)
    office = postgresql_unit(serve)
    postgresql_unit(folding.fold)
    people = postgresql_unit(lambda: list(db.session.scalars(select(Volunteer.id).order_by(Volunteer.id))))
    asked = {"subject": Subject.VOLUNTEER, "metric": Metric.ATTENDANCE_COUNT, "scope": office}

    def come(number: int) -> None:
        present = [(one, State.HELD, 0) for one in range(3)]
        turn = Turn(clock.now() - timedelta(days=number + 2), present=present)
        write(Happening(ActivityState.COMPLETED, [turn]), db.session.get_one(Organization, office), people)

    def keep_and_drop() -> None:
        question = Question(Subject.VOLUNTEER, Metric.ATTENDANCE_COUNT, clock.now(), scope=office)
        run_unit(lambda: want(question), writes=True)
        if (number := run_unit(keeping.claim, writes=True)) is not None:
            run_unit(partial(keeping.make, number), writes=True)

    def forget_all() -> None:
        folding.alone(waits=True)
        for one in questions():
            keeping._forget_rows(one)
            db.session.delete(one)

    def read() -> tuple[bool, set[int]]:
        question = Question(Subject.VOLUNTEER, Metric.ATTENDANCE_COUNT, clock.now(), scope=office)
        return is_read(question), {row[3] for row in pages(asked, 2)}

    def work(number: int) -> list[tuple[bool, set[int]]]:
        seen = []
        with postgresql_app.app_context():
            for turn in range(6):
                if number == 0:
                    run_unit(partial(come, turn), writes=True)
                elif number == 1:
                    run_unit(folding.fold, writes=True)
                elif number == 2:
                    keep_and_drop()
                    if turn % 2:
                        run_unit(forget_all, writes=True)
                else:
                    seen.append(run_unit(read, writes=False, at_one_moment=True))
        return seen

    for seen in race(7, work):
        assert isinstance(seen, list), seen
        # All three came to every one of them.
        assert all(len(values) == 1 for _, values in seen), seen
    with postgresql_app.app_context():
        keep_and_drop()
        while run_unit(folding.fold, writes=True):
            pass
        assert run_unit(read, writes=False, at_one_moment=True) == (True, {7})


@pytest.mark.either_database
def test_a_day_that_is_half_folded_counts_as_the_fold_tells_it(
    app: Flask, unit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An activity with two shifts on a day was edited, and one of them is folded as it is now."""
    few = folding.Batch(1, 1, 1)
    with clock.at(NOW):
        office, person = unit(lambda: build_tree()[1].id), unit(lambda: make_volunteer().id)
        turns = [Turn(NOW - timedelta(hours=hours), present=[(0, State.CREDITED, 60)]) for hours in (9, 6)]
        unit(lambda: write(Happening(turns=turns), db.session.get_one(Organization, office), [person]))
        unit(folding.fold)
        unit(lambda: db.session.execute(update(Activity).values(category=Category.TRAFFIC_GUIDANCE)))
        monkeypatch.setattr(folding, "AT_ONCE", {"sqlite": few, "postgresql": few})
        assert unit(folding.fold)
        asked = Question(Subject.VOLUNTEER, Metric.ACTIVITY_COUNT, NOW, scope=office)
        unit(lambda: want(asked))
        keep_all(unit)

        def read() -> list[Any]:
            assert is_read(asked)
            return answer(asked, [person])

        def told_now() -> list[Any]:
            with app.app_context():
                return run_unit(read, writes=False, at_one_moment=True)

        expected = [[(volunteers.OWN, 1, 0, 1)]]
        assert told_now() == expected
        while unit(folding.fold):
            pass
        assert told_now() == expected
