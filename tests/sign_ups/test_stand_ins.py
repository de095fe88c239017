"""Giving one's place to somebody who takes it."""

from typing import Any
from uuid import UUID

import pytest

from tests.accounts.test_erasure import ask_code, carry_out
from tests.activities.factories import MadeActivity, make_activity, make_volunteers
from tests.sign_ups.factories import HOUR, born, kinds, make_person, number_of, post, row
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, Shift, ShiftRole
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Problem
from volunteer_api.sign_ups import service, stand_ins


def given(**values: Any) -> tuple[MadeActivity, UUID, str]:
    """An activity with one place, the member's sign-up for it, and the outsider's number."""
    made = make_activity(**{"capacity": 1} | values)
    mine = service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id)
    return made, mine.id, number_of(made.scene.outsider_id)


def test_a_place_changes_hands_in_one_step(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    made, mine, number = unit(lambda: given(starts_at=start))
    waiting = unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.leader_id))
    member, outsider = made.scene.member_id, made.scene.outsider_id
    # As it is read aloud and typed.
    typed = f"{number[:6]} {number[6:]}".lower()
    offered = post(client, member, f"/sign-ups/{mine}/stand-in", volunteer_number=typed)
    assert offered.status_code == 201, offered.get_json()
    offer = offered.get_json()
    assert (offer["state"], offer["stands_in_for_id"]) == ("invited", str(mine))
    assert offer["volunteer"]["id"] == str(outsider)
    assert kinds(client, outsider) == ["stand_in_asked"]
    assert row(unit, mine).state == "confirmed"
    # An hour before the start a withdrawal would be late; a place that was given on is not.
    with clock.at(start - HOUR):
        taken = post(client, outsider, f"/sign-ups/{offer['id']}/acceptance")
    assert (taken.status_code, taken.get_json()["state"]) == (200, "confirmed")
    gone = row(unit, mine)
    assert (gone.state, gone.late) == ("withdrawn", False)
    # The one who waits saw no free place.
    assert row(unit, waiting.id).state == "waitlisted"
    shift = unit(lambda: db.session.get(Shift, made.shift_id))
    assert (shift.confirmed_count, shift.waitlisted_count) == (1, 1)
    assert kinds(client, member) == ["stand_in_found"]
    # Taken knowingly, so without the grace of somebody who was promoted.
    with clock.at(start - HOUR / 2):
        assert post(client, outsider, f"/sign-ups/{offer['id']}/withdrawal").get_json()["late"] is True


def test_a_stand_in_takes_the_role_too(unit: Any) -> None:
    start = clock.now() + 24 * HOUR

    def prepare() -> Any:
        made = make_activity(
            shifts=[{"starts_at": start, "ends_at": start + HOUR, "roles": [{"name": "讲解", "capacity": 1}]}]
        )
        role = db.session.query(ShiftRole).filter_by(shift_id=made.shift_id).one()
        mine = service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id, role_id=role.id)
        offer = stand_ins.offer(sign_up_id=mine.id, volunteer_number=number_of(made.scene.outsider_id))
        return service.accept(sign_up_id=offer.id), role.id

    taken, role_id = unit(prepare)
    role = unit(lambda: db.session.get(ShiftRole, role_id))
    assert (taken.state, taken.role_id, role.confirmed_count) == ("confirmed", role_id, 1)


@pytest.mark.parametrize("mode", ["approval", "invitation"])
def test_where_leaders_decide_they_decide_here_too(client: Any, unit: Any, mode: str) -> None:
    def prepare() -> tuple[MadeActivity, UUID, str]:
        made = make_activity(capacity=1, sign_up_mode=mode)
        mine = service.invite(by=made.scene.organizer_id, shift_id=made.shift_id, volunteer_id=made.scene.member_id)
        service.accept(sign_up_id=mine.id)
        return made, mine.id, number_of(made.scene.outsider_id)

    made, mine, number = unit(prepare)
    scene = made.scene
    offer = post(client, scene.member_id, f"/sign-ups/{mine}/stand-in", volunteer_number=number).get_json()
    assert post(client, scene.outsider_id, f"/sign-ups/{offer['id']}/acceptance").get_json()["state"] == "pending"
    assert row(unit, mine).state == "confirmed"
    assert post(client, scene.organizer_id, f"/sign-ups/{offer['id']}/approval").get_json()["state"] == "confirmed"
    assert row(unit, mine).state == "withdrawn"


