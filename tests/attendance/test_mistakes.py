"""What goes wrong with phones and people, and what it costs: nothing that somebody did, and nobody's name."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests.attendance.factories import NEAR, Scene, evidence, loaded_evidence, make_scene, make_shift, soon
from tests.attendance.test_batches import into, out, send, statuses
from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.attendance import batches, check_ins, presence_code, queries, review, service, waiting
from volunteer_api.attendance.closing import close_forgotten
from volunteer_api.attendance.models import Attendance, Decision
from volunteer_api.attendance.problems import (
    AlreadyCheckedIn,
    BeyondAttendance,
    MinutesMissing,
    NeedsOrganizer,
    RecordedByYou,
)
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME
from volunteer_api.hours import service as hours
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.notifications.models import Notification
from volunteer_api.sign_ups import service as sign_ups

# What PostgreSQL does in one statement, SQLite does in several.
pytestmark = pytest.mark.both_databases

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def scene(app: Flask) -> Scene:
    """A shift of two hours that ended an hour ago."""
    return make_scene(starts_at=soon() - 3 * HOUR)


def mine(scene: Scene) -> list[Attendance]:
    """The volunteer's attendances by their beginning."""
    return db.session.query(Attendance).filter_by(volunteer_id=scene.volunteer.id).order_by("checked_in_at").all()


def minutes(scene: Scene) -> list[tuple[str, int, int]]:
    return [(one.state, one.credited_minutes, one.held_minutes) for one in mine(scene)]


def sums(scene: Scene) -> tuple[int, int]:
    """What the tally has credited, and what waits."""
    found = hours.tally(scene.volunteer.id, ALL_TIME)
    return found.credited_minutes, found.held_minutes


def decide(scene: Scene, attendance_id: Any, decision: Decision, credited_minutes: int | None = None) -> Attendance:
    return review.decide(
        attendance_id=UUID(str(attendance_id)),
        reviewer_id=scene.leader.id,
        decision=decision,
        credited_minutes=credited_minutes,
        reason="看过了",
    )


def test_what_was_rejected_is_not_got_by_saying_it_again(client: Any, unit: Any, scene: Scene) -> None:
    phone, began = client.as_(scene.volunteer), scene.shift.starts_at
    first = send(phone, into("a", scene.shift.id, began, place=None), out("b", began + HOUR, of="a", place=None))
    unit(lambda: decide(scene, first[0]["attendance"]["id"], Decision.REJECT))
    # Two days without network, says the phone, and it knows a place now.
    send(phone, into("c", scene.shift.id, began), out("d", began + 2 * HOUR, of="c"))
    assert sorted(unit(lambda: minutes(scene))) == [("held", 0, 120), ("rejected", 0, 0)]
    again = unit(lambda: next(one for one in mine(scene) if one.state == "held"))
    assert (again.grade, again.reasons) == ("medium", ["rejected_before"])
    # Nor does the leader's own word alone make hours of it.
    body = {"entries": [{"volunteer_id": str(scene.volunteer.id), "status": "present"}]}
    client.as_(scene.leader).put(f"/shifts/{scene.shift.id}/roll-call", json=body)
    assert unit(lambda: sums(scene)) == (0, 120)


def test_what_was_rejected_is_not_got_by_a_claim(client: Any, unit: Any, scene: Scene) -> None:
    phone, began = client.as_(scene.volunteer), scene.shift.starts_at
    first = send(phone, into("a", scene.shift.id, began, place=None), out("b", began + HOUR, of="a", place=None))
    unit(lambda: decide(scene, first[0]["attendance"]["id"], Decision.REJECT))
    again = send(phone, into("c", scene.shift.id, began))[0]["attendance"]["id"]
    body = {"left_at": evidence(began + HOUR)["client_time"], "reason": "忘了签退"}
    assert phone.post(f"/attendances/{again}/claim", json=body, key="claim").status_code in (200, 201)
    with pytest.raises(NeedsOrganizer):
        unit(lambda: decide(scene, again, Decision.CREDIT))
    assert unit(lambda: sums(scene)) == (0, 60)


