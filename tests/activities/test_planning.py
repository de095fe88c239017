"""Shifts that change, copies, templates, goals, photos and sums of outcomes."""

from collections.abc import Callable
from datetime import time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tests.activities.factories import MadeActivity, make_activity, make_scene, make_volunteers
from tests.activities.test_endpoints import body_of, text_of
from tests.files.factories import picture, send
from volunteer_api.activities import copies
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, Outcome, Shift
from volunteer_api.activities.tasks import tell_of_risk
from volunteer_api.core import clock, ids
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.qualifications.service import create_training
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.teams.models import Team
from volunteer_api.teams.service import create_team

Unit = Callable[[Callable[[], Any]], Any]
HOUR = timedelta(hours=1)


def make_begun(unit: Unit) -> MadeActivity:
    """An activity whose shift has begun an hour ago; it was published before."""
    start = clock.now() - HOUR
    with clock.at(start - HOUR):
        made: MadeActivity = unit(lambda: make_activity(starts_at=start))
    return made


def fill(unit: Unit, shift_id: Any, count: int) -> list[Any]:
    people: list[Any] = unit(lambda: make_volunteers(count))
    for volunteer_id in people:
        unit(lambda one=volunteer_id: sign_ups.sign_up(shift_id=shift_id, volunteer_id=one))
    return people


def test_a_shift_is_changed_by_version(client: Any, unit: Unit) -> None:
    made = unit(lambda: make_activity(capacity=3))
    fill(unit, made.shift_id, 2)
    leader, path = client.as_(made.scene.organizer_id), f"/shifts/{made.shift_id}"
    known = leader.get(path).get_json()
    assert leader.patch(path, json={"capacity": 5}).status_code == 428
    assert leader.patch(path, json={"capacity": 5}, version=known["version"] + 1).status_code == 412
    low = leader.patch(path, json={"capacity": 1}, version=known["version"]).get_json()
    assert (low["code"], low["confirmed_count"]) == ("capacity_below_confirmed", 2)
    long = leader.patch(path, json={"ends_at": text_of(clock.now() + 70 * HOUR)}, version=known["version"])
    assert long.get_json()["errors"] == [
        {"pointer": "/ends_at", "code": "too_long", "detail": long.get_json()["errors"][0]["detail"]}
    ]
    past = leader.patch(path, json={"ends_at": text_of(clock.now() - HOUR)}, version=known["version"])
    assert past.get_json()["code"] == "ends_in_the_past"
    changed = leader.patch(path, json={"capacity": 5, "minimum": 4}, version=known["version"]).get_json()
    assert (changed["capacity"], changed["minimum"], changed["version"]) == (5, 4, known["version"] + 1)
    assert changed["confirmed_count"] == 2


def test_more_places_take_who_waits(client: Any, unit: Unit) -> None:
    made = unit(lambda: make_activity(capacity=1))
    people = fill(unit, made.shift_id, 3)
    leader, path = client.as_(made.scene.organizer_id), f"/shifts/{made.shift_id}"
    changed = leader.patch(path, json={"capacity": 2}, version=leader.get(path).get_json()["version"]).get_json()
    assert (changed["confirmed_count"], changed["waitlisted_count"]) == (2, 1)
    states = [client.as_(one).get("/me/sign-ups").get_json()["items"][0]["state"] for one in people]
    assert states == ["confirmed", "confirmed", "waitlisted"]


def test_a_running_shift_can_only_end_later(client: Any, unit: Unit) -> None:
    start = clock.now() - HOUR
    with clock.at(start - HOUR):
        made = unit(lambda: make_activity(starts_at=start, duration=2 * HOUR))
    leader, path = client.as_(made.scene.organizer_id), f"/shifts/{made.shift_id}"
    refused = leader.patch(path, json={"starts_at": text_of(start + HOUR / 2)}, version=1)
    assert refused.get_json()["code"] == "shift_under_way"
    assert leader.patch(path, json={"ends_at": text_of(start + 4 * HOUR)}, version=1).status_code == 200


def test_who_leads_plans_nothing_of_long_ago(client: Any, unit: Unit) -> None:
    """A shift that began yesterday, a friend and a roll-call would be a backfill by one person."""
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene, team_id=scene.team_id))
    leader, organizer = client.as_(scene.leader_id), client.as_(scene.organizer_id)
    now, shift = clock.now().replace(microsecond=0), f"/shifts/{made.shift_id}"

    def times(began: timedelta) -> dict[str, str]:
        return {"starts_at": text_of(now - began), "ends_at": text_of(now + HOUR / 6)}

    for refused, code in (
        (leader.post(f"/activities/{made.id}/shifts", json=times(20 * HOUR)), "begun_long_ago"),
        (leader.patch(shift, json=times(20 * HOUR), version=1), "begins_in_the_past"),
    ):
        fault = refused.get_json()["errors"][0]
        assert (refused.status_code, fault["pointer"], fault["code"]) == (422, "/starts_at", code)
    assert leader.post(f"/activities/{made.id}/shifts", json=times(HOUR)).status_code == 201
    rule = {"rrule": "FREQ=DAILY;COUNT=2"} | times(20 * HOUR)
    path = f"/activities/{made.id}"
    version = leader.get(path).get_json()["version"]
    again = leader.patch(path, json={"recurrence": rule}, version=version).get_json()
    starts = {one["starts_at"] for one in again["shifts"]}
    assert starts >= {text_of(now + 4 * HOUR)}
    assert text_of(now - 20 * HOUR) not in starts
    # Who could publish it stands for it; and what is not published, somebody else will look at.
    assert organizer.post(f"/activities/{made.id}/shifts", json=times(20 * HOUR)).status_code == 201
    draft = unit(lambda: make_activity(scene=scene, team_id=scene.team_id, published=False))
    assert leader.post(f"/activities/{draft.id}/shifts", json=times(20 * HOUR)).status_code == 201


