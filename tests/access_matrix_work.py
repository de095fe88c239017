"""Rows of the access matrix: activities, attendances, rankings."""

from typing import Any

from tests.access_scene import (
    LEADS_ACTIVITY,
    LEADS_DRAFT,
    ORGANIZES,
    OWNER_SEEN_FROM_ABOVE,
    PUBLIC,
    PUBLISHES,
    READS_ATTENDANCE,
    SEES_DRAFT,
    SIGNED_IN,
    Call,
    Entry,
    World,
    moment,
)
from tests.attendance.factories import evidence
from volunteer_api.core import clock

PLACE = {"lat": 33.735, "lng": 113.33}


def shift_times() -> dict[str, Any]:
    return {"starts_at": moment(30), "ends_at": moment(32)}


def activity(world: World) -> Call:
    """An activity of the office."""
    body = {"title": "清洁家园", "category": "environment_protection", "organization_id": str(world.office.id)}
    return Call(body=body | {"place": PLACE, "shifts": [shift_times()]})


def activity_of_the_team(world: World) -> Call:
    """An activity of the team, which its leader may plan too."""
    call = activity(world)
    return Call(body=(call.body or {}) | {"team_id": str(world.team.id)})


def completion(world: World) -> Call:
    """One that is going on."""
    outcomes = [{"kind": "river_cleaned", "quantity": 350, "unit": "m"}]
    return Call(at={"activity_id": world.running_shift.activity_id}, body={"outcomes": outcomes})


def check_in(world: World) -> Call:
    """At a shift that is going on."""
    return Call(body={"shift_id": str(world.running_shift.id), "evidence": evidence(clock.now())})


def check_out(world: World) -> Call:
    """Of the member's own attendance."""
    return Call(at={"attendance_id": world.attendance.id}, body={"evidence": evidence(clock.now())})


ACTIVITIES: dict[str, Entry] = {
    "GET /campaigns": PUBLIC(),
    "POST /campaigns": ORGANIZES(
        lambda world: Call(body={"name": "清洁湛河", "organization_id": str(world.office.id)})
    ),
    "GET /campaigns/{campaign_id}": PUBLIC(),
    "GET /activities": PUBLIC(),
    "POST /activities": ORGANIZES(activity),
    "POST /activities · of a team": ORGANIZES(activity_of_the_team, holder="leader"),
    "GET /activities/{activity_id}": PUBLIC(),
    "GET /activities/{activity_id} · a draft": SEES_DRAFT(lambda world: Call(at={"activity_id": world.draft().id})),
    "PATCH /activities/{activity_id}": LEADS_ACTIVITY(
        lambda world: Call(body={"description": "带水"}, version=world.activity.version)
    ),
    "PATCH /activities/{activity_id} · a draft": LEADS_DRAFT(
        lambda world: Call(at={"activity_id": world.draft().id}, body={"title": "清洁河岸"}, version=1)
    ),
    "POST /activities/{activity_id}/submission": LEADS_DRAFT(lambda world: Call(at={"activity_id": world.draft().id})),
    "POST /activities/{activity_id}/return": PUBLISHES(
        lambda world: Call(at={"activity_id": world.draft(submitted=True).id}, body={"reason": "缺少地点"})
    ),
    "POST /activities/{activity_id}/publication": PUBLISHES(
        lambda world: Call(at={"activity_id": world.draft(submitted=True).id})
    ),
    "POST /activities/{activity_id}/cancellation": LEADS_ACTIVITY(lambda world: Call(body={"reason": "大雨"})),
    "POST /activities/{activity_id}/completion": LEADS_ACTIVITY(completion),
    "GET /activities/{activity_id}/shifts": PUBLIC(),
    "GET /activities/{activity_id}/shifts · of a draft": SEES_DRAFT(
        lambda world: Call(at={"activity_id": world.draft().id})
    ),
    "POST /activities/{activity_id}/shifts": LEADS_ACTIVITY(lambda world: Call(body=shift_times())),
    "GET /shifts/{shift_id}": PUBLIC(),
    "GET /shifts/{shift_id}/sign-ups": LEADS_ACTIVITY(),
    "POST /shifts/{shift_id}/sign-ups": SIGNED_IN(lambda world: Call(body={})),
    "GET /sign-ups/{sign_up_id}": OWNER_SEEN_FROM_ABOVE(),
    "POST /sign-ups/{sign_up_id}/withdrawal": OWNER_SEEN_FROM_ABOVE(lambda world: Call(body={"reason": "生病"})),
    "GET /rankings": PUBLIC(lambda world: Call(query={"subject": "organization", "level": "practice_office"})),
}

ATTENDANCE: dict[str, Entry] = {
    "GET /shifts/{shift_id}/presence-code": LEADS_ACTIVITY(lambda world: Call(at={"shift_id": world.running_shift.id})),
    "GET /shifts/{shift_id}/attendances": READS_ATTENDANCE(),
    "POST /attendances": SIGNED_IN(check_in),
    "GET /attendances/{attendance_id}": READS_ATTENDANCE(),
    "POST /attendances/{attendance_id}/check-out": OWNER_SEEN_FROM_ABOVE(check_out),
}

WORK: dict[str, Entry] = ACTIVITIES | ATTENDANCE