@pytest.mark.parametrize("way", ["batch", "alone", "roll-call"])
def test_a_rejection_stands_whenever_it_was_tapped(client: Any, unit: Any, way: str) -> None:
    scene = make_scene(starts_at=soon() - 45 * HOUR)
    phone, began, late = client.as_(scene.volunteer), scene.shift.starts_at, scene.shift.ends_at + HOUR
    first = send(phone, into("a", scene.shift.id, late), out("b", late + MINUTE, of="a"))
    assert first[1]["attendance"]["state"] == "held"
    unit(lambda: decide(scene, first[0]["attendance"]["id"], Decision.REJECT))
    came, left = evidence(began, place=NEAR), evidence(began + 2 * HOUR, place=NEAR)
    if way == "batch":
        send(phone, into("c", scene.shift.id, began), out("d", began + 2 * HOUR, of="c"))
    else:
        made = phone.post("/attendances", json={"shift_id": str(scene.shift.id), "evidence": came}, key="c").json
        if way == "alone":
            phone.post(f"/attendances/{made['id']}/check-out", json={"evidence": left}, key="d")
        else:
            body = {"entries": [{"volunteer_id": str(scene.volunteer.id), "status": "present"}]}
            client.as_(scene.leader).put(f"/shifts/{scene.shift.id}/roll-call", json=body)
    again = unit(lambda: next(one for one in mine(scene) if one.state != "rejected"))
    assert (again.state, again.credited_minutes, again.reasons) == ("held", 0, ["rejected_before"])
    # What was decided against, a leader alone does not give when it is told once more.
    with pytest.raises(RecordedByYou if way == "roll-call" else NeedsOrganizer):
        unit(lambda: decide(scene, again.id, Decision.CREDIT))


def test_a_rejected_duty_of_an_odd_clock_may_have_been_at_any_time(client: Any, unit: Any) -> None:
    scene = make_scene(starts_at=soon() - DAY)
    noon = unit(lambda: clock.start_of(clock.local_date(scene.shift.starts_at))) + 12 * HOUR
    phone = client.as_(scene.station_manager)

    def serve(key: str, at: Any, **odd: Any) -> Any:
        begin = {"station_id": str(scene.station.id), "evidence": evidence(at, place=NEAR) | odd}
        made = phone.post("/attendances", json=begin, key=key).json
        end = {"evidence": evidence(at + HOUR, place=NEAR) | odd}
        return phone.post(f"/attendances/{made['id']}/check-out", json=end, key=f"{key}-out").json

    first = serve("a", noon, delay_ms=-1)
    assert "clock_odd" in [one["code"] for one in first["reasons"]]
    unit(
        lambda: review.decide(
            attendance_id=UUID(first["id"]), reviewer_id=scene.organizer.id, decision="reject", reason="没有来过"
        )
    )
    assert "rejected_before" in [one["code"] for one in serve("b", noon)["reasons"]]


def test_a_check_out_that_waited_too_long_is_told_of(client: Any, unit: Any, scene: Scene) -> None:
    phone, other, began = client.as_(scene.volunteer), client.as_(scene.volunteer), scene.shift.starts_at
    first = send(phone, into("a", scene.shift.id, began))
    with clock.at(scene.shift.ends_at + 2 * HOUR):
        assert unit(close_forgotten) == 1
        unit(lambda: decide(scene, first[0]["attendance"]["id"], Decision.CREDIT, 60))
    assert send(other, out("d", began + 90 * MINUTE, of="c"))[0]["status"] == 202
    assert send(other, into("c", scene.shift.id, began))[0]["status"] == 409
    [told] = unit(lambda: db.session.query(Notification).filter_by(kind=waiting.CHECK_OUT_TOO_LATE).all())
    assert (told.volunteer_id, told.values["attendance_id"]) == (scene.volunteer.id, first[0]["attendance"]["id"])
    shown = phone.get("/me/attendances").json["items"][0]
    assert (shown["decision_reason"], shown["reviewed_at"] is None) == ("看过了", False)


