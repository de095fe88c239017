"""Who leads activities and closes her account."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from tests.activities.factories import make_activity, make_scene, take_grants_away
from tests.factories import make_volunteer
from volunteer_api.accounts import erasure
from volunteer_api.accounts.events import ErasureRequested
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import service
from volunteer_api.activities.models import Activity, ActivityLeader
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import publish


def told(client: Any, who: UUID, kind: str) -> list[dict[str, str]]:
    items = client.as_(who).get("/me/notifications?limit=100").json["items"]
    return [one["values"] for one in items if one["kind"] == kind]


def test_who_leads_and_leaves_is_missed(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    leader = make_volunteer(name="李小萌")
    coming = unit(lambda: make_activity(scene=scene, title="她负责的活动", leader_ids=[leader.id]))
    over = unit(lambda: make_activity(scene=scene, title="已取消的活动", leader_ids=[leader.id]))
    unit(lambda: service.cancel(db.session.get_one(Activity, over.id), reason="下雨"))
    unit(lambda: publish(ErasureRequested(leader.id, clock.now())))
    assert [one["activity"] for one in told(client, leader.id, "leads_at_erasure")] == ["她负责的活动"]
    assert [one["activity_id"] for one in told(client, scene.organizer_id, "leader_leaves")] == [str(coming.id)]

    def erase() -> None:
        db.session.get_one(Volunteer, leader.id).erases_at = clock.now()
        db.session.flush()
        assert erasure.execute(leader.id)

    unit(erase)
    unit(lambda: erasure.look_again(leader.id))
    [left] = told(client, scene.organizer_id, "leader_left")
    assert left["activity_id"] == str(coming.id)
    assert client.get(f"/activities/{coming.id}").json["leaders"] == []
    mine = select(ActivityLeader.activity_id).where(ActivityLeader.volunteer_id == leader.id)
    assert unit(lambda: db.session.scalars(mine).all()) == [over.id]
    # Nor does a form that was opened before bring her back: nobody would hear of what happens there.
    organizer, path = client.as_(scene.organizer_id), f"/activities/{coming.id}"
    again = organizer.patch(path, json={"leader_ids": [str(leader.id)]}, version=organizer.get(path).json["version"])
    assert again.json["errors"][0] | {"detail": ""} == {
        "pointer": "/leader_ids",
        "code": "unknown_reference",
        "detail": "",
    }


def test_a_planner_who_leads_alone_is_missed_too(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    alone = unit(lambda: make_activity(scene=scene, title="她一人负责的活动"))
    unit(lambda: make_activity(scene=scene, title="她的草稿", published=False))
    unit(lambda: make_activity(scene=scene, title="别人负责的活动", leader_ids=[scene.member_id]))
    unit(lambda: publish(ErasureRequested(scene.organizer_id, clock.now())))
    assert [one["activity"] for one in told(client, scene.organizer_id, "leads_at_erasure")] == ["她一人负责的活动"]
    [missed] = told(client, scene.administrator_id, "leader_leaves")
    assert missed["activity_id"] == str(alone.id)


def test_a_planner_without_rights_leads_nothing_that_is_missed(client: Any, unit: Any) -> None:
    made = unit(make_activity)
    unit(lambda: take_grants_away(made.scene.organizer_id))
    unit(lambda: publish(ErasureRequested(made.scene.organizer_id, clock.now())))
    assert told(client, made.scene.organizer_id, "leads_at_erasure") == []
    assert told(client, made.scene.administrator_id, "leader_leaves") == []


def test_what_comes_back_is_heard_of_by_who_can_change_it(client: Any, unit: Any) -> None:
    """Its planner has gone to another office since."""
    made = unit(lambda: make_activity(published=False))
    scene = made.scene
    unit(lambda: service.submit(db.session.get_one(Activity, made.id)))
    unit(lambda: take_grants_away(scene.organizer_id))
    unit(lambda: service.send_back(db.session.get_one(Activity, made.id), reason="写明地点"))
    for reader in (scene.organizer_id, scene.administrator_id):
        assert [one["reason"] for one in told(client, reader, "activity_returned")] == ["写明地点"]