def test_a_draft_whose_day_has_passed_gets_another_one(client: Any, unit: Unit) -> None:
    """An organizer took a week to look at it, or sent it back for that: nobody can have been there."""
    start = clock.now().replace(microsecond=0) - 30 * HOUR
    with clock.at(start - HOUR):
        made = unit(lambda: make_activity(published=False, starts_at=start))
    leader, path = client.as_(made.scene.organizer_id), f"/shifts/{made.shift_id}"
    moved = {"starts_at": text_of(start + 100 * HOUR), "ends_at": text_of(start + 102 * HOUR)}
    changed = leader.patch(path, json=moved, version=1)
    assert (changed.status_code, changed.get_json()["starts_at"]) == (200, moved["starts_at"])
    # Back to a day that is over, as one can plan it, but to none of which nothing is recorded any more.
    past = {"starts_at": text_of(start), "ends_at": text_of(start + HOUR)}
    assert leader.patch(path, json=past, version=2).status_code == 200
    long_ago = {"starts_at": text_of(start - 5000 * HOUR), "ends_at": text_of(start - 4999 * HOUR)}
    assert leader.patch(path, json=long_ago, version=3).get_json()["code"] == "too_long_ago"
    leader.post(f"/shifts/{made.shift_id}/cancellation", json={"reason": "大雨"})
    assert leader.patch(path, json=moved, version=4).get_json()["code"] == "shift_over"


def test_one_shift_is_canceled(client: Any, unit: Unit) -> None:
    start = clock.now() + 24 * HOUR
    shifts = [{"starts_at": start + n * HOUR, "ends_at": start + (n + 1) * HOUR} for n in range(2)]
    made = unit(lambda: make_activity(shifts=shifts))
    people = fill(unit, made.shift_ids[0], 1)
    leader = client.as_(made.scene.organizer_id)
    path = f"/shifts/{made.shift_ids[0]}/cancellation"
    assert leader.post(path, json={"reason": "大雨"}).get_json()["canceled_at"] is not None
    assert leader.post(path, json={"reason": "大雨"}).get_json()["code"] == "shift_over"
    told = client.as_(people[0]).get("/me/notifications").get_json()["items"][0]
    assert (told["kind"], told["values"]["reason"]) == ("shift_canceled", "大雨")
    assert leader.get(f"/activities/{made.id}").get_json()["state"] == "published"
    # Whoever looks later reads why, too.
    seen = client.get(f"/activities/{made.id}").get_json()["shifts"]
    assert [one["cancellation_reason"] for one in seen] == ["大雨", None]
    assert client.get(f"/shifts/{made.shift_ids[0]}").get_json()["cancellation_reason"] == "大雨"
    listed = client.get(f"/activities/{made.id}/shifts").get_json()["items"]
    assert [one["cancellation_reason"] for one in listed] == ["大雨", None]


def test_two_changes_of_one_version(client: Any, unit: Unit, race: Any) -> None:
    made = unit(lambda: make_activity(capacity=3))
    editors = [client.as_(made.scene.organizer_id) for _ in range(6)]
    path = f"/shifts/{made.shift_id}"
    answers = race(6, lambda n: editors[n].patch(path, json={"capacity": 10 + n}, version=1).status_code)
    assert sorted(answers) == [200] + [412] * 5


def test_leaders_hear_of_a_risk_once(app: Any, client: Any, unit: Unit) -> None:
    start = clock.now() + 20 * HOUR
    shifts = [{"starts_at": start, "ends_at": start + HOUR, "minimum": 2}]
    made = unit(lambda: make_activity(shifts=shifts))
    later = [{"starts_at": start + 48 * HOUR, "ends_at": start + 49 * HOUR, "minimum": 2}]
    unit(lambda: make_activity(shifts=later, scene=made.scene))
    fill(unit, made.shift_id, 1)
    read = client.get(f"/shifts/{made.shift_id}").get_json()
    for _ in range(2):
        unit(tell_of_risk)
    # It is no change of the shift, whose form a leader may have open.
    assert client.get(f"/shifts/{made.shift_id}").get_json()["version"] == read["version"]
    told = client.as_(made.scene.organizer_id).get("/me/notifications").get_json()["items"]
    assert [(one["kind"], one["values"]["confirmed"]) for one in told] == [("shift_at_risk", "1")]


def test_leaders_hear_of_a_risk_again_once_there_were_enough(app: Any, client: Any, unit: Unit) -> None:
    start = clock.now() + 20 * HOUR
    made = unit(lambda: make_activity(shifts=[{"starts_at": start, "ends_at": start + HOUR, "minimum": 1}]))
    unit(tell_of_risk)
    [person] = fill(unit, made.shift_id, 1)
    unit(tell_of_risk)
    client.as_(person).post(f"/activities/{made.id}/sign-ups/withdrawal", json={})
    for _ in range(2):
        unit(tell_of_risk)
    told = client.as_(made.scene.organizer_id).get("/me/notifications").get_json()["items"]
    assert [one["kind"] for one in told].count("shift_at_risk") == 2


def test_one_activity_for_many_organizations(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene, team_id=scene.team_id, capacity=7))
    administrator, organizer = client.as_(scene.administrator_id), client.as_(scene.organizer_id)
    targets = [str(scene.office_id), str(scene.other_office_id)]
    path = f"/activities/{made.id}/copies"
    assert organizer.post(path, json={"organization_ids": targets}).status_code == 404
    copies = administrator.post(path, json={"organization_ids": targets}).get_json()["items"]
    assert [one["organization_id"] for one in copies] == targets
    copy = administrator.get(f"/activities/{copies[1]['id']}").get_json()
    assert (copy["state"], copy["copied_from_id"], copy["team_id"]) == ("draft", str(made.id), None)
    assert [shift["capacity"] for shift in copy["shifts"]] == [7]
    # The refused call left nothing.
    assert len(administrator.get("/activities?state=draft").get_json()["items"]) == 2


