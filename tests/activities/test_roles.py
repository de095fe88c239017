"""The roles of shifts and the way of signing up, changed after people have signed up."""

from collections import Counter
from datetime import timedelta
from typing import Any

from tests.activities.factories import MadeActivity, make_activity, make_scene, make_volunteers
from tests.activities.test_endpoints import body_of, text_of
from tests.sign_ups.factories import HOUR, kinds, post
from volunteer_api.activities.models import Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups.models import SignUp


def with_roles(**values: Any) -> MadeActivity:
    start = clock.now() + timedelta(days=1)
    roles = [{"name": "急救", "capacity": 2}, {"name": "讲解", "capacity": 2}]
    times = {"starts_at": start, "ends_at": start + 2 * HOUR}
    return make_activity(shifts=[times | {"capacity": 6, "roles": roles}], **values)


def shown(client: Any, made: MadeActivity) -> Any:
    return client.as_(made.scene.organizer_id).get(f"/shifts/{made.shift_id}").get_json()


def patch(client: Any, made: MadeActivity, **body: Any) -> Any:
    version = shown(client, made)["version"]
    return client.as_(made.scene.organizer_id).patch(f"/shifts/{made.shift_id}", json=body, version=version)


def test_roles_change_with_people_in_them(client: Any, unit: Any) -> None:
    made = unit(with_roles)
    people = unit(lambda: make_volunteers(4))
    aid, guide = shown(client, made)["roles"]
    path = f"/shifts/{made.shift_id}/sign-ups"
    mine = [post(client, one, path, role_id=guide["id"]).get_json() for one in people]
    assert [one["state"] for one in mine] == ["confirmed", "confirmed", "waitlisted", "waitlisted"]

    fewer = patch(client, made, roles=[{"id": guide["id"], "name": "讲解", "capacity": 1}])
    assert (fewer.status_code, fewer.get_json()["code"]) == (409, "role_below_confirmed")
    assert (fewer.get_json()["role_id"], fewer.get_json()["confirmed_count"]) == (guide["id"], 2)
    without = patch(client, made, roles=[{"name": "急救", "capacity": 2}])
    assert (without.status_code, without.get_json()["code"]) == (409, "role_taken")
    assert (without.get_json()["role_id"], without.get_json()["sign_up_count"]) == (guide["id"], 4)
    # Nothing of a refused change stays.
    assert shown(client, made)["roles"][1]["capacity"] == 2

    # The two take each other's names; the third role is new; the one who waits longest has the new place.
    wanted = [
        {"id": guide["id"], "name": "急救", "capacity": 3},
        {"id": aid["id"], "name": "讲解", "capacity": 2},
        {"name": "引导", "capacity": 1},
    ]
    changed = patch(client, made, roles=wanted)
    assert changed.status_code == 200, changed.get_json()
    assert {role["name"]: (role["capacity"], role["confirmed_count"]) for role in changed.get_json()["roles"]} == {
        "急救": (3, 3),
        "讲解": (2, 0),
        "引导": (1, 0),
    }
    assert "role_renamed" in kinds(client, people[0])
    assert {"role_renamed", "sign_up_promoted"} <= set(kinds(client, people[2]))
    assert client.as_(people[3]).get(f"/sign-ups/{mine[3]['id']}").get_json()["state"] == "waitlisted"
    same = patch(client, made, roles=[{"name": role["name"], "capacity": role["capacity"]} for role in wanted])
    assert same.get_json()["version"] == changed.get_json()["version"]


def test_a_role_goes_once_nobody_counts_on_it(client: Any, unit: Any) -> None:
    made = unit(with_roles)
    guide = shown(client, made)["roles"][1]
    (one,) = unit(lambda: make_volunteers(1))
    mine = post(client, one, f"/shifts/{made.shift_id}/sign-ups", role_id=guide["id"]).get_json()
    post(client, one, f"/sign-ups/{mine['id']}/withdrawal")
    gone = patch(client, made, roles=[])
    assert (gone.status_code, gone.get_json()["roles"]) == (200, [])
    assert client.as_(one).get(f"/sign-ups/{mine['id']}").get_json()["role"] is None
    late = post(client, one, f"/shifts/{made.shift_id}/sign-ups", role_id=guide["id"])
    assert (late.status_code, late.get_json()["errors"][0]["pointer"]) == (422, "/role_id")


