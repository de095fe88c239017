"""Disputes by HTTP: filing, the trail, who decides, and what a decision does to the ledger."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from tests.activities.factories import make_scene
from tests.disputes.factories import SHIFT_MINUTES, Served, ledger_sum, make_served, tally_sum
from tests.factories import make_volunteer
from tests.feedback.factories import make_past, name_leaders
from tests.organizations.factories import make_grant
from tests.sign_ups.factories import kinds
from tests.teams.factories import make_team
from volunteer_api.activities.models import ActivityLeader
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock, ids
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.problems import Conflict
from volunteer_api.disputes import service
from volunteer_api.disputes.models import Dispute, StepKind
from volunteer_api.disputes.trail import write_step
from volunteer_api.hours.models import ServiceRecord, Source
from volunteer_api.organizations.models import Role
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.teams import service as teams
from volunteer_api.teams.models import Membership, MembershipRole, MembershipState

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def served(unit: Unit) -> Served:
    made: Served = unit(make_served)
    return made


def file(client: Any, who: UUID, **body: Any) -> Any:
    given = {name: value if isinstance(value, int) else str(value) for name, value in body.items()}
    return client.as_(who).post("/disputes", json={"text": "我一直在现场。"} | given)


def filed(client: Any, who: UUID, **body: Any) -> Any:
    answer = file(client, who, **body)
    assert answer.status_code == 201, answer.get_json()
    return answer.get_json()


def post(client: Any, who: UUID, dispute: Any, verb: str, **body: Any) -> Any:
    return client.as_(who).post(f"/disputes/{dispute['id']}/{verb}", json=body)


def decide(client: Any, who: UUID, dispute: Any, decision: str = "upheld", **body: Any) -> Any:
    return post(client, who, dispute, "decision", decision=decision, **{"reason": "照片为证"} | body)


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def test_a_held_attendance_is_reviewed_by_the_decision_and_everybody_hears(
    client: Any, unit: Unit, served: Served
) -> None:
    scene, volunteer_id = served.scene, served.volunteer_id
    made = filed(client, volunteer_id, attendance_id=served.attendance_id, claimed_minutes=90)
    assert (made["state"], made["can_decide"], made["overdue"]) == ("open", False, False)
    assert made["due_on"] == (clock_today(unit) + timedelta(days=15)).isoformat()
    assert "dispute_waits" in kinds(client, scene.organizer_id)
    assert post(client, scene.organizer_id, made, "questions", text="有照片吗？").status_code == 200
    assert refused(post(client, scene.organizer_id, made, "answers", text="代答")) == (403, "not_your_answer")
    post(client, volunteer_id, made, "answers", text="有，已上传。")
    decided = decide(client, scene.organizer_id, made).get_json()
    assert (decided["state"], decided["credited_minutes"]) == ("upheld", 90)
    assert [(step["kind"], step["text"]) for step in decided["steps"]] == [
        ("filed", "我一直在现场。"),
        ("asked", "有照片吗？"),
        ("answered", "有，已上传。"),
        ("decided", "照片为证"),
    ]
    heard = kinds(client, volunteer_id)
    assert {"dispute_filed", "dispute_asked", "dispute_upheld", "hours_credited"} <= set(heard)
    attendance = unit(lambda: db.session.get_one(Attendance, served.attendance_id))
    assert (attendance.state, attendance.credited_minutes, attendance.held_minutes) == ("credited", 90, 0)
    assert unit(lambda: (ledger_sum(volunteer_id), tally_sum(volunteer_id))) == (90, 90)
    assert refused(decide(client, scene.administrator_id, made, "rejected")) == (409, "dispute_over")


def clock_today(unit: Unit) -> Any:
    return unit(clock.today)


def test_a_shift_with_nothing_recorded_needs_two_other_people(client: Any, unit: Unit, served: Served) -> None:
    scene, volunteer_id = served.scene, served.unknown_id
    made = filed(client, volunteer_id, shift_id=served.shift_id)
    asked = client.as_(scene.leader_id).get("/me/notifications").json["items"]
    [about] = [one["values"]["person_id"] for one in asked if one["kind"] == "dispute_to_confirm"]
    assert about == str(volunteer_id)
    assert refused(decide(client, scene.organizer_id, made)) == (409, "needs_confirmation")
    too_long = post(client, scene.leader_id, made, "confirmation", minutes=SHIFT_MINUTES + 1, text="在场")
    assert (*refused(too_long), too_long.get_json()["most"]) == (409, "beyond_service", SHIFT_MINUTES)
    assert refused(post(client, volunteer_id, made, "confirmation", minutes=60, text="我在")) == (403, "own_dispute")
    assert (made["can_confirm"], can_confirm(client, scene.leader_id, made)) == (False, True)
    assert post(client, scene.leader_id, made, "confirmation", minutes=10, text="在场").status_code == 200
    assert not can_confirm(client, scene.organizer_id, made)
    # A slip of the finger: until the decision, who confirmed says it again.
    amended = post(client, scene.leader_id, made, "confirmation", minutes=100, text="打错了，一百分钟").get_json()
    assert (amended["confirmed_minutes"], amended["can_confirm"]) == (100, True)
    assert [step["kind"] for step in amended["steps"]] == ["filed", "confirmed", "confirmed"]
    again = post(client, scene.organizer_id, made, "confirmation", minutes=60, text="也在场")
    assert refused(again) == (409, "nothing_to_confirm")
    # The leader has no right to decide; the organizer has, and is the second person.
    assert refused(decide(client, scene.leader_id, made)) == (403, "forbidden")
    assert decide(client, scene.organizer_id, made).get_json()["credited_minutes"] == 100
    record = unit(
        lambda: db.session.scalars(select(ServiceRecord).where(ServiceRecord.volunteer_id == volunteer_id)).one()
    )
    assert (record.minutes, record.source, record.shift_id) == (100, Source.BACKFILLED, served.shift_id)
    assert (record.recorder_id, record.approver_id, record.leader_id) == (
        scene.leader_id,
        scene.organizer_id,
        scene.leader_id,
    )
    assert unit(lambda: tally_sum(volunteer_id)) == 100


def can_confirm(client: Any, who: UUID, dispute: Any) -> Any:
    return client.as_(who).get(f"/disputes/{dispute['id']}").get_json()["can_confirm"]


def test_no_decision_gives_more_than_was_confirmed(client: Any, unit: Unit, served: Served) -> None:
    made = filed(client, served.unknown_id, shift_id=served.shift_id, claimed_minutes=SHIFT_MINUTES)
    post(client, served.scene.leader_id, made, "confirmation", minutes=1, text="露过面")
    over = decide(client, served.scene.organizer_id, made)
    assert (*refused(over), over.get_json()["most"]) == (409, "beyond_service", 1)
    assert decide(client, served.scene.organizer_id, made, "partly", credited_minutes=1).status_code == 200
    assert unit(lambda: ledger_sum(served.unknown_id)) == 1


def test_hours_found_afterwards_are_those_of_the_team_signed_up_for(client: Any, unit: Unit, served: Served) -> None:
    team = make_team(organization_id=served.scene.office_id)
    unit(
        lambda: db.session.add(
            SignUp(shift_id=served.shift_id, volunteer_id=served.unknown_id, team_id=team.id, state="confirmed")
        )
    )
    made = filed(client, served.unknown_id, shift_id=served.shift_id)
    post(client, served.scene.leader_id, made, "confirmation", minutes=60, text="在场")
    assert decide(client, served.scene.organizer_id, made).status_code == 200
    mine = select(ServiceRecord.team_id).where(ServiceRecord.volunteer_id == served.unknown_id)
    assert unit(lambda: db.session.scalars(mine).all()) == [team.id]


def test_who_marked_the_volunteer_absent_does_not_decide(client: Any, served: Served) -> None:
    scene = served.scene
    marked = client.as_(scene.organizer_id).put(
        f"/shifts/{served.shift_id}/roll-call",
        json={"entries": [{"volunteer_id": str(served.volunteer_id), "status": "absent"}]},
        key=str(ids.new_id()),
    )
    assert marked.status_code == 200
    made = filed(client, served.volunteer_id, attendance_id=served.attendance_id)
    assert refused(decide(client, scene.organizer_id, made, "rejected")) == (403, "involved")
    assert decide(client, scene.administrator_id, made, "rejected").status_code == 200


def test_a_trail_has_an_end_and_shows_its_decision(client: Any, unit: Unit, served: Served) -> None:
    made = filed(client, served.volunteer_id, attendance_id=served.attendance_id)

    def say_much() -> None:
        dispute = db.session.get_one(Dispute, UUID(made["id"]))
        for _ in range(service.MOST_SAID - 1):
            write_step(dispute, StepKind.ANSWERED, served.volunteer_id, "还有")

    unit(say_much)
    assert refused(post(client, served.volunteer_id, made, "answers", text="还有")) == (409, "too_many_steps")
    assert refused(post(client, served.scene.organizer_id, made, "questions", text="？")) == (409, "too_many_steps")
    assert decide(client, served.scene.organizer_id, made, "rejected").get_json()["steps"][-1]["kind"] == "decided"


def test_who_confirmed_does_not_decide(client: Any, served: Served) -> None:
    made = filed(client, served.unknown_id, shift_id=served.shift_id)
    assert "dispute_waits" not in kinds(client, served.scene.administrator_id)
    for minutes in (50, 60):
        post(client, served.scene.organizer_id, made, "confirmation", minutes=minutes, text="在场")
    # Who can decide now hears of it, once.
    assert len(told(client, served.scene.administrator_id, "dispute_waits")) == 1
    assert refused(decide(client, served.scene.organizer_id, made)) == (403, "involved")
    assert decide(client, served.scene.administrator_id, made).status_code == 200


def test_a_backfilled_record_is_taken_back_and_written_anew(client: Any, unit: Unit, served: Served) -> None:
    scene, volunteer_id = served.scene, served.unknown_id
    people = {"recorder_id": scene.leader_id, "approver_id": scene.organizer_id}
    record_id = unit(lambda: served.backfilled(30, **people))
    made = filed(client, volunteer_id, service_record_id=record_id, claimed_minutes=SHIFT_MINUTES)
    # Who approved it has a part in it, and is not asked.
    assert refused(decide(client, scene.organizer_id, made)) == (403, "involved")
    assert "dispute_waits" not in kinds(client, scene.organizer_id)
    assert "dispute_waits" in kinds(client, scene.administrator_id)
    # Nobody vouched for more than was recorded: who decides makes no hours alone.
    [asked] = told(client, scene.leader_id, "dispute_minutes_to_confirm")
    assert (asked["values"]["minutes"], asked["values"]["known"]) == (str(SHIFT_MINUTES), "30")
    assert "dispute_to_confirm" not in kinds(client, scene.leader_id)
    assert refused(decide(client, scene.administrator_id, made)) == (409, "needs_confirmation")
    assert post(client, scene.leader_id, made, "confirmation", minutes=75, text="到五点一刻").status_code == 200
    over = decide(client, scene.administrator_id, made)
    assert (*refused(over), over.get_json()["most"]) == (409, "beyond_service", 75)
    assert unit(lambda: ledger_sum(volunteer_id)) == 30
    assert decide(client, scene.administrator_id, made, "partly", credited_minutes=75).status_code == 200
    rows = unit(
        lambda: db.session.execute(
            select(ServiceRecord.minutes, ServiceRecord.recorder_id, ServiceRecord.approver_id)
            .where(ServiceRecord.volunteer_id == volunteer_id)
            .order_by(ServiceRecord.id)
        ).all()
    )
    assert [row.minutes for row in rows] == [30, -30, 75]
    assert (rows[-1].recorder_id, rows[-1].approver_id) == (scene.leader_id, scene.administrator_id)
    assert unit(lambda: tally_sum(volunteer_id)) == 75
    again = file(client, volunteer_id, service_record_id=record_id)
    assert refused(again) == (409, "record_taken_back")


def test_what_was_taken_back_is_given_again_once(client: Any, unit: Unit, served: Served) -> None:
    scene, volunteer_id = served.scene, served.unknown_id
    people = {"recorder_id": scene.leader_id, "approver_id": scene.organizer_id}
    record_id = unit(lambda: served.backfilled(30, **people))
    # She says herself that it was nothing.
    first = filed(client, volunteer_id, service_record_id=record_id, claimed_minutes=0)
    assert decide(client, scene.administrator_id, first, "partly", credited_minutes=0).status_code == 200
    reversal_id = file(client, volunteer_id, service_record_id=record_id).get_json()["service_record_id"]
    assert unit(lambda: ledger_sum(volunteer_id)) == 0
    second = filed(client, volunteer_id, service_record_id=reversal_id, claimed_minutes=30)
    # The administrator took it back: she has a part in it now, and so have the other two.
    assert refused(decide(client, scene.administrator_id, second)) == (403, "involved")
    other = unit(lambda: make_administrator(scene.center_id))
    assert decide(client, other, second).status_code == 200
    assert unit(lambda: (ledger_sum(volunteer_id), tally_sum(volunteer_id))) == (30, 30)
    third = filed(client, volunteer_id, service_record_id=reversal_id, claimed_minutes=30)
    assert refused(decide(client, other, third)) == (409, "record_known")


def make_administrator(organization_id: UUID) -> UUID:
    """One more of the organization."""
    volunteer = make_volunteer()
    make_grant(volunteer, Role.ADMINISTRATOR, organization_id)
    return volunteer.id


def test_an_attended_record_is_corrected_with_its_attendance(client: Any, unit: Unit, served: Served) -> None:
    volunteer_id = served.volunteer_id
    first = filed(client, volunteer_id, attendance_id=served.attendance_id)
    decide(client, served.scene.organizer_id, first, "partly", credited_minutes=50)
    record_id = unit(
        lambda: db.session.scalars(select(ServiceRecord.id).where(ServiceRecord.volunteer_id == volunteer_id)).one()
    )
    made = filed(client, volunteer_id, service_record_id=record_id, claimed_minutes=110)
    assert refused(decide(client, served.scene.organizer_id, made)) == (403, "involved")
    assert decide(client, served.scene.administrator_id, made).status_code == 200
    attendance = unit(lambda: db.session.get_one(Attendance, served.attendance_id))
    assert attendance.credited_minutes == 110
    assert unit(lambda: (ledger_sum(volunteer_id), tally_sum(volunteer_id))) == (110, 110)
    # That hours were taken back, of which she may file a dispute, is the opposite of what was decided.
    assert "hours_reversed" not in kinds(client, volunteer_id)
    reversal = unit(lambda: db.session.scalars(select(ServiceRecord).where(ServiceRecord.minutes < 0)).one())
    assert reversal.reason == "申诉：照片为证"


def test_nobody_who_has_a_part_decides(client: Any, unit: Unit, served: Served) -> None:
    scene = served.scene
    made = filed(client, served.volunteer_id, attendance_id=served.attendance_id)
    leads = ActivityLeader(activity_id=served.past.activity_id, volunteer_id=scene.organizer_id)
    unit(lambda: db.session.add(leads))
    assert refused(decide(client, scene.organizer_id, made, "rejected")) == (403, "involved")
    assert client.as_(scene.organizer_id).get(f"/disputes/{made['id']}").get_json()["can_decide"] is False
    assert client.as_(scene.administrator_id).get(f"/disputes/{made['id']}").get_json()["can_decide"] is True


def step_down(volunteer_id: UUID) -> None:
    """Leave the volunteer in her team as a member."""
    own = select(Membership).where(Membership.volunteer_id == volunteer_id)
    db.session.scalars(own).one().take_role(MembershipRole.MEMBER, clock.now())


@pytest.mark.parametrize("led", ["by_name", "with_the_team", "in_silence"])
def test_who_led_decides_nothing_by_leading_no_more(client: Any, unit: Unit, led: str) -> None:
    """Whether she takes her name off, or another deputy comes in her place; nor does who planned what nobody led."""
    scene = unit(make_scene)
    organizer = scene.organizer_id
    past = unit(lambda: make_past(people=1, scene=scene, planned_by=organizer if led == "in_silence" else None))
    if led == "by_name":
        name_leaders(client, scene.leader_id, past, organizer)
    elif led == "with_the_team":
        deputy = {"role": MembershipRole.DEPUTY, "state": MembershipState.ACTIVE}
        unit(lambda: teams.add_member(team_id=scene.team_id, volunteer_id=organizer, **deputy))
    else:
        unit(lambda: step_down(scene.leader_id))
    made = filed(client, past.people[0], attendance_id=unit(lambda: db.session.scalars(select(Attendance.id)).one()))
    assert refused(decide(client, organizer, made, "rejected")) == (403, "involved")
    name_leaders(client, scene.administrator_id, past, scene.leader_id)
    if led == "with_the_team":
        unit(lambda: step_down(organizer))
    assert refused(decide(client, organizer, made, "rejected")) == (403, "involved")
    assert decide(client, scene.administrator_id, made, "rejected").status_code == 200
    told = select(AuditEntry).where(AuditEntry.action == AuditAction.ACTIVITY_LEADERS_CHANGED).order_by(AuditEntry.id)
    entries = unit(lambda: [(one.subject_id, one.details["named"]) for one in db.session.scalars(told)])
    replaced = [(organizer, True), (organizer, False)] if led == "by_name" else []
    assert sorted(entries) == sorted([*replaced, (scene.leader_id, True)])


@pytest.mark.parametrize("end", ["check_in_scanned_by", "check_out_scanned_by"])
def test_nobody_decides_whose_desk_read_the_code(client: Any, unit: Unit, served: Served, end: str) -> None:
    scene = served.scene
    made = filed(client, served.volunteer_id, attendance_id=served.attendance_id)
    scanned = update(Attendance).where(Attendance.id == served.attendance_id).values({end: scene.organizer_id})
    unit(lambda: db.session.execute(scanned))
    assert refused(decide(client, scene.organizer_id, made, "rejected")) == (403, "involved")
    assert decide(client, scene.administrator_id, made, "rejected").status_code == 200


def test_a_duty_is_disputed_as_a_shift_is(client: Any, unit: Unit, served: Served) -> None:
    volunteer_id = served.unknown_id
    attendance_id = unit(lambda: make_duty(served))
    made = filed(client, volunteer_id, attendance_id=attendance_id, claimed_minutes=45)
    assert (made["organization_id"], made["shift_id"]) == (str(served.scene.office_id), None)
    assert client.as_(served.scene.leader_id).get(f"/disputes/{made['id']}").status_code == 404
    answer = decide(client, served.scene.organizer_id, made)
    assert answer.status_code == 200, answer.get_json()
    assert unit(lambda: (ledger_sum(volunteer_id), tally_sum(volunteer_id))) == (45, 45)


def make_duty(served: Served) -> UUID:
    """A duty of an hour of yesterday at the scene's station, rejected since; its volunteer is the unknown one."""
    ended_at = clock.now() - timedelta(days=1)
    attendance = Attendance(
        volunteer_id=served.unknown_id,
        station_id=served.scene.station_id,
        state=State.REJECTED,
        grade="weak",
        check_in_grade="weak",
        checked_in_at=ended_at - timedelta(hours=1),
        checked_out_at=ended_at,
        check_in_evidence={},
        frame_starts_at=ended_at - timedelta(hours=2),
        frame_ends_at=ended_at + timedelta(hours=2),
    )
    db.session.add(attendance)
    db.session.flush()
    return attendance.id


