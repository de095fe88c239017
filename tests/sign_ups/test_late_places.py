"""Places that fall free when nobody is called any more: who waits hears of it, and the leader chooses."""

from typing import Any
from uuid import UUID

import pytest

from tests.activities.factories import MadeActivity, make_activity, make_scene, make_volunteers
from tests.sign_ups.factories import HOUR, kinds, post, row
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, Shift, ShiftRole, SignUpMode
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Problem
from volunteer_api.sign_ups import service
from volunteer_api.teams.service import add_member

ZH = {"Accept-Language": "zh-CN"}


def fill(count: int, **values: Any) -> tuple[MadeActivity, list[UUID], list[UUID]]:
    """A shift tomorrow with one place, the people in their order, and their sign-ups."""
    made = make_activity(capacity=1, starts_at=clock.now() + 24 * HOUR, **values)
    people = make_volunteers(count)
    return made, people, [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in people]


def late(made: MadeActivity, unit: Any) -> Any:
    """Ninety minutes before the shift."""
    return clock.at(unit(lambda: db.session.get_one(Shift, made.shift_id)).starts_at - 1.5 * HOUR)


def test_a_leader_confirms_who_waits(client: Any, unit: Any) -> None:
    made, people, sign_ups = unit(lambda: fill(3))
    path, organizer = f"/shifts/{made.shift_id}", made.scene.organizer_id
    with late(made, unit):
        full = post(client, organizer, f"/sign-ups/{sign_ups[2]}/approval")
        assert (full.status_code, full.get_json()["code"]) == (409, "shift_full")
        assert row(unit, sign_ups[2]).position == 2
        post(client, people[0], f"/sign-ups/{sign_ups[0]}/withdrawal")
        kept = client.as_(made.scene.outsider_id).get(path, headers=ZH).get_json()["refusal"]
        assert (kept["code"], kept["detail"]) == ("shift_full", "余下的名额留给候补的人。")
        # Whom a leader chooses has it, whoever waits longer.
        given = post(client, organizer, f"/sign-ups/{sign_ups[2]}/approval")
        assert (given.status_code, given.get_json()["state"]) == (200, "confirmed")
        shift = unit(lambda: db.session.get(Shift, made.shift_id))
        assert (shift.confirmed_count, shift.waitlisted_count) == (1, 1)
        none = post(client, organizer, f"/sign-ups/{sign_ups[1]}/approval")
        assert (none.status_code, none.get_json()["code"]) == (409, "shift_full")
    assert kinds(client, people[2])[0] == "sign_up_promoted"
    assert row(unit, sign_ups[2]).decided_by == organizer


def test_who_waits_is_not_taken_from_another_shift(client: Any, unit: Any) -> None:
    made, people, sign_ups = unit(lambda: fill(2))
    other = unit(lambda: make_activity(scene=made.scene, starts_at=clock.now() + 24 * HOUR))
    unit(lambda: service.sign_up(shift_id=other.shift_id, volunteer_id=people[1]))
    with late(made, unit):
        post(client, people[0], f"/sign-ups/{sign_ups[0]}/withdrawal")
        refused = post(client, made.scene.organizer_id, f"/sign-ups/{sign_ups[1]}/approval")
        assert (refused.status_code, refused.get_json()["code"]) == (409, "overlapping_shift")
    assert row(unit, sign_ups[1]).state == "waitlisted"
    # Nor is she told of a place that she could not have.
    assert kinds(client, people[1]) == []


def test_while_places_promote_the_first_has_it(unit: Any) -> None:
    made, _people, sign_ups = unit(lambda: fill(3))
    with pytest.raises(Problem, match="shift_full"):
        unit(lambda: service.approve(sign_up_id=sign_ups[2], by=made.scene.organizer_id))
    assert [row(unit, one).state for one in sign_ups] == ["confirmed", "waitlisted", "waitlisted"]
    assert [row(unit, one).position for one in sign_ups[1:]] == [1, 2]