def test_a_second_copy_is_made_where_it_is_asked_for(client: Any, unit: Unit) -> None:
    """A second tap under a new key planned everything twice, without a word; and nobody heard of her drafts."""
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene))
    administrator = client.as_(scene.administrator_id)
    path, targets = f"/activities/{made.id}/copies", [str(scene.office_id), str(scene.other_office_id)]
    first = administrator.post(path, json={"organization_ids": targets[1:]}).get_json()
    assert first["copied_before"] == []
    both = administrator.post(path, json={"organization_ids": targets}).get_json()
    assert [one["organization_id"] for one in both["items"]] == targets[:1]
    assert both["copied_before"] == [{"id": first["items"][0]["id"], "organization_id": targets[1]}]
    again = administrator.post(path, json={"organization_ids": targets[1:], "again": True}).get_json()
    assert (len(again["items"]), again["copied_before"]) == (1, [])
    [*_, told] = client.as_(scene.other_organizer_id).get("/me/notifications").get_json()["items"]
    assert (told["kind"], told["values"]["activity_id"]) == ("activity_copied", first["items"][0]["id"])
    assert told["values"]["organizations"].startswith("建设路街道")
    # What was canceled is planned anew.
    for one in (first["items"][0], again["items"][0]):
        assert administrator.post(f"/activities/{one['id']}/cancellation", json={"reason": "改期"}).status_code == 200
    anew = administrator.post(path, json={"organization_ids": targets[1:]}).get_json()
    assert (len(anew["items"]), anew["copied_before"]) == (1, [])


def test_copies_are_public_at_once_where_one_may_publish(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene))
    path, targets = f"/activities/{made.id}/copies", [str(scene.office_id), str(scene.other_office_id)]
    body = {"organization_ids": targets, "publish": True}
    assert client.as_(scene.organizer_id).post(path, json=body).status_code == 404
    copies = client.as_(scene.administrator_id).post(path, json=body).get_json()["items"]
    assert [client.get(f"/activities/{one['id']}").get_json()["state"] for one in copies] == ["published"] * 2
    kinds = [one["kind"] for one in client.as_(scene.other_organizer_id).get("/me/notifications").get_json()["items"]]
    assert kinds == ["activity_copied_and_published"]
    most = {"organization_ids": [str(ids.new_id()) for _ in range(201)]}
    refused = client.as_(scene.administrator_id).post(path, json=most)
    assert refused.get_json()["errors"][0]["pointer"] == "/organization_ids"
    assert (
        client.as_(scene.administrator_id)
        .post(path, json={"organization_ids": most["organization_ids"][1:]})
        .status_code
        == 404
    )


def test_a_copy_for_another_branch_leaves_out_what_is_not_theirs(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)

    def prepare() -> tuple[Any, str]:
        both = (scene.office_id, scene.center_id)
        own, common = [create_training(organization_id=one, name=f"急救{ids.new_id()}") for one in both]
        campaign = activities.create_campaign(name="清洁家园", organization_id=scene.office_id)
        made = make_activity(scene=scene, campaign_id=campaign.id, required_training_ids=[own.id, common.id])
        return made, str(common.id)

    made, common = unit(prepare)
    administrator = client.as_(scene.administrator_id)
    targets = [str(scene.office_id), str(scene.other_office_id)]
    answer = administrator.post(f"/activities/{made.id}/copies", json={"organization_ids": targets})
    assert answer.status_code == 201, answer.get_json()
    own, sibling = answer.get_json()["items"]
    assert (own["left_out"], sibling["left_out"]) == ([], ["campaign_id", "required_training_ids"])
    copy = administrator.get(f"/activities/{sibling['id']}").get_json()
    assert (copy["campaign_id"], copy["required_training_ids"]) == (None, [common])
    assert administrator.get(f"/activities/{own['id']}").get_json()["campaign_id"] is not None


def test_a_copy_without_a_condition_of_the_original_stays_a_draft(client: Any, unit: Unit) -> None:
    """It was public at once, for anybody."""
    scene = unit(make_scene)

    def prepare() -> list[Any]:
        own = create_training(organization_id=scene.office_id, name="急救")
        limits = {"minimum_age": 18, "maximum_age": 60, "required_skills": ["急救"], "sign_up_mode": "approval"}
        for_members = {"team_id": scene.team_id, "members_only": True}
        asked = ({"required_training_ids": [own.id]}, for_members, {"hazardous": True} | limits)
        return [make_activity(scene=scene, **some) for some in asked]

    trained, of_members, limited = unit(prepare)
    administrator = client.as_(scene.administrator_id)

    def copy(made: Any) -> list[tuple[str, list[str]]]:
        body = {"organization_ids": [str(scene.office_id), str(scene.other_office_id)], "publish": True}
        answer = administrator.post(f"/activities/{made.id}/copies", json=body)
        assert answer.status_code == 201, answer.get_json()
        copied = answer.get_json()["items"]
        return [(administrator.get(f"/activities/{one['id']}").json["state"], one["left_out"]) for one in copied]

    assert copy(trained) == [("published", []), ("draft", ["required_training_ids"])]
    assert copy(of_members) == [("draft", ["members_only"])] * 2
    assert copy(limited) == [("published", [])] * 2
    told = client.as_(scene.other_organizer_id).get("/me/notifications").json["items"]
    assert [one["kind"] for one in told] == ["activity_copied_and_published", "activity_copied", "activity_copied"]
    [made] = client.get(f"/activities?organization_id={scene.other_office_id}").json["items"]
    public = client.get(f"/activities/{made['id']}").json
    original = administrator.get(f"/activities/{limited.id}").json
    limits = ("hazardous", "minimum_age", "maximum_age", "required_skills", "sign_up_mode")
    assert [public[name] for name in limits] == [original[name] for name in limits]


def test_what_is_over_is_not_copied(client: Any, unit: Unit) -> None:
    start = clock.now() - 5 * HOUR
    with clock.at(start - HOUR):
        made = unit(lambda: make_activity(starts_at=start))
    administrator = client.as_(made.scene.administrator_id)
    refused = administrator.post(
        f"/activities/{made.id}/copies", json={"organization_ids": [str(made.scene.other_office_id)]}
    )
    assert refused.get_json()["code"] == "nothing_to_come"


