"""Somebody taps more than once: nothing vanishes, nothing is invented, and the answer says what became of it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.attendance.factories import FAR, NEAR, PLACE, Scene, evidence, make_scene, make_shift, soon
from tests.attendance.test_batches import into, out, send
from tests.factories import make_volunteer
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.attendance import handlers, presence_code
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.sign_ups.models import SignUp, SignUpState

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# Minutes of the shift, and what the tap is worth.
Taps = list[tuple[int, str]]
PLACES: dict[str, Any] = {"good": NEAR, "weak": None}
# Check-ins, check-outs, and what comes of them: the state, the minutes that count and that wait, the grade and why.
STORIES: dict[str, tuple[Taps, Taps, tuple[str, int, int, str, list[str]]]] = {
    "a slip, and the real check-out": ([(0, "good")], [(1, "good"), (60, "good")], ("credited", 60, 0, "medium", [])),
    "a slip alone": ([(0, "good")], [(1, "good")], ("credited", 1, 0, "medium", [])),
    "a slip, and a weak check-out": (
        [(0, "good")],
        [(1, "good"), (60, "weak")],
        ("held", 0, 60, "weak", ["weak_evidence"]),
    ),
    "a break": (
        [(0, "good"), (40, "good")],
        [(30, "good"), (60, "good")],
        ("held", 30, 30, "medium", ["later_check_out"]),
    ),
    "a double tap": ([(0, "good"), (2, "good")], [(60, "good"), (63, "good")], ("credited", 60, 0, "medium", [])),
    "a tap before the phone knew its place": (
        [(0, "weak"), (2, "good")],
        [(60, "good")],
        ("credited", 58, 0, "medium", []),
    ),
    "a weak tap eight minutes before": (
        [(0, "weak"), (8, "good")],
        [(60, "good")],
        ("held", 52, 8, "medium", ["earlier_check_in"]),
    ),
    "a weak check-out, and at once a better one": (
        [(0, "good")],
        [(60, "weak"), (62, "good")],
        ("credited", 62, 0, "medium", []),
    ),
    "a weak check-out, and long after it a better one": (
        [(0, "good")],
        [(40, "weak"), (60, "good")],
        ("held", 40, 20, "medium", ["later_check_out"]),
    ),
    "back after the last check-out": (
        [(0, "weak"), (60, "good")],
        [(40, "weak")],
        ("held", 0, 40, "weak", ["weak_evidence"]),
    ),
}


@pytest.fixture
def scene(app: Flask) -> Scene:
    """A shift of two hours that began two hours ago."""
    return make_scene(starts_at=soon() - 2 * HOUR)


def make_person(scene: Scene) -> Any:
    """Somebody with a place in the shift."""
    volunteer = make_volunteer()
    has_place(volunteer, scene.shift)
    return volunteer


def has_place(volunteer: Any, shift: Any) -> None:
    """Since an hour before the shift; by hand, for nobody signs up for what is over."""
    given = {"volunteer_id": volunteer.id, "shift_id": shift.id, "created_at": shift.starts_at - HOUR}
    db.session.add(SignUp(state=SignUpState.CONFIRMED, **given))


def outcome(volunteer_id: Any) -> tuple[Any, ...]:
    [one] = db.session.query(Attendance).filter_by(volunteer_id=volunteer_id).all()
    ledger = sum(row.minutes for row in db.session.query(ServiceRecord).filter_by(volunteer_id=volunteer_id))
    assert ledger == one.credited_minutes
    return one.state, one.credited_minutes, one.held_minutes, one.grade, list(one.reasons)


@pytest.mark.either_database
@pytest.mark.parametrize("story", STORIES)
def test_in_whatever_order_taps_come(client: Any, unit: Any, scene: Scene, story: str) -> None:
    came, left, expected = STORIES[story]
    began = scene.shift.starts_at
    lines = [
        into(f"in-{number}", scene.shift.id, began + minute * MINUTE, place=PLACES[worth])
        for number, (minute, worth) in enumerate(came)
    ] + [
        out(f"out-{number}", began + minute * MINUTE, of="in-0", place=PLACES[worth])
        for number, (minute, worth) in enumerate(left)
    ]
    # In order, at once, backwards; and the check-outs before the check-in that they name.
    for order in (lines, [lines], lines[::-1], lines[len(came) :] + lines[: len(came)]):
        volunteer = unit(lambda: make_person(scene))
        for sent in order:
            send(client.as_(volunteer), *(sent if isinstance(sent, list) else [sent]))
        assert unit(lambda volunteer=volunteer: outcome(volunteer.id)) == expected


def post(phone: Any, path: str, key: str, at: datetime, **members: Any) -> Any:
    target = {name: members.pop(name) for name in ("shift_id",) if name in members}
    return phone.post(path, json=target | {"evidence": evidence(at, **members)}, key=key)


def test_a_check_out_by_mistake_is_mended_by_the_real_one(client: Any, scene: Scene) -> None:
    phone, began = client.as_(scene.volunteer), scene.shift.starts_at
    made = post(phone, "/attendances", "in", began, shift_id=str(scene.shift.id), place=NEAR).json
    path = f"/attendances/{made['id']}/check-out"
    assert post(phone, path, "slip", began + MINUTE, place=NEAR).json["credited_minutes"] == 1
    # Nothing new, and nothing is lost by it.
    again = post(phone, path, "again", began + MINUTE, place=NEAR)
    assert (again.status_code, again.json["code"], again.json["counts"]) == (409, "already_checked_out", False)
    real = post(phone, path, "real", began + HOUR, place=NEAR)
    assert (real.status_code, real.json["state"], real.json["credited_minutes"]) == (200, "credited", 60)
    # Later still: that waits for the leader, who sees all taps, and may credit what lies between.
    last = post(phone, path, "last", began + 90 * MINUTE, place=NEAR)
    assert (last.status_code, last.json["state"], last.json["credited_minutes"], last.json["held_minutes"]) == (
        *(200, "held"),
        *(60, 30),
    )
    [held] = client.as_(scene.leader).get("/attendances?state=held").json["items"]
    assert [(one["end"], one["grade"]) for one in held["taps"]] == [("check_out", "medium")] * 3
    body = {"decision": "credit", "reason": "一直在"}
    answer = client.as_(scene.leader).post(f"/attendances/{made['id']}/review", json=body, key="review")
    assert (answer.json["state"], answer.json["credited_minutes"], answer.json["held_minutes"]) == ("credited", 90, 0)


def test_a_code_after_a_tap_without_a_place(client: Any, scene: Scene) -> None:
    phone, began = client.as_(scene.volunteer), scene.shift.starts_at
    made = post(phone, "/attendances", "in", began, shift_id=str(scene.shift.id)).json
    assert made["check_in_grade"] == "weak"
    better = post(phone, "/attendances", "code", began + 2 * MINUTE, shift_id=str(scene.shift.id), place=NEAR)
    assert (better.status_code, better.json["code"], better.json["counts"]) == (409, "already_checked_in", True)
    assert better.json["detail"] == "这次打卡也计算在内，到岗情况以现在显示的为准。"
    assert better.json["attendance"]["check_in_grade"] == "medium"
    # A weak tap that comes late from another phone spoils nothing.
    weak = post(phone, "/attendances", "late", began - 8 * MINUTE, shift_id=str(scene.shift.id), place=FAR)
    assert weak.json["attendance"]["check_in_grade"] == "medium"


def test_no_minute_is_made_by_tapping_often(client: Any, unit: Any, scene: Scene) -> None:
    """The first check-out that is no slip ends what counts, in whatever order they come."""
    began = scene.shift.starts_at
    for minutes in ((7, 40, 100), (100, 40, 7)):
        volunteer = unit(lambda: make_person(scene))
        phone = client.as_(volunteer)
        send(phone, into("in", scene.shift.id, began))
        for minute in minutes:
            send(phone, out(f"out-{minute}", began + minute * MINUTE, of="in"))
        assert unit(lambda volunteer=volunteer: outcome(volunteer.id))[1:3] == (7, 93)


@pytest.mark.either_database
@pytest.mark.parametrize(
    ("came", "left", "named", "afterwards", "expected"),
    [
        # The leader's list comes before the check-out.
        ([(0, "weak"), (60, "good")], [], {"arrived_at": 60}, [(119, "good")], ("held", 60, 60)),
        ([(0, "weak")], [(30, "good"), (110, "weak")], {"arrived_at": 0, "left_at": 30}, [], ("held", 30, 80)),
        ([(0, "weak"), (60, "good")], [(90, "weak")], {"arrived_at": 60, "left_at": 90}, [], ("held", 30, 60)),
    ],
)
def test_a_leaders_word_credits_nothing_that_waits(
    client: Any, unit: Any, scene: Scene, came: Taps, left: Taps, named: dict[str, int], afterwards: Taps, expected: Any
) -> None:
    """What a better tap proved stands; of what lies beside it a second person says whether it counts."""
    began, phone = scene.shift.starts_at, client.as_(scene.volunteer)

    for number, (minute, worth) in enumerate(came):
        send(phone, into(f"in{number}", scene.shift.id, began + minute * MINUTE, place=PLACES[worth]))
    for number, (minute, worth) in enumerate(left):
        send(phone, out(f"out{number}", began + minute * MINUTE, of="in0", place=PLACES[worth]))
    entry = {"volunteer_id": str(scene.volunteer.id), "status": "present"}
    entry |= {name: clock.stamp(began + minute * MINUTE) for name, minute in named.items()}
    answer = client.as_(scene.leader).put(f"/shifts/{scene.shift.id}/roll-call", json={"entries": [entry]})
    assert answer.status_code == 200
    for number, (minute, worth) in enumerate(afterwards):
        send(phone, out(f"late{number}", began + minute * MINUTE, of="in0", place=PLACES[worth]))
    assert unit(lambda: outcome(scene.volunteer.id))[:3] == expected


def test_a_part_of_a_minute_waits_for_nobody(client: Any, unit: Any, scene: Scene) -> None:
    """Out half a minute before the end, and once more after it."""
    began, phone = scene.shift.starts_at, client.as_(scene.volunteer)
    send(phone, into("in", scene.shift.id, began))
    for number, minutes in enumerate((119.5, 126)):
        send(phone, out(f"out{number}", began + minutes * MINUTE, of="in"))
    assert unit(lambda: outcome(scene.volunteer.id))[:3] == ("credited", 119, 0)


def test_a_stray_check_out_makes_no_journey(client: Any, unit: Any, scene: Scene) -> None:
    """The place of the check-out that counts is where she was then, and not at the hour of a later one."""
    began = scene.shift.starts_at
    far = {"lat": PLACE["lat"] + 0.045, "lng": PLACE["lng"]}

    def build() -> tuple[Any, Any]:
        with clock.at(began - 3 * HOUR):
            other = make_shift(
                organization=scene.organization, created_by=scene.organizer, starts_at=began, hours=2, place=far
            )
        volunteer = make_person(scene)
        has_place(volunteer, other)
        return other.id, volunteer

    other_id, volunteer = unit(build)
    phone = client.as_(volunteer)
    send(phone, into("a", scene.shift.id, began), out("b", began + 30 * MINUTE, of="a"))
    send(phone, into("c", other_id, began + 45 * MINUTE, place=far))
    send(phone, out("d", began + 80 * MINUTE, of="c", place=far))
    send(phone, out("e", began + 100 * MINUTE, of="a", place=None))
    found = unit(
        lambda: [
            (one.credited_minutes, "impossible_travel" in one.reasons)
            for one in db.session.query(Attendance)
            .filter_by(volunteer_id=volunteer.id)
            .order_by(Attendance.checked_in_at)
        ]
    )
    assert sorted(found) == [(30, False), (35, False)]


def test_taps_are_exported_and_erased(client: Any, unit: Any, scene: Scene) -> None:
    phone, began = client.as_(scene.volunteer), scene.shift.starts_at
    send(phone, into("a", scene.shift.id, began), out("b", began + 10 * MINUTE, of="a"))
    send(phone, out("c", began + 30 * MINUTE, of="a", note="在河边"))
    assert "在河边" in str(unit(lambda: handlers.attendances(scene.volunteer.id)))
    unit(lambda: handlers.strip_evidence(VolunteerErased(scene.volunteer.id, "")))
    assert unit(lambda: db.session.query(Attendance.taps).scalar()) is None


def test_a_desk_learns_of_what_was_done_before(client: Any, unit: Any, scene: Scene) -> None:
    """And after a slip the desk's own reading of her code ends it."""
    began = scene.shift.starts_at
    number = scene.volunteer.volunteer_number

    def scan(kind: str, minute: int, by: Any = scene.organizer) -> Any:
        at = began + minute * MINUTE

        def text() -> str:
            code = presence_code.code_at(number, at, CodeKind.VOLUNTEER).code
            return presence_code.qr_text(number, code, CodeKind.VOLUNTEER)

        line = {"key": f"{kind}-{minute}", "kind": kind, "evidence": evidence(at, code=unit(text))}
        return client.as_(by).post(f"/shifts/{scene.shift.id}/scans", json={"scans": [line]}).json["results"][0]

    assert scan("check_in", 0)["status"] == 201
    assert scan("check_out", 1)["attendance"]["credited_minutes"] == 1
    again = scan("check_in", 2)
    assert (again["status"], again["problem"]["detail"]) == (409, "此前已在此签到。")
    assert again["attendance"]["checked_out_at"] is not None
    real = scan("check_out", 60)
    assert (real["status"], real["attendance"]["state"], real["attendance"]["credited_minutes"]) == (
        200,
        "credited",
        60,
    )
    # A tablet that repeats what it sent finds what it did.
    assert scan("check_out", 60) == real
    # Whose word alone is behind minutes does not credit them, whichever of the taps it is.
    assert scan("check_out", 90, scene.leader)["attendance"]["held_minutes"] == 30
    body = {"decision": "credit", "reason": "在场"}
    refused = client.as_(scene.leader).post(f"/attendances/{real['attendance']['id']}/review", json=body, key="review")
    assert (refused.status_code, refused.json["code"]) == (403, "recorded_by_you")