def test_a_stand_in_says_no(client: Any, unit: Any) -> None:
    made, mine, number = unit(given)
    member, outsider = made.scene.member_id, made.scene.outsider_id
    offer = post(client, member, f"/sign-ups/{mine}/stand-in", volunteer_number=number).get_json()
    assert post(client, outsider, f"/sign-ups/{offer['id']}/decline").get_json()["state"] == "declined"
    assert row(unit, mine).state == "confirmed"
    assert kinds(client, member) == ["stand_in_declined"]


@pytest.mark.parametrize("path", ["/sign-ups/{offer}/withdrawal", "/activities/{activity}/sign-ups/withdrawal"])
def test_a_stand_in_backs_out(client: Any, unit: Any, path: str) -> None:
    """Who said yes and waits for a leader can only withdraw; whose place it is never heard of it."""
    made, mine, number = unit(lambda: given(sign_up_mode="approval"))
    scene = made.scene
    assert post(client, scene.organizer_id, f"/sign-ups/{mine}/approval").status_code == 200
    offer = post(client, scene.member_id, f"/sign-ups/{mine}/stand-in", volunteer_number=number).get_json()["id"]
    assert post(client, scene.outsider_id, f"/sign-ups/{offer}/acceptance").get_json()["state"] == "pending"
    assert post(client, scene.outsider_id, path.format(offer=offer, activity=made.id)).status_code == 200
    assert kinds(client, scene.member_id)[0] == "stand_in_declined"


@pytest.mark.parametrize("answered", [False, True])
def test_a_stand_in_who_is_erased_is_told_of_as_one_who_backs_out(
    client: Any, unit: Any, app: Any, capsys: Any, answered: bool
) -> None:
    made, mine, number = unit(lambda: given(sign_up_mode="approval"))
    scene = made.scene
    assert post(client, scene.organizer_id, f"/sign-ups/{mine}/approval").status_code == 200
    offer = post(client, scene.member_id, f"/sign-ups/{mine}/stand-in", volunteer_number=number).get_json()["id"]
    if answered:
        assert post(client, scene.outsider_id, f"/sign-ups/{offer}/acceptance").get_json()["state"] == "pending"
    phone = unit(lambda: db.session.get_one(Volunteer, scene.outsider_id).phone)
    asked = post(client, scene.outsider_id, "/me/erasure", code=ask_code(unit, capsys, phone))
    assert asked.status_code == 202, asked.get_json()
    # She may take it back for days; until then the offer stands.
    assert kinds(client, scene.member_id)[0] == "sign_up_confirmed"
    carry_out(app, scene.outsider_id)
    told = client.as_(scene.member_id).get("/me/notifications").get_json()["items"][0]
    assert (told["kind"], told["values"]["sign_up_id"]) == ("stand_in_declined", offer)
    assert told["values"]["name"] == "已注销用户"
    assert (row(unit, mine).state, row(unit, offer).state) == ("confirmed", "withdrawn")


def test_an_invitation_is_withdrawn_instead_of_declined(client: Any, unit: Any) -> None:
    made = unit(make_activity)
    invited = {"shift_id": made.shift_id, "volunteer_id": made.scene.outsider_id}
    asked = unit(lambda: service.invite(by=made.scene.organizer_id, **invited)).id
    assert post(client, made.scene.outsider_id, f"/sign-ups/{asked}/withdrawal").status_code == 200
    assert kinds(client, made.scene.organizer_id) == ["sign_up_declined"]