def test_a_template_plans_for_another_day(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    organizer = client.as_(scene.organizer_id)
    start = unit(lambda: clock.start_of(clock.today())) + timedelta(days=3, hours=8)
    shifts = [
        {"starts_at": start, "ends_at": start + 2 * HOUR, "capacity": 4},
        {"starts_at": start + 26 * HOUR, "ends_at": start + 27 * HOUR},
    ]
    made = unit(lambda: make_activity(scene=scene, shifts=shifts))
    body = {"organization_id": str(scene.office_id), "activity_id": str(made.id), "name": "周末清洁"}
    template = organizer.post("/activity-templates", json=body)
    assert template.status_code == 201, template.get_json()
    kept = template.get_json()
    assert [(one["day"], one["starts"], one["duration_minutes"]) for one in kept["shifts"]] == [
        (0, "08:00", 120),
        (1, "10:00", 60),
    ]
    assert organizer.post("/activity-templates", json=body).get_json()["code"] == "template_exists"
    plan = {"on": "2030-05-04", "organization_id": str(scene.office_id), "title": "五四清洁"}
    planned = organizer.post(f"/activity-templates/{kept['id']}/activities", json=plan).get_json()
    assert (planned["title"], planned["state"]) == ("五四清洁", "draft")
    assert [shift["starts_at"] for shift in planned["shifts"]] == ["2030-05-04T00:00:00Z", "2030-05-05T02:00:00Z"]
    path = f"/activity-templates/{kept['id']}"
    assert organizer.patch(path, json={"name": "清洁"}, version=1).get_json()["name"] == "清洁"
    listed = organizer.get(f"/activity-templates?organization_id={scene.office_id}").get_json()["items"]
    assert [one["name"] for one in listed] == ["清洁"]
    assert organizer.delete(path).status_code == 204
    assert organizer.get(f"/activity-templates?organization_id={scene.office_id}").get_json()["items"] == []


def test_the_end_of_sign_ups_goes_with_the_shift(client: Any, unit: Unit) -> None:
    start = unit(lambda: clock.start_of(clock.today())) + timedelta(days=3, hours=8)
    given = {"starts_at": start, "ends_at": start + 2 * HOUR, "sign_up_closes_at": start - 24 * HOUR}
    plain = {"starts_at": start + 4 * HOUR, "ends_at": start + 5 * HOUR}
    made = unit(lambda: make_activity(shifts=[given, plain]))
    organizer, path = client.as_(made.scene.organizer_id), f"/shifts/{made.shift_ids[0]}"

    def change(**times: Any) -> Any:
        version = organizer.get(path).get_json()["version"]
        answer = organizer.patch(path, json={name: text_of(at) for name, at in times.items()}, version=version)
        return answer.get_json()

    moved = change(starts_at=start + 72 * HOUR, ends_at=start + 74 * HOUR)
    assert moved["sign_up_closes_at"] == text_of(start + 48 * HOUR)
    named = change(starts_at=start, ends_at=start + 2 * HOUR, sign_up_closes_at=start + HOUR)
    assert named["sign_up_closes_at"] == text_of(start + HOUR)
    assert change(ends_at=start + HOUR / 2)["sign_up_closes_at"] == text_of(start + HOUR / 2)
    for times in ({}, {"ends_at": start + 2 * HOUR}):
        refused = change(sign_up_closes_at=start + 3 * HOUR, **times)
        assert [(one["pointer"], one["code"]) for one in refused["errors"]] == [
            ("/sign_up_closes_at", "closes_after_it_ends")
        ]
    change(sign_up_closes_at=start - 24 * HOUR)
    body = {"organization_id": str(made.scene.office_id), "activity_id": str(made.id), "name": "周末清洁"}
    kept = organizer.post("/activity-templates", json=body).get_json()
    assert [one["sign_up_closes_minutes"] for one in kept["shifts"]] == [1440, None]
    plan = {"on": "2030-05-04", "organization_id": str(made.scene.office_id)}
    planned = organizer.post(f"/activity-templates/{kept['id']}/activities", json=plan).get_json()
    assert [one["sign_up_closes_at"] for one in planned["shifts"]] == ["2030-05-03T00:00:00Z", None]


@pytest.mark.both_databases
@pytest.mark.parametrize("published", [True, False])
def test_a_list_that_is_closed_stays_closed_where_the_shift_is_moved(client: Any, unit: Unit, published: bool) -> None:
    start = unit(lambda: clock.start_of(clock.today())) + timedelta(days=3, hours=8)
    closed_at = clock.now().replace(microsecond=0)

    def times(after: timedelta) -> dict[str, str]:
        return {"starts_at": text_of(start + after), "ends_at": text_of(start + after + HOUR)}

    daily = {"rrule": "FREQ=DAILY;COUNT=1", "starts_at": start, "ends_at": start + HOUR}
    made = unit(lambda: make_activity(shifts=[], recurrence=daily, published=published))
    organizer, path = client.as_(made.scene.organizer_id), f"/shifts/{made.shift_id}"
    version = organizer.get(path).json["version"]
    assert organizer.patch(path, json={"sign_up_closes_at": text_of(closed_at)}, version=version).status_code == 200
    rule = {"recurrence": {"rrule": daily["rrule"], **times(HOUR)}}
    version = organizer.get(f"/activities/{made.id}").json["version"]
    assert organizer.patch(f"/activities/{made.id}", json=rule, version=version).status_code == 200
    # Nobody could sign up for a draft, so nobody closed its list: its time goes with the shift.
    assert organizer.get(path).json["sign_up_closes_at"] == text_of(closed_at if published else closed_at + HOUR)
    moved = organizer.patch(path, json=times(49 * HOUR), version=organizer.get(path).json["version"]).json
    assert moved["starts_at"] == text_of(start + 49 * HOUR)
    assert moved["sign_up_closes_at"] == text_of(closed_at if published else closed_at + 49 * HOUR)
    answer = client.as_(made.scene.member_id).post(f"{path}/sign-ups", json={}, key="closed")
    assert answer.json["code"] == ("sign_up_closed" if published else "not_found"), answer.json


def test_a_shift_of_seconds_is_kept_as_one_of_a_minute(client: Any, unit: Unit) -> None:
    made = unit(lambda: make_activity(duration=timedelta(seconds=20)))
    organizer = client.as_(made.scene.organizer_id)
    body = {"organization_id": str(made.scene.office_id), "activity_id": str(made.id), "name": "片刻"}
    kept = organizer.post("/activity-templates", json=body).get_json()
    assert [one["duration_minutes"] for one in kept["shifts"]] == [1]
    plan = {"on": "2030-05-04", "organization_id": str(made.scene.office_id)}
    assert organizer.post(f"/activity-templates/{kept['id']}/activities", json=plan).status_code == 201


def test_an_activity_without_shifts_is_no_template(client: Any, unit: Unit) -> None:
    """A rule that was given anew may have left it none."""
    made = unit(lambda: make_activity(published=False))
    unit(lambda: db.session.delete(db.session.get_one(Shift, made.shift_id)))
    body = {"organization_id": str(made.scene.office_id), "activity_id": str(made.id), "name": "空"}
    refused = client.as_(made.scene.organizer_id).post("/activity-templates", json=body)
    assert (refused.status_code, refused.json["code"]) == (409, "nothing_to_keep")


def test_a_template_for_members_plans_for_those_of_the_team_that_is_named(client: Any, unit: Unit) -> None:
    made = unit(lambda: activity_of_the_team(members_only=True))
    organizer = client.as_(made.scene.organizer_id)
    body = {"organization_id": str(made.scene.office_id), "activity_id": str(made.id), "name": "队内训练"}
    path = f"/activity-templates/{organizer.post('/activity-templates', json=body).json['id']}/activities"
    plan = {"on": "2030-05-04", "organization_id": str(made.scene.office_id)}
    for team, left_out in (({"team_id": str(made.scene.team_id)}, []), ({}, ["members_only"])):
        planned = organizer.post(path, json=plan | team)
        assert (planned.status_code, planned.json["left_out"]) == (201, left_out), planned.json
        assert (planned.json["state"], planned.json["members_only"]) == ("draft", not left_out)


def test_a_template_of_another_branch_says_whose_trainings_it_asks_for(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)

    def prepare() -> tuple[str, list[str]]:
        places = ((scene.office_id, "水上救生"), (scene.center_id, "急救"), (scene.other_office_id, "水上安全"))
        theirs, common, ours = (create_training(organization_id=one, name=name).id for one, name in places)
        made = make_activity(scene=scene, required_training_ids=[theirs, common])
        pattern = copies.keep_as_template(
            db.session.get_one(Activity, made.id), organization_id=scene.office_id, name="河道清洁"
        )
        return f"/activity-templates/{pattern.id}/activities", [str(common), str(ours)]

    path, wanted = unit(prepare)
    planner = client.as_(scene.other_organizer_id)
    plan = {"on": "2030-05-04", "organization_id": str(scene.other_office_id)}
    fault = planner.post(path, json=plan).get_json()["errors"][0]
    assert (fault["pointer"], fault["code"]) == ("/required_training_ids", "trainings_of_another_branch")
    assert ("水上救生" in fault["detail"], "急救" in fault["detail"]) == (True, False)
    for instead in (wanted, []):
        planned = planner.post(path, json=plan | {"required_training_ids": instead}).get_json()
        # She said so herself.
        assert (planned["required_training_ids"], planned["left_out"]) == (sorted(instead), [])
    own = client.as_(scene.organizer_id).post(path, json=plan | {"organization_id": str(scene.office_id)})
    assert len(own.get_json()["required_training_ids"]) == 2


@pytest.mark.either_database
def test_what_counts_towards_a_campaign_is_on_its_days(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    organizer, first = client.as_(scene.organizer_id), unit(clock.today) + timedelta(days=5)
    days = {"starts_on": f"{first}", "ends_on": f"{first + timedelta(days=9)}"}
    campaign = {"name": "冬季暖城", "organization_id": str(scene.office_id)} | days
    made = organizer.post("/campaigns", json=campaign).get_json()

    def shift_on(day: int) -> dict[str, str]:
        starts_at = unit(lambda: clock.at_local(first + timedelta(days=day), time(10)))
        return {"starts_at": clock.stamp(starts_at), "ends_at": clock.stamp(starts_at + timedelta(hours=2))}

    def refused(answer: Any) -> str:
        assert (answer.status_code, [one["code"] for one in answer.json["errors"]]) == (422, ["outside_campaign"])
        return str(answer.json["errors"][0]["pointer"])

    body = {"title": "暖城", "category": "community_service", "organization_id": str(scene.office_id)}
    body["campaign_id"] = made["id"]
    assert refused(organizer.post("/activities", json=body | {"shifts": [shift_on(0), shift_on(-1)]})) == (
        "/shifts/1/starts_at"
    )
    rule = {"recurrence": shift_on(8) | {"rrule": "FREQ=DAILY;COUNT=3"}}
    assert refused(organizer.post("/activities", json=body | rule)) == "/recurrence/rrule"
    own = organizer.post("/activities", json=body | {"shifts": [shift_on(0), shift_on(9)]}).get_json()
    path = f"/activities/{own['id']}"
    assert refused(organizer.post(f"{path}/shifts", json=shift_on(10))) == "/starts_at"
    shift = own["shifts"][1]
    assert refused(organizer.patch(f"/shifts/{shift['id']}", json=shift_on(10), version=1)) == "/starts_at"
    assert refused(organizer.patch(path, json=rule, version=own["version"])) == "/recurrence/rrule"
    other = organizer.post("/activities", json=body | {"campaign_id": None, "shifts": [shift_on(10)]}).get_json()
    join = {"campaign_id": made["id"]}
    assert refused(organizer.patch(f"/activities/{other['id']}", json=join, version=other["version"])) == "/campaign_id"
    # Of what is there already nothing is asked when the campaign is shorter from now on; a copy is made without it.
    shorter = {"ends_on": f"{first}"}
    assert organizer.patch(f"/campaigns/{made['id']}", json=shorter, version=made["version"]).status_code == 200
    for change in ({"title": "冬季暖城"}, {"description": "带上手套"}):
        own = organizer.patch(path, json=change, version=client.as_(scene.organizer_id).get(path).json["version"])
        assert own.status_code == 200
    administrator = client.as_(scene.administrator_id)
    copies = administrator.post(f"{path}/copies", json={"organization_ids": [str(scene.office_id)], "again": True}).json
    assert copies["items"][0]["left_out"] == ["campaign_id"]


def test_campaigns_have_goals(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    organizer = client.as_(scene.organizer_id)
    body = {"name": "清洁家园", "organization_id": str(scene.office_id), "goals": {"activities": 500, "minutes": None}}
    made = organizer.post("/campaigns", json=body).get_json()
    assert made["goals"] == {"activities": 500, "attendances": None, "minutes": None}
    path = f"/campaigns/{made['id']}"
    changed = organizer.patch(path, json={"goals": {"attendances": 9}, "ends_on": "2027-01-01"}, version=1).get_json()
    assert changed["goals"] == {"activities": 500, "attendances": 9, "minutes": None}
    backwards = organizer.patch(path, json={"starts_on": "2027-01-02"}, version=2)
    assert backwards.get_json()["errors"][0]["code"] == "ends_before_it_starts"
    cleared = organizer.patch(path, json={"goals": None}, version=2).get_json()["goals"]
    assert cleared == {"activities": None, "attendances": None, "minutes": None}


def test_partners_and_recipients_are_shown(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    organizer = client.as_(scene.organizer_id)
    both = {"co_organizer_ids": [str(scene.other_office_id), str(scene.office_id)], "recipients": ["elderly"]}
    made = organizer.post("/activities", json=body_of(scene, **both)).get_json()
    assert (made["co_organizer_ids"], made["recipients"]) == ([str(scene.other_office_id)], ["elderly"])
    path = f"/activities/{made['id']}"
    changed = organizer.patch(path, json={"co_organizer_ids": []}, version=1).get_json()
    assert (changed["co_organizer_ids"], changed["version"]) == ([], 2)
    unknown = organizer.post("/activities", json=body_of(scene, co_organizer_ids=[str(ids.new_id())]))
    assert unknown.get_json()["errors"][0]["pointer"] == "/co_organizer_ids"


def test_photos_are_ones_own(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    organizer = client.as_(scene.organizer_id)
    mine = send(organizer, picture()).get_json()["id"]
    theirs = send(client.as_(scene.leader_id), picture()).get_json()["id"]
    made = organizer.post("/activities", json=body_of(scene, photo_ids=[mine])).get_json()
    assert [photo["id"] for photo in made["photos"]] == [mine]
    assert organizer.post(f"/activities/{made['id']}/publication").status_code == 200
    copied = {"organization_ids": [str(scene.other_office_id)]}
    copies = client.as_(scene.administrator_id).post(f"/activities/{made['id']}/copies", json=copied).get_json()
    copy = client.as_(scene.administrator_id).get(f"/activities/{copies['items'][0]['id']}").get_json()
    assert [photo["id"] for photo in copy["photos"]] == [mine]
    refused = organizer.patch(f"/activities/{made['id']}", json={"photo_ids": [mine, theirs]}, version=2)
    assert refused.get_json()["errors"][0] | {"detail": ""} == {
        "pointer": "/photo_ids",
        "code": "photo_unknown",
        "detail": "",
    }
    assert organizer.patch(f"/activities/{made['id']}", json={"photo_ids": []}, version=2).get_json()["photos"] == []


@pytest.mark.parametrize(("unit_name", "status"), [("m", 200), ("km", 422)])
def test_outcomes_have_units_that_add_up(client: Any, unit: Unit, unit_name: str, status: int) -> None:
    start = clock.now() - HOUR
    with clock.at(start - HOUR):
        made = [unit(lambda: make_activity(starts_at=start)) for _ in range(1)]
        made.append(unit(lambda: make_activity(starts_at=start, scene=made[0].scene)))
    organizer = client.as_(made[0].scene.organizer_id)
    outcomes = [
        {"kind": "river_cleaned", "quantity": 100.5, "unit": unit_name},
        {"kind": "清理河道", "quantity": 0.25, "unit": unit_name},
    ]
    present = {"entries": [{"volunteer_id": str(made[0].scene.member_id), "status": "present"}]}
    for one in made:
        assert organizer.put(f"/shifts/{one.shift_id}/roll-call", json=present).status_code == 200
        answer = organizer.post(f"/activities/{one.id}/completion", json={"outcomes": outcomes})
        assert answer.status_code == status
    sums = client.get(f"/activity-outcomes?organization_id={made[0].scene.center_id}").get_json()["items"]
    expected = {"kind": "river_cleaned", "unit": "m", "quantity": 201.5, "activity_count": 2}
    assert sums == ([expected] if status == 200 else [])
    assert client.get("/activity-outcomes?to=2020-01-01").get_json()["items"] == []


@pytest.mark.both_databases
def test_a_second_tap_adds_no_second_shift(client: Any, unit: Unit) -> None:
    """Nobody could tell them apart, and half of the people would sign up for the wrong one."""
    made = unit(make_activity)
    start = clock.now() + timedelta(days=3)
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}/shifts"
    roles = [{"name": "讲解", "capacity": 2}]
    body = {"starts_at": text_of(start), "ends_at": text_of(start + HOUR), "capacity": 20, "roles": roles}
    first = organizer.post(path, json=body)
    assert first.status_code == 201
    second = organizer.post(path, json=body)
    assert (second.status_code, second.json["code"]) == (409, "shift_just_added")
    assert second.json["shift_id"] == first.json["id"]
    # Another task at the same time is another shift.
    for other in ({"capacity": 21}, {"minimum": 2}, {"roles": [{"name": "急救", "capacity": 2}]}):
        assert organizer.post(path, json=body | other).status_code == 201
    closing = {"sign_up_closes_at": text_of(start - HOUR)}
    assert organizer.post(path, json=body | closing).status_code == 201
    # What was canceled is added again, and what is meant can be said again.
    canceled = organizer.post(f"/shifts/{first.json['id']}/cancellation", json={"reason": "填错了"})
    assert canceled.status_code == 200
    assert organizer.post(path, json=body).status_code == 201
    with clock.at(clock.now() + timedelta(minutes=1)):
        assert organizer.post(path, json=body).status_code == 201


@pytest.mark.both_databases
def test_a_quantity_is_no_larger_than_sums_can_hold(client: Any, unit: Unit) -> None:
    """A hundred thousand activities, each with fifty of the most of one kind, add up to what a database can hold."""
    made = make_begun(unit)
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}/completion"
    most = {"kind": "leaflets", "quantity": 1e9, "unit": "piece"}
    refused = organizer.post(path, json={"outcomes": [most, most | {"quantity": 1e9 + 1}]})
    assert refused.status_code == 422
    assert [(one["pointer"], one["code"]) for one in refused.json["errors"]] == [("/outcomes/1/quantity", "max")]
    assert organizer.post(path, json={"outcomes": [most] * 50}).status_code == 200
    assert unit(lambda: db.session.query(Outcome).filter_by(activity_id=made.id).one().quantity) * 100_000 < 2**63


def test_outcomes_are_corrected_and_the_log_keeps_what_was_said(client: Any, unit: Unit) -> None:
    made = make_begun(unit)
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}/outcomes"
    river = {"kind": "river_cleaned", "quantity": 3500123.5, "unit": "m"}
    version = organizer.get(f"/activities/{made.id}").get_json()["version"]
    early = organizer.patch(path, json={"outcomes": [river]}, version=version)
    assert (early.status_code, early.get_json()["code"]) == (409, "wrong_state")
    done = organizer.post(f"/activities/{made.id}/completion", json={"outcomes": [river], "note": "顺利"}).get_json()
    right = [river | {"quantity": 350}]
    assert organizer.patch(path, json={"outcomes": right}).status_code == 428
    answer = organizer.patch(path, json={"outcomes": right}, version=done["version"])
    assert answer.status_code == 200, answer.get_json()
    corrected = answer.get_json()
    assert (corrected["outcomes"][0]["quantity"], corrected["completion_note"]) == (350, "顺利")
    # Nobody came, so it is in no sum.
    assert [one["code"] for one in done["remarks"]] == ["not_counted_as_held"]
    assert client.get(f"/activity-outcomes?organization_id={made.scene.center_id}").get_json()["items"] == []
    assert organizer.patch(path, json={"note": "晚了"}, version=done["version"]).status_code == 412
    [entry] = unit(lambda: db.session.query(AuditEntry).filter_by(action="outcomes_corrected").all())
    assert (entry.details["before"], entry.details["after"]) == ("river_cleaned 3500123.5 m", "river_cleaned 350 m")


def test_what_is_published_is_what_was_read(client: Any, unit: Unit) -> None:
    """A verb compares If-Match where it is sent; a draft's shift is a part of what its reader saw."""
    made = unit(lambda: make_activity(published=False))
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}"
    read = organizer.get(path).get_json()
    shift = read["shifts"][0]
    assert organizer.patch(f"/shifts/{shift['id']}", json={"capacity": 7}, version=shift["version"]).status_code == 200
    stale = organizer.post(f"{path}/publication", json={}, version=read["version"])
    assert (stale.status_code, stale.get_json()["code"]) == (412, "precondition_failed")
    version = organizer.get(path).get_json()["version"]
    assert organizer.post(f"{path}/publication", json={}, version=version).status_code == 200


def test_who_signed_up_hears_of_another_place(client: Any, unit: Unit) -> None:
    made = unit(lambda: make_activity(capacity=3))
    people = fill(unit, made.shift_id, 2)
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}"
    version = organizer.get(path).get_json()["version"]
    changed = organizer.patch(path, json={"place_name": "湛河南岸", "description": "带水"}, version=version)
    assert changed.status_code == 200
    quiet = organizer.patch(path, json={"description": "带手套"}, version=changed.get_json()["version"])
    assert quiet.status_code == 200
    for one in people:
        told = client.as_(one).get("/me/notifications").get_json()["items"]
        assert [item["kind"] for item in told].count("activity_changed") == 1


