"""What is signed up for, planned, moved or told afterwards, and how much of it a phone may send."""

from datetime import timedelta
from typing import Any

import pytest

from tests.attendance.factories import NEAR, PLACE, Scene, evidence, make_scene, make_shift, soon
from tests.attendance.test_batches import into, out, send, statuses
from tests.attendance.test_endpoints import check_in, check_out
from volunteer_api.attendance import batches
from volunteer_api.attendance.models import Attendance, WaitingCheckOut
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
BY_PLACE = {"place": NEAR, "accuracy_m": 10}


def codes(shown: Any, member: str = "reasons") -> list[str]:
    return [one["code"] for one in shown[member]]


def planned(client: Any, scene: Scene, *, ago: timedelta, **given: Any) -> str:
    """A shift that the organizer plans and publishes now, though it began so long ago."""
    organizer, now = client.as_(scene.organizer), clock.now()
    times = {"starts_at": clock.stamp(now - ago), "ends_at": clock.stamp(now + 10 * MINUTE)}
    plan = {"title": "清洁家园", "category": "environment_protection", "organization_id": str(scene.organization.id)}
    body = plan | {"sign_up_mode": "open", "place": PLACE, "shifts": [times]} | given
    activity = organizer.post("/activities", json=body, key=str(ids.new_id())).json
    shown = organizer.post(f"/activities/{activity['id']}/publication", key=str(ids.new_id())).json
    return str(shown["shifts"][0]["id"])


def signed_up(client: Any, who: Any, shift_id: Any) -> None:
    answer = client.as_(who).post(f"/shifts/{shift_id}/sign-ups", json={}, key=str(ids.new_id()))
    assert answer.status_code == 201


def served(client: Any, who: Any, shift_id: Any, since: timedelta, **shows: Any) -> Any:
    """She says now that she came so long ago, and leaves; the attendance."""
    phone, shows = client.as_(who), BY_PLACE | shows
    told = evidence(clock.now() - since, **shows)
    came = phone.post("/attendances", json={"shift_id": str(shift_id), "evidence": told}, key=str(ids.new_id()))
    assert came.status_code == 201, came.json
    return check_out(phone, came.json["id"], **shows).json


@pytest.mark.both_databases
@pytest.mark.parametrize("way", ["alone", "in a batch"])
def test_who_signs_up_hours_after_she_came(client: Any, way: str) -> None:
    scene = make_scene(starts_at=soon() - 4 * HOUR, hours=5)
    for person, since, state, reasons in (
        (scene.unsigned, 3 * HOUR, "held", ["weak_evidence", "not_signed_up"]),
        # At the door, as README has it.
        (scene.stranger, 90 * MINUTE, "credited", []),
    ):
        signed_up(client, person, scene.shift.id)
        if way == "alone":
            left = served(client, person, scene.shift.id, since)
        else:
            lines = into("a", scene.shift.id, clock.now() - since), out("b", clock.now(), of="a")
            left = send(client.as_(person), *lines)[1]["attendance"]
        assert (left["state"], codes(left)) == (state, reasons)


def test_who_plans_what_has_begun_proves_nothing_by_its_place(client: Any) -> None:
    scene = make_scene()
    shift_id = planned(client, scene, ago=100 * MINUTE)
    for who in (scene.organizer, scene.stranger):
        signed_up(client, who, shift_id)
    alone = served(client, scene.organizer, shift_id, 99 * MINUTE)
    assert (alone["state"], codes(alone), codes(alone, "check_in_remarks")) == (
        "held",
        ["weak_evidence"],
        ["told_late", "own_place"],
    )
    # Whoever she planned it for is believed, within the two hours.
    assert served(client, scene.stranger, shift_id, 99 * MINUTE)["state"] == "credited"