def test_a_day_has_no_more_duties_than_anybody_can_serve(client: Any, unit: Any, monkeypatch: Any) -> None:
    scene = make_scene(starts_at=soon() - DAY)
    noon = unit(lambda: clock.start_of(clock.local_date(scene.shift.starts_at))) + 12 * HOUR
    monkeypatch.setattr(check_ins, "MOST_DUTIES_A_DAY", 2)

    def serve(number: int, noon: Any = noon) -> Any:
        at = noon + 10 * number * MINUTE
        begin = {"key": f"in-{number}", "kind": "check_in", "station_id": str(scene.station.id)}
        lines = [begin | {"evidence": evidence(at)}, out(f"out-{number}", at + MINUTE, of=f"in-{number}")]
        return send(client.as_(scene.volunteer), *lines)[0]

    assert [serve(number)["status"] for number in range(2)] == [201, 201]
    assert serve(2)["problem"]["code"] == "too_many_attendances"
    assert serve(3, noon - DAY)["status"] == 201


def test_a_rejected_duty_does_not_hold_that_of_another_day(unit: Any) -> None:
    scene = make_scene(starts_at=soon() - 3 * DAY)
    noon = unit(lambda: clock.start_of(clock.local_date(scene.shift.starts_at))) + 12 * HOUR

    def serve(at: Any) -> Attendance:
        given = {"code": unit(lambda: _station_code(scene, at))}
        with clock.at(at):
            made = unit(
                lambda: service.check_in(
                    volunteer_id=scene.volunteer.id,
                    station_id=scene.station.id,
                    evidence=loaded_evidence(at, **given),
                )
            )
        given = {"code": unit(lambda: _station_code(scene, at + HOUR))}
        with clock.at(at + HOUR):
            left: Attendance = unit(
                lambda: service.check_out(
                    attendance=db.session.get_one(Attendance, made.id), evidence=loaded_evidence(at + HOUR, **given)
                )
            )
        return left

    first = serve(noon)
    assert first.state == "credited"
    unit(
        lambda: review.decide(
            attendance_id=first.id, reviewer_id=scene.organizer.id, decision="reject", reason="没有来过"
        )
    )
    assert (serve(noon + 30 * MINUTE).reasons, serve(noon + DAY).reasons) == (["rejected_before"], [])


def _station_code(scene: Scene, moment: Any) -> str:
    return presence_code.code_at(scene.station.id, moment, presence_code.CodeKind.STATION).code


def test_minutes_of_an_odd_clock_can_be_credited(client: Any, unit: Any, scene: Scene) -> None:
    phone, ahead = client.as_(scene.volunteer), scene.shift.starts_at + 730 * DAY
    came, left = send(phone, into("a", scene.shift.id, ahead), out("b", ahead + HOUR, of="a"))
    attendance_id = came["attendance"]["id"]
    assert (left["attendance"]["state"], left["attendance"]["held_minutes"]) == ("held", 0)
    # Nobody knows how long it was, so a reviewer has to say it: none by default would take it away unseen.
    with pytest.raises(MinutesMissing):
        unit(lambda: decide(scene, attendance_id, Decision.CREDIT))
    assert unit(lambda: decide(scene, attendance_id, Decision.CREDIT, 60)).credited_minutes == 60
    [record] = unit(lambda: db.session.query(ServiceRecord).all())
    assert (record.starts_at, record.ends_at) == (scene.shift.starts_at, scene.shift.starts_at + HOUR)


