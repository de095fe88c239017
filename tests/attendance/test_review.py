"""Reviews: what waits is decided by somebody else, with a reason, and no further than it goes."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from tests.attendance.factories import NEAR, Scene, loaded_evidence, make_scene, make_shift, soon
from tests.factories import make_volunteer
from tests.organizations.factories import make_grant
from volunteer_api.accounts.models import Volunteer
from volunteer_api.attendance import review, roll_call, service
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.attendance.problems import (
    AlreadyReviewed,
    BeyondAttendance,
    MinutesMissing,
    NeedsOrganizer,
    OwnReview,
    RecordedByYou,
    StillOpen,
)
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME
from volunteer_api.core.problems import Conflict
from volunteer_api.hours import service as hours
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations.models import Role

# What PostgreSQL does in one statement, SQLite does in several.
pytestmark = pytest.mark.both_databases

HOUR = timedelta(hours=1)


@pytest.fixture
def scene(app: Any) -> Scene:
    """A shift of two hours that ended an hour ago."""
    return make_scene(starts_at=soon() - 3 * HOUR)


def attend(scene: Scene, volunteer: Volunteer, *, left: bool = True, **evidence: Any) -> UUID:
    """An attendance of the whole shift, without a code or a place."""
    start, end = scene.shift.starts_at, scene.shift.ends_at
    with clock.at(start):
        made = service.check_in(
            volunteer_id=volunteer.id, shift_id=scene.shift.id, evidence=loaded_evidence(start, **evidence)
        )
    if left:
        with clock.at(end):
            service.check_out(attendance=made, evidence=loaded_evidence(end, **evidence))
    return made.id


def sums(volunteer: Volunteer) -> tuple[int, int]:
    """What the tally has credited, and what waits."""
    found = hours.tally(volunteer.id, ALL_TIME)
    return found.credited_minutes, found.held_minutes


def told(volunteer: Volunteer) -> list[str]:
    query = db.session.query(Notification).filter_by(volunteer_id=volunteer.id)
    return [one.kind for one in query.order_by(Notification.id)]


def test_the_queue_shows_what_a_reviewer_needs(client: Any, unit: Any, scene: Scene, statements: Any) -> None:
    attendance_id = unit(lambda: attend(scene, scene.unsigned, place=NEAR, accuracy_m=20))
    leader = client.as_(scene.leader)
    with statements() as seen:
        [found] = leader.get("/attendances").json["items"]
    few = len(seen)
    assert (found["id"], found["state"], found["held_minutes"]) == (str(attendance_id), "held", 120)
    assert [one["code"] for one in found["reasons"]][:2] == ["weak_evidence", "not_signed_up"]
    assert (found["volunteer"]["name"], found["volunteer"]["phone"][3:7]) == ("unsigned", "****")
    assert (found["shift"]["id"], found["activity"]["id"]) == (str(scene.shift.id), str(scene.activity.id))
    assert (found["sign_up_state"], found["roll_call"], found["claim"]) == (None, None, None)
    assert (found["check_in"]["grade"], found["check_in"]["has_code"]) == ("weak", False)
    points = {one["properties"]["role"]: one for one in found["map"]["features"]}
    assert points["fence"]["geometry"] == {"type": "Point", "coordinates": [113.33, 33.735]}
    assert points["fence"]["properties"]["radius_m"] == 300
    assert points["check_in"]["geometry"]["coordinates"] == [NEAR["lng"], NEAR["lat"]]
    assert points["check_out"]["properties"]["accuracy_m"] == 20
    assert 105 <= points["check_out"]["properties"]["distance_m"] <= 115
    assert not found["is_late"]
    assert found["due_on"] > str(scene.shift.ends_at.date())
    # Who read whose places is kept, and as many statements serve as many rows.
    read = unit(lambda: db.session.query(AuditEntry).filter_by(action=AuditAction.DATA_READ).one())
    assert read.details == {"what": "attendance_evidence", "attendance_ids": str(attendance_id)}
    unit(lambda: [attend(scene, make_volunteer()) for _ in range(3)])
    with statements() as seen:
        assert len(leader.get("/attendances?limit=100").json["items"]) == 4
    assert len(seen) == few
    for path, count in (
        (f"?shift_id={scene.shift.id}", 4),
        (f"?activity_id={scene.activity.id}&grade=weak", 4),
        (f"?organization_id={scene.organization.id}&reason=not_signed_up", 4),
        (f"?station_id={scene.station.id}&reason=clock_odd", 0),
        ("?grade=strong", 0),
        ("?late=true", 0),
        ("?late=false&limit=100", 4),
        (f"?to={scene.shift.starts_at.date() - timedelta(days=2)}", 0),
        (f"?from={scene.shift.starts_at.date() - timedelta(days=2)}", 4),
    ):
        assert len(leader.get(f"/attendances{path}").json["items"]) == count, path


def test_who_sees_the_queue_and_in_which_order(client: Any, unit: Any, scene: Scene) -> None:
    def prepare() -> list[UUID]:
        earlier = make_shift(
            organization=scene.organization, created_by=scene.organizer, starts_at=soon() - timedelta(days=30)
        )
        with clock.at(earlier.starts_at):
            old = service.check_in(
                volunteer_id=scene.volunteer.id, shift_id=earlier.id, evidence=loaded_evidence(clock.now())
            )
        with clock.at(earlier.ends_at):
            service.check_out(attendance=old, evidence=loaded_evidence(clock.now()))
        return [old.id, attend(scene, scene.volunteer), attend(scene, scene.leader)]

    old, new, own = [str(one) for one in unit(prepare)]

    def seen(person: Volunteer, query: str = "") -> list[str]:
        return [one["id"] for one in client.as_(person).get(f"/attendances{query}").json["items"]]

    assert seen(scene.organizer) == [old, new, own]
    # Her own is not hers to decide.
    assert seen(scene.leader) == [new]
    assert seen(scene.inspector) == seen(scene.stranger) == seen(scene.volunteer) == []
    assert seen(scene.organizer, "?late=true") == [old]
    first = client.as_(scene.organizer).get("/attendances?limit=1").json
    rest = client.as_(scene.organizer).get(f"/attendances?limit=2&cursor={first['next_cursor']}").json
    assert [one["id"] for one in (*first["items"], *rest["items"])] == [old, new, own]


def test_a_duty_is_reviewed_by_those_who_manage_the_station(client: Any, unit: Any, scene: Scene) -> None:
    def serve() -> UUID:
        with clock.at(scene.shift.starts_at):
            made = service.check_in(
                volunteer_id=scene.stranger.id, station_id=scene.station.id, evidence=loaded_evidence(clock.now())
            )
        with clock.at(scene.shift.ends_at):
            return service.check_out(attendance=made, evidence=loaded_evidence(clock.now())).id

    unit(serve)
    assert client.as_(scene.leader).get("/attendances").json["items"] == []
    manager = client.as_(scene.station_manager)
    [found] = manager.get(f"/attendances?station_id={scene.station.id}").json["items"]
    assert (found["station"]["name"], found["shift"], found["activity"]) == (scene.station.name, None, None)
    assert found["map"]["features"][0]["properties"] == {"role": "fence", "radius_m": 300}
    body = {"decision": "credit", "reason": "值守属实。"}
    path = f"/attendances/{found['id']}/review"
    with client.app.app_context():
        day = clock.local_date(scene.shift.starts_at)
    listed = manager.get(f"/stations/{scene.station.id}/attendances?on={day}").json["items"]
    assert listed == [found]
    before = manager.get(f"/stations/{scene.station.id}/attendances?on={day - timedelta(days=1)}")
    assert before.json["items"] == []
    assert client.as_(scene.leader).post(path, json=body, key="1").status_code == 404
    assert client.as_(scene.inspector).post(path, json=body, key="2").status_code == 403
    assert manager.post(path, json=body, key="3").json["credited_minutes"] == found["held_minutes"] > 0
    assert unit(lambda: sums(scene.stranger)) == (found["held_minutes"], 0)


def test_a_manager_sees_who_came_to_a_shift_at_the_station_but_not_their_places(
    client: Any, unit: Any, scene: Scene
) -> None:
    unit(lambda: attend(scene, scene.volunteer, place=NEAR))
    day = unit(lambda: clock.local_date(scene.shift.starts_at))
    path = f"/stations/{scene.station.id}/attendances?on={day}"
    manager = client.as_(scene.station_manager)
    assert manager.get(f"/shifts/{scene.shift.id}/attendances").status_code == 403
    [seen] = manager.get(path).json["items"]
    assert (seen["volunteer"]["name"], seen["check_in"]["grade"]) == ("volunteer", "medium")
    assert [one["properties"]["role"] for one in seen["map"]["features"]] == ["fence"]
    assert seen["check_in"]["client_time"] is None
    [seen] = client.as_(scene.organizer).get(path).json["items"]
    assert [one["properties"]["role"] for one in seen["map"]["features"]] == ["fence", "check_in", "check_out"]


def test_what_is_credited_but_flagged_is_looked_at(client: Any, unit: Any, scene: Scene) -> None:
    def flag() -> list[UUID]:
        made = [attend(scene, one) for one in (scene.volunteer, scene.unsigned)]
        for one in made:
            review.decide(attendance_id=one, reviewer_id=scene.organizer.id, decision="credit", reason="好")
            db.session.get_one(Attendance, one).flagged = True
        return made

    kept, doubted = unit(flag)
    leader = client.as_(scene.leader)
    assert [one["id"] for one in leader.get("/attendances?flagged=true").json["items"]] == [str(kept), str(doubted)]
    assert leader.get("/attendances").json["items"] == []
    decided = unit(lambda: decide(kept, scene.leader, correction=False))
    assert (decided.credited_minutes, decided.flagged) == (120, False)
    with pytest.raises(NeedsOrganizer):
        unit(lambda: decide(doubted, scene.leader, "reject", correction=False))
    unit(lambda: decide(doubted, scene.organizer, "reject", correction=False))
    assert unit(lambda: (sums(scene.volunteer), sums(scene.unsigned))) == ((120, 0), (0, 0))


def test_a_review_credits_or_rejects_and_tells_why(client: Any, unit: Any, scene: Scene) -> None:
    credited, reduced, rejected = unit(
        lambda: [attend(scene, one) for one in (scene.volunteer, scene.unsigned, scene.stranger)]
    )
    assert unit(lambda: sums(scene.volunteer)) == (0, 120)
    leader = client.as_(scene.leader)

    def decide(attendance_id: UUID, decision: str, **body: Any) -> Any:
        body = {"decision": decision, "reason": "现场照片可证。", **body}
        return leader.post(f"/attendances/{attendance_id}/review", json=body, key=f"review-{attendance_id}")

    answer = decide(credited, "credit")
    assert (answer.status_code, answer.json["state"]) == (200, "credited")
    assert (answer.json["credited_minutes"], answer.json["held_minutes"]) == (120, 0)
    assert decide(reduced, "credit", credited_minutes=60).json["credited_minutes"] == 60
    assert decide(rejected, "reject").json["state"] == "rejected"
    people = (scene.volunteer, scene.unsigned, scene.stranger)
    assert unit(lambda: [sums(one) for one in people]) == [(120, 0), (60, 0), (0, 0)]
    assert unit(lambda: [told(one)[-1] for one in people]) == [
        "hours_credited",
        "attendance_reviewed",
        "attendance_rejected",
    ]
    record = unit(lambda: db.session.query(ServiceRecord).filter_by(attendance_id=reduced).one())
    assert (record.minutes, record.approver_id, record.reason) == (60, scene.leader.id, "现场照片可证。")
    inbox = client.as_(scene.stranger).get("/me/notifications").json["items"]
    assert "现场照片可证。" in inbox[0]["body"]
    entry = unit(lambda: db.session.query(AuditEntry).filter_by(subject_id=scene.stranger.id).one())
    assert (entry.action, entry.details["decision"]) == (AuditAction.ATTENDANCE_REVIEWED, "reject")
    # The same tap again, and then another one's.
    assert decide(rejected, "reject").headers["Idempotency-Replayed"] == "true"
    again = client.as_(scene.organizer).post(
        f"/attendances/{rejected}/review", json={"decision": "credit", "reason": "!"}, key="late"
    )
    assert (again.status_code, again.json["code"]) == (409, "already_reviewed")
    assert again.json["attendance"]["state"] == "rejected"


def test_nobody_decides_on_her_own(client: Any, unit: Any, scene: Scene) -> None:
    own = unit(lambda: attend(scene, scene.leader))
    body = {"decision": "credit", "reason": "我在。"}
    answer = client.as_(scene.leader).post(f"/attendances/{own}/review", json=body, key="own")
    assert (answer.status_code, answer.json["code"]) == (403, "own_review")
    bulk = {"decisions": [{"attendance_id": str(own), **body}]}
    [result] = client.as_(scene.leader).post("/attendances/reviews", json=bulk, key="own-2").json["results"]
    assert (result["status"], result["problem"]["code"]) == (403, "own_review")
    with pytest.raises(OwnReview):
        unit(lambda: review.decide(attendance_id=own, reviewer_id=scene.leader.id, decision="credit", reason="!"))
    # And the database says so too, whoever writes.
    table = Attendance.__table__
    for name in ("reviewed_by", "check_in_recorder_id", "check_out_recorder_id"):
        written = table.update().where(table.c.id == own).values({name: scene.leader.id})
        with pytest.raises(Conflict) as refused:
            unit(lambda written=written: db.session.execute(written))
        assert isinstance(refused.value.__cause__, IntegrityError)
    assert unit(lambda: sums(scene.leader)) == (0, 120)


def decide(attendance_id: UUID, by: Volunteer, decision: str = "credit", **options: Any) -> Attendance:
    return review.decide(
        attendance_id=attendance_id, reviewer_id=by.id, decision=decision, **{"reason": "看过。", **options}
    )


def test_what_an_attendance_can_count_for(unit: Any, scene: Scene) -> None:
    def prepare() -> list[UUID]:
        # The last half of the shift is credited at another one already.
        other = make_shift(
            organization=scene.organization, created_by=scene.organizer, starts_at=scene.shift.starts_at + HOUR, hours=1
        )
        hours.credit(
            volunteer_id=scene.volunteer.id,
            minutes=60,
            activity=scene.activity,
            shift=other,
            starts_at=other.starts_at,
            ends_at=other.ends_at,
        )
        return [attend(scene, scene.volunteer), attend(scene, scene.unsigned, left=False)]

    overlapping, still_open = unit(prepare)
    with pytest.raises(BeyondAttendance) as refused:
        unit(lambda: decide(overlapping, scene.leader))
    assert refused.value.members == {"most_minutes": 60}
    assert unit(lambda: decide(overlapping, scene.leader, credited_minutes=60)).credited_minutes == 60
    with pytest.raises(StillOpen):
        unit(lambda: decide(still_open, scene.leader, decision="reject"))

    def forget() -> None:
        attendance = db.session.get_one(Attendance, still_open)
        attendance.state, attendance.reasons = State.HELD, ["forgotten_check_out"]

    unit(forget)
    with pytest.raises(MinutesMissing):
        unit(lambda: decide(still_open, scene.leader))
    with pytest.raises(BeyondAttendance):
        unit(lambda: decide(still_open, scene.leader, credited_minutes=121))
    assert unit(lambda: decide(still_open, scene.leader, credited_minutes=45)).credited_minutes == 45


def test_a_day_has_twelve_hours_for_a_leader_and_more_for_an_organizer(unit: Any, app: Any) -> None:
    day = clock.now().replace(hour=16, minute=0, second=0, microsecond=0) - timedelta(days=2)
    scene = make_scene(starts_at=day, hours=23)
    attendance_id = unit(lambda: attend(scene, scene.volunteer))
    with pytest.raises(NeedsOrganizer):
        unit(lambda: decide(attendance_id, scene.leader, credited_minutes=721))
    decided = unit(lambda: decide(attendance_id, scene.organizer, credited_minutes=721))
    assert (decided.credited_minutes, unit(lambda: sums(scene.volunteer))) == (721, (721, 0))


def test_what_was_decided_is_corrected_by_an_organizer_alone(unit: Any, scene: Scene) -> None:
    attendance_id = unit(lambda: attend(scene, scene.volunteer))
    unit(lambda: decide(attendance_id, scene.leader))
    with pytest.raises(AlreadyReviewed):
        unit(lambda: decide(attendance_id, scene.organizer, credited_minutes=30, correction=False))
    with pytest.raises(NeedsOrganizer):
        unit(lambda: decide(attendance_id, scene.leader, credited_minutes=30))
    other = unit(lambda: make_organizer(scene))
    for decision, minutes in (("credit", 30), ("reject", 0), ("credit", 90)):
        options = {"credited_minutes": minutes} if minutes else {}
        unit(lambda decision=decision, options=options: decide(attendance_id, other, decision, **options))
        assert unit(lambda: sums(scene.volunteer)) == (minutes, 0)
    ledger = unit(lambda: [one.minutes for one in db.session.query(ServiceRecord).order_by(ServiceRecord.id)])
    assert ledger == [120, -120, 30, -30, 90]
    corrected = unit(lambda: db.session.get_one(Attendance, attendance_id))
    assert (corrected.state, corrected.reviewed_by) == (State.CREDITED, other.id)


def make_organizer(scene: Scene) -> Volunteer:
    made = make_volunteer()
    make_grant(made, Role.ORGANIZER, scene.organization.id)
    return made


def test_one_bad_line_costs_no_other(client: Any, unit: Any, scene: Scene) -> None:
    good, beyond = unit(lambda: [attend(scene, one) for one in (scene.volunteer, scene.unsigned)])
    line = {"decision": "credit", "reason": "签到表可证。"}
    lines = [
        {"attendance_id": str(good), **line},
        {"attendance_id": str(good), **line},
        {"attendance_id": str(beyond), **line, "credited_minutes": 300},
        {"attendance_id": str(scene.shift.id), **line},
        {"attendance_id": str(beyond), "decision": "approve", "reason": "?"},
        "x",
    ]
    answer = client.as_(scene.leader).post("/attendances/reviews", json={"decisions": lines}, key="bulk")
    assert answer.status_code == 200
    results = answer.json["results"]
    assert [one["status"] for one in results] == [200, 409, 409, 404, 422, 422]
    assert results[0]["attendance"]["credited_minutes"] == 120
    codes = [one["problem"] and one["problem"]["code"] for one in results]
    assert codes == [None, "already_reviewed", "beyond_attendance", "not_found", "invalid_payload", "invalid_payload"]
    assert results[4]["problem"]["errors"][0]["pointer"] == "/decision"
    # To a stranger, none of them is there.
    asked = {"decisions": lines[:1]}
    [result] = client.as_(scene.stranger).post("/attendances/reviews", json=asked, key="bulk").json["results"]
    assert result["status"] == 404


def test_who_took_the_roll_call_does_not_also_review_it(unit: Any, scene: Scene) -> None:
    def prepare() -> UUID:
        attendance_id = attend(scene, scene.unsigned)
        db.session.get_one(Attendance, attendance_id).check_in_recorder_id = scene.leader.id
        return attendance_id

    attendance_id = unit(prepare)
    with pytest.raises(RecordedByYou):
        unit(lambda: decide(attendance_id, scene.leader))
    assert unit(lambda: decide(attendance_id, scene.organizer)).credited_minutes == 120


@pytest.mark.parametrize("is_duty", [False, True])
def test_what_an_organizer_took_back_nobody_below_gives_again(client: Any, unit: Any, app: Any, is_duty: bool) -> None:
    """An attendance that is credited in part, for the day's limit, waits with the rest; it does so no more then."""
    yesterday = unit(lambda: clock.today()) - timedelta(days=1)
    began = unit(lambda: clock.days_between(yesterday, yesterday)[0]) + 8 * HOUR
    scene = make_scene(starts_at=began, hours=10)
    reviewer = scene.station_manager if is_duty else scene.leader

    def serve() -> UUID:
        target = {"shift_id": scene.shift.id}
        if is_duty:
            target = {"station_id": scene.station.id}
            make_grant(scene.volunteer, Role.STATION_MANAGER, scene.station.id)
            # A duty alone is no longer than the limit: an hour elsewhere on the same day goes before.
            hours.credit(
                volunteer_id=scene.volunteer.id,
                minutes=60,
                activity=scene.activity,
                shift=scene.shift,
                starts_at=began + 9 * HOUR,
                ends_at=began + 10 * HOUR,
            )
        evidence = {"place": NEAR, "accuracy_m": 20}
        with clock.at(began):
            made = service.check_in(
                volunteer_id=scene.volunteer.id, evidence=loaded_evidence(began, **evidence), **target
            )
        left_at = began + (8 if is_duty else 10) * HOUR
        with clock.at(left_at):
            return service.check_out(attendance=made, evidence=loaded_evidence(left_at, **evidence)).id

    attendance_id = unit(serve)
    attendance = unit(lambda: db.session.get_one(Attendance, attendance_id))
    assert (attendance.state, attendance.reasons) == (State.HELD, ["daily_limit"])
    most = attendance.credited_minutes + attendance.held_minutes
    assert attendance.held_minutes > 0
    record = unit(lambda: db.session.query(ServiceRecord).filter_by(attendance_id=attendance_id).one())
    path = f"/service-records/{record.id}/reversal"
    answer = client.as_(scene.organizer).post(path, json={"reason": "当天不在场。"}, key="reversal")
    assert answer.status_code == 201, answer.json
    attendance = unit(lambda: db.session.get_one(Attendance, attendance_id))
    assert (attendance.state, attendance.credited_minutes, attendance.held_minutes) == (State.REJECTED, 0, 0)
    assert unit(lambda: sums(scene.volunteer)) == (60 if is_duty else 0, 0)
    assert {"hours_reversed", "attendance_rejected"} <= {*unit(lambda: told(scene.volunteer))}
    body = {"decision": "credit", "credited_minutes": most, "reason": "我看见他了。"}
    answer = client.as_(reviewer).post(f"/attendances/{attendance_id}/review", json=body, key="review")
    assert (answer.status_code, answer.json["code"]) == (409, "already_reviewed")
    answer = client.as_(reviewer).post(
        f"/attendances/{attendance_id}/review", json=body | {"correction": True}, key="review-2"
    )
    assert (answer.status_code, answer.json["code"]) == (403, "needs_organizer")
    assert unit(lambda: decide(attendance_id, scene.organizer, credited_minutes=most)).credited_minutes == most