def test_a_second_tap_leaves_the_offer_as_it_stands(client: Any, unit: Any) -> None:
    made, mine, number = unit(lambda: given(sign_up_mode="approval"))
    scene, path = made.scene, f"/sign-ups/{mine}/stand-in"
    assert post(client, scene.organizer_id, f"/sign-ups/{mine}/approval").status_code == 200
    offer = post(client, scene.member_id, path, volunteer_number=number).get_json()["id"]
    again = post(client, scene.member_id, path, volunteer_number=number)
    assert (again.status_code, again.get_json()["id"]) == (201, offer)
    assert kinds(client, scene.outsider_id) == ["stand_in_asked"]
    assert post(client, scene.outsider_id, f"/sign-ups/{offer}/acceptance").get_json()["state"] == "pending"
    again = post(client, scene.member_id, path, volunteer_number=number).get_json()
    assert (again["id"], again["state"]) == (offer, "pending")


@pytest.mark.parametrize("ending", ["withdrawal", "DELETE", "offer", "rejection"])
def test_an_offer_ends(client: Any, unit: Any, ending: str) -> None:
    made, mine, number = unit(given)
    scene = made.scene
    offer = post(client, scene.member_id, f"/sign-ups/{mine}/stand-in", volunteer_number=number).get_json()
    if ending == "DELETE":
        for _ in range(2):
            assert client.as_(scene.member_id).delete(f"/sign-ups/{mine}/stand-in").status_code == 204
    elif ending == "offer":
        other = unit(lambda: number_of(scene.leader_id))
        assert post(client, scene.member_id, f"/sign-ups/{mine}/stand-in", volunteer_number=other).status_code == 201
    else:
        who = scene.member_id if ending == "withdrawal" else scene.organizer_id
        assert post(client, who, f"/sign-ups/{mine}/{ending}").status_code == 200
    assert row(unit, offer["id"]).state == "withdrawn"
    assert kinds(client, scene.outsider_id) == ["stand_in_gone", "stand_in_asked"]
    late = post(client, scene.outsider_id, f"/sign-ups/{offer['id']}/acceptance")
    assert (late.status_code, late.get_json()["code"]) == (409, "wrong_state")


def test_who_can_be_asked(client: Any, unit: Any) -> None:
    made, mine, _number = unit(lambda: given(minimum_age=18, capacity=None))
    scene = made.scene
    path = f"/sign-ups/{mine}/stand-in"
    young = unit(lambda: number_of(make_person(birth_date=born(16), guardian_contact=b"x")))
    refused = post(client, scene.member_id, path, volunteer_number=young)
    # Whoever asks learns no more than that.
    assert (refused.get_json()["code"], refused.get_json()["reasons"]) == ("not_eligible", [])
    unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=scene.leader_id))
    signed_up = unit(lambda: number_of(scene.leader_id))
    refused = post(client, scene.member_id, path, volunteer_number=signed_up).get_json()
    assert (refused["code"], "sign_up_id" in refused) == ("already_signed_up", False)
    own = unit(lambda: number_of(scene.member_id))
    assert post(client, scene.member_id, path, volunteer_number=own).get_json()["code"] == "own_place"
    unknown = post(client, scene.member_id, path, volunteer_number="NOBODY")
    assert (unknown.status_code, unknown.get_json()["errors"][0]["pointer"]) == (422, "/volunteer_number")

    def turn_down() -> str:
        asked = service.sign_up(shift_id=made.shift_id, volunteer_id=scene.outsider_id)
        service.reject(sign_up_id=asked.id, by=scene.organizer_id)
        return number_of(scene.outsider_id)

    assert post(client, scene.member_id, path, volunteer_number=unit(turn_down)).get_json()["code"] == "not_eligible"


def test_only_a_place_that_one_has_is_offered(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    made, mine, number = unit(lambda: given(starts_at=start))
    waits = unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.leader_id)).id
    answer = post(client, made.scene.leader_id, f"/sign-ups/{waits}/stand-in", volunteer_number=number)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "wrong_state")
    with clock.at(start), pytest.raises(Problem, match="shift_begun"):
        unit(lambda: stand_ins.offer(sign_up_id=mine, volunteer_number=number))