def test_who_is_held_by_another_tap_hears_of_it(client: Any, unit: Any, scene: Scene) -> None:
    began = scene.shift.starts_at

    def plan() -> Any:
        with clock.at(began - HOUR):
            return make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=began).id

    shift_id = unit(plan)
    lines = [into("a", scene.shift.id, began), into("b", shift_id, began + 40 * MINUTE)]
    for volunteer, together in ((scene.volunteer, False), (scene.unsigned, True)):
        phone = client.as_(volunteer)
        for sent in [lines] if together else [[line] for line in lines]:
            send(phone, *sent)
        kinds = [one["kind"] for one in phone.get("/me/notifications").json["items"]]
        assert kinds.count("attendance_held") == 1


def test_a_check_out_that_waited_is_shown_once_it_is_carried_out(client: Any, scene: Scene) -> None:
    phone, began = client.as_(scene.volunteer), scene.shift.starts_at
    late = out("b", began + HOUR, of="a")
    [waits] = send(phone, late)
    assert send(phone, late) == [waits]
    send(phone, into("a", scene.shift.id, began))
    [since] = send(phone, late)
    assert (since["status"], since["kept_until"], since["attendance"]["state"]) == (
        202,
        waits["kept_until"],
        "credited",
    )
    assert since["detail"] == "对应的签到已收到，此次签退已随签到办理。"


@pytest.mark.either_database
def test_the_networks_time_costs_no_minute(client: Any, scene: Scene) -> None:
    """The check-in took 300 ms to arrive, and the check-out none."""
    phone, began = client.as_(scene.volunteer), scene.shift.starts_at
    sent = clock.now()

    def told(at: datetime) -> dict[str, Any]:
        return {"delay_ms": (sent - at) // timedelta(milliseconds=1), "place": NEAR}

    with clock.at(sent + timedelta(milliseconds=300)):
        made = post(phone, "/attendances", "in", began, shift_id=str(scene.shift.id), **told(began)).json
    with clock.at(sent):
        left = post(phone, f"/attendances/{made['id']}/check-out", "out", began + HOUR, **told(began + HOUR)).json
    assert left["credited_minutes"] == 60
