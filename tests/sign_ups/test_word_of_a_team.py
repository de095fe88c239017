"""What the word of a team's leader is worth for an activity that she does not lead."""

from typing import Any

import pytest

from tests.activities.factories import in_daylight, make_activity, make_scene, make_volunteers
from tests.sign_ups.factories import born, kinds, make_person, post
from volunteer_api.sign_ups import service
from volunteer_api.teams.service import add_member, create_team


def ask(client: Any, made: Any, *, by: Any = None, of: Any = None) -> Any:
    scene = made.scene
    body = {"volunteer_id": str(of or scene.member_id), "team_id": str(scene.team_id)}
    return post(client, by or scene.leader_id, f"/shifts/{made.shift_id}/sign-ups", **body)


def test_who_was_asked_by_her_team_waits_for_a_leader_of_the_activity(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(sign_up_mode="approval"))
    scene = made.scene
    asked = ask(client, made).get_json()
    assert asked["state"] == "invited"
    said_yes = post(client, scene.member_id, f"/sign-ups/{asked['id']}/acceptance").get_json()
    assert said_yes["state"] == "pending"
    assert "sign_up_requested" in kinds(client, scene.organizer_id)
    assert "sign_up_accepted" not in kinds(client, scene.leader_id)
    assert post(client, scene.leader_id, f"/sign-ups/{asked['id']}/approval").status_code == 404
    approved = post(client, scene.organizer_id, f"/sign-ups/{asked['id']}/approval").get_json()
    assert approved["state"] == "confirmed"


def test_in_an_open_activity_her_yes_is_enough(client: Any, unit: Any) -> None:
    made = unit(make_activity)
    asked = ask(client, made).get_json()
    assert post(client, made.scene.member_id, f"/sign-ups/{asked['id']}/acceptance").get_json()["state"] == "confirmed"
    assert "sign_up_accepted" in kinds(client, made.scene.leader_id)


def test_whom_those_who_lead_the_activity_invite_waits_for_nobody(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(sign_up_mode="approval"))
    asked = ask(client, made, by=made.scene.organizer_id).get_json()
    assert post(client, made.scene.member_id, f"/sign-ups/{asked['id']}/acceptance").get_json()["state"] == "confirmed"


@pytest.mark.parametrize("whole", [False, True])
def test_it_opens_no_door_that_leaders_have_closed(client: Any, unit: Any, whole: bool) -> None:
    """Neither an invitation's, nor that of a sign-up which was turned down."""

    def codes(made: Any) -> list[str]:
        if not whole:
            return [one["code"] for one in ask(client, made).get_json()["reasons"]]
        body = {"all": True, "team_id": str(made.scene.team_id), "whole_team": True}
        results = post(client, made.scene.leader_id, f"/activities/{made.id}/sign-ups", **body).get_json()["results"]
        return [one["refusal"]["code"] for one in results if one["volunteer_id"] == str(made.scene.member_id)]

    invited = unit(lambda: make_activity(sign_up_mode="invitation"))
    opened = unit(make_activity)
    sign_up = unit(lambda: service.sign_up(shift_id=opened.shift_id, volunteer_id=opened.scene.member_id).id)
    unit(lambda: service.reject(sign_up_id=sign_up, by=opened.scene.organizer_id))
    assert [codes(invited), codes(opened)] == ([["not_eligible"]] * 2 if whole else [["by_invitation"], ["rejected"]])


def test_of_a_stranger_it_learns_nothing(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(minimum_age=18, starts_at=in_daylight()))
    stranger = unit(lambda: make_person(birth_date=born(16)))
    assert [one["code"] for one in ask(client, made, of=stranger).get_json()["reasons"]] == ["team"]
    own = [one["code"] for one in ask(client, made, by=made.scene.organizer_id, of=stranger).get_json()["reasons"]]
    assert own == ["team", "too_young", "guardian_contact"]


def test_the_whole_team_is_called_by_those_who_may_know_whom_it_has(client: Any, unit: Any) -> None:
    """To lead an activity opens no list of another team's members."""

    def prepare() -> tuple[Any, Any]:
        made = make_activity()
        scene = made.scene
        other = create_team(name="外队", organization_id=scene.other_office_id, leader_id=scene.other_organizer_id)
        for one in make_volunteers(2):
            add_member(team_id=other.id, volunteer_id=one)
        return made, other.id

    made, other_id = unit(prepare)
    scene = made.scene
    path = f"/activities/{made.id}/sign-ups"
    body = {"all": True, "whole_team": True}
    assert post(client, scene.organizer_id, path, **body, team_id=str(other_id)).status_code == 403
    assert post(client, scene.organizer_id, path, **body, team_id=str(made.id)).status_code == 403
    assert post(client, scene.organizer_id, path, **body, team_id=str(scene.team_id)).status_code == 200
    assert post(client, scene.other_organizer_id, path, **body, team_id=str(other_id)).status_code == 200


def test_who_accepts_names_her_team(client: Any, unit: Any) -> None:
    """An invitation that names none, and one that she answers for none."""
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene))
    team, path = str(scene.team_id), f"/shifts/{made.shift_id}/sign-ups"
    asked = {
        one: post(client, scene.organizer_id, path, volunteer_id=str(one), **body).get_json()["id"]
        for one, body in ((scene.member_id, {}), (scene.outsider_id, {}), (scene.leader_id, {"team_id": team}))
    }
    refused = post(client, scene.outsider_id, f"/sign-ups/{asked[scene.outsider_id]}/acceptance", team_id=team)
    assert (refused.status_code, refused.get_json()["code"]) == (409, "not_eligible")
    said = post(client, scene.member_id, f"/sign-ups/{asked[scene.member_id]}/acceptance", team_id=team).get_json()
    assert (said["state"], said["team_id"]) == ("confirmed", team)
    said = post(client, scene.leader_id, f"/sign-ups/{asked[scene.leader_id]}/acceptance", team_id=None).get_json()
    assert (said["state"], said["team_id"]) == ("confirmed", None)