def test_roles_stand_in_the_order_in_which_they_are_given(client: Any, unit: Any) -> None:
    made = unit(with_roles)
    wanted = [{"name": name, "capacity": 2} for name in ("路口引导", "讲解", "摄影")]
    for roles in (wanted, wanted[::-1]):
        version = shown(client, made)["version"]
        changed = patch(client, made, roles=roles).get_json()
        assert [one["name"] for one in changed["roles"]] == [one["name"] for one in roles]
        assert changed["version"] == version + 1
    assert patch(client, made, roles=wanted[::-1]).get_json()["version"] == version + 1


def test_roles_that_can_not_be(client: Any, unit: Any) -> None:
    made, other = unit(with_roles), unit(with_roles)
    foreign = shown(client, other)["roles"][0]["id"]
    twice = [{"name": "讲解", "capacity": 1}] * 2
    for body, code in (
        ({"roles": [{"id": foreign, "name": "急救", "capacity": 1}]}, "unknown_reference"),
        ({"roles": twice}, "twice"),
        ({"roles": [{"name": "讲解", "capacity": 7}]}, "more_than_capacity"),
        ({"capacity": 1}, "more_than_capacity"),
    ):
        answer = patch(client, made, **body)
        assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (422, code)
        assert answer.get_json()["errors"][0]["pointer"] == "/roles"


def test_another_way_of_signing_up_keeps_who_signed_up(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(sign_up_mode="approval", capacity=3))
    first, second, third = unit(lambda: make_volunteers(3))
    organizer, path = client.as_(made.scene.organizer_id), f"/shifts/{made.shift_id}/sign-ups"
    pending = post(client, first, path).get_json()
    approved = post(client, second, path).get_json()
    organizer.post(f"/sign-ups/{approved['id']}/approval")
    activity = f"/activities/{made.id}"
    changed = organizer.patch(activity, json={"sign_up_mode": "open"}, version=2)
    assert (changed.status_code, changed.get_json()["sign_up_mode"]) == (200, "open"), changed.get_json()
    assert client.as_(third).get(f"/shifts/{made.shift_id}").get_json()["would_be"] == "confirmed"
    assert kinds(client, first) == ["sign_up_mode_changed"]
    # Who has a place already is not concerned.
    assert kinds(client, second) == ["sign_up_confirmed"]
    assert client.as_(first).get(f"/sign-ups/{pending['id']}").get_json()["state"] == "pending"
    assert organizer.post(f"/sign-ups/{pending['id']}/approval").get_json()["state"] == "confirmed"
    closed = organizer.patch(activity, json={"sign_up_mode": "invitation"}, version=changed.get_json()["version"])
    assert closed.status_code == 200
    refused = post(client, third, path).get_json()
    assert [reason["code"] for reason in refused["reasons"]] == ["by_invitation"]


