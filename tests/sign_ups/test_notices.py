"""What people read of sign-ups on a lock screen: which shift, and when it is, on the local clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.activities.factories import make_activity, make_volunteers, take_grants_away
from tests.sign_ups.factories import HOUR, kinds, make_person, move_shift, post
from tests.sign_ups.test_changed_demands import change
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.activities import queries
from volunteer_api.activities.changes import changing
from volunteer_api.activities.models import SignUpMode
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations.grants import grant as give_grant
from volunteer_api.organizations.models import Role, ScopeType
from volunteer_api.sign_ups import service

# A Sunday, 7:30 in Pingdingshan.
START = datetime(2030, 11, 30, 23, 30, tzinfo=UTC)
ZH, EN = {"Accept-Language": "zh-CN"}, {"Accept-Language": "en"}


def newest(client: Any, volunteer_id: Any, language: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = client.as_(volunteer_id).get("/me/notifications", headers=language).json["items"][0]
    return found


def test_a_moved_shift_is_told_with_both_times(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(starts_at=START, duration=1.5 * HOUR))
    person = made.scene.outsider_id
    assert post(client, person, f"/shifts/{made.shift_id}/sign-ups").status_code == 201
    later = {"starts_at": "2030-12-01T14:00:00Z", "ends_at": "2030-12-01T22:00:00Z"}
    change(client, made, f"/shifts/{made.shift_id}", **later)
    chinese, english = newest(client, person, ZH), newest(client, person, EN)
    assert "“清洁湛河 12月1日（周日）7:30–9:00 → 12月1日（周日）22:00–12月2日（周一）6:00”" in chinese["body"]
    assert "清洁湛河 (Sun, 1 Dec, 7:30–9:00 → Sun, 1 Dec, 22:00–Mon, 2 Dec, 6:00)" in english["body"]
    values = chinese["values"]
    assert values | later == values
    assert (values["before_starts_at"], values["before_ends_at"]) == ("2030-11-30T23:30:00Z", "2030-12-01T01:00:00Z")
    assert values["activity"] == "清洁湛河"


def test_a_leader_hears_who_asks_for_which_day(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(starts_at=START, sign_up_mode=SignUpMode.APPROVAL))
    person = unit(lambda: make_person(name="王芳"))
    assert post(client, person, f"/shifts/{made.shift_id}/sign-ups").json["state"] == "pending"
    told = newest(client, made.scene.organizer_id, ZH)["body"]
    assert told.startswith("王芳报名参加“清洁湛河 12月1日（周日）7:30–9:30”")


@pytest.mark.either_database
def test_older_rows_are_read_in_the_form_of_today(client: Any, unit: Any) -> None:
    """As an earlier release wrote them: without an end, without a name, and with another end of their moments."""
    made = unit(lambda: make_activity(starts_at=START, sign_up_mode=SignUpMode.APPROVAL))
    post(client, made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups")
    older = {"activity": "清洁湛河", "starts_at": START.isoformat()}
    unit(lambda: db.session.execute(update(Notification).values(values=older)))
    read = newest(client, made.scene.organizer_id, ZH)
    assert read["values"]["starts_at"] == "2030-11-30T23:30:00Z"
    assert read["body"].startswith("一位志愿者报名参加“清洁湛河 12月1日（周日）7:30”")


def test_who_serves_hears_of_the_end_and_the_others_why(client: Any, unit: Any) -> None:
    """The activity is completed while one shift runs and another one is to come."""
    now = clock.now()
    times = [(now - HOUR, now + HOUR), (now + 5 * HOUR, now + 6 * HOUR)]
    made = unit(lambda: make_activity(shifts=[{"starts_at": start, "ends_at": end} for start, end in times]))
    serving, coming = made.scene.member_id, made.scene.outsider_id
    post(client, serving, f"/shifts/{made.shift_ids[0]}/sign-ups")
    post(client, coming, f"/shifts/{made.shift_ids[1]}/sign-ups")
    done = post(client, made.scene.organizer_id, f"/activities/{made.id}/completion", note="顺利", cancel_rest=True)
    assert done.status_code == 200, done.get_json()
    ended, canceled = newest(client, serving, ZH), newest(client, coming, ZH)
    assert (ended["kind"], canceled["kind"]) == ("shift_end_changed", "activity_canceled")
    assert canceled["body"].endswith("已取消：活动已提前结束")
    assert "has ended early" in newest(client, coming, EN)["body"]


def test_a_shift_that_is_moved_back_and_forth_is_told_each_time(client: Any, unit: Any) -> None:
    """The last word that people had was of the time before."""
    made = unit(make_activity)
    unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id))
    for hours in (1, -1, 1):
        unit(lambda: move_shift(made.shift_id, made.id, hours * HOUR))  # noqa: B023 - called at once
    phone = client.as_(made.scene.member_id)
    told = phone.get("/me/notifications").json["items"]
    assert len(told) == 3
    assert told[0]["values"]["starts_at"] == told[2]["values"]["starts_at"]
    assert told[0]["values"]["starts_at"] != told[1]["values"]["starts_at"]


def test_two_moves_at_one_moment_are_told_twice_and_a_second_tap_is_not(client: Any, unit: Any) -> None:
    """A clock may stand, or two leaders press at once; a move is another one where the shift is another version."""
    start = clock.now().replace(microsecond=0) + 24 * HOUR
    made = unit(lambda: make_activity(starts_at=start))
    running = unit(lambda: make_activity(scene=made.scene, starts_at=clock.now() + timedelta(minutes=1)))
    member, organizer = client.as_(made.scene.member_id), client.as_(made.scene.organizer_id)
    for one in (made, running):
        unit(lambda: service.sign_up(shift_id=one.shift_id, volunteer_id=made.scene.member_id))  # noqa: B023 - at once
    with clock.at(clock.now() + timedelta(minutes=2)):
        for shift_id, name in ((made.shift_id, "starts_at"), (running.shift_id, "ends_at")):
            path = f"/shifts/{shift_id}"
            read = organizer.get(path).json
            moment = datetime.fromisoformat(read[name])
            for minutes, version in ((5, read["version"]), (0, read["version"] + 1)):
                body = {name: (moment - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")}
                taps = [organizer.patch(path, json=body, version=version).status_code for _ in range(2)]
                assert taps == [200, 412]
    told = [one["kind"] for one in member.get("/me/notifications").json["items"]]
    assert told == ["shift_end_changed"] * 2 + ["shift_moved"] * 2


def test_the_end_of_one_that_runs_is_told_each_time(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(starts_at=clock.now() + HOUR, duration=2 * HOUR))
    unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id))

    def end(by: timedelta) -> None:
        with changing(queries.lock_activity(made.id), shift_ids=[made.shift_id]) as shifts:
            shifts[0].ends_at += by

    for minutes, hours in enumerate((1, -1, 1)):
        with clock.at(clock.now() + HOUR + timedelta(minutes=minutes + 1)):
            unit(lambda: end(hours * HOUR))  # noqa: B023 - called at once
    told = client.as_(made.scene.member_id).get("/me/notifications").json["items"]
    assert [one["kind"] for one in told] == ["shift_end_changed"] * 3


def test_an_event_of_several_shifts_is_one_piece_of_news(client: Any, unit: Any) -> None:
    """Of a daily round that is called off nobody wants twenty notices."""
    made = unit(lambda: make_activity(shifts=daily(3), sign_up_mode=SignUpMode.APPROVAL))
    organizer, person, other = made.scene.organizer_id, made.scene.outsider_id, made.scene.member_id
    path = f"/activities/{made.id}/sign-ups"
    asked = post(client, person, path, all=True).json["results"]
    assert [one["state"] for one in asked] == ["pending"] * 3
    assert kinds(client, organizer) == ["sign_up_requested"]
    for one in asked:
        post(client, organizer, f"/sign-ups/{one['sign_up_id']}/approval")
    post(client, other, f"/shifts/{made.shift_ids[1]}/sign-ups")
    change(client, made, f"/activities/{made.id}", minimum_age=70)
    assert kinds(client, person)[0] == "sign_up_place_lost"
    assert kinds(client, person).count("sign_up_place_lost") == 1
    assert "清洁湛河 12月1日（周日）7:30–8:30等3个班次" in newest(client, person, ZH)["body"]
    change(client, made, f"/activities/{made.id}", minimum_age=14)
    assert kinds(client, person).count("demands_changed") == 1
    answer = post(client, organizer, f"/activities/{made.id}/cancellation", reason="大风")
    assert answer.status_code == 200, answer.json
    assert kinds(client, person).count("activity_canceled") == 1
    assert "清洁湛河 (Sun, 1 Dec, 7:30–8:30, the first of 3 shifts) is canceled" in newest(client, person, EN)["body"]
    assert newest(client, other, ZH)["body"].startswith("清洁湛河 12月2日（周一）7:30–8:30已取消")


def test_who_takes_all_back_is_told_of_once(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(shifts=daily(3)))
    organizer, person, invited = made.scene.organizer_id, made.scene.outsider_id, made.scene.member_id
    path = f"/activities/{made.id}/sign-ups"
    post(client, person, path, all=True)
    post(client, organizer, path, all=True, volunteer_ids=[str(invited)])
    with clock.at(START - HOUR):
        results = post(client, person, f"{path}/withdrawal").json["results"]
        assert [one["late"] for one in results] == [True, False, False]
        post(client, invited, f"{path}/withdrawal")
        assert sorted(kinds(client, organizer)) == ["sign_up_declined", "sign_up_given_up"]
        assert newest(client, organizer, ZH)["values"]["shift_count"] == "3"


@pytest.mark.both_databases
def test_the_first_shift_is_told_whatever_was_made_first(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(shifts=daily(3)[::-1]))
    organizer, person = made.scene.organizer_id, made.scene.outsider_id
    path = f"/activities/{made.id}/sign-ups"
    post(client, organizer, path, all=True, volunteer_ids=[str(person)])
    assert "12月1日（周日）7:30–8:30等3个班次" in newest(client, person, ZH)["body"]
    post(client, person, f"{path}/withdrawal")
    assert "12月1日（周日）7:30–8:30等3个班次" in newest(client, organizer, ZH)["body"]


def test_all_who_lead_hear_by_one_statement(client: Any, unit: Any, statements: Any) -> None:
    """Also where they are many: whoever could publish what nobody leads."""

    def prepare() -> tuple[Any, list[Any]]:
        made = make_activity(starts_at=START, sign_up_mode=SignUpMode.APPROVAL)
        take_grants_away(made.scene.organizer_id)
        others = make_volunteers(12)
        office = {"scope_type": ScopeType.ORGANIZATION, "scope_id": made.scene.office_id}
        for one in others:
            give_grant(volunteer_id=one, role=Role.ORGANIZER, **office)
        return made, others

    made, others = unit(prepare)
    phone = client.as_(made.scene.outsider_id)
    phone.get("/me")
    with statements() as seen:
        assert phone.post(f"/shifts/{made.shift_id}/sign-ups", json={}, key="tap").status_code == 201
    assert sum("INTO notifications" in one for one in seen) == 1
    assert [kinds(client, one)[:1] for one in (*others, made.scene.organizer_id)] == [["sign_up_requested"]] * 12 + [[]]


def test_whose_account_is_erased_is_told_of_once(client: Any, unit: Any) -> None:
    """As in one call she leaves all: who invited hears it of an activity, and of each activity."""
    made = unit(lambda: make_activity(shifts=daily(3)))
    other = unit(lambda: make_activity(scene=made.scene, starts_at=START + 9 * HOUR, title="巡河"))
    organizer, person = made.scene.organizer_id, made.scene.outsider_id
    for one in (made, other):
        post(client, organizer, f"/activities/{one.id}/sign-ups", all=True, volunteer_ids=[str(person)])
    unit(lambda: publish(VolunteerErased(person, "张三")))
    assert kinds(client, organizer) == ["sign_up_declined"] * 2
    told = client.as_(organizer).get("/me/notifications").json["items"]
    assert {(one["values"]["activity"], one["values"].get("shift_count")) for one in told} == {
        ("清洁湛河", "3"),
        ("巡河", None),
    }


def test_a_leaders_own_request_takes_no_news_of_others(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(starts_at=START, sign_up_mode=SignUpMode.APPROVAL))
    organizer = made.scene.organizer_id
    post(client, organizer, f"/shifts/{made.shift_id}/sign-ups")
    assert kinds(client, organizer) == []
    post(client, made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups")
    assert kinds(client, organizer) == ["sign_up_requested"]


def test_who_says_yes_again_is_told_of_again(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(starts_at=START))
    organizer, person = made.scene.organizer_id, made.scene.outsider_id
    mine = post(client, organizer, f"/shifts/{made.shift_id}/sign-ups", volunteer_id=str(person)).json["id"]
    post(client, person, f"/sign-ups/{mine}/acceptance")
    change(client, made, f"/activities/{made.id}", required_skills=["急救"])
    change(client, made, f"/activities/{made.id}", required_skills=[])
    assert post(client, person, f"/sign-ups/{mine}/acceptance").json["state"] == "confirmed"
    assert kinds(client, organizer) == ["sign_up_accepted"] * 2


def daily(count: int) -> list[dict[str, Any]]:
    days = [START + timedelta(days=number) for number in range(count)]
    return [{"starts_at": one, "ends_at": one + HOUR} for one in days]