def test_a_leader_who_adds_a_shift_and_steps_down_is_not_believed_its_place(client: Any) -> None:
    scene = make_scene(starts_at=soon() + 24 * HOUR)
    leader, path, now = client.as_(scene.leader), f"/activities/{scene.activity.id}", clock.now()
    times = {"starts_at": clock.stamp(now - 100 * MINUTE), "ends_at": clock.stamp(now + 5 * MINUTE)}
    shift_id = leader.post(f"{path}/shifts", json=times, key="added").json["id"]
    version = leader.get(path).json["version"]
    assert leader.patch(path, json={"leader_ids": []}, version=version).status_code == 200
    signed_up(client, scene.leader, shift_id)
    left = served(client, scene.leader, shift_id, 99 * MINUTE)
    assert (left["state"], codes(left, "check_in_remarks")) == ("held", ["told_late", "own_place"])


def test_a_shift_that_people_know_of_is_moved_to_a_time_to_come(client: Any) -> None:
    """Else who signed up in time for tomorrow's would have been at one of this morning."""
    scene = make_scene(starts_at=soon() + 24 * HOUR)
    began = {"starts_at": clock.stamp(clock.now() - HOUR), "ends_at": clock.stamp(clock.now() + HOUR)}
    refused = client.as_(scene.organizer).patch(f"/shifts/{scene.shift.id}", json=began, version=scene.shift.version)
    assert (refused.status_code, refused.json["errors"][0]["code"]) == (422, "begins_in_the_past")


@pytest.mark.parametrize(
    ("begins", "since", "members", "answer"),
    [
        # The window opens half an hour before the start.
        (150, 0, {}, "taken"),
        (152, 0, {}, "not_yet"),
        (20 * 24 * 60, 0, {}, "not_yet"),
        (-2 * 60 - 119, 0, {}, "taken"),
        (-2 * 60 - 121, 0, {}, "time_is_over"),
        # Told a day late, of a moment inside.
        (-24 * 60, 24 * 60 - 5, {}, "taken"),
        # An odd clock tells no moment: she signed up, and the day can still be recorded.
        (-24 * 60, 0, {"client_time": "2020-01-01T00:00:00Z"}, "taken"),
        (-30 * 24 * 60, 0, {"client_time": "2020-01-01T00:00:00Z"}, "time_is_over"),
        (20 * 24 * 60, 0, {"client_time": "2020-01-01T00:00:00Z"}, "not_yet"),
    ],
)
@pytest.mark.either_database
def test_when_one_checks_in(
    client: Any, unit: Any, begins: int, since: int, members: dict[str, Any], answer: str
) -> None:
    scene = make_scene(starts_at=soon() + begins * MINUTE)
    told = {"key": "a", "kind": "check_in", "shift_id": str(scene.shift.id)}
    told["evidence"] = evidence(clock.now() - since * MINUTE, **BY_PLACE) | members
    # It costs the other lines of the batch nothing.
    one, other = send(client.as_(scene.volunteer), told, out("b", clock.now(), of="unknown"))
    known = [one["problem"]["code"]] if one["status"] == 409 else []
    assert (one["status"], known) == ((201, []) if answer == "taken" else (409, [answer]))
    assert other["status"] == 202
    alone = check_in(client.as_(scene.volunteer), scene, key="a", at=clock.now() - since * MINUTE)
    assert alone.status_code in (one["status"], 422)
    held = unit(lambda: db.session.query(Attendance).count())
    assert held == (answer == "taken")


def test_an_odd_clock_without_a_sign_up_is_no_way_around_it(client: Any) -> None:
    scene = make_scene(starts_at=soon() - 24 * HOUR)
    told = {"shift_id": str(scene.shift.id), "evidence": {"client_time": "2020-01-01T00:00:00Z"}}
    refused = client.as_(scene.unsigned).post("/attendances", json=told, key="a")
    assert (refused.status_code, refused.json["code"]) == (409, "time_is_over")