def test_roles_come_with_recurrences_copies_and_patterns(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    organizer, start = client.as_(scene.organizer_id), (clock.now() + timedelta(days=2)).replace(microsecond=0)
    roles = [{"name": "讲解", "capacity": 1}]
    times = {"starts_at": text_of(start), "ends_at": text_of(start + HOUR)}
    rule = times | {"rrule": "FREQ=DAILY;COUNT=3", "roles": roles}
    body = body_of(scene, recurrence=rule)
    del body["shifts"]
    made = organizer.post("/activities", json=body)
    assert made.status_code == 201, made.get_json()
    names = [[role["name"] for role in shift["roles"]] for shift in made.get_json()["shifts"]]
    assert names == [["讲解"]] * 3
    path = f"/activities/{made.get_json()['id']}"
    fewer = organizer.patch(path, json={"recurrence": rule | {"rrule": "FREQ=DAILY;COUNT=2", "roles": []}}, version=1)
    assert [shift["roles"] for shift in fewer.get_json()["shifts"]] == [[], []]
    organizer.patch(path, json={"recurrence": rule}, version=fewer.get_json()["version"])
    administrator = client.as_(scene.administrator_id)
    copy = administrator.post(f"{path}/copies", json={"organization_ids": [str(scene.other_office_id)]})
    copied = administrator.get(f"/activities/{copy.get_json()['items'][0]['id']}").get_json()
    assert [[role["name"] for role in shift["roles"]] for shift in copied["shifts"]] == names
    pattern = {"organization_id": str(scene.office_id), "activity_id": made.get_json()["id"], "name": "每日"}
    kept = organizer.post("/activity-templates", json=pattern).get_json()
    assert [shift["roles"] for shift in kept["shifts"]] == [roles] * 3
    planned = {"on": "2027-03-01", "organization_id": str(scene.office_id)}
    after = organizer.post(f"/activity-templates/{kept['id']}/activities", json=planned)
    assert [[role["name"] for role in shift["roles"]] for shift in after.get_json()["shifts"]] == names


def test_a_smaller_role_races_sign_ups(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    """Whichever comes first: the leader hears of those confirmed, or the newcomers wait."""
    made = postgresql_unit(with_roles)
    guide = shown(postgresql_client, made)["roles"][1]
    people = postgresql_unit(lambda: make_volunteers(8))

    def act(number: int) -> tuple[int, str]:
        if number in (3, 6):
            wanted = [{"name": "急救", "capacity": 2}, {"id": guide["id"], "name": "讲解", "capacity": 1}]
            answer = patch(postgresql_client, made, roles=wanted if number == 3 else wanted[:1])
        else:
            answer = post(postgresql_client, people[number], f"/shifts/{made.shift_id}/sign-ups", role_id=guide["id"])
        body = answer.get_json()
        return answer.status_code, body.get("code") or body.get("state") or "changed"

    outcomes = race(8, act)
    assert {code for _, code in outcomes} <= {
        "confirmed",
        "waitlisted",
        "changed",
        "role_below_confirmed",
        "role_taken",
        "precondition_failed",
        "validation_failed",
    }, outcomes
    roles = {role["name"]: role for role in shown(postgresql_client, made)["roles"]}
    rows = postgresql_unit(lambda: db.session.query(SignUp).filter_by(shift_id=made.shift_id).all())
    states = Counter(row.state for row in rows if row.role_id is not None)
    if "讲解" in roles:
        counts = (roles["讲解"]["confirmed_count"], roles["讲解"]["waitlisted_count"])
        assert counts == (states["confirmed"], states["waitlisted"])
        assert counts[0] <= roles["讲解"]["capacity"]
    else:
        # Removed before anybody came: nobody is in a role that is not there.
        assert rows == []


def test_another_way_of_signing_up_races_sign_ups(postgresql_client: Any, postgresql_unit: Any, race: Any) -> None:
    made = postgresql_unit(lambda: make_activity(capacity=20))
    people = postgresql_unit(lambda: make_volunteers(10))
    organizer = postgresql_client.as_(made.scene.organizer_id)

    def act(number: int) -> Any:
        if number == 5:
            answer = organizer.patch(f"/activities/{made.id}", json={"sign_up_mode": "approval"}, version=2)
            return answer.status_code
        return post(postgresql_client, people[number], f"/shifts/{made.shift_id}/sign-ups").get_json()["state"]

    outcomes = race(10, act)
    assert outcomes[5] == 200
    assert set(outcomes[:5] + outcomes[6:]) <= {"confirmed", "pending"}
    shift = postgresql_unit(lambda: db.session.get(Shift, made.shift_id))
    assert shift.confirmed_count == outcomes.count("confirmed")