def test_who_waits_hears_once_of_a_free_place(client: Any, unit: Any) -> None:
    made, people, sign_ups = unit(lambda: fill(3))
    organizer = client.as_(made.scene.organizer_id)
    with late(made, unit):
        post(client, people[0], f"/sign-ups/{sign_ups[0]}/withdrawal")
        heard = client.as_(people[1]).get("/me/notifications", headers=ZH).get_json()["items"]
        assert [one["kind"] for one in heard] == ["sign_up_place_free"]
        assert "先报先得" in heard[0]["body"]
        shift = organizer.get(f"/shifts/{made.shift_id}").get_json()
        path = f"/shifts/{made.shift_id}"
        more = organizer.patch(path, json={"capacity": 5}, version=shift["version"])
        assert (more.status_code, more.get_json()["waitlisted_count"]) == (200, 2)
        assert [kinds(client, one) for one in people[1:]] == [["sign_up_place_free"]] * 2
        assert [post(client, one, f"{path}/sign-ups").get_json()["state"] for one in people[1:]] == ["confirmed"] * 2


def test_nobody_hears_of_a_place_that_she_can_not_take(client: Any, unit: Any) -> None:
    """Where sign-ups are closed, the leader alone fills it."""
    start = clock.now() + 24 * HOUR
    times = {"starts_at": start, "ends_at": start + HOUR, "sign_up_closes_at": start - 2 * HOUR, "capacity": 1}
    made = unit(lambda: make_activity(shifts=[times]))
    people = unit(lambda: make_volunteers(2))
    ids = [unit(lambda one=one: service.sign_up(shift_id=made.shift_id, volunteer_id=one)).id for one in people]
    with late(made, unit):
        post(client, people[0], f"/sign-ups/{ids[0]}/withdrawal")
        assert kinds(client, people[1]) == []
        assert post(client, made.scene.organizer_id, f"/sign-ups/{ids[1]}/approval").get_json()["state"] == "confirmed"


@pytest.mark.parametrize(("by_the_team", "outcome"), [(False, "confirmed"), (True, "shift_full")])
def test_a_kept_place_is_for_whom_the_leaders_of_the_activity_choose(
    client: Any, unit: Any, by_the_team: bool, outcome: str
) -> None:
    scene = unit(make_scene)
    made, people, sign_ups = unit(lambda: fill(2, scene=scene))
    guest = unit(lambda: make_volunteers(1))[0]
    unit(lambda: add_member(team_id=scene.team_id, volunteer_id=guest))
    by, body = (scene.leader_id, {"team_id": str(scene.team_id)}) if by_the_team else (scene.organizer_id, {})
    with late(made, unit):
        post(client, people[0], f"/sign-ups/{sign_ups[0]}/withdrawal")
        asked = post(client, by, f"/shifts/{made.shift_id}/sign-ups", volunteer_id=str(guest), **body)
        assert asked.status_code == 201, asked.get_json()
        said = post(client, guest, f"/sign-ups/{asked.get_json()['id']}/acceptance").get_json()
        assert (said.get("code") or said["state"]) == outcome


def test_an_approved_request_takes_a_kept_place(client: Any, unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, list[UUID], list[UUID]]:
        made = make_activity(capacity=1, starts_at=clock.now() + 24 * HOUR, sign_up_mode=SignUpMode.APPROVAL)
        people = make_volunteers(3)
        asked = [service.sign_up(shift_id=made.shift_id, volunteer_id=one).id for one in people]
        for one in asked[:2]:
            service.approve(sign_up_id=one, by=made.scene.organizer_id)
        return made, people, asked

    made, people, asked = unit(prepare)
    with late(made, unit):
        post(client, people[0], f"/sign-ups/{asked[0]}/withdrawal")
        approved = post(client, made.scene.organizer_id, f"/sign-ups/{asked[2]}/approval")
        assert approved.get_json()["state"] == "confirmed"


def busy(unit: Any, made: MadeActivity, volunteer_id: UUID) -> None:
    """Let somebody who waits have another shift at that time."""
    there = unit(lambda: db.session.get_one(Shift, made.shift_id)).starts_at
    other = unit(lambda: make_activity(scene=made.scene, starts_at=there))
    unit(lambda: service.sign_up(shift_id=other.shift_id, volunteer_id=volunteer_id))


def unskilled(unit: Any, made: MadeActivity, _volunteer_id: UUID) -> None:
    """Let the activity ask for what a newcomer alone can do."""

    def change() -> None:
        db.session.get_one(Activity, made.id).required_skills = ["急救"]
        db.session.get_one(Volunteer, made.scene.outsider_id).skills = ["急救"]

    unit(change)


