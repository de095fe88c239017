"""The verbs of activities."""

from typing import Any

from tests.activities.factories import make_activity, make_scene
from volunteer_api.activities import service


def test_the_path_is_taken_at_publication(unit: Any) -> None:
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene))
    activity = unit(lambda: service.queries.fresh_activity(made.id))
    assert activity.published_at is not None
    assert activity.organization_path_id is not None
