"""Whatever happens, a copy that was kept up to date is the one that a sync from nothing makes."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from tests.activities.factories import PLACE, make_activity, make_scene
from tests.conftest import share_of
from tests.factories import make_volunteer, next_number
from tests.loans.factories import lend, make_desk
from tests.phone.copy import Copy
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Problem
from volunteer_api.hours import service as hours
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.notifications.models import Notification
from volunteer_api.notifications.service import mark_read, notify
from volunteer_api.organizations import grants
from volunteer_api.organizations.models import Grant, Organization, Role, ScopeType
from volunteer_api.phone.models import SyncType
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp
from volunteer_api.teams import service as teams
from volunteer_api.teams.models import Membership, MembershipState, Team


class World:
    """Somebody with a shift that runs, and one of one place that is taken and waited for; each verb is one unit."""

    def __init__(self) -> None:
        self.scene = make_scene()
        now = clock.now()
        self.running = make_activity(scene=self.scene, starts_at=now - timedelta(minutes=20), place=PLACE)
        self.full = make_activity(scene=self.scene, starts_at=now + timedelta(hours=12), capacity=1, place=PLACE)
        self.me = make_volunteer()
        self.others = [make_volunteer().id for _ in range(2)]
        for other_id in self.others:
            sign_ups.sign_up(shift_id=self.full.shift_id, volunteer_id=other_id)

    def sign_up(self) -> None:
        sign_ups.sign_up(shift_id=self.running.shift_id, volunteer_id=self.me.id)

    def wait(self) -> None:
        sign_ups.sign_up(shift_id=self.full.shift_id, volunteer_id=self.me.id)

    def withdraw(self) -> None:
        self._leave(self.me.id)

    def first_leaves(self) -> None:
        self._leave(self.others[0])

    def second_leaves(self) -> None:
        self._leave(self.others[1])

    def first_comes(self) -> None:
        sign_ups.sign_up(shift_id=self.full.shift_id, volunteer_id=self.others[0])

    def check_in(self) -> None:
        evidence = {"client_time": clock.now() - timedelta(minutes=15), "place": PLACE, "accuracy_m": 5.0}
        attendance.check_in(volunteer_id=self.me.id, shift_id=self.running.shift_id, evidence=evidence)

    def check_out(self) -> None:
        mine = Attendance.volunteer_id == self.me.id
        found = db.session.scalars(select(Attendance).where(mine, Attendance.state == State.OPEN)).one_or_none()
        if found is not None:
            evidence = {"client_time": clock.now(), "place": PLACE, "accuracy_m": 5.0}
            attendance.check_out(attendance=found, evidence=evidence)

    def reverse(self) -> None:
        mine = ServiceRecord.volunteer_id == self.me.id
        for record_id in db.session.scalars(select(ServiceRecord.id).where(mine)).all():
            hours.reverse(record_id=record_id, reason="误记", actor_id=self.scene.organizer_id)

    def hear(self) -> None:
        values = {"minutes": "60", "activity": "清洁家园"}
        notify(volunteer_id=self.me.id, kind="hours_credited", values=values, dedup_key=f"{next_number()}")

    def read(self) -> None:
        mark_read(self.me.id, until=clock.now())

    def forget(self) -> None:
        oldest = select(Notification.id).where(Notification.volunteer_id == self.me.id).order_by(Notification.id)
        db.session.execute(delete(Notification).where(Notification.id.in_(oldest.limit(1))))

    def join(self) -> None:
        teams.add_member(team_id=self.scene.team_id, volunteer_id=self.me.id)

    def leave(self) -> None:
        mine = (Membership.volunteer_id == self.me.id, Membership.state == MembershipState.ACTIVE)
        change = {"state": MembershipState.LEFT, "left_at": clock.now()}
        db.session.execute(update(Membership).where(*mine).values(change))

    def rename_team(self) -> None:
        db.session.get_one(Team, self.scene.team_id).name = f"鹰城大妈{next_number()}"

    def grant(self) -> None:
        grants.grant(
            volunteer_id=self.me.id,
            role=Role.AUDITOR,
            scope_type=ScopeType.ORGANIZATION,
            scope_id=self.scene.other_office_id,
        )

    def revoke(self) -> None:
        db.session.execute(update(Grant).where(Grant.volunteer_id == self.me.id).values(revoked_at=clock.now()))

    def borrow(self) -> None:
        lend(make_desk(), borrower={"volunteer_id": self.me.id})

    def rename_office(self) -> None:
        db.session.get_one(Organization, self.scene.other_office_id).name = f"实践所{next_number()}"

    def rename_activity(self) -> None:
        db.session.get_one(Activity, self.full.id).title = f"清洁湛河{next_number()}"

    def move_shift(self) -> None:
        db.session.get_one(Shift, self.full.shift_id).ends_at += timedelta(minutes=1)

    def rename_me(self) -> None:
        db.session.get_one(Volunteer, self.me.id).skills = [f"急救{next_number()}"]

    def _leave(self, volunteer_id: UUID) -> None:
        active = SignUp.state.in_(ACTIVE_SIGN_UPS)
        for found in db.session.scalars(select(SignUp.id).where(SignUp.volunteer_id == volunteer_id, active)).all():
            sign_ups.withdraw(sign_up_id=found)


# The session, the position, and one for each type; the profile has three.
ALL_STATEMENTS = 2 + 8 + 2
# A desk with its stock takes longer than a whole history.
VERBS = [name for name in vars(World) if not name.startswith("_") and name != "borrow"]
# A number asks for as many answers, of three rows each: the others come with the next question.
STEPS = st.lists(st.one_of(st.sampled_from(VERBS), st.integers(1, 3)), min_size=5, max_size=40)


def from_nothing(client: Any) -> Copy:
    fresh = Copy(client)
    fresh.sync()
    return fresh


def do(unit: Callable[..., Any], world: World, verb: str) -> None:
    # What the state of things refuses changes nothing.
    with contextlib.suppress(Problem):
        unit(getattr(world, verb))


@settings(max_examples=share_of(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_a_kept_copy_is_a_fresh_one(client: Any, unit: Any, steps: list[str | int]) -> None:
    world = unit(World)
    phone = client.as_(world.me)
    copy = Copy(phone)
    for step in steps:
        if isinstance(step, str):
            do(unit, world, step)
        else:
            copy.sync(limit=3, pages=step)
    copy.sync(limit=3)
    copy.sync()
    assert copy.all() == from_nothing(phone).all()


STORY = (
    ("sign_up", {"sign_ups"}),
    ("wait", {"sign_ups"}),
    ("second_leaves", {"sign_ups"}),
    ("move_shift", {"sign_ups"}),
    ("rename_activity", {"sign_ups"}),
    ("check_in", {"attendances"}),
    ("check_out", {"attendances", "notifications", "service_records"}),
    ("reverse", {"service_records"}),
    ("hear", {"notifications"}),
    ("read", {"notifications"}),
    ("join", {"memberships"}),
    ("rename_team", {"memberships"}),
    ("leave", {"memberships"}),
    ("grant", {"grants"}),
    ("rename_office", {"grants"}),
    ("borrow", {"loans"}),
    ("borrow", {"loans"}),
    ("rename_me", {"profile"}),
)


def test_each_change_is_told(client: Any, unit: Any, statements: Callable[[], Any]) -> None:
    world = unit(World)
    phone = client.as_(world.me)
    copy = from_nothing(phone)
    behind = Copy(phone, state=copy.state)
    for verb, kinds in STORY:
        unit(getattr(world, verb))
        answer = copy.ask().get_json()
        assert kinds <= set(answer["changed"]), verb
        copy.take(answer)
    assert copy.all() == from_nothing(phone).all()
    # What all of it costs, with rows of each type.
    assert set(copy.all()) == set(SyncType)
    for state, most in ((None, ALL_STATEMENTS), (behind.state, ALL_STATEMENTS + 1)):
        with statements() as seen:
            Copy(phone, state=state).sync(waits=False)
        assert len(seen) <= most, "\n".join(seen)
    check_lists(phone, copy)
    waiting = [row for row in copy.of("sign_ups") if row["state"] == "waitlisted"]
    assert [row["waitlist_position"] for row in waiting] == [1]
    records = sorted((row["minutes"] > 0, row["state"]) for row in copy.of("service_records"))
    assert records == [(False, "reversal"), (True, "reversed")]


def check_lists(phone: Any, copy: Copy) -> None:
    """Rows have the form of their lists; that of grants has none of their ids, and those of teams beside them."""
    for kind in set(SyncType) - {SyncType.PROFILE}:
        listed = phone.get(f"/me/{kind.replace('_', '-')}?limit=100").get_json()["items"]
        if kind == SyncType.GRANTS:
            mine = [{name: value for name, value in row.items() if name != "id"} for row in copy.of(kind)]
            assert [row for row in listed if row in mine] == mine
        else:
            assert copy.rows[kind] == {row["id"]: row for row in listed}, kind


def test_what_is_gone_is_removed(client: Any, unit: Any) -> None:
    world = unit(World)
    copy = Copy(client.as_(world.me))
    unit(world.hear)
    unit(world.grant)
    copy.sync()
    gone = {kind: [row["id"] for row in copy.of(kind)] for kind in ("notifications", "grants")}
    unit(world.forget)
    unit(world.revoke)
    answer = copy.ask().get_json()
    assert answer["removed"] == gone
    assert answer["changed"] == {}