def test_a_stand_in_must_be_free(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR

    def prepare() -> tuple[MadeActivity, UUID, UUID]:
        made, mine, number = given(starts_at=start)
        offer = stand_ins.offer(sign_up_id=mine, volunteer_number=number)
        other = make_activity(scene=made.scene, starts_at=start)
        elsewhere = service.sign_up(shift_id=other.shift_id, volunteer_id=made.scene.outsider_id)
        return made, offer.id, elsewhere.id

    made, offer, elsewhere = unit(prepare)
    answer = post(client, made.scene.outsider_id, f"/sign-ups/{offer}/acceptance")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "overlapping_shift")
    unit(lambda: service.withdraw(sign_up_id=elsewhere))
    with clock.at(start), pytest.raises(Problem, match="shift_begun"):
        unit(lambda: service.accept(sign_up_id=offer))
    assert post(client, made.scene.outsider_id, f"/sign-ups/{offer}/acceptance").status_code == 200


def test_giving_a_place_on_frees_who_waits_elsewhere(unit: Any) -> None:
    start = clock.now() + 24 * HOUR

    def prepare() -> tuple[UUID, UUID]:
        made, mine, number = given(starts_at=start)
        other = make_activity(scene=made.scene, capacity=1, starts_at=start)
        (somebody,) = make_volunteers(1)
        held = service.sign_up(shift_id=other.shift_id, volunteer_id=somebody)
        service.withdraw(sign_up_id=mine)
        waits = service.sign_up(shift_id=other.shift_id, volunteer_id=made.scene.member_id)
        again = service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id)
        service.withdraw(sign_up_id=held.id)
        assert db.session.get_one(type(waits), waits.id).state == "waitlisted"
        return waits.id, stand_ins.offer(sign_up_id=again.id, volunteer_number=number).id

    waits, offer = unit(prepare)
    unit(lambda: service.accept(sign_up_id=offer))
    assert row(unit, waits).state == "confirmed"


def test_a_number_is_found_in_letters_of_either_case(client: Any, unit: Any) -> None:
    made, mine, _ = unit(given)
    unit(lambda: make_person(volunteer_number="QX7K2M9A"))
    offered = post(client, made.scene.member_id, f"/sign-ups/{mine}/stand-in", volunteer_number="qx7k2m9a")
    assert offered.status_code == 201, offered.get_json()


@pytest.mark.parametrize(
    ("who", "named", "outcome"),
    [
        ("member", {}, "team"),
        ("outsider", {}, None),
        ("member", {"team_id": None}, None),
        ("member", {"team_id": "team"}, "team"),
        ("outsider", {"team_id": "team"}, "not_eligible"),
    ],
)
@pytest.mark.parametrize("mode", ["open", "approval"])
def test_hours_of_a_stand_in_are_for_her_team(
    client: Any, unit: Any, who: str, named: dict[str, Any], outcome: str | None, mode: str
) -> None:
    """By default for the team of whose place it is, where she is a member of it."""

    def prepare() -> tuple[MadeActivity, UUID, UUID]:
        made = make_activity(capacity=1)
        scene = made.scene
        mine = service.sign_up(shift_id=made.shift_id, volunteer_id=scene.leader_id, team_id=scene.team_id)
        db.session.get_one(Activity, made.id).sign_up_mode = mode
        db.session.flush()
        person = scene.member_id if who == "member" else scene.outsider_id
        return made, stand_ins.offer(sign_up_id=mine.id, volunteer_number=number_of(person)).id, person

    made, offer, person = unit(prepare)
    body = {name: value and str(made.scene.team_id) for name, value in named.items()}
    answer = post(client, person, f"/sign-ups/{offer}/acceptance", **body)
    if outcome == "not_eligible":
        assert (answer.status_code, answer.get_json()["reasons"][0]["code"]) == (409, "team")
        return
    assert answer.status_code == 200, answer.get_json()
    if mode == "approval":
        answer = post(client, made.scene.organizer_id, f"/sign-ups/{offer}/approval")
    taken = answer.get_json()
    assert (taken["state"], taken["team_id"]) == ("confirmed", outcome and str(made.scene.team_id))
