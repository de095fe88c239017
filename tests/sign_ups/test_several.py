"""Several shifts or a whole team in one call."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.activities.factories import make_activity, make_scene, make_volunteers
from tests.sign_ups.factories import HOUR, kinds, post
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups import service
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.teams.service import add_member, create_team


def three_shifts(**values: Any) -> Any:
    """Two at one time and one after them."""
    start = clock.now() + 24 * HOUR
    times = [(0, 2), (1, 3), (3, 5)]
    return make_activity(
        shifts=[
            {"starts_at": start + first * HOUR, "ends_at": start + last * HOUR, "capacity": 1} for first, last in times
        ],
        **values,
    )


def ordered(unit: Any, made: Any) -> list[str]:
    shifts = unit(lambda: service.places.lock_shifts(made.shift_ids))
    return [str(one.id) for one in sorted(shifts, key=lambda one: one.starts_at)]


def test_all_shifts_of_an_activity(client: Any, unit: Any) -> None:
    made = unit(three_shifts)
    first, second, third = ordered(unit, made)
    unit(lambda: service.sign_up(shift_id=UUID(third), volunteer_id=made.scene.member_id))
    path = f"/activities/{made.id}/sign-ups"
    answer = post(client, made.scene.outsider_id, path, shift_ids=[third, second, first, second])
    assert answer.status_code == 200, answer.get_json()
    results = answer.get_json()["results"]
    assert [(one["shift_id"], one["status"], one["state"]) for one in results] == [
        (third, 201, "waitlisted"),
        (second, 201, "confirmed"),
        (first, 409, None),
    ]
    assert results[2]["refusal"]["code"] == "overlapping_shift"
    assert results[2]["refusal"]["shift_id"] == second
    name = unit(lambda: db.session.get_one(Volunteer, made.scene.outsider_id).name)
    assert {(one["volunteer"]["id"], one["volunteer"]["name"]) for one in results} == {
        (str(made.scene.outsider_id), name)
    }
    again = post(client, made.scene.outsider_id, path, all=True).get_json()["results"]
    # Who has this very shift is told so; who has another at its time is told that.
    assert sorted(one["refusal"]["code"] for one in again) == ["already_signed_up"] * 2 + ["overlapping_shift"]
    known = {one["refusal"]["sign_up_id"]: one["refusal"]["sign_up_state"] for one in again}
    made_here = {one["sign_up_id"]: one["state"] for one in results if one["sign_up_id"]}
    assert known == made_here | {None: None}
    assert client.as_(made.scene.outsider_id).get(f"/sign-ups/{results[0]['sign_up_id']}").status_code == 200


def test_a_key_is_needed_and_replays(client: Any, unit: Any) -> None:
    made = unit(three_shifts)
    phone = client.as_(made.scene.outsider_id)
    path = f"/activities/{made.id}/sign-ups"
    assert phone.post(path, json={"all": True}).get_json()["code"] == "idempotency_key_missing"
    first, again = [phone.post(path, json={"all": True}, key="tap") for _ in range(2)]
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_whole_team_is_asked(client: Any, unit: Any) -> None:
    made = unit(three_shifts)
    scene = made.scene
    people = unit(lambda: make_volunteers(4))
    unit(lambda: [add_member(team_id=scene.team_id, volunteer_id=one) for one in people])
    first = ordered(unit, made)[0]
    unit(lambda: service.sign_up(shift_id=UUID(first), volunteer_id=people[0]))
    path = f"/activities/{made.id}/sign-ups"
    body = {"all": True, "team_id": str(scene.team_id), "whole_team": True}
    assert post(client, scene.outsider_id, path, **body).status_code == 403
    assert post(client, scene.member_id, path, **body).status_code == 403
    answer = post(client, scene.leader_id, path, **body)
    assert answer.status_code == 200, answer.get_json()
    results = answer.get_json()["results"]
    # Four and the member; the leader signs herself up where she wants to.
    assert {one["volunteer_id"] for one in results} == {*(str(one) for one in people), str(scene.member_id)}
    assert len(results) == 15
    assert sum(one["state"] == "invited" for one in results) == 14
    refused = [one for one in results if one["status"] == 409]
    assert [(one["volunteer_id"], one["shift_id"]) for one in refused] == [(str(people[0]), first)]
    # One call is one piece of news.
    assert kinds(client, people[1]) == ["sign_up_invited"]
    told = client.as_(people[1]).get("/me/notifications", headers={"Accept-Language": "zh-CN"}).json["items"][0]
    assert "等3个班次" in told["body"]
    assert told["values"]["shift_count"] == "3"
    rows = unit(lambda: db.session.query(SignUp).filter_by(state="invited").all())
    assert {row.team_id for row in rows} == {scene.team_id}


def test_a_team_of_one_asks_nobody(client: Any, unit: Any) -> None:
    made = unit(three_shifts)
    team = unit(lambda: create_team(name="新队", organization_id=made.scene.office_id, leader_id=made.scene.leader_id))
    body = {"all": True, "team_id": str(team.id), "whole_team": True}
    answer = post(client, made.scene.leader_id, f"/activities/{made.id}/sign-ups", **body)
    assert (answer.status_code, answer.get_json()) == (200, {"results": []})


def test_all_of_ones_sign_ups_are_taken_back(client: Any, unit: Any) -> None:
    """What runs stays, a place that one waits for is given to nobody on the way, and the others move up."""
    start = clock.now() + 24 * HOUR
    # The first runs; the next two are at one time, and the last is late.
    times = [(0, 3), (4, 6), (5, 7), (30, 31)]
    made = unit(
        lambda: make_activity(
            shifts=[
                {"starts_at": start + first * HOUR, "ends_at": start + last * HOUR, "capacity": 1}
                for first, last in times
            ]
        )
    )
    running, late, overlapping, far = ordered(unit, made)
    me, other, third = made.scene.outsider_id, made.scene.member_id, unit(lambda: make_volunteers(1))[0]
    for person, shift_id in (
        (third, overlapping),
        (me, running),
        (me, overlapping),
        (me, late),
        (me, far),
        (other, far),
    ):
        unit(lambda person=person, shift_id=shift_id: service.sign_up(shift_id=UUID(shift_id), volunteer_id=person))
    path = f"/activities/{made.id}/sign-ups/withdrawal"
    with clock.at(start + 2 * HOUR):
        answer = post(client, me, path, reason="崴脚了")
        assert answer.status_code == 200, answer.get_json()
        results = answer.get_json()["results"]
        assert [(one["shift_id"], one["status"], one["state"], one["late"]) for one in results] == [
            (running, 409, "confirmed", False),
            (late, 200, "withdrawn", True),
            (overlapping, 200, "withdrawn", False),
            (far, 200, "withdrawn", False),
        ]
        assert results[0]["refusal"]["code"] == "shift_begun"
        assert kinds(client, other) == ["sign_up_promoted"]
        assert kinds(client, me) == []
        assert kinds(client, made.scene.organizer_id) == ["sign_up_given_up"]
        again = post(client, me, path).get_json()["results"]
        assert [one["status"] for one in again] == [409]
    shifts = unit(lambda: service.places.lock_shifts(made.shift_ids))
    counts = {str(one.id): (one.confirmed_count, one.waitlisted_count) for one in shifts}
    assert counts == {running: (1, 0), late: (0, 0), overlapping: (1, 0), far: (1, 0)}
    assert client.post(path).status_code == 401


def test_several_people_of_a_leader(client: Any, unit: Any) -> None:
    made = unit(three_shifts)
    people = [str(one) for one in unit(lambda: make_volunteers(2))]
    first = ordered(unit, made)[0]
    path = f"/activities/{made.id}/sign-ups"
    answer = post(client, made.scene.organizer_id, path, shift_ids=[first], volunteer_ids=[*people, people[0]])
    assert [(one["volunteer_id"], one["state"]) for one in answer.get_json()["results"]] == [
        (people[0], "invited"),
        (people[1], "invited"),
    ]
    team = {"team_id": str(made.scene.team_id)}
    unit(lambda: add_member(team_id=made.scene.team_id, volunteer_id=UUID(people[0])))
    answer = post(client, made.scene.leader_id, path, shift_ids=[first], volunteer_ids=people, **team)
    hers, strange = answer.get_json()["results"]
    assert (hers["refusal"]["code"], hers["volunteer"]["name"] != "") == ("already_signed_up", True)
    # Of who is not in her team the team's leader learns neither that she is signed up nor who she is.
    assert (strange["refusal"]["code"], strange["volunteer"]["name"]) == ("not_eligible", "")
    alone = post(client, made.scene.leader_id, f"/shifts/{first}/sign-ups", volunteer_id=people[1], **team).get_json()
    assert ([one["code"] for one in alone["reasons"]], "sign_up_id" in alone) == (["team"], False)
    unknown = post(client, made.scene.organizer_id, path, shift_ids=[first], volunteer_ids=[str(uuid4())])
    assert (unknown.status_code, unknown.get_json()["errors"][0]["pointer"]) == (422, "/volunteer_ids")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/shift_ids"),
        ({"all": True, "shift_ids": [str(uuid4())]}, "/shift_ids"),
        ({"shift_ids": []}, "/shift_ids"),
        ({"shift_ids": [str(uuid4())]}, "/shift_ids"),
        ({"all": True, "whole_team": True}, "/team_id"),
        ({"all": True, "whole_team": True, "team_id": str(uuid4()), "volunteer_ids": [str(uuid4())]}, "/volunteer_ids"),
        ({"all": True, "volunteer_ids": [str(uuid4())] * 101}, "/volunteer_ids"),
    ],
)
def test_bad_calls(client: Any, unit: Any, body: dict[str, Any], pointer: str) -> None:
    made = unit(three_shifts)
    answer = post(client, made.scene.organizer_id, f"/activities/{made.id}/sign-ups", **body)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, pointer)


def test_at_most_five_hundred(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    times = [{"starts_at": start + n * HOUR, "ends_at": start + (n + 1) * HOUR} for n in range(51)]
    made = unit(lambda: make_activity(shifts=times))
    people = [str(one) for one in unit(lambda: make_volunteers(10))]
    path = f"/activities/{made.id}/sign-ups"
    answer = post(client, made.scene.organizer_id, path, all=True, volunteer_ids=people)
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (422, "too_many")


def test_a_draft_is_hidden(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    made = unit(lambda: three_shifts(scene=scene, published=False))
    path = f"/activities/{made.id}/sign-ups"
    assert client.post(path, json={"all": True}, key="a").status_code == 401
    assert post(client, scene.outsider_id, path, all=True).status_code == 404
    results = post(client, scene.organizer_id, path, all=True).get_json()["results"]
    assert {one["refusal"]["code"] for one in results} == {"not_published"}


def test_statements_do_not_grow_with_the_shifts_of_one(client: Any, unit: Any, statements: Any) -> None:
    """Per sign-up an insert and the count, and no more; the locks and what must be known are read once."""
    spent = {}
    for count in (2, 12):
        start = clock.now() + 24 * HOUR
        times = [{"starts_at": start + n * HOUR, "ends_at": start + (n + 1) * HOUR} for n in range(count)]
        made = unit(lambda times=times: make_activity(shifts=times))
        phone = client.as_(made.scene.outsider_id)
        with statements() as seen:
            answer = phone.post(f"/activities/{made.id}/sign-ups", json={"all": True}, key="a")
        assert {one["state"] for one in answer.get_json()["results"]} == {"confirmed"}
        spent[count] = len(seen)
    assert spent[12] - spent[2] == 20, spent


def test_who_waits_for_a_team_that_closed_comes_without_it(client: Any, unit: Any) -> None:
    """Newcomers were let past her, and her own tap told her that she was signed up."""

    def prepare() -> tuple[Any, UUID, UUID, UUID]:
        scene = make_scene()
        team = create_team(name="临时队", organization_id=scene.office_id, leader_id=scene.organizer_id)
        add_member(team_id=team.id, volunteer_id=scene.member_id)
        made = make_activity(scene=scene, capacity=1, starts_at=clock.now() + 48 * HOUR)
        had = service.sign_up(shift_id=made.shift_id, volunteer_id=scene.leader_id)
        waits = service.sign_up(shift_id=made.shift_id, volunteer_id=scene.member_id, team_id=team.id)
        return scene, team.id, had.id, waits.id

    scene, team_id, had, waits = unit(prepare)
    assert post(client, scene.organizer_id, f"/teams/{team_id}/closing").status_code == 200
    assert post(client, scene.leader_id, f"/sign-ups/{had}/withdrawal").status_code == 200
    mine = unit(lambda: db.session.get_one(SignUp, waits))
    assert (mine.state, mine.team_id) == ("confirmed", None)
    assert "sign_up_promoted" in kinds(client, scene.member_id)


def test_a_request_for_a_team_that_closed_is_approved_without_it(client: Any, unit: Any) -> None:
    def prepare() -> tuple[Any, UUID, UUID]:
        scene = make_scene()
        team = create_team(name="临时队", organization_id=scene.office_id, leader_id=scene.organizer_id)
        add_member(team_id=team.id, volunteer_id=scene.member_id)
        made = make_activity(scene=scene, sign_up_mode="approval")
        mine = service.sign_up(shift_id=made.shift_id, volunteer_id=scene.member_id, team_id=team.id)
        return scene, team.id, mine.id

    scene, team_id, mine = unit(prepare)
    assert post(client, scene.organizer_id, f"/teams/{team_id}/closing").status_code == 200
    approved = post(client, scene.organizer_id, f"/sign-ups/{mine}/approval")
    assert (approved.status_code, approved.get_json()["state"]) == (200, "confirmed")
    assert approved.get_json()["team_id"] is None
