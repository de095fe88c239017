"""The verbs of activities."""

from typing import Any
from uuid import UUID

from tests.activities.factories import make_activity, make_scene, make_volunteers, take_grants_away
from volunteer_api.activities import service
from volunteer_api.activities.leaders import hearers_of, leaders_of_one
from volunteer_api.activities.models import Activity
from volunteer_api.core.database import db
from volunteer_api.teams.models import MembershipRole
from volunteer_api.teams.service import add_member


def test_the_path_is_taken_at_publication(unit: Any) -> None:
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene))
    activity = unit(lambda: service.queries.fresh_activity(made.id))
    assert activity.published_at is not None
    assert activity.organization_path_id is not None


def test_who_leads_is_one_answer(unit: Any) -> None:
    """Those named and those who lead the team; where nobody does, who planned it."""

    def prepare() -> tuple[Any, Any, Any, list[UUID]]:
        scene = make_scene()
        [named, deputy] = make_volunteers(2)
        add_member(team_id=scene.team_id, volunteer_id=deputy, role=MembershipRole.DEPUTY)
        both = make_activity(scene=scene, team_id=scene.team_id, leader_ids=[named])
        nobody = make_activity(scene=scene)
        return both, nobody, scene, [named, deputy]

    both, nobody, scene, named = unit(prepare)
    found = unit(lambda: hearers_of([both.id, nobody.id]))
    assert found == {both.id: sorted([*named, scene.leader_id]), nobody.id: [scene.organizer_id]}
    assert unit(lambda: hearers_of([])) == {}


def test_of_what_nobody_leads_hears_who_can_act(unit: Any) -> None:
    """Who planned it and has no rights any more led it, for the ledger, but news would be lost with her."""
    made = unit(make_activity)
    scene = made.scene
    unit(lambda: take_grants_away(scene.organizer_id))
    assert unit(lambda: hearers_of([made.id])) == {made.id: [scene.administrator_id]}
    assert unit(lambda: leaders_of_one(db.session.get_one(Activity, made.id))) == [scene.organizer_id]