@pytest.mark.parametrize("party", ["volunteer_id", "recorder_id", "approver_id", "leader_id", "confirmed_by"])
@pytest.mark.both_databases
def test_the_database_lets_no_party_decide(client: Any, unit: Unit, served: Served, party: str) -> None:
    made = filed(client, served.volunteer_id, attendance_id=served.attendance_id)
    decided = {"state": "rejected", "closed_at": unit(clock.now), "confirmed_minutes": 1}
    others = {"confirmed_by": served.scene.leader_id, "decided_by": served.scene.administrator_id}
    party_id = served.volunteer_id if party == "volunteer_id" else served.scene.administrator_id

    def strike(**values: Any) -> None:
        row = update(Dispute).where(Dispute.id == UUID(made["id"]))
        unit(lambda: db.session.execute(row.values(**decided | others | values)))

    with pytest.raises(Conflict):
        strike(**{party: party_id, "decided_by": party_id})
    strike()


def test_refusals_of_filing(client: Any, unit: Unit, served: Served) -> None:
    volunteer_id, other = served.volunteer_id, served.unknown_id
    assert file(client, other, attendance_id=served.attendance_id).status_code == 404
    assert file(client, other, service_record_id=ids.new_id()).status_code == 404
    assert file(client, other, shift_id=ids.new_id()).status_code == 404
    assert file(client, other).status_code == 422
    assert file(client, other, shift_id=served.shift_id, attendance_id=served.attendance_id).status_code == 422
    assert file(client, other, shift_id=served.shift_id, claimed_minutes=1441).status_code == 422
    known = file(client, volunteer_id, shift_id=served.shift_id)
    assert (*refused(known), known.get_json()["attendance_id"]) == (409, "attendance_known", str(served.attendance_id))
    made = filed(client, volunteer_id, attendance_id=served.attendance_id)
    again = file(client, volunteer_id, attendance_id=served.attendance_id)
    assert (*refused(again), again.get_json()["dispute_id"]) == (409, "dispute_open", made["id"])
    people = {"recorder_id": served.scene.leader_id, "approver_id": served.scene.organizer_id}
    record_id = unit(lambda: served.backfilled(30, **people))
    recorded = file(client, other, shift_id=served.shift_id)
    assert (*refused(recorded), recorded.get_json()["service_record_id"]) == (409, "record_known", str(record_id))
    open_one = unit(lambda: make_served(state=State.OPEN))
    assert refused(file(client, open_one.volunteer_id, attendance_id=open_one.attendance_id)) == (409, "not_over_yet")
    running = unit(lambda: make_served(ended=timedelta(minutes=-30)))
    assert refused(file(client, running.unknown_id, shift_id=running.shift_id)) == (409, "not_over_yet")
    late = unit(lambda: make_served(ended=timedelta(days=31)))
    assert refused(file(client, late.volunteer_id, attendance_id=late.attendance_id)) == (409, "dispute_too_late")
    assert refused(file(client, late.unknown_id, shift_id=late.shift_id)) == (409, "dispute_too_late")


