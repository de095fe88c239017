"""Seals of the ledger's days: nobody changes, takes out or slips in a row without its name being found."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
import structlog
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import select, text

from tests.attendance.factories import Scene, make_scene
from tests.factories import current_app_is, unit_of
from tests.hours.test_service import FIRST, HOUR, credit
from volunteer_api.certificates import service as certificates
from volunteer_api.certificates.models import Certificate
from volunteer_api.cli import common
from volunteer_api.core import clock, logs
from volunteer_api.core.database import db
from volunteer_api.hours import seal_check, seals
from volunteer_api.hours.leaves import COLUMNS, FORMAT, record_leaf
from volunteer_api.hours.merkle import leaf_digest, root_of_path
from volunteer_api.hours.models import DaySeal, SealLeaf, ServiceRecord
from volunteer_api.hours.seal_check import Fault, FaultKind
from volunteer_api.hours.tasks import warn_of_days_ahead

pytestmark = pytest.mark.both_databases

Unit = Callable[[Callable[[], Any]], Any]
# The local days of FIRST and of the two after it.
DAYS = [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]


def record(unit: Unit, scene: Scene, at: datetime, minutes: int = 60) -> UUID:
    """A row recorded at a moment."""

    def work() -> UUID:
        with clock.at(at):
            made = credit(scene, scene.volunteer.id, minutes, FIRST)
        assert made is not None
        return made.id

    made: UUID = unit(work)
    return made


def seal(app: Flask, at: datetime) -> int:
    """What the worker seals at a moment."""
    with app.app_context(), clock.at(at):
        return seals.seal_days()


def verify(app: Flask, at: datetime | None = None, **options: Any) -> list[Fault]:
    """What is found, each fault as it is told, at a moment: by default when the last seal's day was over."""
    found: list[Fault] = []
    sealed = unit_of(app)(seals.last_seal)
    with app.app_context(), clock.at(at or sealed.ends_at + HOUR):
        outcome = seal_check.verify(tell=found.append, **options)
    assert outcome.faults == len(found)
    return found


def by_hand(app: Flask, *statements: str, **values: Any) -> None:
    """What somebody does who has the database to themselves: no trigger and no foreign key is asked."""
    with app.app_context(), db.engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys = OFF")
            for name in connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars():
                driver.execute(f"DROP TRIGGER {name}")
        else:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement), values)
        connection.commit()
        connection.invalidate()


def test_days_are_sealed_in_a_chain_once_they_are_over(app: Flask, unit: Unit) -> None:
    scene = make_scene(starts_at=FIRST)
    assert seal(app, FIRST) == 0
    made = [record(unit, scene, FIRST + HOUR * hour) for hour in (0, 1, 30, 49)]
    end = clock_start(app, DAYS[1])
    assert seal(app, end + timedelta(minutes=59)) == 0
    assert seal(app, end + HOUR) == 1
    # The worker stood still for two days; a day without a row has its seal too.
    assert seal(app, end + timedelta(days=3, hours=1)) == 3
    sealed = unit(lambda: db.session.scalars(select(DaySeal).order_by(DaySeal.id)).all())
    assert [(one.on, one.record_count) for one in sealed] == [*zip(DAYS, (2, 1, 1), strict=True), (date(2026, 1, 4), 0)]
    assert [one.previous_root for one in sealed] == [None, *(one.root for one in sealed[:-1])]
    leaves = unit(lambda: {leaf.id: (leaf.seal_id, leaf.position) for leaf in db.session.query(SealLeaf)})
    assert leaves == {made[0]: (1, 0), made[1]: (1, 1), made[2]: (2, 0), made[3]: (3, 0)}
    assert verify(app) == []
    assert verify(app, first=DAYS[1], last=DAYS[1], known={sealed[1].on: sealed[1].root}) == []


def clock_start(app: Flask, day: date) -> datetime:
    with app.app_context():
        return clock.start_of(day)


def test_a_row_that_is_committed_late_is_in_the_next_seal_and_named(app: Flask, unit: Unit) -> None:
    scene = make_scene(starts_at=FIRST)
    record(unit, scene, FIRST)
    seal(app, clock_start(app, DAYS[1]) + HOUR)
    late, old = record(unit, scene, FIRST + HOUR), record(unit, scene, FIRST - timedelta(days=30))
    assert verify(app) == [Fault(FaultKind.RECORD_NOT_SEALED, DAYS[0], one) for one in (old, late)]
    seal(app, clock_start(app, DAYS[2]) + HOUR)
    assert verify(app) == [
        Fault(FaultKind.RECORD_NOT_SEALED, DAYS[0], old),
        Fault(FaultKind.RECORD_INSERTED_LATE, DAYS[1], late),
    ]