def test_a_draft_is_not_handed_to_a_team_that_one_does_not_lead(client: Any, unit: Any) -> None:
    def prepare() -> tuple[Any, UUID]:
        scene = make_scene()
        other = create_team(name="外队", organization_id=scene.office_id, leader_id=scene.outsider_id)
        made = make_activity(scene=scene, published=False, team_id=scene.team_id, leader_ids=[scene.leader_id])
        return made, other.id

    made, other_id = unit(prepare)
    path, body = f"/activities/{made.id}", {"team_id": str(other_id)}
    version = client.as_(made.scene.leader_id).get(path).get_json()["version"]
    assert client.as_(made.scene.leader_id).patch(path, json=body, version=version).status_code == 403
    own = {"team_id": str(made.scene.team_id), "title": "清洁"}
    changed = client.as_(made.scene.leader_id).patch(path, json=own, version=version)
    assert changed.status_code == 200
    handed = client.as_(made.scene.organizer_id).patch(path, json=body, version=changed.get_json()["version"])
    assert handed.get_json()["team_id"] == str(other_id)


def test_a_team_with_activities_is_not_closed(client: Any, unit: Unit) -> None:
    """Nobody of it would be left to lead them, or to cancel them."""
    made = unit(lambda: activity_of_the_team(published=True))
    draft = unit(lambda: activity_of_the_team(scene=made.scene, published=False, title="清洁家园"))
    over = unit(lambda: activity_of_the_team(scene=made.scene))
    leader, path = client.as_(made.scene.leader_id), f"/teams/{made.scene.team_id}/closing"
    assert leader.post(f"/activities/{over.id}/cancellation", json={"reason": "下雨"}).status_code == 200
    refused = leader.post(path, headers={"Accept-Language": "zh-CN"})
    assert (refused.status_code, refused.json["code"]) == (409, "team_has_activities")
    assert refused.json["detail"] == "队伍还有2项未结束的活动（如“清洁湛河”），请先办结或取消。"
    assert refused.json["activities"] == [
        {"id": str(made.id), "title": "清洁湛河", "state": "published"},
        {"id": str(draft.id), "title": "清洁家园", "state": "draft"},
    ]
    # Nothing of the refused closing stays.
    assert leader.get(path.removesuffix("/closing")).json["member_count"] == 2
    for one in (made, draft):
        assert leader.post(f"/activities/{one.id}/cancellation", json={"reason": "不办了"}).status_code == 200
    assert leader.post(path).status_code == 200