def test_refusals_of_decisions(client: Any, served: Served) -> None:
    made = filed(client, served.volunteer_id, attendance_id=served.attendance_id)
    organizer = served.scene.organizer_id
    assert decide(client, organizer, made, "partly").status_code == 422
    assert decide(client, organizer, made, "rejected", credited_minutes=1).status_code == 422
    assert decide(client, organizer, made, "open").status_code == 422
    assert decide(client, organizer, made, reason=" ").status_code == 422
    # A refusal that told to file a dispute would lead in a circle: this is the dispute.
    over = decide(client, organizer, made, credited_minutes=500)
    assert (*refused(over), over.get_json()["most"]) == (409, "beyond_service", SHIFT_MINUTES)
    assert "部分成立" in over.get_json()["detail"]
    assert refused(decide(client, served.volunteer_id, made)) == (403, "own_dispute")
    assert decide(client, served.scene.other_organizer_id, made).status_code == 404
    assert post(client, served.volunteer_id, made, "withdrawal").get_json()["state"] == "withdrawn"
    assert refused(post(client, served.volunteer_id, made, "withdrawal")) == (409, "dispute_over")
    # Withdrawn is no verdict: it may be filed again.
    assert filed(client, served.volunteer_id, attendance_id=served.attendance_id)["state"] == "open"


