"""A simulated district: the same on both databases, true by the product's own checks, whole or not there at all."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import func, literal, select, text

from tests.factories import current_app_is, unit_of
from volunteer_api.accounts.ages import age_on
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, ActivityState, ActivityText, Shift
from volunteer_api.activities.search_text import index_what_is_stale
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.cli import common, simulating
from volunteer_api.core import clock
from volunteer_api.core.database import Base, db
from volunteer_api.core.problems import Busy
from volunteer_api.hours import seal_check, verification
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.rankings import folding
from volunteer_api.rankings import service as rankings
from volunteer_api.rankings.belonging import BELONGING
from volunteer_api.rankings.checking import belonging_differs
from volunteer_api.rankings.models import MemberCount
from volunteer_api.rankings.registered import count_in
from volunteer_api.rankings.schemas import Basis, Metric, Subject
from volunteer_api.sign_ups.models import SignUp, SignUpState
from volunteer_api.simulation import COLUMNS, Plan, SimulationRefused, fold_rankings, seal_days, simulate
from volunteer_api.simulation.people import number_text
from volunteer_api.simulation.plan import FEWEST_VOLUNTEERS, MOST_ON_SQLITE, MOST_VOLUNTEERS
from volunteer_api.teams.models import Membership, MembershipState

PLAN = Plan(volunteers=600, records=400, last_on=date(2026, 11, 20), seed=7, length=40)
# As it was at noon after the last day.
NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
# A nonce is no part of a seed.
DIFFERENT = {"guardian_contact"}
# PostgreSQL writes the condition of an index that is made anew in other words, as after a restore.
SCHEMA = """
SELECT conrelid::regclass::text || conname || pg_get_constraintdef(oid) FROM pg_constraint
UNION ALL SELECT regexp_replace(indexdef, ' WHERE .*', ' WHERE') FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT tgrelid::regclass::text || tgname || CAST(tgenabled AS text) FROM pg_trigger WHERE NOT tgisinternal
"""
Unit = Callable[[Callable[[], Any]], Any]


class Broken(Exception):
    """What a run is broken off by."""


def fail_of_a_lock(_show: Any) -> float:
    """As where somebody else has had the database for too long."""
    raise Busy()


def silent(_stage: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def test_a_seed_gives_the_same_district_on_both_databases(sqlite_app: Flask, postgresql_app: Flask) -> None:
    # One test, because making a district takes its seconds.
    found = []
    for app in (sqlite_app, postgresql_app):
        with current_app_is(app), app.app_context(), clock.at(NOON):
            unit = unit_of(app)
            before = schema(unit)
            check_that_half_of_it_is_nothing(unit)
            notes = unit(notes_given)
            rows = unit(lambda: simulate(PLAN, silent)).rows
            assert schema(unit) == before
            assert unit(notes_given) - notes < PLAN.records
            assert rows["service_records"] == PLAN.records
            assert unit(lambda: count(Volunteer)) == PLAN.volunteers
            check_stages(fold_rankings)
            found.append(unit(contents))
            check_refused_twice(unit)
            unit(check_people)
            unit(check_shifts)
            check_ledger(unit)
            unit(check_rankings)
            # What a search finds is what the service would have written.
            assert index_what_is_stale() == 0
    for table in found[0]:
        assert found[0][table] == found[1][table], table


def schema(unit: Unit) -> list[str]:
    """Constraints, indexes and triggers."""
    statement = "SELECT sql FROM sqlite_master WHERE sql <> ''" if db.engine.dialect.name == "sqlite" else SCHEMA
    return unit(lambda: sorted(db.session.scalars(text(statement))))  # type: ignore[no-any-return]  # what a unit gives


def notes_given() -> int:
    """How many changes triggers ever noted for phones, on SQLite, which has no bulk load that goes past them."""
    if db.engine.dialect.name != "sqlite":
        return 0
    return int(db.session.scalar(text("SELECT max(seq) FROM sqlite_sequence WHERE name = 'sync_changes'")) or 0)


def contents() -> dict[str, list[tuple[str, ...]]]:
    """All that the bulk load wrote, and the network that it stands on, in the order of their keys."""
    tables = Base.metadata.tables
    found = {}
    for name in ("organizations", "teams", "stations", "campaigns", *COLUMNS):
        columns = [column for column in tables[name].columns if column.name not in DIFFERENT]
        found[name] = sorted(tuple(map(told, row)) for row in db.session.execute(select(*columns)))
    return found


def told(value: Any) -> str:
    """A value as text; PostgreSQL orders the members of an object otherwise."""
    return json.dumps(value, sort_keys=True) if isinstance(value, list | dict) else str(value)


def count(model: type[Base], *conditions: Any) -> int:
    return int(db.session.scalars(select(func.count()).select_from(model).where(*conditions)).one())


def check_that_half_of_it_is_nothing(unit: Unit) -> None:
    def stop_halfway(_stage: str, done: int, _total: int) -> None:
        if done > PLAN.volunteers + PLAN.records // 2:
            raise Broken

    with pytest.raises(Broken):
        unit(lambda: simulate(PLAN, stop_halfway))
    assert unit(lambda: (count(Volunteer), count(Organization), count(Attendance))) == (0, 0, 0)


def check_stages(fold: Callable[[Any], float]) -> None:
    """Whoever waits for minutes is shown how far it is."""
    seen: list[tuple[str, int, int]] = []
    fold(lambda *told: seen.append(told))
    assert seen == [("Folding the rankings", number, folding.STEPS) for number in range(folding.STEPS + 1)]


def check_refused_twice(unit: Unit) -> None:
    with pytest.raises(SimulationRefused, match="volunteers already"):
        unit(lambda: simulate(PLAN, silent))


def check_people() -> None:
    people = db.session.scalars(select(Volunteer)).all()
    assert sum(one.phone is not None for one in people) < 120
    ages = [age_on(one.birth_date, PLAN.last_on) for one in people if one.birth_date is not None]
    minors = [one for one in people if one.guardian_contact is not None]
    assert len(ages) < len(people)
    assert 0 < sum(age < 18 for age in ages) == len(minors)
    assert min(ages) >= 16


def check_shifts() -> None:
    """Nobody is in two places on a day, and places that were taken are counted."""
    confirmed = select(SignUp.shift_id, func.count().label("count")).where(SignUp.state == SignUpState.CONFIRMED)
    taken = dict(map(tuple, db.session.execute(confirmed.group_by(SignUp.shift_id))))
    shifts = db.session.scalars(select(Shift)).all()
    assert all(shift.confirmed_count == taken.get(shift.id, 0) for shift in shifts)
    assert all(shift.canceled_at is None or shift.confirmed_count == 0 for shift in shifts)
    came = db.session.execute(select(Attendance.volunteer_id, Attendance.checked_in_at)).all()
    assert len({(row.volunteer_id, clock.local_date(row.checked_in_at)) for row in came}) == len(came)
    assert {State(state) for state in db.session.scalars(select(Attendance.state).distinct())} >= {
        State.CREDITED,
        State.HELD,
        State.REJECTED,
    }
    assert count(Activity, Activity.state == ActivityState.COMPLETED) > 0
    assert count(ActivityText) == count(Activity)


def check_ledger(unit: Unit) -> None:
    """Reversals and what follows them, every tally, and every seal."""
    assert unit(lambda: count(ServiceRecord, ServiceRecord.reverses_id.is_not(None))) > 0
    unit(check_attendances)
    assert verification.verify_tallies() == 0
    seal_days(PLAN, silent)
    faults: list[Any] = []
    found = seal_check.verify(first=None, last=None, known={}, tell=faults.append)
    assert (faults, found.records, found.late) == ([], PLAN.records, 0)


def check_attendances() -> None:
    """What an attendance says of its minutes is what the ledger has of it."""
    minutes = select(ServiceRecord.attendance_id, func.sum(ServiceRecord.minutes)).group_by(ServiceRecord.attendance_id)
    recorded = dict(map(tuple, db.session.execute(minutes)))
    credited = dict(map(tuple, db.session.execute(select(Attendance.id, Attendance.credited_minutes))))
    assert {one: recorded.get(one, 0) for one in credited} == credited
    assert recorded.keys() <= credited.keys()


def check_rankings() -> None:
    """What rankings count is what the rows say: minutes, people who came, activities by day, who belongs where."""
    assert db.session.scalar(select(count_in(literal("41")))) == count(Volunteer, Volunteer.home_division.is_not(None))
    members = dict(map(tuple, db.session.execute(select(MemberCount.team_id, MemberCount.count))))
    assert sum(members.values()) == count(Membership, Membership.state == MembershipState.ACTIVE)
    for belonging in BELONGING.values():
        assert not belonging_differs(belonging)
        assert db.session.scalars(select(belonging.changes)).all() == []
    asked = {
        "subject": Subject.ORGANIZATION,
        "level": OrganizationKind.PRACTICE_CENTER,
        "basis": Basis.RAW,
        "limit": 20,
    }
    values = {metric: rankings.rank({**asked, "metric": metric}).items[0].value for metric in Metric}
    came = (Attendance.state != State.REJECTED,)
    assert values == {
        Metric.CREDITED_MINUTES: db.session.scalar(select(func.sum(ServiceRecord.minutes))),
        Metric.ATTENDANCE_COUNT: count(Attendance, *came),
        Metric.VOLUNTEER_COUNT: db.session.scalar(select(func.count(Attendance.volunteer_id.distinct())).where(*came)),
        Metric.ACTIVITY_COUNT: db.session.scalar(
            select(func.count(Shift.id.distinct())).join(Attendance, Attendance.shift_id == Shift.id).where(*came)
        ),
    }


@pytest.mark.parametrize(
    ("sizes", "why"),
    [
        ({"volunteers": FEWEST_VOLUNTEERS - 1, "records": 0}, "at least 500"),
        ({"volunteers": 1000, "records": 20_001}, "at most 20,000"),
        ({"volunteers": 1000, "records": -1}, "at most"),
        ({"volunteers": 1000, "records": 0, "length": 29}, "at least 30 days"),
        ({"volunteers": MOST_VOLUNTEERS + 1, "records": 0}, "at most 4,000,000 volunteers"),
        ({"volunteers": 1000, "records": 0, "last_on": date(1, 1, 1)}, "2000-01-01 or later"),
    ],
)
def test_a_district_that_can_not_be(sizes: dict[str, Any], why: str) -> None:
    with pytest.raises(SimulationRefused, match=why):
        Plan(**{"last_on": PLAN.last_on, **sizes})


def test_nobody_has_served_in_the_future(sqlite_app: Flask) -> None:
    with current_app_is(sqlite_app), clock.at(NOON), pytest.raises(SimulationRefused, match="must be over"):
        unit_of(sqlite_app)(lambda: simulate(replace(PLAN, last_on=NOON.date()), silent))


def test_sqlite_is_not_for_millions(sqlite_app: Flask) -> None:
    plan = Plan(volunteers=50_000, records=MOST_ON_SQLITE + 1, last_on=PLAN.last_on)
    with current_app_is(sqlite_app), pytest.raises(SimulationRefused, match="PostgreSQL"):
        unit_of(sqlite_app)(lambda: simulate(plan, silent))


def test_every_day_has_its_share_and_the_last_the_rest() -> None:
    days = list(Plan(volunteers=1000, records=20_000, last_on=PLAN.last_on).days())
    assert (len(days), days[0][0], days[-1]) == (730, PLAN.last_on - timedelta(days=729), (PLAN.last_on, 20_000))
    assert [until for _, until in days] == sorted(until for _, until in days)


def test_volunteer_numbers_are_different() -> None:
    assert len({number_text(number) for number in range(20_000)}) == 20_000


def test_the_command_asks_twice_in_production(
    sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch, change_settings: Callable[..., None]
) -> None:
    change_settings(sqlite_app, environment="production")
    # The environment of the test's application in the place of the process's.
    monkeypatch.setattr(common, "ready_app", lambda: sqlite_app)
    refused = CliRunner().invoke(common.group, ["simulate", "--volunteers=600", "--records=100"])
    assert (refused.exit_code, "--yes" in refused.output) == (1, True)
    future = CliRunner().invoke(common.group, ["simulate", "--until=2099-01-01", "--yes"])
    assert (future.exit_code, "must be over" in future.output) == (1, True), future.output
    impossible = CliRunner().invoke(common.group, ["simulate", "--volunteers=600", "--records=100000", "--yes"])
    assert (impossible.exit_code, "at most 12,000 records" in impossible.output) == (1, True)
    # What can't be folded is left to the worker, and no reason not to seal the days.
    sealed: list[Plan] = []
    monkeypatch.setattr(simulating, "fold_rankings", fail_of_a_lock)
    monkeypatch.setattr(simulating, "seal_days", lambda plan, _show: float(sealed.append(plan) is None))
    done = CliRunner().invoke(common.group, ["simulate", "--volunteers=600", "--records=100", "--yes"])
    assert (done.exit_code, "600 volunteers and 100 records" in done.output) == (0, True), done.output
    assert ("not folded yet, the worker does it" in done.output, len(sealed)) == (True, 1)
    assert "volunteers already" in CliRunner().invoke(common.group, ["simulate", "--yes"]).output