@pytest.mark.parametrize("way", ["alone", "in a batch"])
def test_without_a_sign_up_one_is_at_few_shifts_of_a_day(client: Any, unit: Any, way: str) -> None:
    scene = make_scene(starts_at=soon())

    def make(number: int) -> Any:
        with clock.at(soon() - HOUR):
            return make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=soon()).id

    shifts = [unit(lambda number=number: make(number)) for number in range(5)]
    phone = client.as_(scene.stranger)
    if way == "alone":
        told = [{"shift_id": str(one), "evidence": evidence(clock.now())} for one in shifts]
        came = [phone.post("/attendances", json=one, key=str(ids.new_id())).status_code for one in told]
    else:
        came = statuses(send(phone, *(into(str(n), one, clock.now()) for n, one in enumerate(shifts))))
    assert came == [201] * 4 + [409]
    # Of those of the same minutes each ends the one before it.
    rows = phone.get("/me/attendances").json["items"]
    assert [(one["state"], "checked_in_elsewhere" in codes(one)) for one in rows] == [
        ("open", False),
        *[("held", True)] * 3,
    ]


def test_of_long_evidence_what_is_judged_is_kept(client: Any, unit: Any) -> None:
    scene = make_scene()
    long = BY_PLACE | {"note": "好" * 50_000, "code": "x" * 50_000, "place": NEAR | {"note": "好" * 50_000}}
    came = check_in(client.as_(scene.volunteer), scene, **long)
    assert (came.json["grade"], codes(came.json, "check_in_remarks")) == ("medium", ["evidence_cut"])
    [kept] = unit(lambda: [one.check_in_evidence for one in db.session.query(Attendance)])
    assert kept["place"] == NEAR
    assert set(kept) == {"client_time", "place", "accuracy_m"}
    # Of one that waits for its check-in too.
    waits = out("b", clock.now(), of="unknown", note="好" * 50_000)
    assert statuses(send(client.as_(scene.stranger), waits)) == [202]
    [kept] = unit(lambda: [one.evidence for one in db.session.query(WaitingCheckOut)])
    assert "note" not in kept


def test_a_batch_lets_others_in_between(client: Any, unit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not plain is applied a few at a time; the answers are what they were, and so they are again."""
    scene, now = make_scene(starts_at=soon()), clock.now()
    units: list[int] = []
    apply_some = batches._Batch.apply_some

    def counted(self: Any, left: Any) -> Any:
        units.append(len(left.operations))
        return apply_some(self, left)

    monkeypatch.setattr(batches._Batch, "apply_some", counted)
    monkeypatch.setattr(batches, "LONGEST_UNIT", 0)
    # Duties are never plain; each is over before the next begins.
    lines: list[Any] = []
    for number in range(5):
        moment = now - (5 - number) * 10 * MINUTE
        come = into(f"in-{number}", None, moment) | {"station_id": str(scene.station.id)}
        del come["shift_id"]
        lines += [out(f"out-{number}", moment + 5 * MINUTE, of=f"in-{number}"), come]
    first = send(client.as_(scene.stranger), *lines)
    assert statuses(first) == [200, 201] * 5
    assert units == list(range(10, 0, -1))
    again = send(client.as_(scene.stranger), *reversed(lines))
    assert again == first[::-1]
    assert unit(lambda: db.session.query(Attendance).count()) == 5


def test_what_a_phone_may_send_in_a_minute(app: Any, client: Any, change_settings: Any) -> None:
    change_settings(app, limits=True)
    scene = make_scene()
    phone, lines = client.as_(scene.volunteer), [{"key": str(number)} for number in range(100)]
    assert [len(send(phone, *lines)) for _ in range(3)] == [100] * 3
    send(phone, *lines, status=429)
    # Another phone of hers tells of it alone.
    assert check_in(client.as_(scene.volunteer), scene).status_code == 201
    assert check_in(client.as_(scene.volunteer), scene, at=clock.now() - 5 * MINUTE).status_code == 429
    assert statuses(send(client.as_(scene.stranger), lines[0])) == [422]