def test_lists_begin_with_what_is_overdue(client: Any, unit: Unit, statements: Any, served: Served) -> None:
    first = filed(client, served.volunteer_id, attendance_id=served.attendance_id)
    second = filed(client, served.unknown_id, shift_id=served.shift_id)
    yesterday = clock_today(unit) - timedelta(days=1)
    unit(lambda: db.session.execute(update(Dispute).where(Dispute.id == UUID(second["id"])).values(due_on=yesterday)))
    phone = client.as_(served.scene.organizer_id)

    def listed(query: str = "") -> list[str]:
        return [item["id"] for item in phone.get(f"/disputes{query}").get_json()["items"]]

    assert listed() == [second["id"], first["id"]]
    assert listed("?overdue=true") == [second["id"]]
    assert listed("?mine=true") == []
    assert client.as_(served.volunteer_id).get("/disputes").get_json()["items"][0]["id"] == first["id"]
    # Who led the shift finds what waits for her word.
    leader = client.as_(served.scene.leader_id)
    assert [item["id"] for item in leader.get("/disputes").get_json()["items"]] == [second["id"], first["id"]]
    waits = leader.get("/disputes?unconfirmed=true").get_json()["items"]
    assert [item["id"] for item in waits] == [second["id"]]
    assert leader.get("/disputes?unconfirmed=false").get_json()["items"][0]["id"] == first["id"]
    assert client.as_(served.scene.other_organizer_id).get("/disputes").get_json()["items"] == []
    with statements() as many:
        assert listed(f"?organization_id={served.scene.center_id}&mine=false") == [second["id"], first["id"]]
    decide(client, served.scene.organizer_id, second, "rejected")
    assert listed() == [first["id"], second["id"]]
    page = phone.get("/disputes?limit=1").get_json()
    assert phone.get(f"/disputes?limit=1&cursor={page['next_cursor']}").get_json()["items"][0]["id"] == second["id"]
    with statements() as few:
        assert listed("?state=open") == [first["id"]]
    assert len(many) == len(few) <= 3


