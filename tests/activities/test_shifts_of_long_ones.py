"""Activities with many shifts, some of them canceled: copies, rules given anew, lists."""

from datetime import datetime, time, timedelta
from typing import Any

from tests.activities.factories import make_activity, make_scene
from tests.activities.test_endpoints import text_of
from tests.sign_ups.factories import HOUR, kinds, post
from volunteer_api.activities import risks
from volunteer_api.core import clock

DAY = timedelta(days=1)


def daily(start: datetime, count: int) -> list[dict[str, Any]]:
    return [{"starts_at": start + number * DAY, "ends_at": start + number * DAY + HOUR} for number in range(count)]


def copy(client: Any, made: Any) -> Any:
    scene = made.scene
    body = {"organization_ids": [str(scene.other_office_id)]}
    return post(client, scene.administrator_id, f"/activities/{made.id}/copies", **body)


def rule(start: datetime, count: int, hours: int) -> dict[str, str]:
    ends = start + hours * HOUR
    return {"rrule": f"FREQ=DAILY;COUNT={count}", "starts_at": text_of(start), "ends_at": text_of(ends)}


def plan(client: Any, scene: Any, recurrence: dict[str, str]) -> str:
    organizer = client.as_(scene.organizer_id)
    body = {"title": "值守", "category": "environment_protection", "organization_id": str(scene.office_id)}
    made: str = organizer.post("/activities", json=body | {"recurrence": recurrence}).get_json()["id"]
    assert organizer.post(f"/activities/{made}/publication").status_code == 200
    return made


def again(client: Any, scene: Any, activity_id: str, recurrence: dict[str, str]) -> Any:
    organizer = client.as_(scene.organizer_id)
    version = organizer.get(f"/activities/{activity_id}").get_json()["version"]
    return organizer.patch(f"/activities/{activity_id}", json={"recurrence": recurrence}, version=version)


def test_a_copy_leaves_canceled_shifts_out(client: Any, unit: Any) -> None:
    start = clock.now() + DAY
    made = unit(lambda: make_activity(shifts=daily(start, 2)))
    organizer = made.scene.organizer_id
    post(client, organizer, f"/shifts/{made.shift_ids[0]}/cancellation", reason="下雨")
    copied = copy(client, made).get_json()["items"][0]["id"]
    assert client.as_(made.scene.administrator_id).get(f"/activities/{copied}").get_json()["shift_count"] == 1
    post(client, organizer, f"/shifts/{made.shift_ids[1]}/cancellation", reason="下雨")
    assert copy(client, made).get_json()["code"] == "nothing_to_come"
    post(client, organizer, f"/activities/{made.id}/cancellation", reason="下雨")
    assert copy(client, made).status_code == 201


def test_a_copy_is_of_the_next_shifts_however_many_are_over(client: Any, unit: Any) -> None:
    start = clock.now() + DAY
    made = unit(lambda: make_activity(shifts=daily(start, 120)))
    with clock.at(start + 110 * DAY + HOUR):
        copied = copy(client, made)
        assert copied.status_code == 201, copied.get_json()
        read = client.as_(made.scene.administrator_id).get(f"/activities/{copied.get_json()['items'][0]['id']}")
        assert read.get_json()["shift_count"] == 9


def test_all_shifts_are_those_to_come(client: Any, unit: Any) -> None:
    start = clock.now() + DAY
    made = unit(lambda: make_activity(shifts=daily(start, 3)))
    path = f"/activities/{made.id}/sign-ups"
    with clock.at(start + DAY):
        results = post(client, made.scene.outsider_id, path, all=True).get_json()["results"]
        assert [one["status"] for one in results] == [201, 201]
    with clock.at(start + 9 * DAY):
        results = post(client, made.scene.member_id, path, all=True).get_json()["results"]
        assert [one["refusal"]["code"] for one in results] == ["ended"] * 3


def test_a_rule_is_given_anew_as_often_as_one_likes(client: Any, unit: Any) -> None:
    """What the former rules left behind, canceled, neither uses up the 366 nor hides what is to come."""
    scene = unit(make_scene)
    start = (clock.now() + 2 * DAY).replace(minute=0, second=0, microsecond=0)
    made = plan(client, scene, rule(start, 200, 1))
    moved = again(client, scene, made, rule(start + HOUR, 200, 1))
    assert moved.status_code == 200, moved.get_json()
    listed = client.get(f"/activities?organization_id={scene.office_id}").get_json()["items"][0]["shifts"]
    assert [one["canceled_at"] for one in listed] == [None] * 10
    assert again(client, scene, made, rule(start + HOUR, 366, 1)).status_code == 200
    extra = {"starts_at": text_of(start), "ends_at": text_of(start + HOUR)}
    refused = client.as_(scene.organizer_id).post(f"/activities/{made}/shifts", json=extra)
    assert refused.get_json()["code"] == "too_many_shifts"


