"""How many active members a team has: what is folded and what is not yet equal the live count at every moment."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, inspect, select, text, update

from tests.factories import make_volunteer, unit_of
from tests.organizations.factories import make_organization
from tests.servers import migrate
from tests.teams.factories import make_member, make_team
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.tasks import run_task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import belonging, service
from volunteer_api.rankings.belonging import MEMBERS
from volunteer_api.rankings.models import MemberChange, MemberCount
from volunteer_api.rankings.schemas import Basis, Metric, Subject
from volunteer_api.teams import service as teams
from volunteer_api.teams.models import Membership, MembershipState, Team

pytestmark = pytest.mark.both_databases

BEFORE = "2026_11_30_8_growth"
STATES = (*MembershipState, MembershipState.ACTIVE, MembershipState.ACTIVE)
VERBS = ("join", "join", "join", "settle", "settle", "move", "erase", "close", "delete", "fold", "fold")
Unit = Callable[[Callable[[], Any]], Any]


def told() -> dict[UUID, int]:
    """As a ranking of all teams reads it: in one statement."""
    rows, number = MEMBERS.beside(inspect(Team).local_table, Team.id)
    return dict(map(tuple, db.session.execute(select(Team.id, number).select_from(rows))))


def live() -> dict[UUID, int]:
    states = db.session.execute(select(Membership.team_id, Membership.state)).all()
    every = db.session.scalars(select(Team.id)).all()
    return {one: sum(row == (one, MembershipState.ACTIVE) for row in states) for one in every}


def unfolded() -> int:
    return int(db.session.scalars(select(func.count()).select_from(MemberChange)).one())


def kept() -> dict[UUID, int]:
    return dict(map(tuple, db.session.execute(select(MemberCount.team_id, MemberCount.count))))


def found_teams(number: int) -> list[UUID]:
    """Teams with a leader each, who is a member."""
    organization_id = make_organization().id
    return [make_team(organization_id=organization_id).id for _ in range(number)]


def join(team_id: UUID, state: MembershipState = MembershipState.ACTIVE) -> UUID:
    return make_member(db.session.get_one(Team, team_id), make_volunteer(), state=state).id


def to_state(state: MembershipState, **others: Any) -> dict[str, Any]:
    return {"state": state, "joined_at": clock.now(), "left_at": clock.now(), "is_primary": False, **others}


def take(verb: str, draw: Random) -> None:
    """One step of a history; it holds of rows that no service writes, too."""
    every = db.session.scalars(select(Team.id).order_by(Team.id)).all()
    memberships = db.session.scalars(select(Membership).order_by(Membership.id)).all()
    team_id, some = draw.choice(every), draw.choice(memberships or [Membership(id=None)])
    this = Membership.id == some.id
    match verb:
        case "join":
            join(team_id, MembershipState.REQUESTED if draw.random() < 0.3 else MembershipState.ACTIVE)
        case "settle":
            db.session.execute(update(Membership).where(this).values(to_state(draw.choice(STATES))))
        case "move":
            db.session.execute(
                update(Membership).where(this).values(to_state(MembershipState(some.state), team_id=team_id))
            )
        case "erase" if some.volunteer_id is not None:
            teams.forget(some.volunteer_id)
        case "close":
            everybody = Membership.team_id == team_id
            db.session.execute(update(Membership).where(everybody).values(to_state(MembershipState.LEFT)))
        case "delete":
            db.session.execute(delete(Membership).where(this))
        case _:
            MEMBERS.fold()
    db.session.flush()


@settings(
    max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_folded_and_not_it_equals_the_live_count(unit: Unit, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    draw = Random(seed)
    unit(partial(found_teams, 3))
    with monkeypatch.context() as patched:
        patched.setattr(belonging, "CHANGES_AT_ONCE", 3)
        for _ in range(40):
            verb = draw.choice(VERBS)
            unit(partial(take, verb, draw))
            assert unit(told) == unit(live), verb
        while unit(MEMBERS.fold):
            pass
    assert (unit(told), unit(unfolded)) == (unit(live), 0)
    folded = unit(kept)
    assert folded == {team_id: number for team_id, number in unit(live).items() if number}
    unit(MEMBERS.rebuild)
    assert unit(kept) == folded


def test_what_changes_nothing_of_it_is_not_noted(app: Flask, unit: Unit) -> None:
    [team_id] = unit(partial(found_teams, 1))
    run_task(app, "rankings.fold_members")
    assert (unit(unfolded), unit(kept)) == (0, {team_id: 1})
    waiting = unit(lambda: join(team_id, MembershipState.REQUESTED))

    def change(membership_id: UUID | None, values: dict[str, Any]) -> int:
        where = Membership.id == membership_id if membership_id else Membership.state == MembershipState.ACTIVE
        unit(lambda: db.session.execute(update(Membership).where(where).values(values)))
        return int(unit(unfolded))

    assert change(None, {"state": MembershipState.ACTIVE, "team_id": team_id, "is_primary": True}) == 0
    assert change(waiting, {"state": MembershipState.REJECTED}) == 0
    unit(lambda: db.session.execute(delete(Membership).where(Membership.id == waiting)))
    assert unit(unfolded) == 0


def test_each_change_counts_at_once(unit: Unit) -> None:
    first, second = unit(partial(found_teams, 2))
    one = unit(lambda: join(first, MembershipState.REQUESTED))

    def change(state: MembershipState, **others: Any) -> tuple[int, int]:
        """How many joined the two teams, beside their leaders."""
        statement = update(Membership).where(Membership.id == one).values(to_state(state, **others))
        unit(lambda: db.session.execute(statement))
        found = unit(told)
        return found[first] - 1, found[second] - 1

    assert change(MembershipState.INVITED) == (0, 0)
    assert change(MembershipState.ACTIVE) == (1, 0)
    assert change(MembershipState.ACTIVE, team_id=second) == (0, 1)
    assert change(MembershipState.LEFT, team_id=first) == (0, 0)
    assert change(MembershipState.LEFT, team_id=second) == (0, 0)
    assert change(MembershipState.ACTIVE, team_id=first) == (1, 0)
    unit(lambda: db.session.execute(delete(Membership).where(Membership.id == one)))
    assert unit(told) == {first: 1, second: 1}


def test_no_membership_is_read_for_it(app: Flask, unit: Unit, statements: Callable[[], Any]) -> None:
    def build() -> UUID:
        center = make_organization()
        for members in (1, 2):
            team = make_team(organization_id=center.id)
            for _ in range(members):
                make_member(team, make_volunteer())
        return center.id

    center_id = unit(build)
    run_task(app, "rankings.fold_members")
    asked = {"subject": Subject.TEAM, "metric": Metric.CREDITED_MINUTES, "basis": Basis.PER_VOLUNTEER, "limit": 20}
    for scope in ({}, {"scope": center_id}):
        with statements() as seen:
            found = unit(partial(service.rank, asked | scope))
        assert sorted(row.registered for row in found.items) == [2, 3]
        assert [one for one in seen if "member_counts" in one]
        assert not [one for one in seen if "memberships" in one]


def test_a_bulk_load_makes_a_row_for_each_team(postgresql_app: Flask, postgresql_unit: Unit) -> None:
    def build() -> tuple[list[UUID], list[UUID]]:
        return found_teams(2), [make_volunteer().id for _ in range(30)]

    team_ids, people = postgresql_unit(build)
    postgresql_unit(MEMBERS.fold)
    columns = "id, created_at, version, team_id, volunteer_id, role, state, joined_at, is_primary"

    def load() -> None:
        driver: Any = db.session.connection().connection.driver_connection
        now = clock.now()
        with driver.cursor() as cursor, cursor.copy(f"COPY memberships ({columns}) FROM STDIN") as copy:
            for number, volunteer_id in enumerate(people):
                state = ["active", "active", "requested"][number % 3]
                row = team_ids[number % 2], volunteer_id, "member", state, now, "f"
                copy.write_row((ids.new_id(), now, 1, *row))

    postgresql_unit(load)
    assert postgresql_unit(unfolded) == 2
    assert postgresql_unit(told) == postgresql_unit(live) == dict.fromkeys(team_ids, 11)


def test_a_crowd_joins_one_team_while_it_is_folded_rebuilt_and_read(
    postgresql_app: Flask,
    postgresql_unit: Unit,
    race: Callable[..., list[Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At no moment is anybody counted twice or left out, and nothing is in the end."""
    # Folds meet one another's changes of the team.
    monkeypatch.setattr(belonging, "CHANGES_AT_ONCE", 5)
    team_id, _ = postgresql_unit(partial(found_teams, 2))

    def compare() -> tuple[int, int]:
        """Both counts by one statement: of one moment."""
        active = Membership.team_id == team_id, Membership.state == MembershipState.ACTIVE
        every = select(func.count()).select_from(Membership).where(*active)
        rows, number = MEMBERS.beside(inspect(Team).local_table, Team.id)
        both = select(number, every.scalar_subquery()).select_from(rows).where(Team.id == team_id)
        row = db.session.execute(both).one()
        return row[0], row[1]

    def work(number: int) -> list[tuple[int, int]]:
        unit = unit_of(postgresql_app)
        for turn in range(12):
            match number:
                case 0 | 1 | 2 | 3:
                    one = unit(partial(join, team_id))
                    if turn % 3 == 0:
                        gone = update(Membership).where(Membership.id == one).values(to_state(MembershipState.LEFT))
                        unit(partial(db.session.execute, gone))
                case 4 | 5:
                    unit(MEMBERS.fold)
                case 6 if turn % 3 == 0:
                    with postgresql_app.app_context():
                        run_unit(MEMBERS.rebuild, writes=True, at_one_moment=True)
                case _:
                    pass
        return [unit(compare) for _ in range(25)] if number > 6 else []

    seen = race(9, work)
    assert all(isinstance(one, list) for one in seen), seen
    assert [pair for one in seen for pair in one if pair[0] != pair[1]] == []
    # The leader, and of the crowd those who stayed.
    assert postgresql_unit(told)[team_id] == 1 + 4 * 8
    while postgresql_unit(MEMBERS.fold):
        pass
    assert postgresql_unit(told) == postgresql_unit(live)
    assert (postgresql_unit(kept)[team_id], postgresql_unit(unfolded)) == (1 + 4 * 8, 0)