def test_what_is_due_soon_is_reminded_of_once(client: Any, unit: Unit, served: Served) -> None:
    made = filed(client, served.volunteer_id, attendance_id=served.attendance_id)
    assert unit(service.remind) == 0
    soon = clock_today(unit) + timedelta(days=3)
    unit(lambda: db.session.execute(update(Dispute).where(Dispute.id == UUID(made["id"])).values(due_on=soon)))
    assert [unit(service.remind), unit(service.remind)] == [1, 0]
    assert kinds(client, served.scene.organizer_id).count("dispute_due") == 1


def told(client: Any, who: UUID, kind: str) -> list[dict[str, Any]]:
    items = client.as_(who).get("/me/notifications?limit=100").get_json()["items"]
    return [one for one in items if one["kind"] == kind]


def test_a_dispute_that_nobody_may_decide_is_told_above(client: Any, unit: Unit, served: Served) -> None:
    """The office's organizer recorded it and the district's administrator approved: these two were all."""
    scene = served.scene
    people = {"recorder_id": scene.organizer_id, "approver_id": scene.administrator_id}
    record_id = unit(lambda: served.backfilled(90, **people))
    made = filed(client, served.unknown_id, service_record_id=record_id, claimed_minutes=60)
    [heard] = told(client, scene.administrator_id, "dispute_without_decider")
    assert heard["values"]["dispute_id"] == made["id"]
    assert not told(client, scene.organizer_id, "dispute_without_decider")
    soon = clock_today(unit) - timedelta(days=2)
    unit(lambda: db.session.execute(update(Dispute).where(Dispute.id == UUID(made["id"])).values(due_on=soon)))
    assert unit(service.remind) == 1
    assert len(told(client, scene.administrator_id, "dispute_without_decider")) == 2
    # Whoever is given the right hears what waits, and decides.
    other = make_volunteer()
    body = {
        "volunteer_id": str(other.id),
        "role": "organizer",
        "scope": {"type": "organization", "id": str(made["organization_id"])},
    }
    assert client.as_(scene.administrator_id).post("/grants", json=body, key="grant").status_code == 201
    [waits] = told(client, other.id, "disputes_wait")
    assert (waits["values"]["count"], waits["values"]["due_on"]) == ("1", soon.isoformat())
    assert decide(client, other.id, made).status_code == 200
    # An inspector decides nothing, and there is nothing left to hear of.
    for role in ("inspector", "organizer"):
        third = make_volunteer()
        grant = body | {"volunteer_id": str(third.id), "role": role}
        assert client.as_(scene.administrator_id).post("/grants", json=grant, key=role).status_code == 201
        assert not told(client, third.id, "disputes_wait")


