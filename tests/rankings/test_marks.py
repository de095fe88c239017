"""What is marked is folded once and for all: whoever writes meanwhile, and however many marks there are."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, text, update

from tests.factories import make_volunteer, unit_of
from tests.rankings.factories import Happening, Turn, move, write
from tests.rankings.test_folding import end_history
from tests.rankings.test_service import build_tree
from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.database import Base, db
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations.models import Organization
from volunteer_api.rankings import folding, headcounts, locking, people_folding, queries, tasks, volunteers
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.models import RankingMark, RankingPresence, RankingRule, RankingShift
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.shapes import values_of

pytestmark = pytest.mark.both_databases

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
HELD = {"state": State.HELD, "grade": "strong", "check_in_grade": "strong", "check_in_evidence": {}}
CROWD = 19_000


def held(*present: int, hours: int = 5) -> Happening:
    turn = Turn(NOW - timedelta(hours=hours), present=[(number, State.HELD, 0) for number in present])
    return Happening(ActivityState.PUBLISHED, [turn])


def number_of(model: type[Base]) -> int:
    return db.session.scalars(select(func.count()).select_from(model)).one()


def mark_a_crowd(number: int = CROWD) -> None:
    """Marks of as many shifts, none of which is there."""
    marks = "INSERT INTO ranking_marks (shift_id) SELECT gen_random_uuid() FROM generate_series(1, :number)"
    db.session.execute(text(marks), {"number": number})


@pytest.fixture
def served(postgresql_app: Flask) -> Iterator[None]:
    """In the application, on PostgreSQL: for a connection or a unit beside those of `postgresql_unit`."""
    with postgresql_app.app_context():
        unit_of(postgresql_app)(folding.rebuild)
        yield


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("edit", ["shift", "activity"])
def test_a_change_that_began_before_anybody_attended_is_not_lost(
    postgresql_unit: Callable[..., Any], edit: str
) -> None:
    """She who edits does not see who checks in, whose mark is folded before the edit is committed."""

    def make() -> tuple[Shift, UUID, list[UUID]]:
        tree, people = build_tree(), [make_volunteer().id for _ in range(2)]
        activity = write(held(), tree[3], people)
        return db.session.scalars(select(Shift).where(Shift.activity_id == activity.id)).one(), tree[0].id, people

    with clock.at(NOW):
        shift, center_id, people = postgresql_unit(make)
        root_path = select(Organization.path_id).where(Organization.id == center_id).scalar_subquery()
        statement = {
            "shift": update(Shift).where(Shift.id == shift.id).values(canceled_at=NOW),
            "activity": update(Activity).where(Activity.id == shift.activity_id).values(organization_path_id=root_path),
        }[edit]
        with db.engine.connect() as editor:
            editor.execute(statement)
            come = {"volunteer_id": people[1], "shift_id": shift.id, "checked_in_at": NOW}
            postgresql_unit(lambda: db.session.add(Attendance(**HELD, **come)))
            postgresql_unit(folding.fold)
            editor.commit()
        question = Question(Subject.ORGANIZATION, Metric.ATTENDANCE_COUNT, clock.now(), scope=center_id)
        total = postgresql_unit(
            lambda: tuple(db.session.execute(queries.scope_total(question), values_of(question)).one())
        )
        assert total == {"shift": (0, 0), "activity": (1, 1)}[edit]


def test_marks_of_shifts_that_nobody_attended_do_not_pile_up(unit: Callable[..., Any]) -> None:
    def make() -> UUID:
        coming = Happening(ActivityState.PUBLISHED, [Turn(NOW + timedelta(days=9))])
        return write(coming, build_tree()[0], [make_volunteer().id]).id

    with clock.at(NOW):
        activity_id = unit(make)
        later = update(Shift).where(Shift.activity_id == activity_id).values(ends_at=NOW + timedelta(days=10))
        unit(lambda: db.session.execute(later))
        assert unit(lambda: number_of(RankingMark)) == 1
        unit(folding.fold)
        assert unit(lambda: number_of(RankingMark)) == 0


def test_nothing_is_left_of_a_shift_that_is_gone(unit: Callable[..., Any]) -> None:
    with clock.at(NOW):
        unit(lambda: write(held(0), build_tree()[0], [make_volunteer().id]))
        unit(folding.fold)
        assert unit(lambda: number_of(RankingShift)) == 1

        def drop() -> None:
            db.session.execute(delete(Attendance))
            db.session.execute(delete(Shift))

        unit(drop)
        assert unit(folding.fold) is False
        left = unit(lambda: [number_of(model) for model in (RankingMark, RankingShift, RankingPresence)])
    assert left == [0, 0, 0]


def test_a_crowd_between_two_folds_does_not_stop_them(
    postgresql_app: Flask, postgresql_unit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What PostgreSQL was told of the marks when there were none makes it try each with each."""
    postgresql_unit(folding.rebuild)
    postgresql_unit(mark_a_crowd)
    postgresql_unit(folding.rebuild)
    postgresql_unit(lambda: db.session.execute(text("ANALYZE ranking_marks")))
    postgresql_unit(mark_a_crowd)

    monkeypatch.setitem(locking.FOLDING, "statement_timeout", "3s")
    assert postgresql_unit(folding.fold) is True
    assert postgresql_unit(lambda: number_of(RankingMark)) == CROWD - folding.AT_ONCE["postgresql"].shifts


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("expected", ["none", "all"])
def test_many_marks_are_looked_up_and_not_walked_through(postgresql_unit: Callable[..., Any], expected: str) -> None:
    """Whether PostgreSQL expects no mark or three hundred thousand, it neither tries each nor reads them for each."""
    analyze = text("ANALYZE ranking_marks")
    if expected == "all":
        # More than it would make a hash table of.
        postgresql_unit(lambda: mark_a_crowd(300_000))
    postgresql_unit(lambda: db.session.execute(analyze))
    subjects = [(Subject.ORGANIZATION, metric) for metric in Metric] + [(Subject.VOLUNTEER, Metric.ACTIVITY_COUNT)]

    def plans() -> list[str]:
        found = []
        for subject, metric in subjects:
            for category in (None, "traffic_guidance"):
                level = "practice_office" if subject is Subject.ORGANIZATION else None
                question = Question(subject, metric, NOW, level=level, category=category)
                statement = select(queries.ranked(question)).params(values_of(question))
                if subject is Subject.VOLUNTEER:
                    statement = volunteers.standing(question, UUID(int=1))
                told = str(statement.compile(db.engine, compile_kwargs={"literal_binds": True}))
                found.append("\n".join(db.session.scalars(text("EXPLAIN " + told.replace(":", r"\:")))))
        return found

    for plan in postgresql_unit(plans):
        for line in plan.splitlines():
            if "Filter" in line and re.search(r"(?<!hashed )SubPlan", line):
                assert "ranking_marks" not in plan, plan
        # Read once into an array each time, and never by the side of something else.
        reads = re.findall(r"(?:Seq|Index Only|Index) Scan .*on ranking_marks", plan)
        assert len(reads) == len(re.findall(r"InitPlan \d+.*\n(?:.*\n){1,3}?.*on ranking_marks", plan)), plan