def test_a_tap_on_the_wrong_shift_costs_neither(client: Any, unit: Any, scene: Scene) -> None:
    began, later = scene.shift.starts_at, scene.shift.ends_at + 15 * MINUTE

    def plan() -> Any:
        with clock.at(began - 3 * HOUR):
            shift = make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=later)
            sign_ups.sign_up(shift_id=shift.id, volunteer_id=scene.volunteer.id)
        return shift.id

    other_id, phone = unit(plan), client.as_(scene.volunteer)
    send(phone, into("a", scene.shift.id, began), into("wrong", other_id, began + 5 * MINUTE))
    send(phone, out("b", began + 2 * HOUR, of="a"))
    assert unit(lambda: minutes(scene)) == [("held", 0, 5), ("open", 0, 0)]

    def come() -> None:
        with clock.at(later), pytest.raises(AlreadyCheckedIn) as refused:
            service.check_in(
                volunteer_id=scene.volunteer.id, shift_id=other_id, evidence=loaded_evidence(later, place=NEAR)
            )
        assert refused.value.attendance.checked_in_at == later

    unit(come)
    # The check-in in its time counts, and so what the tap had cut short is whole again.
    assert unit(lambda: minutes(scene)) == [("credited", 120, 0), ("open", 0, 0)]
    assert unit(lambda: mine(scene)[1].reasons) == []
    assert unit(lambda: sums(scene)) == (120, 0)


def test_what_a_mistaken_check_in_cut_short_can_be_credited(client: Any, unit: Any, scene: Scene) -> None:
    began, phone = scene.shift.starts_at, client.as_(scene.volunteer)
    duty = {"key": "w", "kind": "check_in", "station_id": str(scene.station.id)}
    came, _ = send(
        phone, into("a", scene.shift.id, began), duty | {"evidence": evidence(began + 5 * MINUTE, place=NEAR)}
    )
    attendance_id = came["attendance"]["id"]
    assert unit(lambda: minutes(scene))[0] == ("held", 0, 5)
    with pytest.raises(BeyondAttendance):
        unit(lambda: decide(scene, attendance_id, Decision.CREDIT, 121))
    assert unit(lambda: decide(scene, attendance_id, Decision.CREDIT, 110)).credited_minutes == 110
    [record] = unit(lambda: db.session.query(ServiceRecord).all())
    assert (record.starts_at, record.ends_at) == (began, began + 110 * MINUTE)


def test_a_mornings_duty_that_is_told_late_leaves_the_afternoons_alone(client: Any, unit: Any, scene: Scene) -> None:
    day, phone = unit(lambda: clock.start_of(clock.today())) - DAY, client.as_(scene.volunteer)

    def duty(key: str, hour: int) -> dict[str, Any]:
        line = {"key": key, "kind": "check_in", "station_id": str(scene.station.id)}
        return line | {"evidence": evidence(day + hour * HOUR, place=NEAR)}

    assert statuses(send(phone, duty("b", 14))) == [201]
    assert statuses(send(phone, duty("a", 8), out("a-out", day + 10 * HOUR, of="a"))) == [201, 200]
    assert statuses(send(phone, out("b-out", day + 17 * HOUR, of="b"))) == [200]
    assert unit(lambda: minutes(scene)) == [("held", 0, 120), ("held", 0, 180)]


def test_a_claim_outlives_an_earlier_check_in(client: Any, unit: Any, scene: Scene) -> None:
    began, phone = scene.shift.starts_at, client.as_(scene.volunteer)
    [came] = send(phone, into("a", scene.shift.id, began + 10 * MINUTE))
    body = {"left_at": (began + 90 * MINUTE).isoformat(), "reason": "手机没电了"}
    assert phone.post(f"/attendances/{came['attendance']['id']}/claim", json=body, key="c").status_code == 200
    assert statuses(send(phone, into("z", scene.shift.id, began))) == [409]
    [found] = unit(lambda: mine(scene))
    assert (found.state, found.reasons) == ("held", ["forgotten_check_out", "claimed"])
    assert (found.checked_in_at, found.held_minutes, unit(lambda: sums(scene))) == (began, 90, (0, 90))