def test_the_only_decider_who_confirms_leaves_nobody(client: Any, unit: Unit, served: Served) -> None:
    scene = served.scene
    people = {"recorder_id": scene.leader_id, "approver_id": scene.organizer_id}
    record_id = unit(lambda: served.backfilled(30, **people))
    made = filed(client, served.unknown_id, service_record_id=record_id, claimed_minutes=60)
    assert not told(client, scene.administrator_id, "dispute_without_decider")
    assert post(client, scene.administrator_id, made, "confirmation", minutes=60, text="我在场").status_code == 200
    assert len(told(client, scene.administrator_id, "dispute_without_decider")) == 1


def test_a_dispute_takes_nothing_away(client: Any, unit: Unit, served: Served) -> None:
    scene = served.scene
    people = {"recorder_id": scene.leader_id, "approver_id": scene.organizer_id}
    record_id = unit(lambda: served.backfilled(90, **people))
    made = filed(client, served.unknown_id, service_record_id=record_id, claimed_minutes=110)
    for decision in ("partly", "upheld"):
        answer = decide(client, scene.administrator_id, made, decision, credited_minutes=70)
        assert (*refused(answer), answer.get_json()["least"]) == (409, "less_than_counts", 90)
    assert unit(lambda: ledger_sum(served.unknown_id)) == 90
    # Nor from an attendance that counts.
    first = filed(client, served.volunteer_id, attendance_id=served.attendance_id)
    assert decide(client, scene.organizer_id, first, "partly", credited_minutes=50).status_code == 200
    second = filed(client, served.volunteer_id, attendance_id=served.attendance_id, claimed_minutes=80)
    answer = decide(client, scene.administrator_id, second, "partly", credited_minutes=40)
    assert (*refused(answer), answer.get_json()["least"]) == (409, "less_than_counts", 50)