def test_no_minute_is_given_twice_where_nobody_knows_when_she_left(scene: Scene, unit: Any) -> None:
    start, minute, volunteer_id = scene.shift.starts_at, HOUR / 60, scene.volunteer.id

    def attend_three() -> UUID:
        entry = {"volunteer_id": volunteer_id, "status": "present", "arrived_at": start, "left_at": start + HOUR}
        roll_call.take(shift=scene.shift, by=scene.leader.id, entries=[entry])
        # Told late: she checked in elsewhere meanwhile, and went on from there without a check-out.
        for passed in (20, 60):
            moment = start + passed * minute
            with clock.at(start - HOUR):
                other = make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=start)
            made = service.check_in(volunteer_id=volunteer_id, shift_id=other.id, evidence=loaded_evidence(moment))
        found = db.session.query(Attendance).filter_by(volunteer_id=volunteer_id, state=State.HELD).one()
        assert found.held_minutes == 40
        assert made.state == State.OPEN
        return found.id

    attendance_id = unit(attend_three)
    decision = {"attendance_id": attendance_id, "reviewer_id": scene.leader.id, "decision": "credit", "reason": "核实"}
    with pytest.raises(MinutesMissing):
        unit(lambda: review.decide(**decision))
    unit(lambda: review.decide(**decision, credited_minutes=30))
    row = unit(lambda: db.session.query(ServiceRecord).filter_by(attendance_id=attendance_id).one())
    # Beside the forty that the first has of that time.
    assert (row.minutes, row.starts_at, row.ends_at) == (30, start + 20 * minute, start + 90 * minute)
