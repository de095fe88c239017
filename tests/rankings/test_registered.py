"""How many are registered in a division: what is folded and what is not yet equal the live count at every moment."""

import threading
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, literal, select, text, update

from tests.factories import make_volunteer, unit_of
from tests.rankings.test_bases import division
from tests.servers import migrate
from volunteer_api.accounts.models import Volunteer
from volunteer_api.cli import checks, common
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.tasks import run_task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations import service as organizations
from volunteer_api.organizations.models import OrganizationKind
from volunteer_api.rankings import belonging, registered, service
from volunteer_api.rankings.belonging import REGISTERED
from volunteer_api.rankings.models import MemberCount, RegisteredChange, RegisteredCount
from volunteer_api.rankings.schemas import Basis, Metric, Subject

pytestmark = pytest.mark.both_databases

BEFORE = "2026_11_26_12_one_attendance"
# As deep as codes go, and two that begin with the same digits without the one lying in the other.
HOMES = (None, "4104", "410403", "4104030", "410403001", "410403001001", "410403001002", "410404001", "999999999999")
ASKED = ("4104", "410403", "410403001", "410403001001", "410404", "41", "9999", "42")
VERBS = ("register", "register", "move", "move", "many", "erase", "restore", "delete", "fold", "fold")
Unit = Callable[[Callable[[], Any]], Any]


def told() -> dict[str, int]:
    return {code: db.session.execute(select(registered.count_in(literal(code)))).scalar_one() for code in ASKED}


def live() -> dict[str, int]:
    homes = db.session.scalars(select(Volunteer.home_division).where(Volunteer.erased_at.is_(None))).all()
    return {code: sum(home is not None and home.startswith(code) for home in homes) for code in ASKED}


def unfolded() -> int:
    return int(db.session.scalars(select(func.count()).select_from(RegisteredChange)).one())


def kept() -> dict[str, int]:
    return dict(map(tuple, db.session.execute(select(RegisteredCount.division_code, RegisteredCount.count))))


def take(verb: str, draw: Random) -> None:
    """One step of a history."""
    home = draw.choice(HOMES)
    somebody = Volunteer.id == draw.choice([*db.session.scalars(select(Volunteer.id).order_by(Volunteer.id)), None])
    match verb:
        case "register":
            make_volunteer(home_division=home)
        case "move":
            db.session.execute(update(Volunteer).where(somebody).values(home_division=home, name="搬家"))
        case "many":
            db.session.execute(
                update(Volunteer).where(Volunteer.home_division == draw.choice(HOMES)).values(home_division=home)
            )
        case "erase":
            gone = {"erased_at": clock.now()} | ({} if draw.random() < 0.5 else {"home_division": None})
            db.session.execute(update(Volunteer).where(somebody).values(gone))
        case "restore":
            db.session.execute(update(Volunteer).where(somebody).values(erased_at=None, home_division=home))
        case "delete":
            db.session.execute(delete(Volunteer).where(somebody))
        case _:
            REGISTERED.fold()
    db.session.flush()