def test_who_says_herself_that_it_was_less_has_less(client: Any, unit: Unit, served: Served) -> None:
    people = {"recorder_id": served.scene.leader_id, "approver_id": served.scene.organizer_id}
    record_id = unit(lambda: served.backfilled(90, **people))
    made = filed(client, served.unknown_id, service_record_id=record_id, claimed_minutes=60)
    assert refused(decide(client, served.scene.administrator_id, made, "partly", credited_minutes=50))[0] == 409
    assert decide(client, served.scene.administrator_id, made, "partly", credited_minutes=75).status_code == 200
    assert unit(lambda: ledger_sum(served.unknown_id)) == 75


def test_hours_that_the_ledger_took_back_are_given_again_with_their_attendance(
    client: Any, unit: Unit, served: Served
) -> None:
    scene, volunteer_id = served.scene, served.volunteer_id
    first = filed(client, volunteer_id, attendance_id=served.attendance_id)
    decide(client, scene.organizer_id, first, "partly", credited_minutes=50)
    record_id = unit(
        lambda: db.session.scalars(select(ServiceRecord.id).where(ServiceRecord.volunteer_id == volunteer_id)).one()
    )
    taken_back = client.as_(scene.administrator_id).post(
        f"/service-records/{record_id}/reversal", json={"reason": "登记错人"}, key=str(ids.new_id())
    )
    assert taken_back.status_code == 201
    # The attendance says the same as the ledger, and no late tap credits it again.
    attendance = unit(lambda: db.session.get_one(Attendance, served.attendance_id))
    assert (attendance.state, attendance.credited_minutes) == (State.REJECTED, 0)
    assert (attendance.reviewed_by, attendance.decision_reason) == (scene.administrator_id, "登记错人")
    second = filed(client, volunteer_id, service_record_id=taken_back.get_json()["id"], claimed_minutes=50)
    assert refused(decide(client, scene.administrator_id, second)) == (403, "involved")
    other = unit(lambda: make_administrator(scene.center_id))
    assert decide(client, other, second).get_json()["credited_minutes"] == 50
    assert unit(lambda: (ledger_sum(volunteer_id), tally_sum(volunteer_id))) == (50, 50)