def test_nothing_is_planned_for_a_closed_team(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    organizer, draft = client.as_(scene.organizer_id), unit(lambda: make_activity(scene=scene, published=False))
    assert organizer.post(f"/teams/{scene.team_id}/closing").status_code == 200
    team = {"team_id": str(scene.team_id)}
    answers = [
        organizer.post("/activities", json=body_of(scene) | team),
        organizer.patch(f"/activities/{draft.id}", json=team, version=1),
    ]
    assert [(answer.status_code, answer.json["code"]) for answer in answers] == [(409, "team_closed")] * 2


def test_a_team_that_is_closed_stops_no_change_of_its_activity(client: Any, unit: Unit) -> None:
    """One that was closed while it still had activities, as a release before let it; an app sends all that it read."""
    made = unit(activity_of_the_team)
    unit(lambda: db.session.execute(update(Team).values(closed_at=clock.now())))
    organizer, team = client.as_(made.scene.organizer_id), {"team_id": str(made.scene.team_id)}
    answer = organizer.patch(f"/activities/{made.id}", json=team | {"description": "带手套"}, version=2)
    assert answer.status_code == 200, answer.json


def test_a_co_organizer_that_is_closed_stops_no_change_of_its_activity(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    organizer, administrator = client.as_(scene.organizer_id), client.as_(scene.administrator_id)
    partners = {"co_organizer_ids": [str(scene.other_office_id)]}
    made, other = (organizer.post("/activities", json=body_of(scene) | some).json for some in (partners, {}))
    closing = administrator.post(f"/organizations/{scene.other_office_id}/closing", json={"reason": "撤并"})
    assert closing.status_code == 200, closing.json
    changed = organizer.patch(f"/activities/{made['id']}", json=partners | {"title": "新"}, version=made["version"])
    assert (changed.status_code, changed.json.get("co_organizer_ids")) == (200, partners["co_organizer_ids"])
    added = organizer.patch(f"/activities/{other['id']}", json=partners, version=other["version"])
    assert (added.status_code, added.json["errors"][0]["pointer"]) == (422, "/co_organizer_ids")


def activity_of_the_team(**values: Any) -> Any:
    scene = values.pop("scene", None) or make_scene()
    return make_activity(scene=scene, team_id=scene.team_id, **values)


def test_a_shift_given_twice_is_a_slip(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    (shift,) = body_of(scene)["shifts"]
    other = shift | {"capacity": 3}
    organizer = client.as_(scene.organizer_id)
    refused = organizer.post("/activities", json=body_of(scene, shifts=[shift, other, shift]))
    assert refused.status_code == 422
    assert [(one["pointer"], one["code"]) for one in refused.json["errors"]] == [("/shifts/2", "repeated")]
    assert (
        client.as_(scene.organizer_id).post("/activities", json=body_of(scene, shifts=[shift, other])).status_code
        == 201
    )


def test_what_is_empty_or_ends_as_it_begins_is_told_so(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    (shift,) = body_of(scene)["shifts"]
    body = body_of(scene, title=" ", shifts=[shift | {"ends_at": shift["starts_at"]}])
    refused = client.as_(scene.organizer_id).post("/activities", json=body, headers={"Accept-Language": "zh-CN"})
    assert {one["pointer"]: one["detail"] for one in refused.json["errors"]} == {
        "/title": "不能为空。",
        "/shifts/0/ends_at": "结束时间须晚于开始时间。",
    }


def test_one_campaign_of_a_name_in_the_same_days(client: Any, unit: Unit) -> None:
    """Of two, goals and hours split; next year's of the same name is another one."""
    scene = unit(make_scene)
    organizer = client.as_(scene.organizer_id)
    body = {"name": "冬日暖阳", "organization_id": str(scene.office_id)}
    winter = body | {"starts_on": "2026-12-01", "ends_on": "2027-02-28"}
    first = organizer.post("/campaigns", json=winter).get_json()
    refused = organizer.post("/campaigns", json=body | {"starts_on": "2027-02-28"})
    assert (refused.status_code, refused.get_json()["code"]) == (409, "campaign_exists")
    assert refused.get_json()["campaign_id"] == first["id"]
    assert organizer.post("/campaigns", json=body).status_code == 409
    other = organizer.post("/campaigns", json=body | {"starts_on": "2027-12-01"}).get_json()
    path = f"/campaigns/{other['id']}"
    assert organizer.patch(path, json={"starts_on": "2027-01-01"}, version=1).status_code == 409
    assert organizer.patch(path, json={"starts_on": "2027-11-15"}, version=1).status_code == 200
    administrator = client.as_(scene.administrator_id)
    entries = administrator.get(f"/audit-entries?organization_id={scene.office_id}").get_json()["items"]
    found = [(one["action"], one["details"].get("starts_on")) for one in entries if "campaign" in one["action"]]
    assert found == [("campaign_changed", "2027-11-15"), ("campaign_started", None), ("campaign_started", None)]