@settings(
    max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_folded_and_not_it_equals_the_live_count(unit: Unit, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    draw = Random(seed)
    with monkeypatch.context() as patched:
        patched.setattr(belonging, "CHANGES_AT_ONCE", 3)
        for _ in range(30):
            verb = draw.choice(VERBS)
            unit(partial(take, verb, draw))
            assert unit(told) == unit(live), verb
        while unit(REGISTERED.fold):
            pass
    assert (unit(told), unit(unfolded)) == (unit(live), 0)
    folded = unit(kept)
    assert 0 not in folded.values()
    unit(REGISTERED.rebuild)
    assert unit(kept) == folded


def test_what_changes_nothing_of_it_is_not_noted(app: Flask, unit: Unit) -> None:
    someone = unit(lambda: make_volunteer(home_division="410403001")).id
    unit(lambda: make_volunteer())
    assert unit(unfolded) == 1
    same = {"name": "王秀英", "home_division": "410403001"}
    unit(lambda: db.session.execute(update(Volunteer).where(Volunteer.id == someone).values(same)))
    assert unit(unfolded) == 1
    run_task(app, "rankings.fold_registered")
    assert (unit(unfolded), unit(kept)) == (0, {"410403001": 1})


def test_each_change_counts_at_once(unit: Unit) -> None:
    someone = unit(lambda: make_volunteer(home_division="410403001")).id
    now = clock.now()

    def change(**values: Any) -> tuple[int, int]:
        unit(lambda: db.session.execute(update(Volunteer).where(Volunteer.id == someone).values(values)))
        found = unit(told)
        return found["410403001"], found["410404"]

    assert change(name="王秀英") == (1, 0)
    assert change(home_division="410404001") == (0, 1)
    assert change(home_division=None) == (0, 0)
    assert change(home_division="410403001001") == (1, 0)
    # Erased, with what an erasure clears left as it was; and what becomes of that afterwards.
    assert change(erased_at=now) == (0, 0)
    assert change(home_division="410404001") == (0, 0)
    assert change(erased_at=None) == (0, 1)
    assert change(erased_at=now, home_division="410403001") == (0, 0)
    assert change(erased_at=None, home_division="410403001") == (1, 0)
    unit(lambda: db.session.execute(delete(Volunteer).where(Volunteer.id == someone)))
    assert set(unit(told).values()) == {0}


def test_no_volunteer_is_read_for_it(app: Flask, unit: Unit, statements: Callable[[], Any]) -> None:
    def build() -> UUID:
        code = division("4104", "city", None)
        office = organizations.create_organization(
            parent_id=None, kind=OrganizationKind.CITY_OFFICE, name="市文明办", division_code=code
        )
        make_volunteer(home_division="410403001")
        return office.id

    office_id = unit(build)
    asked = {"subject": Subject.ORGANIZATION, "level": OrganizationKind.CITY_OFFICE, "limit": 20}
    asked |= {"metric": Metric.CREDITED_MINUTES, "basis": Basis.PER_VOLUNTEER, "scope": office_id}
    with statements() as seen:
        found = unit(lambda: service.rank(asked))
    assert [row.registered for row in found.items] == [1]
    assert found.scope["registered"] == 1
    assert sum("registered_counts" in one for one in seen) == 2
    assert not [one for one in seen if "volunteers" in one]


def test_a_bulk_load_makes_a_row_for_each_division(postgresql_app: Flask, postgresql_unit: Unit) -> None:
    columns = "id, created_at, version, volunteer_number, name, home_division, skills, service_categories"

    def load() -> None:
        driver: Any = db.session.connection().connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY volunteers ({columns}) FROM STDIN") as copy:
            for number in range(300):
                home = ["410403001", "410403002", None][number % 3]
                copy.write_row((ids.new_id(), clock.now(), 1, str(number), "王大妈", home, "[]", "[]"))

    postgresql_unit(load)
    assert postgresql_unit(unfolded) == 2
    assert postgresql_unit(told)["410403"] == 200


def test_two_that_fold_at_once_take_different_changes(postgresql_app: Flask, postgresql_unit: Unit) -> None:
    """The second neither waits for the first nor adds the same once more; nor does it miss what came in between."""
    postgresql_unit(lambda: make_volunteer(home_division="410403001"))

    def fold_twice() -> None:
        assert not REGISTERED.fold()
        unit_of(postgresql_app)(lambda: make_volunteer(home_division="410403002"))
        second = threading.Thread(target=lambda: unit_of(postgresql_app)(REGISTERED.fold))
        second.start()
        second.join(timeout=3)
        assert not second.is_alive()

    postgresql_unit(fold_twice)
    assert postgresql_unit(kept) == {"410403001": 1, "410403002": 1}
    assert postgresql_unit(unfolded) == 0


def test_registrations_folds_rebuilds_and_readers_at_once(
    postgresql_app: Flask,
    postgresql_unit: Unit,
    race: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At no moment is anybody counted twice or left out, and nothing is in the end."""
    # Folds meet one another's changes of the same codes.
    monkeypatch.setattr(belonging, "CHANGES_AT_ONCE", 5)
    homes = ("410403001", "410403002", "410404001")
    postgresql_unit(lambda: [make_volunteer(home_division=homes[number % 3]) for number in range(9)])
    folded = postgresql_unit(lambda: db.session.scalars(select(Volunteer.id).order_by(Volunteer.id)).all())

    def compare() -> tuple[int, int]:
        """Both counts by one statement: of one moment."""
        all_of_them = select(func.count()).select_from(Volunteer).where(Volunteer.home_division.startswith("4104"))
        both = select(registered.count_in(literal("4104")), all_of_them.scalar_subquery())
        row = db.session.execute(both).one()
        return row[0], row[1]

    def move(volunteer_id: UUID, number: int) -> None:
        where = Volunteer.id == volunteer_id
        # Out of what is compared, too.
        home = (*homes, None)[number % 4]
        db.session.execute(update(Volunteer).where(where).values(home_division=home))

    def work(number: int) -> list[tuple[int, int]]:
        unit = unit_of(postgresql_app)
        for turn in range(12):
            match number:
                case 0 | 1 | 2:
                    unit(partial(make_volunteer, home_division=homes[(number + turn) % 3]))
                    unit(partial(move, folded[number * 3 + turn % 3], turn + number))
                case 3 | 4:
                    unit(REGISTERED.fold)
                case 5 if turn % 3 == 0:
                    with postgresql_app.app_context():
                        run_unit(REGISTERED.rebuild, writes=True, at_one_moment=True)
                case _:
                    pass
        return [unit(compare) for _ in range(25)] if number > 5 else []

    seen = race(8, work)
    assert all(isinstance(one, list) for one in seen), seen
    assert [pair for one in seen for pair in one if pair[0] != pair[1]] == []
    assert postgresql_unit(told) == postgresql_unit(live)
    while postgresql_unit(REGISTERED.fold):
        pass
    assert postgresql_unit(told) == postgresql_unit(live)
    assert postgresql_unit(unfolded) == 0


def test_the_command_counts_anew(app: Flask, unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    unit(lambda: [make_volunteer(home_division=home) for home in HOMES])
    unit(lambda: db.session.add(RegisteredCount(division_code="410403", count=77)))
    # Of teams, whose counts are of the same make, too.
    unit(lambda: db.session.add(MemberCount(team_id=ids.new_id(), count=7)))
    monkeypatch.setattr(common, "ready_app", lambda: app)
    done = CliRunner().invoke(checks.rebuild_rankings)
    assert done.exit_code == 0, done.output
    assert unit(told) == unit(live)
    assert unit(lambda: db.session.scalars(select(MemberCount)).all()) == []


def test_the_version_counts_who_was_there(own_app: Flask) -> None:
    unit = unit_of(own_app)

    def register() -> None:
        for home in (*HOMES, "410403001"):
            make_volunteer(home_division=home)
        make_volunteer(home_division="410403002").erased_at = clock.now()

    unit(register)
    expected = unit(live)
    migrate(own_app, BEFORE, down=True)
    # Without its triggers.
    unit(lambda: make_volunteer(home_division="410404001"))
    migrate(own_app)
    assert unit(unfolded) == 0
    assert unit(told) == unit(live) == expected | {code: expected[code] + 1 for code in ("4104", "410404", "41")}
    unit(lambda: db.session.execute(text("UPDATE volunteers SET home_division = '42'")))
    assert unit(told) == unit(live)