def test_a_root_is_logged_once_it_stands(app: Flask, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = StringIO()
    monkeypatch.setitem(app.extensions, logs.EXTENSION, structlog.wrap_logger(structlog.PrintLogger(shown)))
    record(unit, make_scene(starts_at=FIRST), FIRST)
    at = clock_start(app, DAYS[1]) + HOUR

    def seal_and_fail() -> None:
        assert seals.seal_next_day() is not None
        raise LookupError

    with clock.at(at), pytest.raises(LookupError):
        unit(seal_and_fail)
    assert "day_sealed" not in shown.getvalue()
    assert seal(app, at) == 1
    root = unit(lambda: db.session.scalars(select(DaySeal.root)).one()).hex()
    assert (shown.getvalue().count("day_sealed"), shown.getvalue().count(root)) == (1, 1)


def test_a_row_of_a_time_to_come_is_named(app: Flask, unit: Unit) -> None:
    scene = make_scene(starts_at=FIRST)
    record(unit, scene, FIRST)
    now = clock_start(app, DAYS[1]) + HOUR
    seal(app, now)
    record(unit, scene, now + timedelta(seconds=50))
    slipped_in = record(unit, scene, now + timedelta(days=400))
    with app.app_context():
        on = clock.local_date(now + timedelta(days=400))
    assert verify(app, at=now) == [Fault(FaultKind.RECORD_IN_FUTURE, on, slipped_in)]


def test_what_is_changed_by_hand_is_found(own_app: Flask) -> None:
    unit = unit_of(own_app)
    with current_app_is(own_app):
        scene = make_scene(starts_at=FIRST)
    made = [record(unit, scene, FIRST + timedelta(minutes=number)) for number in range(5)]
    second = record(unit, scene, FIRST + timedelta(days=1))
    seal(own_app, clock_start(own_app, DAYS[2]) + HOUR)
    assert verify(own_app) == []
    root = unit(lambda: db.session.get_one(DaySeal, 1).root)
    by_hand(own_app, "UPDATE service_records SET minutes = 600 WHERE id = :id", id=stored(own_app, made[2]))
    by_hand(own_app, "DELETE FROM service_records WHERE id = :id", id=stored(own_app, made[4]))
    assert verify(own_app) == [
        Fault(FaultKind.RECORD_CHANGED, DAYS[0], made[2]),
        Fault(FaultKind.RECORD_DELETED, DAYS[0], made[4]),
    ]
    # The row's digest is made anew as well: the day has another root, but not which row it was.
    forged = unit(lambda: leaf_digest(record_leaf(db.session.get_one(ServiceRecord, made[2]))))
    by_hand(
        own_app, "UPDATE seal_leaves SET digest = :digest WHERE id = :id", id=stored(own_app, made[2]), digest=forged
    )
    assert Fault(FaultKind.SEAL_CHANGED, DAYS[0]) in verify(own_app)
    # The seal too: it does not fit the next one, has no signature, and is not what somebody kept.
    by_hand(own_app, "UPDATE day_seals SET root = :root WHERE id = 1", root=b"forged")
    kinds = [fault.kind for fault in verify(own_app, known={DAYS[0]: root})]
    assert {FaultKind.SEAL_CHANGED, FaultKind.SEAL_SIGNATURE, FaultKind.ROOT_NOT_AS_KNOWN} <= set(kinds)
    by_hand(own_app, "DELETE FROM day_seals WHERE id = 1")
    found = verify(own_app, known={DAYS[0]: root})
    assert found.count(Fault(FaultKind.SEAL_MISSING, DAYS[0])) == 2
    assert second not in {fault.record_id for fault in found}


def test_whoever_takes_seals_away_hides_nothing(own_app: Flask) -> None:
    unit = unit_of(own_app)
    with current_app_is(own_app):
        scene = make_scene(starts_at=FIRST)
    made = [record(unit, scene, FIRST + timedelta(days=number)) for number in range(3)]
    end = clock_start(own_app, DAYS[2]) + timedelta(days=1)
    seal(own_app, end + HOUR)
    volunteer_id = scene.volunteer.id
    with current_app_is(own_app), clock.at(end):
        unit(lambda: certificates.issue(volunteer_id=volunteer_id, first=DAYS[0], last=DAYS[2]))
    changed = {"id": stored(own_app, made[2])}
    by_hand(
        own_app,
        "DELETE FROM seal_leaves WHERE seal_id = 3",
        "DELETE FROM day_seals WHERE id = 3",
        "UPDATE service_records SET minutes = 600 WHERE id = :id",
        **changed,
    )
    # A certificate has the root of the day: the worker does not sign another one for it.
    assert verify(own_app, end + HOUR) == [Fault(FaultKind.SEAL_MISSING, DAYS[2])]
    assert seal(own_app, end + timedelta(days=5)) == 0
    # Without that certificate it does, and says when: nobody can date the seal back without the key.
    root = unit(lambda: db.session.scalars(select(Certificate.root)).one())
    by_hand(own_app, "UPDATE certificates SET root = NULL, sealed_on = NULL")
    assert seal(own_app, end + timedelta(days=5)) == 5
    with own_app.app_context(), clock.at(end + timedelta(days=5)):
        outcome = seal_check.verify()
    assert (outcome.faults, outcome.late, outcome.last_late_on) == (0, 5, date(2026, 1, 6))
    assert verify(own_app, known={DAYS[2]: root}) == [Fault(FaultKind.ROOT_NOT_AS_KNOWN, DAYS[2])]
    by_hand(own_app, "UPDATE day_seals SET sealed_at = (SELECT sealed_at FROM day_seals WHERE id = 2) WHERE id = 3")
    by_hand(own_app, "UPDATE day_seals SET form = 99 WHERE id = 1")
    assert verify(own_app) == [Fault(FaultKind.SEAL_CHANGED, DAYS[0]), Fault(FaultKind.SEAL_SIGNATURE, DAYS[2])]
    # No seal at all is no clean ledger.
    by_hand(own_app, "DELETE FROM seal_leaves", "DELETE FROM day_seals")
    missing = [Fault(FaultKind.SEAL_MISSING, day) for day in (DAYS[0], DAYS[2])]
    assert verify(own_app, end + HOUR) == missing
    with own_app.app_context(), clock.at(end + HOUR):
        assert unit(seals.overdue_day) == DAYS[0]


def stored(app: Flask, record_id: UUID) -> Any:
    """An id as the database's driver takes it."""
    with app.app_context():
        return record_id.hex if db.engine.dialect.name == "sqlite" else record_id


def test_the_worker_looks_at_each_day_once_a_month(own_app: Flask) -> None:
    unit = unit_of(own_app)
    with current_app_is(own_app):
        scene = make_scene(starts_at=FIRST)
    made = record(unit, scene, FIRST)
    end = clock_start(own_app, DAYS[1]) + HOUR
    seal(own_app, end)
    name = stored(own_app, made)
    [content] = unit(lambda: db.session.scalars(select(ServiceRecord.content)).all())
    by_hand(own_app, "UPDATE service_records SET content = 'x' WHERE id = :id", id=name)

    def look(day: int) -> int:
        seal(own_app, end + timedelta(days=day))
        with own_app.app_context(), clock.at(end + timedelta(days=day)):
            return seal_check.verify_some()

    def warnings() -> list[str]:
        told: list[str] = own_app.test_client().get("/readyz").json["warnings"]
        return [one for one in told if "does not fit its seals" in one]

    night = next(night for night in range(30) if look(night))
    assert night > 0, "each night looks at some of the days"
    # From then on it is told, and each night looks at all of them until nothing is found.
    assert warnings() == [
        "The hours ledger does not fit its seals: 1 faults, the first one record_changed of 2026-01-01; see "
        "`volunteer-api ledger verify`."
    ]
    assert [look(night + 1), look(night + 2), len(warnings())] == [1, 1, 1]
    by_hand(own_app, "UPDATE service_records SET content = :content WHERE id = :id", content=content, id=name)
    assert (look(night + 3), warnings()) == (0, [])
    # Nothing was sealed since: who asks whether the worker is well is told from the second day on.
    for more, on in ((4, None), (5, DAYS[1] + timedelta(days=night + 3))):
        with own_app.app_context(), clock.at(end + timedelta(days=night + more)):
            assert unit(seals.overdue_day) == on


def test_a_proof_leads_to_the_root(client: Any, app: Flask, unit: Unit) -> None:
    scene = make_scene(starts_at=FIRST)
    made = [record(unit, scene, FIRST + timedelta(minutes=number)) for number in range(6)]
    phone = client.as_(scene.volunteer)
    waiting = phone.get(f"/me/service-records/{made[4]}/proof")
    assert (waiting.status_code, waiting.json["code"]) == (409, "not_sealed_yet")
    seal(app, clock_start(app, DAYS[1]) + HOUR)
    proof = phone.get(f"/me/service-records/{made[4]}/proof").json
    root = root_of_path(
        leaf_digest(proof["leaf"].encode()),
        index=proof["index"],
        size=proof["size"],
        path=[bytes.fromhex(step) for step in proof["path"]],
    )
    assert root is not None
    assert (root.hex(), proof["index"], proof["size"], proof["on"]) == (proof["root"], 4, 7, "2026-01-01")
    assert str(made[4]) in proof["leaf"]


def test_two_workers_seal_a_day_once(postgresql_app: Flask, postgresql_unit: Unit, race: Any) -> None:
    scene = make_scene(starts_at=FIRST)
    for number in range(3):
        record(postgresql_unit, scene, FIRST + timedelta(days=number))
    at = clock_start(postgresql_app, DAYS[2]) + timedelta(days=1, hours=1)
    outcomes = race(6, lambda _number: seal(postgresql_app, at))
    assert all(isinstance(outcome, int) for outcome in outcomes), outcomes
    # Whoever found another at it leaves what is left to that one.
    assert sum(outcomes) == 3
    assert verify(postgresql_app) == []


def test_the_newest_format_seals_every_column() -> None:
    assert set(COLUMNS[FORMAT]) == {column.name for column in ServiceRecord.__table__.columns}


def test_a_leaf_is_the_same_everywhere() -> None:
    ids = {name: UUID(int=place) for place, name in enumerate(COLUMNS[1]) if name == "id" or name.endswith("_id")}
    moment = datetime(2026, 1, 1, 2, 0, 0, 5, tzinfo=UTC)
    moments = dict.fromkeys(("created_at", "recorded_at", "starts_at", "ends_at"), moment)
    row = ServiceRecord(
        **ids | moments | {"minutes": -60, "source": "attended", "on": DAYS[0], "content": "清洁", "team_id": None}
    )
    assert record_leaf(row, 1).startswith(
        b'["record",1,["id","00000000-0000-0000-0000-000000000000"],["created_at","2026-01-01T02:00:00.000005Z"],'
    )
    assert b'["minutes",-60],["source","attended"]' in record_leaf(row, 1)
    assert b'["team_id",null]' in record_leaf(row, 1)
    assert b'["content","\\u6e05\\u6d01"]' in record_leaf(row, 1)


def test_the_command_names_what_was_changed(own_app: Flask, monkeypatch: Any) -> None:

    with current_app_is(own_app):
        scene = make_scene(starts_at=FIRST)
    made = record(unit_of(own_app), scene, FIRST)
    seal(own_app, clock_start(own_app, DAYS[1]) + HOUR)
    monkeypatch.setattr(common, "ready_app", lambda: own_app)
    arguments = ["ledger", "verify", "--from", "2026-01-01", "--to", "2026-01-01"]
    good = CliRunner().invoke(common.group, arguments)
    assert (good.exit_code, good.stdout.count("1 records on 1 days, the last one 2026-01-01")) == (0, 1)
    nothing = CliRunner().invoke(common.group, ["ledger", "verify", "--from", "2030-01-01"])
    assert (nothing.exit_code, "nothing was compared" in nothing.output) == (1, True)
    by_hand(own_app, "UPDATE service_records SET content = 'x' WHERE id = :id", id=stored(own_app, made))
    bad = CliRunner().invoke(common.group, arguments)
    assert bad.exit_code == 1
    assert f"2026-01-01  record_changed  {made}" in bad.stdout


def test_days_that_a_clock_ahead_sealed_are_told(own_app: Flask) -> None:
    with current_app_is(own_app):
        scene = make_scene(starts_at=FIRST)
    record(unit_of(own_app), scene, FIRST)
    seal(own_app, clock_start(own_app, DAYS[2]) + HOUR)
    for at, ahead in ((DAYS[0], DAYS[1]), (DAYS[2], None)):
        with clock.at(clock_start(own_app, at) + HOUR):
            said = unit_of(own_app)(warn_of_days_ahead)
        assert (said is None) if ahead is None else (f"sealed until {ahead}" in said)
