"""Campaigns, activities and shifts by HTTP."""

import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.activities.factories import make_activity, make_scene, make_volunteers, take_grants_away
from tests.sign_ups.factories import born, kinds, make_person
from volunteer_api.accounts.categories import Category
from volunteer_api.activities import service
from volunteer_api.core import clock
from volunteer_api.sign_ups import service as sign_ups


def text_of(moment: Any) -> str:
    return str(moment.isoformat().replace("+00:00", "Z"))


def body_of(scene: Any, **values: Any) -> dict[str, Any]:
    start = clock.now() + timedelta(days=1)
    return {
        "title": "清洁湛河",
        "category": "environment_protection",
        "organization_id": str(scene.office_id),
        "sign_up_mode": "open",
        "shifts": [{"starts_at": text_of(start), "ends_at": text_of(start + timedelta(hours=2)), "capacity": 2}],
    } | values


def test_an_organizer_plans_and_publishes(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    organizer = client.as_(scene.organizer_id)
    made = organizer.post(
        "/activities", json=body_of(scene, station_id=str(scene.station_id), team_id=str(scene.team_id)), key="one"
    )
    assert made.status_code == 201, made.get_json()
    activity = made.get_json()
    assert (activity["state"], activity["version"]) == ("draft", 1)
    assert activity["place"] == {"lat": 33.735, "lng": 113.335}
    assert activity["team_name"] == "鹰城大妈"
    assert activity["shifts"][0]["refusal"]["code"] == "not_published"
    published = organizer.post(f"/activities/{activity['id']}/publication")
    assert published.status_code == 200, published.get_json()
    assert published.get_json()["state"] == "published"
    shift = client.get(f"/activities/{activity['id']}").get_json()["shifts"][0]
    assert (shift["can_sign_up"], shift["would_be"]) == (False, None)
    assert shift["refusal"]["code"] == "sign_in_required"
    shift = client.as_(scene.outsider_id).get(f"/shifts/{shift['id']}").get_json()
    assert (shift["can_sign_up"], shift["would_be"], shift["refusal"]) == (True, "confirmed", None)


def test_a_leader_submits_and_hears_of_the_return(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    leader, organizer = client.as_(scene.leader_id), client.as_(scene.organizer_id)
    made = leader.post("/activities", json=body_of(scene, team_id=str(scene.team_id)))
    assert made.status_code == 201, made.get_json()
    path = f"/activities/{made.get_json()['id']}"
    assert leader.post(f"{path}/publication").status_code == 403
    assert leader.post(f"{path}/submission").get_json()["state"] == "submitted"
    waits = organizer.get("/me/notifications").get_json()["items"]
    assert [one["kind"] for one in waits] == ["activity_submitted"]
    returned = organizer.post(f"{path}/return", json={"reason": "时间冲突"})
    assert returned.status_code == 200, returned.get_json()
    assert leader.get("/me/notifications").get_json()["items"][0]["kind"] == "activity_returned"
    draft = leader.get(path).get_json()
    assert (draft["return_reason"], draft["returned_at"] is not None) == ("时间冲突", True)
    again = leader.post(f"{path}/submission").get_json()
    assert (again["state"], again["return_reason"], again["returned_at"]) == ("submitted", None, None)
    assert organizer.post(f"{path}/publication").get_json()["state"] == "published"
    assert leader.get("/me/notifications").get_json()["items"][0]["kind"] == "activity_published"
    assert [one["kind"] for one in organizer.get("/me/notifications").get_json()["items"]] == ["activity_submitted"] * 2


def test_no_organization_is_named_a_partner_without_a_publisher(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    partner = {"co_organizer_ids": [str(scene.other_office_id)]}
    made = unit(lambda: make_activity(scene=scene, team_id=scene.team_id, published=False))
    path, leader, organizer = f"/activities/{made.id}", client.as_(scene.leader_id), client.as_(scene.organizer_id)
    assert leader.patch(path, json=partner, version=1).status_code == 200
    assert kinds(client, scene.other_organizer_id) == []
    assert organizer.post(f"{path}/publication").status_code == 200
    assert kinds(client, scene.other_organizer_id) == ["co_organizer_named"]
    # What is public, who leads it lists among nobody else's.
    more = {"co_organizer_ids": [str(scene.other_office_id), str(scene.center_id)]}
    version = leader.get(path).get_json()["version"]
    assert leader.patch(path, json=more, version=version).status_code == 403
    assert leader.patch(path, json=partner, version=version).status_code == 200
    assert organizer.patch(path, json=more, version=version + 1).status_code == 200
    assert kinds(client, scene.administrator_id) == ["co_organizer_named"]
    assert kinds(client, scene.other_organizer_id) == ["co_organizer_named"]


def test_an_organization_that_was_named_takes_itself_off(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    both = [scene.other_office_id, scene.center_id]
    made = unit(lambda: make_activity(scene=scene, co_organizer_ids=both))
    path, organizer, partner = f"/activities/{made.id}", client.as_(scene.organizer_id), scene.other_organizer_id
    decline = f"{path}/co-organizers/{scene.other_office_id}/decline"
    version = organizer.get(path).get_json()["version"]
    assert organizer.post(decline, json={"reason": "不做了"}).status_code == 404
    assert client.as_(partner).post(decline, json={}).status_code == 422
    left = client.as_(partner).post(decline, json={"reason": "未曾商定"}).get_json()
    assert (left["co_organizer_ids"], left["version"]) == ([str(scene.center_id)], version + 1)
    assert client.as_(partner).post(decline, json={"reason": "未曾商定"}).status_code == 404
    told = organizer.get("/me/notifications").get_json()["items"][0]
    assert (told["kind"], "建设路街道实践所不再协办" in told["body"], "未曾商定" in told["body"]) == (
        "co_organizer_declined",
        True,
        True,
    )
    assert made.id not in [UUID(one["id"]) for one in shown_of(client, scene.other_office_id)]
    # Named once more it hears of it once more.
    again = organizer.patch(path, json={"co_organizer_ids": [str(one) for one in both]}, version=version + 1)
    assert again.status_code == 200
    assert kinds(client, partner) == ["co_organizer_named"] * 2


def shown_of(client: Any, organization_id: UUID) -> list[Any]:
    items: list[Any] = client.get(f"/activities?organization_id={organization_id}").get_json()["items"]
    return items


def test_leaders_have_names_for_who_is_signed_in(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    adult, minor = unit(lambda: (make_person(name="王小明"), make_person(name="李小红", birth_date=born(16))))
    made = unit(lambda: make_activity(scene=scene, leader_ids=[adult, minor]))
    path = f"/activities/{made.id}"

    def names(phone: Any) -> dict[str, str]:
        return {one["id"]: one["name"] for one in phone.get(path).get_json()["leaders"]}

    assert names(client.as_(scene.outsider_id)) == {str(adult): "王小明", str(minor): "李*"}
    assert names(client) == {str(adult): "王*", str(minor): "李*"}
    # Anybody can be named in a draft, to read who she is.
    draft = unit(lambda: make_activity(scene=scene, leader_ids=[adult], published=False))
    organizer, path = client.as_(scene.organizer_id), f"/activities/{draft.id}"
    shown = organizer.get(path).get_json()["leaders"]
    assert [one["name"] for one in shown] == ["王*"]
    organizer.post(f"{path}/cancellation", json={"reason": "不办了"})
    assert [one["name"] for one in organizer.get(path).get_json()["leaders"]] == ["王*"]


def test_a_leader_needs_the_team_and_its_organization(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    leader = client.as_(scene.leader_id)
    # She sees the office, and hears what is missing.
    refused = leader.post("/activities", json=body_of(scene), headers={"Accept-Language": "zh-CN"})
    told = (refused.status_code, refused.get_json()["code"], refused.get_json()["detail"])
    assert told == (403, "team_needed", "请选择该组织中由您带领的队伍。")
    elsewhere = body_of(scene, team_id=str(scene.team_id), organization_id=str(scene.other_office_id))
    assert leader.post("/activities", json=elsewhere).status_code == 404


def test_who_may_create(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    assert client.post("/activities", json=body_of(scene)).status_code == 401
    for volunteer_id, status in (
        (scene.outsider_id, 404),
        (scene.member_id, 404),
        (scene.other_organizer_id, 404),
        (scene.inspector_id, 403),
        (scene.administrator_id, 201),
    ):
        assert client.as_(volunteer_id).post("/activities", json=body_of(scene)).status_code == status
    unit(lambda: take_grants_away(scene.organizer_id))
    assert client.as_(scene.organizer_id).post("/activities", json=body_of(scene)).status_code == 404


def test_who_sees_it_without_the_right_hears_so(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene, team_id=scene.team_id))
    leader = client.as_(scene.leader_id)
    copies = f"/activities/{made.id}/copies"
    for office_id, status in ((scene.office_id, 403), (scene.other_office_id, 404)):
        assert leader.post(copies, json={"organization_ids": [str(office_id)]}).status_code == status
    pattern = {"name": "常规", "organization_id": str(scene.office_id), "activity_id": str(made.id)}
    assert leader.post("/activity-templates", json=pattern).status_code == 403
    for volunteer_id, status in ((scene.member_id, 403), (scene.outsider_id, 404)):
        phone = client.as_(volunteer_id)
        assert phone.post(f"/activities/{made.id}/completion", json={}).status_code == status
        assert phone.post(f"/shifts/{made.shift_id}/cancellation", json={"reason": "雨"}).status_code == status


def test_who_is_named_to_lead_hears_of_it(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    made = unit(
        lambda: make_activity(
            scene=scene, published=False, team_id=scene.team_id, leader_ids=[scene.organizer_id, scene.member_id]
        )
    )
    organizer, path = client.as_(scene.organizer_id), f"/activities/{made.id}"
    # In a draft anybody may be named: nobody hears of it before it is public.
    assert kinds(client, scene.member_id) == []
    assert organizer.post(f"{path}/publication").status_code == 200
    assert kinds(client, scene.member_id) == ["activity_leader_named"]
    body = {"leader_ids": [str(one) for one in (scene.member_id, scene.outsider_id, scene.organizer_id)]}
    version = organizer.get(path).get_json()["version"]
    assert organizer.patch(path, json=body, version=version).status_code == 200
    assert [kinds(client, one) for one in (scene.member_id, scene.outsider_id)] == [["activity_leader_named"]] * 2
    assert kinds(client, scene.organizer_id) == []


def test_an_activity_that_names_nobody_shows_who_leads_its_team(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene, team_id=scene.team_id))
    read = client.as_(scene.outsider_id).get(f"/activities/{made.id}").get_json()
    assert (read["leader_ids"], [one["id"] for one in read["leaders"]]) == ([], [str(scene.leader_id)])
    named = unit(lambda: make_activity(scene=scene, team_id=scene.team_id, leader_ids=[scene.member_id]))
    read = client.get(f"/activities/{named.id}").get_json()
    assert [one["id"] for one in read["leaders"]] == [str(scene.member_id)]
    assert client.get(f"/activities/{unit(lambda: make_activity(scene=scene)).id}").get_json()["leaders"] == []


DRAFT_CALLS = [
    ("GET", "", None),
    ("GET", "/shifts", None),
    ("POST", "/shifts", {"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T01:00:00Z"}),
    ("POST", "/submission", None),
    ("POST", "/publication", None),
    ("POST", "/cancellation", {"reason": "下雨"}),
]


@pytest.mark.parametrize(("method", "path", "body"), DRAFT_CALLS)
def test_who_reaches_a_draft(client: Any, unit: Any, method: str, path: str, body: Any) -> None:
    made = unit(lambda: make_activity(published=False))
    address = f"/activities/{made.id}{path}"
    anonymous = client.open(method, address, json=body)
    assert anonymous.status_code == (404 if method == "GET" else 401)
    for volunteer_id in (made.scene.outsider_id, made.scene.other_organizer_id, made.scene.inspector_id):
        assert client.as_(volunteer_id).open(method, address, json=body).status_code == 404
    assert client.as_(made.scene.administrator_id).open(method, address, json=body).status_code in (200, 201)


def test_who_changes_what_is_published(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity())
    path = f"/activities/{made.id}/cancellation"
    assert client.post(path, json={"reason": "下雨"}).status_code == 401
    assert client.as_(made.scene.outsider_id).post(path, json={"reason": "下雨"}).status_code == 404
    assert client.as_(made.scene.inspector_id).post(path, json={"reason": "下雨"}).status_code == 403
    canceled = client.as_(made.scene.organizer_id).post(path, json={"reason": "下雨"})
    assert canceled.get_json()["cancellation_reason"] == "下雨"
    assert client.get(f"/activities/{made.id}").get_json()["state"] == "canceled"


STATES = ("draft", "submitted", "published", "completed", "canceled")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", list(service.TRANSITIONS))
def test_the_table_of_states(client: Any, unit: Any, state: str, verb: str) -> None:
    start = clock.now() - timedelta(hours=1)

    def prepare() -> Any:
        made = make_activity(published=False, starts_at=start)
        activity = service.queries.lock_activity(made.id)
        if state == "submitted":
            service.submit(activity)
        if state in ("published", "completed", "canceled"):
            service.publish(activity)
        if state == "completed":
            service.complete(activity)
        if state == "canceled":
            service.cancel(activity, reason="下雨")
        return made

    made = unit(prepare)
    body = {"return": {"reason": "时间"}, "cancellation": {"reason": "下雨"}, "completion": {}}.get(verb)
    answer = client.as_(made.scene.organizer_id).post(f"/activities/{made.id}/{verb}", json=body)
    sources, target = service.TRANSITIONS[verb]
    if state in sources:
        assert (answer.status_code, answer.get_json()["state"]) == (200, str(target))
    else:
        problem = answer.get_json()
        assert (answer.status_code, problem["code"], problem["state"]) == (409, "wrong_state", state)
        assert not re.search("[a-z]", problem["detail"])


@pytest.mark.either_database
def test_what_was_held_is_completed_and_not_canceled(client: Any, unit: Any) -> None:
    """It goes on counting: a cancellation of nothing would say otherwise."""
    hour = timedelta(hours=1)
    made = unit(lambda: make_activity(starts_at=clock.now() - 3 * hour))
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}"
    refused = organizer.post(f"{path}/cancellation", json={"reason": "重复发布"}, headers={"Accept-Language": "zh-CN"})
    assert (refused.status_code, refused.json["code"]) == (409, "nothing_to_cancel")
    assert "请完成活动" in refused.json["detail"]
    read = client.get(path).json
    assert (read["state"], read["shifts"][0]["canceled_at"]) == ("published", None)
    assert organizer.post(f"{path}/completion", json={}).status_code == 200
    # What was never published, or has lost every shift, has nothing that counts.
    draft = unit(lambda: make_activity(scene=made.scene, starts_at=clock.now() - 3 * hour, published=False))
    empty = unit(lambda: make_activity(scene=made.scene))
    assert organizer.post(f"/shifts/{empty.shift_id}/cancellation", json={"reason": "大雨"}).status_code == 200
    for one in (draft, empty):
        assert organizer.post(f"/activities/{one.id}/cancellation", json={"reason": "不办了"}).status_code == 200


def test_completion_ends_what_runs_and_cancels_what_has_not_begun(client: Any, unit: Any) -> None:
    now = clock.now()
    hour = timedelta(hours=1)
    times = [(now - 3 * hour, now - 2 * hour), (now - hour, now + hour), (now + 2 * hour, now + 3 * hour)]
    made = unit(
        lambda: make_activity(shifts=[{"starts_at": start, "ends_at": end, "capacity": 5} for start, end in times])
    )
    outcomes = [{"kind": "river_cleaned", "quantity": 350, "unit": "m"}]
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}/completion"
    refused = organizer.post(path, json={"outcomes": outcomes, "note": "顺利"})
    told = refused.get_json()
    assert (refused.status_code, told["code"], told["shift_count"]) == (409, "shifts_to_come", 1)
    assert [(one["id"], one["starts_at"]) for one in told["shifts"]] == [(str(made.shift_ids[2]), text_of(times[2][0]))]
    assert client.get(f"/activities/{made.id}").get_json()["state"] == "published"
    completed = organizer.post(path, json={"outcomes": outcomes, "note": "顺利", "cancel_rest": True})
    assert completed.status_code == 200, completed.get_json()
    activity = completed.get_json()
    assert (activity["state"], activity["completion_note"]) == ("completed", "顺利")
    assert activity["outcomes"] == [{"kind": "river_cleaned", "quantity": 350.0, "unit": "m"}]
    over, ended, dropped = activity["shifts"]
    assert over["ends_at"] == text_of(times[0][1])
    assert text_of(now) <= ended["ends_at"] < text_of(now + hour)
    assert ended["canceled_at"] is None
    assert dropped["canceled_at"] is not None


@pytest.mark.parametrize("last", ["over", "running", "canceled"])
def test_completion_is_one_call_where_nothing_is_to_come(client: Any, unit: Any, last: str) -> None:
    now, hour = clock.now(), timedelta(hours=1)
    ends = {"over": -hour, "running": hour, "canceled": 3 * hour}[last]
    times = [(now - 4 * hour, now - 3 * hour), (now + ends - 2 * hour, now + ends)]
    made = unit(lambda: make_activity(shifts=[{"starts_at": start, "ends_at": end} for start, end in times]))
    organizer = client.as_(made.scene.organizer_id)
    if last == "canceled":
        organizer.post(f"/shifts/{made.shift_ids[1]}/cancellation", json={"reason": "大雨"})
    completed = organizer.post(f"/activities/{made.id}/completion", json={})
    assert (completed.status_code, completed.get_json()["state"]) == (200, "completed")


def test_completion_before_the_first_shift_is_refused(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity())
    answer = client.as_(made.scene.organizer_id).post(f"/activities/{made.id}/completion", json={})
    assert (answer.status_code, answer.get_json()["code"]) == (409, "not_begun")
    assert client.get(f"/activities/{made.id}").get_json()["state"] == "published"


def test_an_edit_needs_the_version(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity())
    organizer = client.as_(made.scene.organizer_id)
    read = organizer.get(f"/activities/{made.id}")
    version = read.get_json()["version"]
    path = f"/activities/{made.id}"
    assert organizer.patch(path, json={"title": "新"}).status_code == 428
    assert organizer.patch(path, json={"title": "新"}, version=version + 1).status_code == 412
    changed = organizer.patch(path, json={"title": "新", "description": None, "radius_m": 500}, version=version)
    assert changed.status_code == 200, changed.get_json()
    assert (changed.get_json()["title"], changed.get_json()["version"]) == ("新", version + 1)
    assert organizer.patch(path, json={"title": "旧"}, version=version).status_code == 412
    leaders = organizer.patch(path, json={"leader_ids": [str(made.scene.outsider_id)]}, version=version + 1)
    assert (leaders.get_json()["leader_ids"], leaders.get_json()["version"]) == (
        [str(made.scene.outsider_id)],
        version + 2,
    )
    assert client.as_(made.scene.outsider_id).patch(path, json={"title": "我"}, version=version + 2).status_code == 200


def test_attribution_is_frozen_at_publication(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene, team_id=scene.team_id))
    organizer, path = client.as_(scene.organizer_id), f"/activities/{made.id}"
    for name, value in (("team_id", None), ("category", "elderly_care")):
        answer = organizer.patch(path, json={name: value}, version=organizer.get(path).json["version"])
        assert (answer.status_code, answer.json.get("fields")) == (409, [name]), answer.json


def test_a_public_activity_gets_the_team_and_the_station_that_it_had_not(client: Any, unit: Any) -> None:
    """Copies that are published at once have none yet, and could never have counted for any."""
    scene, start = unit(make_scene), clock.now() + timedelta(days=2)
    named = {"team_id": str(scene.team_id), "station_id": str(scene.station_id)}
    made = unit(lambda: make_activity(scene=scene, starts_at=start, leader_ids=[scene.leader_id]))
    organizer, leader, path = client.as_(scene.organizer_id), client.as_(scene.leader_id), f"/activities/{made.id}"
    refused = leader.patch(path, json=named, version=organizer.get(path).json["version"])
    assert (refused.status_code, refused.json["fields"]) == (409, ["team_id", "station_id"])
    answer = organizer.patch(path, json=named, version=organizer.get(path).json["version"])
    assert answer.status_code == 200, answer.json
    assert {name: answer.json[name] for name in named} == named
    # It had no place, and is where its station is.
    assert answer.json["place"] is not None
    again = organizer.patch(path, json={"team_id": None}, version=answer.json["version"])
    assert again.json["fields"] == ["team_id"]
    late = unit(lambda: make_activity(scene=scene, starts_at=start))
    with clock.at(start - timedelta(minutes=20)):
        version = organizer.get(f"/activities/{late.id}").json["version"]
        refused = organizer.patch(f"/activities/{late.id}", json=named, version=version)
        assert refused.json["fields"] == ["team_id", "station_id"]


def test_a_team_of_another_branch_is_no_reference(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    stranger = client.as_(scene.other_organizer_id)
    body = body_of(scene, organization_id=str(scene.other_office_id), team_id=str(scene.team_id))
    answer = stranger.post("/activities", json=body)
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == "/team_id"
    unknown = body_of(
        scene, organization_id=str(scene.other_office_id), campaign_id=str(uuid4()), leader_ids=[str(uuid4())]
    )
    pointers = [error["pointer"] for error in stranger.post("/activities", json=unknown).get_json()["errors"]]
    assert pointers == ["/campaign_id", "/leader_ids"]
    # A team and a station below the organization may be named, and another branch's is found among them.
    administrator = client.as_(scene.administrator_id)
    below = body_of(scene, organization_id=str(scene.center_id), team_id=str(scene.team_id))
    assert administrator.post("/activities", json=below | {"station_id": str(scene.station_id)}).status_code == 201
    mixed = body_of(scene, organization_id=str(scene.other_office_id), station_id=str(scene.station_id))
    campaign = {"name": "清洁家园", "organization_id": str(scene.center_id)}
    mixed["campaign_id"] = administrator.post("/campaigns", json=campaign).get_json()["id"]
    answer = stranger.post("/activities", json=mixed)
    assert [error["pointer"] for error in answer.get_json()["errors"]] == ["/station_id"]


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("pointer", "change"),
    [
        ("/shifts", {"shifts": []}),
        ("/shifts/0/ends_at", {"shifts": [{"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"}]}),
        ("/shifts/0/ends_at", {"shifts": [{"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-02T00:00:01Z"}]}),
        (
            "/shifts/0/capacity",
            {"shifts": [{"starts_at": "2030-01-01T00:00:00Z", "ends_at": "2030-01-01T01:00:00Z", "capacity": 0}]},
        ),
        ("/shifts/0/starts_at", {"shifts": [{"starts_at": "2030-01-01T00:00:00", "ends_at": "2030-01-01T01:00:00Z"}]}),
        ("/category", {"category": "other"}),
        ("/sign_up_mode", {"sign_up_mode": "lottery"}),
        ("/title", {"title": "  "}),
        ("/place/lat", {"place": {"lat": 91, "lng": 0}}),
        ("/colour", {"colour": "red"}),
    ],
)
def test_bad_activities(client: Any, unit: Any, pointer: str, change: dict[str, Any]) -> None:
    scene = unit(make_scene)
    answer = client.as_(scene.organizer_id).post("/activities", json=body_of(scene, **change))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.get_json()["errors"]] == [pointer]


def test_at_most_366_shifts(client: Any, unit: Any) -> None:
    start = clock.now() + timedelta(days=1)
    shifts = [{"starts_at": start + n * HOUR, "ends_at": start + (n + 1) * HOUR} for n in range(365)]
    made = unit(lambda: make_activity(shifts=shifts))
    organizer = client.as_(made.scene.organizer_id)
    path = f"/activities/{made.id}/shifts"
    one = {"starts_at": text_of(start), "ends_at": text_of(start + HOUR), "capacity": 3, "minimum": 2}
    assert organizer.post(path, json=one).status_code == 201
    assert organizer.post(path, json=one | {"capacity": 4}).get_json()["code"] == "too_many_shifts"
    whole = client.get(f"/activities/{made.id}").get_json()
    assert (len(whole["shifts"]), whole["shift_count"]) == (100, 366)
    sizes, cursor = [], ""
    while cursor is not None:
        page = client.get(f"{path}?limit=100{cursor and '&cursor='}{cursor}").get_json()
        sizes.append(len(page["items"]))
        cursor = page["next_cursor"]
    assert sizes == [100, 100, 100, 66]


def test_the_list_stands_by_the_next_shift(client: Any, unit: Any) -> None:
    now = clock.now()

    def prepare() -> list[str]:
        scene = make_scene()
        later = make_activity(scene=scene, starts_at=now + timedelta(days=3))
        over = make_activity(scene=scene, starts_at=now - timedelta(days=3))
        sooner = make_activity(scene=scene, starts_at=now + timedelta(days=1))
        make_activity(scene=scene, published=False)
        return [str(made.id) for made in (sooner, later, over)]

    expected = unit(prepare)
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        page = client.get(f"/activities?limit=1{cursor and '&cursor=' + cursor}").get_json()
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == expected


def test_the_list_near_a_place(client: Any, unit: Any) -> None:
    def prepare() -> list[str]:
        scene = make_scene()
        far, near, _nowhere = [
            make_activity(scene=scene, place=place)
            for place in ({"lat": 33.75, "lng": 113.33}, {"lat": 33.7352, "lng": 113.3350}, None)
        ]
        return [str(near.id), str(far.id)]

    expected = unit(prepare)
    first = client.get("/activities?near=33.735,113.335&limit=1").get_json()
    second = client.get(f"/activities?near=33.735,113.335&limit=1&cursor={first['next_cursor']}").get_json()
    assert [page["items"][0]["id"] for page in (first, second)] == expected
    assert first["items"][0]["distance_m"] == 22
    assert second["next_cursor"] is None
    within = client.get("/activities?near=33.735,113.335&radius_m=1000").get_json()["items"]
    assert [item["id"] for item in within] == expected[:1]
    assert client.get("/activities?radius_m=1000").status_code == 422


def test_filters(client: Any, unit: Any) -> None:
    now = clock.now()

    def prepare() -> Any:
        made = make_activity(
            capacity=1, starts_at=now + timedelta(days=10), title="百分百_清洁", category=Category.LARGE_EVENT
        )
        full = make_activity(scene=made.scene, capacity=1, starts_at=now + timedelta(minutes=30))
        sign_ups.sign_up(shift_id=full.shift_id, volunteer_id=made.scene.outsider_id)
        return made, full

    made, full = unit(prepare)
    on = clock_day(now + timedelta(days=10))

    def ids(query: str, caller: Any = client) -> list[str]:
        answer = caller.get(f"/activities?{query}")
        assert answer.status_code == 200, answer.get_json()
        return [item["id"] for item in answer.get_json()["items"]]

    assert ids(f"from={on}&to={on}") == [str(made.id)]
    assert ids("open=true") == [str(made.id)]
    assert ids("open=false") == [str(full.id)]
    assert ids("free=true") == [str(made.id)]
    unit(lambda: sign_ups.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id))
    # Its waitlist still takes somebody, and no place does.
    assert ids("open=true") == [str(made.id)]
    assert ids("free=true") == ids("open=true&free=true") == ids(f"from={on}&free=true") == []
    assert ids("open=true&free=false") == [str(made.id)]
    assert ids("q=百_") == [str(made.id)]
    assert ids("q=%25") == []
    assert ids("category=large_event") == [str(made.id)]
    assert len(ids(f"organization_id={made.scene.center_id}")) == 2
    assert ids(f"organization_id={made.scene.other_office_id}") == []
    assert ids("state=draft") == []
    assert client.get("/activities?from=2030-01-02&to=2030-01-01").status_code == 422
    assert client.get("/activities?state=secret").status_code == 422


def clock_day(moment: Any) -> str:
    return str((moment + timedelta(hours=8)).date())


def test_drafts_in_the_list_are_for_who_leads_them(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(published=False))
    for volunteer_id, count in (
        (made.scene.organizer_id, 1),
        (made.scene.administrator_id, 1),
        (made.scene.other_organizer_id, 0),
        (made.scene.leader_id, 0),
        (made.scene.outsider_id, 0),
    ):
        assert len(client.as_(volunteer_id).get("/activities?state=draft").get_json()["items"]) == count


def test_a_draft_that_was_canceled_is_no_more_public_than_a_draft(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    draft, public = [unit(lambda known=known: make_activity(scene=scene, published=known)) for known in (False, True)]
    for made in (draft, public):
        answer = client.as_(scene.organizer_id).post(f"/activities/{made.id}/cancellation", json={"reason": "填错了"})
        assert answer.status_code == 200, answer.get_json()
    for phone, seen in (
        (client, {str(public.id)}),
        (client.as_(scene.outsider_id), {str(public.id)}),
        (client.as_(scene.organizer_id), {str(draft.id), str(public.id)}),
    ):
        for query in ("", "?state=canceled", f"?state=canceled&organization_id={scene.office_id}"):
            assert {item["id"] for item in phone.get(f"/activities{query}").get_json()["items"]} == seen
        for path in (f"/activities/{draft.id}", f"/activities/{draft.id}.ics", f"/shifts/{draft.shift_id}"):
            assert phone.get(path).status_code == (200 if str(draft.id) in seen else 404)
        assert phone.get(f"/activities/{public.id}").status_code == 200


def test_a_list_costs_three_statements(client: Any, unit: Any, statements: Any) -> None:
    def prepare() -> Any:
        scene = make_scene()
        volunteer_id, other_id = make_volunteers(2)
        for number in range(12):
            made = make_activity(scene=scene, capacity=1, starts_at=clock.now() + timedelta(days=number + 1))
            sign_ups.sign_up(shift_id=made.shift_id, volunteer_id=volunteer_id if number % 2 else other_id)
        return volunteer_id

    caller = client.as_(unit(prepare))
    with statements() as seen:
        items = caller.get("/activities?limit=100").get_json()["items"]
    assert len(items) == 12
    assert [item["shifts"][0]["would_be"] for item in items] == ["waitlisted", None] * 6
    # The page, with the session; what lies behind its end; its shifts, with the caller's sign-ups.
    assert len(seen) <= 3, seen


def test_campaigns(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    body = {
        "name": "百万市民清洁家园CPR行动（第１期）",
        "organization_id": str(scene.center_id),
        "starts_on": "2026-01-01",
        "ends_on": "2026-12-31",
    }
    assert client.post("/campaigns", json=body).status_code == 401
    assert client.as_(scene.outsider_id).post("/campaigns", json=body).status_code == 404
    own = body | {"organization_id": str(scene.office_id)}
    assert client.as_(scene.inspector_id).post("/campaigns", json=own).status_code == 403
    made = client.as_(scene.administrator_id).post("/campaigns", json=body)
    assert made.status_code == 201, made.get_json()
    campaign = made.get_json()
    assert client.get(f"/campaigns/{campaign['id']}").get_json() == campaign
    assert client.get("/campaigns?q=清洁").get_json()["items"] == [campaign]
    for q in ("百万 家园", "ｃｐｒ", "第1期", "《第１期》", "市民·家园"):
        assert client.get("/campaigns", query_string={"q": q}).get_json()["items"] == [campaign], q
    assert (
        client.get("/campaigns?q=！").get_json()["items"] == client.get("/campaigns?q=园家").get_json()["items"] == []
    )
    assert client.get(f"/campaigns/{uuid4()}").status_code == 404
    reverse = body | {"starts_on": "2027-01-01"}
    assert client.as_(scene.administrator_id).post("/campaigns", json=reverse).status_code == 422
    activity = client.as_(scene.organizer_id).post("/activities", json=body_of(scene, campaign_id=campaign["id"]))
    assert activity.status_code == 201, activity.get_json()
