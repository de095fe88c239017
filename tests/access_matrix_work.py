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
)
from tests.attendance.factories import evidence
from volunteer_api.attendance import presence_code
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core import clock


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


RANKINGS: dict[str, Entry] = {
    "GET /rankings": PUBLIC(lambda world: Call(query={"subject": "organization", "level": "practice_office"})),
}

ATTENDANCE: dict[str, Entry] = {
    "GET /shifts/{shift_id}/presence-code": LEADS_ACTIVITY(lambda world: Call(at={"shift_id": world.running_shift.id})),
    "GET /shifts/{shift_id}/attendances": READS_ATTENDANCE(),
    "POST /attendances": SIGNED_IN(check_in),
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
}

WORK: dict[str, Entry] = RANKINGS | ATTENDANCE
