"""Roll-calls: a leader's word is strong, makes no hours alone, and can be said twice."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.attendance.factories import Scene, loaded_evidence, make_scene, make_shift, soon
from tests.attendance.test_review import attend, sums, told
from tests.factories import make_volunteer, next_number
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance import absences, claims, review, roll_call, service
from volunteer_api.attendance.closing import close_forgotten
from volunteer_api.attendance.models import Attendance, RollCallMark, State
from volunteer_api.attendance.problems import NeedsOrganizer, TimeIsOver
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.sign_ups.problems import Canceled, NotPublished

# What PostgreSQL does in one statement, SQLite does in several.
pytestmark = pytest.mark.both_databases

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def scene(app: Any) -> Scene:
    """A shift of two hours that ended an hour ago."""
    return make_scene(starts_at=soon() - 3 * HOUR)


def entry(volunteer: Volunteer, status: str = "present", **times: Any) -> dict[str, Any]:
    return {"volunteer_id": volunteer.id, "status": status, **times}


def take(scene: Scene, *entries: dict[str, Any], **options: Any) -> list[Any]:
    """The codes of what was refused, or the state of the attendance, or the mark alone; with whether it is new."""
    results = roll_call.take(shift=scene.shift, by=options.pop("by", scene.leader).id, entries=entries, **options)
    return [
        one.refusal.code
        if one.refusal is not None
        else (str(one.person.attendance.state) if one.person.attendance is not None else "marked", one.changed)
        for one in results
    ]


def is_absent(scene: Scene, volunteer: Volunteer) -> bool:
    found = db.session.query(SignUp).filter_by(shift_id=scene.shift.id, volunteer_id=volunteer.id).one()
    return found.absent_at is not None


@pytest.mark.parametrize(
    ("came", "left", "minutes"),
    [
        # Whose clock was odd at one end is believed at the other: nobody is given what she does not claim.
        ((90, None), (120, -1), 30),
        ((0, -1), (30, None), 30),
        ((0, None), (30, None), 30),
        # Only where neither says anything, it was the whole shift.
        ((90, -1), (120, -1), 120),
    ],
)
def test_present_without_times_is_what_she_says_herself(
    unit: Any, scene: Scene, came: tuple[int, int | None], left: tuple[int, int | None], minutes: int
) -> None:
    def tap() -> None:
        ends = [
            loaded_evidence(scene.shift.starts_at + after * MINUTE, **({} if delay is None else {"delay_ms": delay}))
            for after, delay in (came, left)
        ]
        mine = service.check_in(volunteer_id=scene.volunteer.id, shift_id=scene.shift.id, evidence=ends[0])
        service.check_out(attendance=mine, evidence=ends[1])

    unit(tap)
    assert unit(lambda: take(scene, entry(scene.volunteer))) == [("credited", True)]
    assert unit(lambda: sums(scene.volunteer)) == (minutes, 0)


def test_a_check_in_elsewhere_forgets_no_absence(unit: Any, scene: Scene) -> None:
    starts_at = scene.shift.starts_at

    def into(shift_id: UUID, at: Any) -> Attendance:
        with clock.at(at):
            return service.check_in(volunteer_id=scene.volunteer.id, shift_id=shift_id, evidence=loaded_evidence(at))

    mine = unit(lambda: into(scene.shift.id, starts_at))
    with clock.at(starts_at + MINUTE):
        assert unit(lambda: take(scene, entry(scene.volunteer, "absent"))) == [("open", True)]
    other = unit(
        lambda: make_shift(
            organization=scene.organization, created_by=scene.organizer, starts_at=starts_at + 30 * MINUTE
        )
    )
    unit(lambda: into(other.id, starts_at + HOUR))
    left = unit(lambda: db.session.get_one(Attendance, mine.id))
    assert (left.state, {"checked_in_elsewhere", "marked_absent"} <= {*left.reasons}) == ("held", True)


def test_present_without_times_goes_not_beyond_her_claim(unit: Any, scene: Scene) -> None:
    starts_at = scene.shift.starts_at

    def forget() -> Attendance:
        with clock.at(starts_at):
            return service.check_in(
                volunteer_id=scene.volunteer.id, shift_id=scene.shift.id, evidence=loaded_evidence(starts_at)
            )

    mine = unit(forget)
    with clock.at(scene.shift.ends_at + 2 * HOUR):
        assert unit(close_forgotten) == 1
    with clock.at(scene.shift.ends_at + 3 * HOUR):
        unit(lambda: claims.claim(attendance=mine, left_at=starts_at + 30 * MINUTE, reason="家里有事"))
        assert unit(lambda: take(scene, entry(scene.volunteer))) == [("credited", True)]
    assert unit(lambda: sums(scene.volunteer)) == (30, 0)


def test_a_paper_list_typed_in_the_evening(client: Any, unit: Any, scene: Scene, statements: Any) -> None:
    def prepare() -> tuple[Volunteer, list[str]]:
        friend = make_volunteer(phone=f"+86136{next_number():08d}")
        with clock.at(scene.shift.starts_at - HOUR):
            for one in (friend, scene.unsigned):
                sign_ups.sign_up(shift_id=scene.shift.id, volunteer_id=one.id)
        return friend

    friend = unit(prepare)
    people = [
        {"volunteer_id": str(scene.volunteer.id), "status": "present"},
        {"phone": friend.phone, "status": "present"},
        {"volunteer_id": str(scene.unsigned.id), "status": "absent"},
        {"volunteer_id": str(scene.stranger.id), "status": "present"},
        {"phone": f"136 {next_number():04d} 0000", "status": "present"},
        {"phone": "1360000", "status": "present"},
        {"volunteer_id": str(scene.leader.id), "status": "present"},
        {"volunteer_id": str(scene.shift.id), "status": "present"},
    ]
    leader = client.as_(scene.leader)
    path = f"/shifts/{scene.shift.id}/roll-call"
    answer = leader.put(path, json={"entries": people})
    assert answer.status_code == 200, answer.json
    first = answer.json["results"]
    codes = [one["problem"] and one["problem"]["code"] for one in first]
    assert codes[:4] == [None] * 4
    assert codes[4:] == ["unknown_phone", "invalid_payload", "own_roll_call", "unknown_volunteer"]
    # Strong at both ends, for the whole shift; of somebody without a sign-up another person must say so too.
    assert [one["attendance"] and one["attendance"]["state"] for one in first[:4]] == [
        "credited",
        "credited",
        None,
        "held",
    ]
    assert (first[0]["attendance"]["grade"], first[0]["attendance"]["credited_minutes"]) == ("strong", 120)
    assert [one["code"] for one in first[3]["attendance"]["reasons"]] == ["not_signed_up"]
    assert unit(lambda: (sums(scene.volunteer), sums(friend), sums(scene.stranger))) == ((120, 0), (120, 0), (0, 120))
    assert unit(lambda: is_absent(scene, scene.unsigned))
    record = unit(lambda: db.session.query(Attendance).filter_by(volunteer_id=friend.id).one())
    assert record.check_out_recorder_id == scene.leader.id
    # The same list again changes nothing.
    again = leader.put(path, json={"entries": people}).json["results"]
    assert [one["changed"] for one in again] == [False] * 8
    assert [one["attendance"] for one in again] == [one["attendance"] for one in first]
    [shown] = leader.get("/attendances").json["items"]
    assert (shown["roll_call"]["status"], shown["roll_call"]["marked_by"]["name"]) == ("present", "leader")
    body = {"decision": "credit", "reason": "签到表"}
    refused = leader.post(f"/attendances/{shown['id']}/review", json=body, key="review")
    assert refused.json["code"] == "recorded_by_you"


def test_a_morning_list_strengthens_arrivals_alone(unit: Any, scene: Scene) -> None:
    start, end = scene.shift.starts_at, scene.shift.ends_at
    unit(lambda: attend(scene, scene.volunteer, left=False))
    list_of_all = [entry(scene.volunteer), entry(scene.stranger)]
    with clock.at(start + 10 * MINUTE):
        assert unit(lambda: take(scene, *list_of_all)) == [("open", True), ("open", True)]
        assert unit(lambda: take(scene, *list_of_all)) == [("open", False), ("open", False)]
    with clock.at(end):
        # The morning's list, told late: nobody has left by it.
        late = start + 10 * MINUTE
        assert unit(lambda: take(scene, *list_of_all, taken_at=late)) == [("open", False), ("open", False)]
        named = [entry(scene.volunteer, left_at=end - HOUR), entry(scene.stranger, left_at=start + 20 * MINUTE)]
        assert unit(lambda: take(scene, *named)) == [("credited", True), ("held", True)]
        assert unit(lambda: take(scene, *named)) == [("credited", False), ("held", False)]
        assert unit(lambda: take(scene, entry(scene.volunteer, left_at=end))) == ["already_credited"]
    assert unit(lambda: (sums(scene.volunteer), sums(scene.stranger))) == ((60, 0), (0, 20))


def test_a_leader_makes_weak_evidence_strong(unit: Any, scene: Scene) -> None:
    unit(lambda: attend(scene, scene.volunteer))
    assert unit(lambda: sums(scene.volunteer)) == (0, 120)
    assert unit(lambda: take(scene, entry(scene.volunteer))) == [("credited", True)]
    assert unit(lambda: sums(scene.volunteer)) == (120, 0)


def test_who_took_proven_minutes_back_does_not_reject_them_alone(unit: Any, scene: Scene) -> None:
    def reject(by: Volunteer) -> str:
        return str(review.decide(attendance_id=proven, reviewer_id=by.id, decision="reject", reason="没看到人").state)

    ends = (scene.shift.starts_at, scene.shift.ends_at)
    codes = unit(lambda: [scene.code(moment) for moment in ends])

    def prove() -> UUID:
        came, left = (loaded_evidence(moment, code=code) for moment, code in zip(ends, codes, strict=True))
        made = service.check_in(volunteer_id=scene.volunteer.id, shift_id=scene.shift.id, evidence=came)
        assert service.check_out(attendance=made, evidence=left).state == State.CREDITED
        return made.id

    proven = unit(prove)
    assert unit(lambda: take(scene, entry(scene.volunteer, "absent"))) == [("held", True)]
    with pytest.raises(NeedsOrganizer):
        unit(lambda: reject(scene.leader))
    # Nor does she credit next to nothing instead.
    little = {"decision": "credit", "credited_minutes": 1, "reason": "来过一会儿"}
    with pytest.raises(NeedsOrganizer):
        unit(lambda: review.decide(attendance_id=proven, reviewer_id=scene.leader.id, **little))
    assert unit(lambda: sums(scene.volunteer)) == (0, 120)
    assert unit(lambda: reject(scene.organizer)) == "rejected"


def test_absent_against_an_attendance_holds_it_and_shows_both(client: Any, unit: Any, scene: Scene) -> None:
    start, end = scene.shift.starts_at, scene.shift.ends_at

    def with_code() -> Attendance:
        with clock.at(start):
            return service.check_in(
                volunteer_id=scene.volunteer.id,
                shift_id=scene.shift.id,
                evidence=loaded_evidence(start, code=scene.code(start)),
            )

    attendance = unit(with_code)
    # Who marks somebody absent before she checks out holds what she checks out of.
    with clock.at(start + HOUR):
        assert unit(lambda: take(scene, entry(scene.volunteer, "absent"))) == [("open", True)]
    with clock.at(end):
        left = loaded_evidence(end, code=unit(lambda: scene.code(end)))
        unit(lambda: service.check_out(attendance=db.session.get_one(Attendance, attendance.id), evidence=left))
    [shown] = client.as_(scene.leader).get("/attendances?reason=marked_absent").json["items"]
    assert (shown["grade"], shown["roll_call"]["status"]) == ("strong", "absent")
    assert [one["code"] for one in shown["reasons"]] == ["marked_absent"]
    assert unit(lambda: "attendance_marked_absent" in told(scene.volunteer))
    # It was a mistake: what was proven counts again. And again it was none.
    assert unit(lambda: take(scene, entry(scene.volunteer))) == [("credited", True)]
    assert unit(lambda: sums(scene.volunteer)) == (120, 0)
    body = {"entries": [{"volunteer_id": str(scene.volunteer.id), "status": "absent"}]}
    path, headers = f"/shifts/{scene.shift.id}/roll-call", {"Accept-Language": "en"}
    [result] = client.as_(scene.leader).put(path, json=body, key="absent", headers=headers).json["results"]
    assert (result["attendance"]["state"], result["changed"]) == ("held", True)
    assert unit(lambda: sums(scene.volunteer)) == (0, 120)
    # In the language of the records, not in that of the leader's phone.
    reversal = unit(lambda: db.session.query(ServiceRecord).filter(ServiceRecord.reverses_id.is_not(None)).one())
    assert reversal.reason == "点名时登记为缺席。"
    assert unit(lambda: take(scene, entry(scene.volunteer, "excused"))) == ["attended"]


def test_who_is_marked_absent_without_an_attendance_hears_of_it(client: Any, unit: Any, scene: Scene) -> None:
    """She can dispute only what she knows of. Once, and not where the same list says otherwise after all."""
    absent, both = entry(scene.volunteer, "absent"), scene.unsigned
    with clock.at(scene.shift.starts_at - HOUR):
        unit(lambda: sign_ups.sign_up(shift_id=scene.shift.id, volunteer_id=both.id))
    entries = [absent, entry(both, "absent"), entry(both, "excused")]
    assert unit(lambda: take(scene, *entries))[0] == ("marked", True)
    assert unit(lambda: take(scene, absent)) == [("marked", False)]
    inbox = client.as_(scene.volunteer).get("/me/notifications", headers={"Accept-Language": "zh-CN"}).json["items"]
    [item] = [one for one in inbox if one["kind"] == "attendance_marked_absent"]
    assert item["body"] == f"“{scene.activity.title}”的负责人点名时登记您缺席。如您到过现场，可以申诉。"
    assert item["values"]["shift_id"] == str(scene.shift.id)
    assert unit(lambda: "attendance_marked_absent" in told(both)) is False


def test_a_name_ticked_by_mistake(unit: Any, scene: Scene) -> None:
    assert unit(lambda: take(scene, entry(scene.volunteer))) == [("credited", True)]
    assert unit(lambda: take(scene, entry(scene.volunteer, "absent"))) == [("rejected", True)]
    assert unit(lambda: (sums(scene.volunteer), is_absent(scene, scene.volunteer))) == ((0, 0), True)
    assert unit(lambda: take(scene, entry(scene.volunteer))) == [("credited", True)]
    assert unit(lambda: (sums(scene.volunteer), is_absent(scene, scene.volunteer))) == ((120, 0), False)


def test_a_sign_up_after_the_fact_is_none(unit: Any) -> None:
    """A leader and a friend who signs up at the end make no hours of the day that is over."""
    scene = unit(lambda: make_scene(starts_at=soon() - 5 * HOUR, hours=6))
    friend, latecomer, tapped = unit(lambda: [make_volunteer() for _ in range(3)])
    unit(
        lambda: [sign_ups.sign_up(shift_id=scene.shift.id, volunteer_id=one.id) for one in (friend, latecomer, tapped)]
    )
    began, ends_at = scene.shift.starts_at, scene.shift.ends_at

    def of(volunteer_id: UUID) -> Attendance:
        return db.session.query(Attendance).filter_by(volunteer_id=volunteer_id).one()

    unit(
        lambda: service.check_in(volunteer_id=tapped.id, shift_id=scene.shift.id, evidence=loaded_evidence(clock.now()))
    )
    told = [entry(friend, arrived_at=began), entry(latecomer, arrived_at=clock.now()), entry(tapped, arrived_at=began)]
    assert unit(lambda: take(scene, *told)) == [("open", True)] * 3
    with clock.at(ends_at):
        for one in (friend, latecomer, tapped):
            left = loaded_evidence(clock.now(), code=unit(lambda: scene.code(clock.now())))
            unit(lambda who=one.id, end=left: service.check_out(attendance=of(who), evidence=end))
        found = unit(lambda: {one.volunteer_id: one for one in db.session.query(Attendance)})
    assert [found[one.id].state for one in (friend, latecomer, tapped)] == [State.HELD, State.CREDITED, State.HELD]
    assert "not_signed_up" in found[friend.id].reasons
    assert "not_signed_up" in found[tapped.id].reasons


def test_who_is_excused_is_no_no_show(unit: Any, scene: Scene) -> None:
    with clock.at(scene.shift.starts_at - 2 * HOUR):
        assert unit(lambda: take(scene, entry(scene.volunteer, "absent"))) == ["not_yet"]
        assert unit(lambda: take(scene, entry(scene.volunteer, "excused"))) == [("marked", True)]
    with clock.at(scene.shift.ends_at + 73 * HOUR):
        # Of the two who had a place, only the one without a word.
        assert unit(absences.record_absences) == 1
    assert unit(lambda: (is_absent(scene, scene.volunteer), is_absent(scene, scene.leader))) == (False, True)
    assert unit(lambda: take(scene, entry(scene.volunteer, "absent"))) == [("marked", True)]
    assert unit(lambda: is_absent(scene, scene.volunteer))
    assert unit(lambda: take(scene, entry(scene.volunteer, "excused"))) == [("marked", True)]
    assert not unit(lambda: is_absent(scene, scene.volunteer))
    assert (
        unit(lambda: take(scene, entry(scene.stranger, "absent"), entry(scene.stranger, "excused")))
        == ["not_expected"] * 2
    )


def test_times_that_cannot_be(unit: Any, scene: Scene) -> None:
    start, end = scene.shift.starts_at, scene.shift.ends_at
    refused = [
        (entry(scene.volunteer, arrived_at=end, left_at=start), "left_before_arrival"),
        (entry(scene.volunteer, arrived_at=end + MINUTE), "not_during_shift"),
        (entry(scene.volunteer, left_at=start - MINUTE), "not_during_shift"),
        (entry(scene.volunteer, left_at=clock.now() + HOUR), "not_yet"),
    ]
    assert unit(lambda: take(scene, *(one for one, _ in refused))) == [code for _, code in refused]
    assert unit(lambda: db.session.query(RollCallMark).count()) == 0
    with clock.at(end + timedelta(days=40)), pytest.raises(TimeIsOver):
        unit(lambda: take(scene, entry(scene.volunteer)))


def test_only_what_was_published_has_a_roll_call(unit: Any, scene: Scene) -> None:
    """Or hours could be made of an activity that nobody but its leader ever saw."""

    def draft() -> None:
        db.session.get_one(Activity, scene.activity.id).state = ActivityState.DRAFT

    def cancel() -> None:
        db.session.get_one(Activity, scene.activity.id).state = ActivityState.PUBLISHED
        db.session.get_one(Shift, scene.shift.id).canceled_at = clock.now()

    for change, refusal in ((draft, NotPublished), (cancel, Canceled)):
        unit(change)
        with pytest.raises(refusal):
            unit(lambda: take(scene, entry(scene.volunteer)))


def test_an_open_attendance_elsewhere(unit: Any, scene: Scene) -> None:
    """A morning that nobody checked out of is closed by the afternoon's roll-call."""

    def prepare() -> UUID:
        morning = make_shift(
            organization=scene.organization, created_by=scene.organizer, starts_at=scene.shift.starts_at - 2 * HOUR
        )
        with clock.at(morning.starts_at):
            return service.check_in(
                volunteer_id=scene.volunteer.id, shift_id=morning.id, evidence=loaded_evidence(clock.now())
            ).id

    before = unit(prepare)
    with clock.at(scene.shift.starts_at + MINUTE):
        assert unit(lambda: take(scene, entry(scene.volunteer))) == [("open", True)]
    closed = unit(lambda: db.session.get_one(Attendance, before))
    assert (closed.state, closed.held_minutes) == (State.HELD, 120)
    assert "checked_in_elsewhere" in closed.reasons
    assert unit(lambda: sums(scene.volunteer)) == (0, 120)
