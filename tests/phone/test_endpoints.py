"""The app's first screen."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tests.activities.factories import PLACE, make_activity, make_scene
from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.recycling import release_phone
from volunteer_api.activities.models import ShiftRole
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.notifications.service import notify
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp

NEAR = f"{PLACE['lat']},{PLACE['lng']}"
STATEMENTS = 6
SESSION_CHECK = 1


@pytest.fixture
def member_id(unit: Callable[..., Any]) -> Any:
    """Somebody with four sign-ups, one of them on a waitlist, who is at the first shift now."""

    def work() -> Any:
        scene = make_scene()
        soon = clock.now() - timedelta(minutes=5)
        for number in range(4):
            made = make_activity(scene=scene, starts_at=soon + timedelta(hours=12 * number), capacity=1, place=PLACE)
            if number == 1:
                sign_ups.sign_up(shift_id=made.shift_id, volunteer_id=scene.outsider_id)
            sign_ups.sign_up(shift_id=made.shift_id, volunteer_id=scene.member_id)
            if number == 0:
                evidence = {"client_time": clock.now(), "place": PLACE, "accuracy_m": 5.0}
                attendance.check_in(volunteer_id=scene.member_id, shift_id=made.shift_id, evidence=evidence)
        values = {"minutes": "60", "activity": "清洁家园"}
        notify(volunteer_id=scene.member_id, kind="hours_credited", values=values, dedup_key="a test's")
        return scene.member_id

    return unit(work)


def test_home_is_one_answer(client: Any, member_id: Any) -> None:
    answer = client.as_(member_id).get(f"/me/home?near={NEAR}")
    assert answer.status_code == 200
    home = answer.get_json()
    assert home["profile"]["id"] == str(member_id)
    assert [sign_up["state"] for sign_up in home["next_sign_ups"]] == ["confirmed", "waitlisted", "confirmed"]
    assert [sign_up["waitlist_position"] for sign_up in home["next_sign_ups"]] == [None, 1, None]
    assert home["next_sign_ups"][0]["activity"]["place"] == PLACE
    assert home["open_attendance"]["shift_id"] == home["next_sign_ups"][0]["shift"]["id"]
    assert home["open_attendance"]["activity"]["title"] == "清洁湛河"
    assert home["tally"] == {"credited_minutes": 0, "held_minutes": 0, "activity_count": 0, "star_level": 0}
    assert home["unread_count"] == 1
    assert [station["distance_m"] for station in home["nearby_stations"]] == [0]


def test_home_asks_what_a_move_left_open_and_leaves_out_where_she_has_left(
    client: Any, unit: Callable[..., Any], member_id: Any
) -> None:
    phone = client.as_(member_id)
    left, waiting, later = phone.get("/me/home").get_json()["next_sign_ups"]
    assert [one["asked_at"] for one in (left, waiting, later)] == [None, None, None]

    def change() -> None:
        leave = {"checked_out_at": clock.now(), "state": "held"}
        db.session.execute(update(Attendance).where(Attendance.volunteer_id == member_id).values(**leave))
        moved = db.session.get_one(SignUp, UUID(later["id"]))
        role = ShiftRole(shift_id=moved.shift_id, name="摄影", capacity=1)
        db.session.add(role)
        db.session.flush()
        moved.asked_at, moved.role_id = clock.now(), role.id

    unit(change)
    shown = phone.get("/me/home").get_json()["next_sign_ups"]
    assert [one["id"] for one in shown][:2] == [waiting["id"], later["id"]]
    assert (shown[1]["asked_at"] is not None, shown[1]["role"]["name"]) == (True, "摄影")


def test_home_is_few_statements(client: Any, member_id: Any, statements: Callable[[], Any]) -> None:
    phone = client.as_(member_id)
    with statements() as seen:
        phone.get(f"/me/home?near={NEAR}")
    assert len(seen) <= STATEMENTS + SESSION_CHECK


def test_the_screen_of_a_newcomer_is_empty(client: Any, unit: Callable[..., Any]) -> None:
    newcomer_id = unit(lambda: make_scene().outsider_id)
    home = client.as_(newcomer_id).get("/me/home").get_json()
    assert (home["next_sign_ups"], home["open_attendance"], home["nearby_stations"]) == ([], None, [])


def test_who_lost_her_number_sees_the_screen_without_one(client: Any, unit: Callable[..., Any]) -> None:
    person = unit(make_volunteer)
    unit(lambda: release_phone(db.session.get_one(Volunteer, person.id)))
    assert client.as_(person).get("/me/home").get_json()["profile"]["phone"] is None
    promised = client.at_root.get("/openapi.json").get_json()["components"]["schemas"]["Profile"]["properties"]["phone"]
    assert promised["type"] == ["string", "null"]


def test_far_stations_are_not_nearby(client: Any, member_id: Any) -> None:
    assert client.as_(member_id).get("/me/home?near=34.75,113.62").get_json()["nearby_stations"] == []


def test_home_needs_a_token(client: Any) -> None:
    assert client.get("/me/home").status_code == 401


@pytest.mark.parametrize("query", ["near=91,0", "near=here", "far=1,2"])
def test_a_bad_place_is_named(client: Any, member_id: Any, query: str) -> None:
    answer = client.as_(member_id).get(f"/me/home?{query}")
    assert answer.status_code == 422
    assert answer.get_json()["errors"][0]["pointer"] == f"/{query.split('=')[0]}"