@pytest.mark.usefixtures("served")
def test_a_fold_between_its_two_statements_changes_no_headcount(
    postgresql_app: Flask, postgresql_unit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An organization that moved: whole by what is folded, parted by what is not."""

    def make() -> tuple[list[UUID], list[UUID]]:
        tree, people = build_tree(), [make_volunteer().id for _ in range(3)]
        write(held(0), tree[3], people)
        return [one.id for one in tree], people

    def later() -> None:
        station, second = (db.session.get_one(Organization, tree[number]) for number in (3, 2))
        move(station, second)
        write(held(1, 2, hours=3), station, people)

    with clock.at(NOW):
        tree, people = postgresql_unit(make)
        postgresql_unit(folding.fold)
        postgresql_unit(later)
        question = Question(Subject.ORGANIZATION, Metric.VOLUNTEER_COUNT, clock.now(), scope=tree[1])

        def ask() -> dict[UUID, int]:
            rows = db.session.execute(select(queries.ranked(question)), values_of(question))
            return {row.id: row.value for row in rows}

        real, folds = headcounts.parted, []

        def then_fold(asked: Question) -> Any:
            found = real(asked)

            def other() -> None:
                with postgresql_app.app_context(), clock.at(NOW):
                    folds.append(run_unit(folding.fold, writes=True))

            worker = threading.Thread(target=other)
            worker.start()
            worker.join()
            return found

        before = run_unit(ask, writes=False)
        monkeypatch.setattr(headcounts, "parted", then_fold)
        assert run_unit(ask, writes=False) == before
        assert folds == []
        assert run_unit(ask, writes=False, at_one_moment=True) == before
        assert folds == [False]


@pytest.mark.usefixtures("served")
def test_a_fold_leaves_it_to_whoever_folds_already(postgresql_unit: Callable[..., Any]) -> None:
    postgresql_unit(lambda: mark_a_crowd(1))
    with db.engine.connect() as other:
        other.execute(text("SET lock_timeout = 100"))
        other.execute(text("LOCK TABLE ranking_rules IN EXCLUSIVE MODE"))
        tasks.fold()
        assert postgresql_unit(lambda: number_of(RankingMark)) == 1
    tasks.fold()
    assert postgresql_unit(lambda: number_of(RankingMark)) == 0


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("is_missing", [True, False])
def test_a_command_waits_for_whoever_folds_and_does_what_is_left(
    postgresql_app: Flask, postgresql_unit: Callable[..., Any], is_missing: bool
) -> None:
    """A worker may be at it for many minutes, and then all is done."""
    with clock.at(NOW):
        postgresql_unit(folding.rebuild)

    def rebuild() -> None:
        # As the engine's lock_timeout, but shorter.
        db.session.execute(text("SET LOCAL lock_timeout = 1"))
        folding.rebuild(only_missing=True)

    ended: list[bool] = []

    def command() -> None:
        postgresql_unit(rebuild)
        ended.append(True)

    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'ranking_rules'::regclass")
    with db.engine.connect() as worker:
        worker.execute(text("LOCK TABLE ranking_rules IN EXCLUSIVE MODE"))
        if is_missing:
            worker.execute(delete(RankingRule))
        thread = threading.Thread(target=command)
        thread.start()
        while thread.is_alive() and not worker.scalar(waiting):
            time.sleep(0.01)
        time.sleep(0.05)
        worker.commit()
        thread.join()
    assert ended == [True]
    assert (postgresql_unit(folding.folded_at) == NOW) is not is_missing


def test_a_backlog_is_folded_in_batches(app: Flask, unit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose marks are all of one shift."""
    monkeypatch.setattr(folding, "AT_ONCE", dict.fromkeys(folding.AT_ONCE, folding.Batch(2, 2, 9)))
    monkeypatch.setattr(folding, "MARKS_AT_ONCE", 3)
    monkeypatch.setattr(tasks, "PAUSE_SECONDS", 0)
    asked: list[str] = []

    def make() -> None:
        center, people = build_tree()[0], [make_volunteer().id for _ in range(4)]
        for number in range(3):
            write(held(0, 1, 2, 3, hours=5 + number), center, people)
        shift_id = db.session.scalars(select(Shift.id).order_by(Shift.id).limit(1)).one()
        db.session.add_all([RankingMark(shift_id=shift_id) for _ in range(5)])

    with clock.at(NOW):
        unit(make)
        with app.app_context():
            # One that lasts lets other tasks have their turn, and asks for another.
            monkeypatch.setattr(tasks, "TURN_SECONDS", -1)
            monkeypatch.setattr(tasks, "enqueue", asked.append)
            tasks.fold()
            assert asked == [tasks.FOLD]
            assert unit(lambda: number_of(RankingMark)) > 0
            monkeypatch.setattr(tasks, "TURN_SECONDS", 60)
            tasks.fold()
        assert unit(lambda: (number_of(RankingMark), number_of(RankingShift))) == (0, 3)


def test_a_shift_of_a_crowd_is_folded_by_itself_and_few_people_at_a_time(
    app: Flask, unit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many came: what a fold fails of, the next one would begin with again."""
    monkeypatch.setattr(folding, "AT_ONCE", dict.fromkeys(folding.AT_ONCE, folding.Batch(9, 9, 2)))
    numbers, batches, real = [], [], people_folding._add_changes_of

    def spy(people: Any, *others: Any) -> None:
        numbers.append(len(people))
        if db.engine.dialect.name == "postgresql":
            limits = [db.session.scalar(text(f"SHOW {name}")) for name in locking.FOLDING]
            assert limits == list(locking.FOLDING.values())
        real(people, *others)

    def make() -> None:
        center, people = build_tree()[0], [make_volunteer().id for _ in range(7)]
        for present in ((0, 1), (0,), (0, 1, 2, 3, 4, 5, 6), (5, 6)):
            write(held(*present, hours=5 + len(present)), center, people)

    monkeypatch.setattr(people_folding, "_add_changes_of", spy)
    with clock.at(NOW):
        unit(make)
        while unit(folding.fold):
            batches.append(unit(lambda: number_of(RankingShift)))
        # Two and one are too many together; the crowd is a batch of its own, of which two are looked at each time.
        assert batches == [1, 2, 3]
        assert numbers == [2, 1, 2, 2, 2, 1, 2]
        with app.app_context():
            end_history(lambda work, writes=True: run_unit(work, writes=writes), lambda: None)
