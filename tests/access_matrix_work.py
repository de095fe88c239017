"""Rows of the access matrix: attendances, rankings."""

from tests.access_scene import (
    LEADS_ACTIVITY,
    MANAGES_STATION,
    OWNER_SEEN_FROM_ABOVE,
    PUBLIC,
    READS_ATTENDANCE,
    SIGNED_IN,
    Call,
    Entry,
    World,
    moment,
)
from tests.attendance.factories import evidence
from volunteer_api.attendance import presence_code
from volunteer_api.attendance.models import State
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core import clock
from volunteer_api.core.database import db


def check_in(world: World) -> Call:
    """At a shift that is going on."""
    return Call(body={"shift_id": str(world.running_shift.id), "evidence": evidence(clock.now())})


def duty(world: World) -> Call:
    """At the station of the office."""
    return Call(body={"station_id": str(world.station.id), "evidence": evidence(clock.now())})


def scan(world: World) -> Call:
    """The member's own code, read at a shift that is going on."""
    code = presence_code.code_at(world.member.volunteer_number, clock.now(), CodeKind.VOLUNTEER).code
    text = presence_code.qr_text(world.member.volunteer_number, code, CodeKind.VOLUNTEER)
    scans = [{"key": "1", "kind": "check_in", "evidence": evidence(clock.now(), code=text)}]
    return Call(at={"shift_id": world.running_shift.id}, body={"scans": scans})


def check_out(world: World) -> Call:
    """Of the member's own attendance."""
    return Call(at={"attendance_id": world.attendance.id}, body={"evidence": evidence(clock.now())})


def batch(world: World) -> Call:
    """One check-in."""
    line = {"key": "a", "kind": "check_in", "shift_id": str(world.running_shift.id)}
    return Call(body={"operations": [line | {"evidence": evidence(clock.now())}]})


def closed(world: World) -> Call:
    """The member's attendance, which nobody checked out of in time."""
    world.attendance.state, world.attendance.reasons = State.HELD, ["forgotten_check_out"]
    db.session.flush()
    return Call(at={"attendance_id": world.attendance.id}, body={"left_at": moment(0), "reason": "忘了"})


def review(world: World) -> Call:
    """The same, decided by somebody else."""
    body = {"decision": "credit", "credited_minutes": 0, "reason": "现场看见。"}
    return Call(at=closed(world).at, body=body)


def reviews(world: World) -> Call:
    """Of what is there for nobody else, the answer says so for each."""
    call = review(world)
    return Call(body={"decisions": [{"attendance_id": str(world.attendance.id), **(call.body or {})}]})


def roll_call(world: World) -> Call:
    """Of a shift that is going on."""
    entries = [{"volunteer_id": str(world.member.id), "status": "present"}]
    return Call(at={"shift_id": world.running_shift.id}, body={"entries": entries})


RANKINGS: dict[str, Entry] = {
    "GET /rankings": PUBLIC(lambda world: Call(query={"subject": "organization", "level": "practice_office"})),
    "GET /campaigns/{campaign_id}/progress": PUBLIC(),
}

ATTENDANCE: dict[str, Entry] = {
    "GET /shifts/{shift_id}/presence-code": LEADS_ACTIVITY(lambda world: Call(at={"shift_id": world.running_shift.id})),
    "GET /shifts/{shift_id}/attendances": READS_ATTENDANCE(),
    "POST /attendances": SIGNED_IN(check_in),
    "POST /attendances/batch": SIGNED_IN(batch),
    "POST /attendances · begins a duty": SIGNED_IN(duty),
    "GET /stations/{station_id}/presence-code": MANAGES_STATION(),
    "GET /me/presence-code": SIGNED_IN(),
    "POST /shifts/{shift_id}/scans": LEADS_ACTIVITY(scan),
    "POST /stations/{station_id}/scans": MANAGES_STATION(
        lambda world: Call(at={"station_id": world.station.id}, body=scan(world).body)
    ),
    "GET /c/s/{shift_id}/{code}": PUBLIC(lambda world: Call(at={"code": "12345678"})),
    "GET /c/v/{volunteer_number}/{code}": PUBLIC(
        lambda world: Call(at={"volunteer_number": "ABCDEFGH23", "code": "12345678"})
    ),
    "GET /attendances/{attendance_id}": READS_ATTENDANCE(),
    "POST /attendances/{attendance_id}/check-out": OWNER_SEEN_FROM_ABOVE(check_out),
    "POST /attendances/{attendance_id}/claim": OWNER_SEEN_FROM_ABOVE(closed),
    "POST /attendances/{attendance_id}/review": LEADS_ACTIVITY(review),
    "POST /attendances/reviews": SIGNED_IN(reviews),
    "GET /attendances": SIGNED_IN(),
    "PUT /shifts/{shift_id}/roll-call": LEADS_ACTIVITY(roll_call),
    "GET /stations/{station_id}/attendances": READS_ATTENDANCE(holder="manager"),
}

WORK: dict[str, Entry] = RANKINGS | ATTENDANCE
