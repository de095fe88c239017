"""Rows of the access matrix: campaigns, activities and shifts."""

import dataclasses
from datetime import timedelta
from typing import Any

from tests.access_scene import (
    LEADS_ACTIVITY,
    LEADS_DRAFT,
    ORGANIZES,
    PUBLIC,
    PUBLISHES,
    SEES_DRAFT,
    SIGNED_IN,
    Call,
    Entry,
    World,
    moment,
)
from tests.factories import next_number
from volunteer_api.accounts.categories import Category
from volunteer_api.activities import copies
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, Template
from volunteer_api.core import clock
from volunteer_api.core.database import db

# Who leads a team of the office belongs to it, and hears that she may not.
PLANS = dataclasses.replace(ORGANIZES, foreign_leader=403)
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


def partnership(world: World) -> Call:
    """The office holds the activity of another one with it."""
    shared = activities.create_activity(
        by=world.district.other_organizer.id,
        title="清洁湛河",
        category=Category.ENVIRONMENT_PROTECTION,
        organization_id=world.district.other_office.id,
        co_organizer_ids=[world.office.id],
        shifts=[{"starts_at": clock.now() + timedelta(days=1), "ends_at": clock.now() + timedelta(days=1, hours=2)}],
    )
    activities.publish(shared)
    return Call(at={"activity_id": shared.id, "organization_id": world.office.id}, body={"reason": "未曾商定"})


def correction_of_outcomes(world: World) -> Call:
    """Of one that is completed."""
    activity = db.session.get_one(Activity, world.running_shift.activity_id)
    activities.complete(activity)
    db.session.flush()
    return Call(at={"activity_id": activity.id}, body={"note": "更正"}, version=activity.version)


def campaign_of_the_office(world: World) -> Call:
    """A new one: each who may changes it once."""
    campaign = activities.create_campaign(name="清洁湛河", organization_id=world.office.id)
    return Call(at={"campaign_id": campaign.id}, body={"goals": {"activities": 500}}, version=1)


def template(world: World) -> Template:
    """A new pattern of the office."""
    return copies.keep_as_template(world.activity, organization_id=world.office.id, name=f"模板{next_number()}")


def new_template(world: World) -> Call:
    """Of the activity."""
    body = {"organization_id": str(world.office.id), "activity_id": str(world.activity.id)}
    return Call(body=body | {"name": f"模板{next_number()}"})


def from_template(world: World) -> Call:
    """A draft of the office."""
    body = {"on": "2030-05-04", "organization_id": str(world.office.id)}
    return Call(at={"template_id": template(world).id}, body=body)


ROWS: dict[str, Entry] = {
    "PATCH /campaigns/{campaign_id}": ORGANIZES(campaign_of_the_office),
    "POST /activities/{activity_id}/copies": PLANS(
        lambda world: Call(body={"organization_ids": [str(world.office.id)]})
    ),
    "GET /activity-templates": SIGNED_IN(lambda world: Call(query={"organization_id": str(world.office.id)})),
    "POST /activity-templates": PLANS(new_template),
    "PATCH /activity-templates/{template_id}": ORGANIZES(
        lambda world: Call(at={"template_id": template(world).id}, body={"name": f"模板{next_number()}"}, version=1)
    ),
    "DELETE /activity-templates/{template_id}": ORGANIZES(lambda world: Call(at={"template_id": template(world).id})),
    "POST /activity-templates/{template_id}/activities": PLANS(from_template),
    "PATCH /shifts/{shift_id}": LEADS_ACTIVITY(lambda world: Call(body={"capacity": 40}, version=world.shift.version)),
    "POST /shifts/{shift_id}/cancellation": LEADS_ACTIVITY(lambda world: Call(body={"reason": "大雨"})),
    "GET /campaigns": PUBLIC(),
    "POST /campaigns": ORGANIZES(
        lambda world: Call(body={"name": "清洁湛河", "organization_id": str(world.office.id)})
    ),
    "GET /campaigns/{campaign_id}": PUBLIC(),
    "GET /activities": PUBLIC(),
    "POST /activities": PLANS(activity),
    "POST /activities · of a team": PLANS(activity_of_the_team, holder="leader"),
    "GET /activities/{activity_id}": PUBLIC(),
    "GET /activities/{activity_id} · a draft": SEES_DRAFT(lambda world: Call(at={"activity_id": world.draft().id})),
    "GET /activities/{activity_id}.ics": PUBLIC(),
    "GET /activities/{activity_id}.ics · a draft": SEES_DRAFT(lambda world: Call(at={"activity_id": world.draft().id})),
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
    "POST /activities/{activity_id}/co-organizers/{organization_id}/decline": ORGANIZES(partnership),
    "PATCH /activities/{activity_id}/outcomes": LEADS_ACTIVITY(correction_of_outcomes),
    "GET /activities/{activity_id}/shifts": PUBLIC(),
    "GET /activities/{activity_id}/shifts · of a draft": SEES_DRAFT(
        lambda world: Call(at={"activity_id": world.draft().id})
    ),
    "POST /activities/{activity_id}/shifts": LEADS_ACTIVITY(lambda world: Call(body=shift_times())),
    "GET /shifts/{shift_id}": PUBLIC(),
}