def test_what_was_canceled_stays_so_when_the_rule_is_given_anew(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    start = (clock.now() + 2 * DAY).replace(minute=0, second=0, microsecond=0)
    made = plan(client, scene, rule(start, 3, 1))
    first = client.get(f"/activities/{made}").get_json()["shifts"][0]["id"]
    post(client, scene.organizer_id, f"/shifts/{first}/cancellation", reason="下雨")

    def standing(recurrence: dict[str, str]) -> list[tuple[str, str]]:
        read = again(client, scene, made, recurrence).get_json()
        return [(one["starts_at"], one["ends_at"]) for one in read["shifts"] if one["canceled_at"] is None]

    days = [start + number * DAY for number in range(3)]
    assert standing(rule(start, 3, 2)) == [(text_of(day), text_of(day + 2 * HOUR)) for day in days[1:]]
    # What a rule left out comes back with the next that gives it.
    assert standing(rule(days[2], 1, 2)) == [(text_of(days[2]), text_of(days[2] + 2 * HOUR))]
    assert standing(rule(days[1], 2, 2)) == [(text_of(day), text_of(day + 2 * HOUR)) for day in days[1:]]
    assert standing(rule(days[1], 2, 3)) == [(text_of(day), text_of(day + 3 * HOUR)) for day in days[1:]]


def test_another_time_of_day_doubles_no_day(client: Any, unit: Any) -> None:
    """People, a move and a cancellation stay, and the answer says where."""
    scene = unit(make_scene)
    start = unit(lambda: clock.at_local(clock.today() + 3 * DAY, time(7, 30)))
    made = plan(client, scene, rule(start, 5, 1))
    organizer = client.as_(scene.organizer_id)
    taken, moved, canceled, plain, other = client.get(f"/activities/{made}").get_json()["shifts"]
    post(client, scene.outsider_id, f"/shifts/{taken['id']}/sign-ups")
    times = {"starts_at": text_of(start + DAY - HOUR), "ends_at": text_of(start + DAY)}
    assert organizer.patch(f"/shifts/{moved['id']}", json=times, version=moved["version"]).status_code == 200
    post(client, scene.organizer_id, f"/shifts/{canceled['id']}/cancellation", reason="大雨，停止值守")
    longer = {"ends_at": text_of(start + 4 * DAY + 2 * HOUR)}
    assert organizer.patch(f"/shifts/{other['id']}", json=longer, version=other["version"]).status_code == 200
    for _ in range(2):
        # Given once more, it finds the same exceptions.
        answer = again(client, scene, made, rule(start + HOUR / 2, 6, 1)).get_json()
        begin = {one["id"]: one["starts_at"] for one in answer["shifts"] if one["canceled_at"] is None}
        assert begin == {
            taken["id"]: taken["starts_at"],
            moved["id"]: times["starts_at"],
            plain["id"]: text_of(start + 3 * DAY + HOUR / 2),
            other["id"]: other["starts_at"],
            answer["shifts"][-1]["id"]: text_of(start + 5 * DAY + HOUR / 2),
        }
        assert [(one["id"], one["why"]) for one in answer["kept_shifts"]] == [
            (taken["id"], "signed_up"),
            (moved["id"], "moved"),
            (canceled["id"], "canceled"),
            (other["id"], "moved"),
        ]
        assert answer["kept_shift_count"] == 4
    # Who signed up has gone, and the shift is the rule's again; the days that a rule does not give go, moved or not.
    mine = client.as_(scene.outsider_id).get("/me/sign-ups").get_json()["items"][0]["id"]
    post(client, scene.outsider_id, f"/sign-ups/{mine}/withdrawal")
    answer = again(client, scene, made, rule(start + HOUR, 1, 1)).get_json()
    assert [one["id"] for one in answer["shifts"] if one["canceled_at"] is None] == [taken["id"]]
    assert (answer["shifts"][0]["starts_at"], answer["kept_shifts"]) == (text_of(start + HOUR), [])


def test_a_moved_shift_is_at_risk_once_more(client: Any, unit: Any) -> None:
    start = clock.now() + 5 * HOUR
    made = unit(lambda: make_activity(shifts=[{"starts_at": start, "ends_at": start + HOUR, "minimum": 3}]))
    organizer = client.as_(made.scene.organizer_id)
    assert [unit(risks.tell_of_risk), unit(risks.tell_of_risk)] == [1, 0]
    version = organizer.get(f"/shifts/{made.shift_id}").get_json()["version"]
    times = {"starts_at": text_of(start + 9 * DAY), "ends_at": text_of(start + 9 * DAY + HOUR)}
    assert organizer.patch(f"/shifts/{made.shift_id}", json=times, version=version).status_code == 200
    with clock.at(start + 9 * DAY - HOUR):
        assert unit(risks.tell_of_risk) == 1
    assert kinds(client, made.scene.organizer_id).count("shift_at_risk") == 2