def test_a_check_out_that_was_given_up_counts_when_it_is_sent_again(client: Any, unit: Any, scene: Scene) -> None:
    began, phone = scene.shift.starts_at, client.as_(scene.volunteer)
    late = out("o", began + HOUR, of="a")

    def give_up() -> int:
        with clock.at(clock.now() + 73 * HOUR):
            return waiting.tell_unmatched()

    for _ in range(2):
        assert statuses(send(phone, late)) == [202]
        assert unit(give_up) == 1
    told = unit(lambda: db.session.query(Notification).filter_by(kind="check_out_unmatched").count())
    assert told >= 1
    assert statuses(send(phone, late, into("a", scene.shift.id, began))) == [200, 201]
    assert unit(lambda: minutes(scene)) == [("credited", 60, 0)]


def test_nobodys_name_is_learned_by_a_number(
    app: Flask, client: Any, unit: Any, scene: Scene, change_settings: Any
) -> None:
    change_settings(app, limits=True)
    other: Volunteer = unit(lambda: make_volunteer(name="别人"))
    leader = client.as_(scene.leader)
    nobody = "+8613900009999"

    def call(*entries: dict[str, Any]) -> list[dict[str, Any]]:
        answer = leader.put(f"/shifts/{scene.shift.id}/roll-call", json={"entries": list(entries)})
        results: list[dict[str, Any]] = answer.json["results"]
        return results

    found = call(
        *({"phone": phone, "status": status} for status in ("absent", "excused") for phone in (other.phone, nobody))
    )
    assert {(one["volunteer"], one["status"], one["problem"]["code"]) for one in found} == {(None, 409, "not_expected")}
    # Tried too often, one learns nothing more.
    for _ in range(2):
        found = call(*[{"phone": other.phone, "status": "absent"}] * 60)
    assert found[-1]["problem"]["code"] == "too_many_requests"
    # Who vouches that she is there hears who it is, and she hears of it.
    [found_here] = call({"phone": other.phone, "status": "present"})
    assert (found_here["status"], found_here["volunteer"]["name"]) == (200, "别人")
    code = f"https://x/c/v/{scene.volunteer.volunteer_number}/00000000"
    scan = {"key": "1", "kind": "check_in", "evidence": evidence(clock.now(), code=code)}
    [result] = leader.post(f"/shifts/{scene.shift.id}/scans", json={"scans": [scan]}).json["results"]
    assert (result["status"], result["volunteer"]) == (409, None)


def test_what_is_told_before_much_else_costs_no_more_than_both(
    client: Any, unit: Any, scene: Scene, statements: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone, now = client.as_(scene.volunteer), soon()

    def duties(first: int, many: int) -> list[dict[str, Any]]:
        """Short ones, an hour and more ago, each before the one before it."""
        lines = []
        for number in range(first, first + many):
            began = now - HOUR - number * 20 * MINUTE
            lines += [
                {
                    "key": f"in-{number}",
                    "kind": "check_in",
                    "station_id": str(scene.station.id),
                    "evidence": evidence(began, place=NEAR),
                },
                out(f"out-{number}", began + 5 * MINUTE, of=f"in-{number}"),
            ]
        return lines

    monkeypatch.setattr(batches, "LONGEST_UNIT", 60)
    with statements() as alone:
        send(phone, *duties(0, 8))
    with statements() as before:
        assert set(statuses(send(phone, *duties(8, 8)))) == {200, 201}
    # Each of the eight that follow is looked at once in a unit, not sixteen times.
    assert len(before) < 2 * len(alone) + 8 * 10, (len(before), len(alone))
    assert unit(lambda: sums(scene)) == (0, sum(held for _, _, held in unit(lambda: minutes(scene))))
    # Nobody has so many in three days; what comes on top is named, and taken once somebody has looked at them.
    monkeypatch.setattr(queries, "MOST_AROUND", 15)
    refused, _ = send(phone, *duties(16, 1))
    assert (refused["status"], refused["problem"]["code"]) == (409, "too_many_attendances")
    monkeypatch.undo()
    assert send(phone, *duties(16, 1))[0]["status"] == 201