def test_a_recorded_duty_that_was_longer_is_confirmed_by_the_manager(client: Any, unit: Unit, served: Served) -> None:
    scene, volunteer_id, began = served.scene, served.unknown_id, unit(clock.now) - timedelta(days=2)

    def prepare() -> tuple[UUID, UUID]:
        manager = make_volunteer()
        make_grant(manager, Role.STATION_MANAGER, scene.station_id)
        return manager.id, served.duty(30, began, recorder_id=scene.leader_id, approver_id=scene.organizer_id)

    manager_id, record_id = unit(prepare)
    made = filed(client, volunteer_id, service_record_id=record_id, claimed_minutes=90)
    assert "dispute_minutes_to_confirm" in kinds(client, manager_id)
    assert can_confirm(client, manager_id, made)
    listed = client.as_(manager_id).get("/disputes?unconfirmed=true").get_json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert client.as_(volunteer_id).get("/disputes?unconfirmed=true").get_json()["items"] == []
    assert client.as_(scene.leader_id).get(f"/disputes/{made['id']}").status_code == 404
    too_long = post(client, manager_id, made, "confirmation", minutes=481, text="在岗")
    assert (*refused(too_long), too_long.get_json()["most"]) == (409, "beyond_service", 480)
    assert post(client, manager_id, made, "confirmation", minutes=90, text="在岗到十一点半").status_code == 200
    # The manager has no right to decide.
    assert refused(decide(client, manager_id, made)) == (403, "forbidden")
    answer = decide(client, scene.administrator_id, made)
    assert answer.status_code == 200, answer.get_json()
    record = unit(lambda: db.session.scalars(select(ServiceRecord).order_by(ServiceRecord.id.desc()).limit(1)).one())
    assert (record.minutes, record.station_id, record.shift_id) == (90, scene.station_id, None)
    assert (record.starts_at, record.ends_at) == (began, began + timedelta(minutes=90))
    assert (record.recorder_id, record.approver_id) == (manager_id, scene.administrator_id)
    assert unit(lambda: (ledger_sum(volunteer_id), tally_sum(volunteer_id))) == (90, 90)