@pytest.mark.both_databases
@pytest.mark.parametrize("lose", [busy, unskilled])
@pytest.mark.parametrize("several", [False, True])
def test_no_place_is_kept_for_who_could_not_take_it(client: Any, unit: Any, lose: Any, several: bool) -> None:
    made, people, sign_ups = unit(lambda: fill(2))
    path, newcomer = f"/shifts/{made.shift_id}", made.scene.outsider_id
    with late(made, unit):
        post(client, people[0], f"/sign-ups/{sign_ups[0]}/withdrawal")
        assert client.as_(newcomer).get(path).get_json()["refusal"]["code"] == "shift_full"
        lose(unit, made, people[1])
        assert client.as_(newcomer).get(path).get_json()["would_be"] == "confirmed"
        if several:
            answer = post(client, newcomer, f"/activities/{made.id}/sign-ups", all=True).get_json()["results"][0]
        else:
            answer = post(client, newcomer, f"{path}/sign-ups").get_json()
        assert answer["state"] == "confirmed"
    assert row(unit, sign_ups[1]).state == "waitlisted"


def test_no_place_of_a_role_is_kept_for_who_could_not_take_it(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    times = {"starts_at": start, "ends_at": start + HOUR, "roles": [{"name": "讲解", "capacity": 1}]}
    made = unit(lambda: make_activity(shifts=[times]))
    people = unit(lambda: make_volunteers(3))
    role_id = unit(lambda: db.session.query(ShiftRole).filter_by(shift_id=made.shift_id).one().id)
    path, wanted = f"/shifts/{made.shift_id}", {"role_id": str(role_id)}
    ids = [post(client, one, f"{path}/sign-ups", **wanted).get_json()["id"] for one in people[:2]]
    with late(made, unit):
        post(client, people[0], f"/sign-ups/{ids[0]}/withdrawal")

        def announced() -> Any:
            return client.as_(people[2]).get(path).get_json()["roles"][0]

        assert announced()["refusal"]["code"] == "shift_full"
        busy(unit, made, people[1])
        assert announced()["would_be"] == "confirmed"
        assert post(client, people[2], f"{path}/sign-ups", **wanted).get_json()["state"] == "confirmed"
    assert unit(lambda: db.session.get_one(ShiftRole, role_id)).confirmed_count == 1


def test_of_many_who_wait_the_last_one_keeps_the_place(client: Any, unit: Any, statements: Any) -> None:
    """Those before her are busy. It costs as much as with one, and two statements for a further page of the line."""

    def prepare(waiting: int) -> Any:
        made, people, sign_ups = fill(1 + waiting)
        there = db.session.get_one(Shift, made.shift_id).starts_at
        other = make_activity(scene=made.scene, starts_at=there)
        for one in people[1:-1]:
            service.sign_up(shift_id=other.shift_id, volunteer_id=one)
        return made, people, sign_ups

    spent = {}
    for waiting in (1, 60):
        made, people, sign_ups = unit(lambda waiting=waiting: prepare(waiting))
        newcomer = client.as_(made.scene.outsider_id)
        with late(made, unit):
            post(client, people[0], f"/sign-ups/{sign_ups[0]}/withdrawal")
            newcomer.get("/me")
            with statements() as seen:
                shown = newcomer.get(f"/shifts/{made.shift_id}").get_json()
            assert shown["refusal"]["code"] == "shift_full"
        spent[waiting] = len(seen)
    assert spent[60] - spent[1] == 2, spent


def test_a_list_of_kept_places_costs_no_more_than_one(client: Any, unit: Any, statements: Any) -> None:
    spent = {}
    for count in (1, 6):
        scene = unit(make_scene)
        made = [unit(lambda scene=scene: fill(2, scene=scene)) for _ in range(count)]
        caller = client.as_(scene.outsider_id)
        with late(made[0][0], unit):
            for _, people, sign_ups in made:
                post(client, people[0], f"/sign-ups/{sign_ups[0]}/withdrawal")
            caller.get("/me")
            with statements() as seen:
                items = caller.get(f"/activities?limit=100&organization_id={scene.office_id}").get_json()["items"]
        assert [one["shifts"][0]["refusal"]["code"] for one in items] == ["shift_full"] * count
        spent[count] = len(seen)
    assert spent[6] == spent[1], spent
