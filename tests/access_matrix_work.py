"""Rows of the access matrix: attendances, rankings."""

from tests.access_scene import (
    LEADS_ACTIVITY,
    OWNER_SEEN_FROM_ABOVE,
    PUBLIC,
    READS_ATTENDANCE,
    SIGNED_IN,
    Call,
    Entry,
    World,
)
from tests.attendance.factories import evidence
from volunteer_api.core import clock


def check_in(world: World) -> Call:
    """At a shift that is going on."""
    return Call(body={"shift_id": str(world.running_shift.id), "evidence": evidence(clock.now())})


def check_out(world: World) -> Call:
    """Of the member's own attendance."""
    return Call(at={"attendance_id": world.attendance.id}, body={"evidence": evidence(clock.now())})


def batch(world: World) -> Call:
    """One check-in."""
    line = {"key": "a", "kind": "check_in", "shift_id": str(world.running_shift.id)}
    return Call(body={"operations": [line | {"evidence": evidence(clock.now())}]})


RANKINGS: dict[str, Entry] = {
    "GET /rankings": PUBLIC(lambda world: Call(query={"subject": "organization", "level": "practice_office"})),
}

ATTENDANCE: dict[str, Entry] = {
    "GET /shifts/{shift_id}/presence-code": LEADS_ACTIVITY(lambda world: Call(at={"shift_id": world.running_shift.id})),
    "GET /shifts/{shift_id}/attendances": READS_ATTENDANCE(),
    "POST /attendances": SIGNED_IN(check_in),
    "POST /attendances/batch": SIGNED_IN(batch),
    "GET /attendances/{attendance_id}": READS_ATTENDANCE(),
    "POST /attendances/{attendance_id}/check-out": OWNER_SEEN_FROM_ABOVE(check_out),
}

WORK: dict[str, Entry] = RANKINGS | ATTENDANCE