def test_who_joins_waits_for_nobody_who_joins_or_folds(postgresql_app: Flask, postgresql_unit: Unit) -> None:
    """Somebody has joined and another folded, neither has committed: the next one is in at once."""
    [team_id] = postgresql_unit(partial(found_teams, 1))
    postgresql_unit(MEMBERS.fold)

    def join_meanwhile() -> None:
        join(team_id)
        db.session.flush()
        MEMBERS.fold()
        unit = unit_of(postgresql_app)
        unit(lambda: (db.session.execute(text("SET LOCAL lock_timeout = '2s'")), join(team_id)))
        assert unit(told) == {team_id: 2}

    postgresql_unit(join_meanwhile)
    assert postgresql_unit(told) == postgresql_unit(live) == {team_id: 3}


def test_the_version_counts_who_was_there(own_app: Flask) -> None:
    unit = unit_of(own_app)

    def gather() -> list[UUID]:
        found = found_teams(3)
        for state in (*MembershipState, MembershipState.ACTIVE):
            # As one state becomes another, so that no constraint refuses it.
            one = join(found[0])
            db.session.execute(update(Membership).where(Membership.id == one).values(to_state(state)))
        db.session.execute(delete(Membership).where(Membership.team_id == found[2]))
        return found

    several, one, none = unit(gather)
    migrate(own_app, BEFORE, down=True)
    # Without its triggers.
    unit(lambda: join(one))
    migrate(own_app)
    assert unit(unfolded) == 0
    assert unit(kept) == {several: 3, one: 2}
    assert unit(told) == unit(live) == {several: 3, one: 2, none: 0}
    unit(lambda: db.session.execute(update(Membership).values(to_state(MembershipState.LEFT))))
    assert unit(told) == unit(live) == dict.fromkeys((several, one, none), 0)
