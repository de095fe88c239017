"""Two leaders, each with a list, or one phone that comes back from the cellar: what was written last stands."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.attendance.factories import Scene, evidence, make_scene, soon
from volunteer_api.core import clock

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def scene(app: Flask) -> Scene:
    """A shift of two hours that began an hour ago."""
    return make_scene(starts_at=soon() - HOUR)


def call(client: Any, scene: Scene, ago: int | None, status: str) -> Any:
    body: dict[str, Any] = {"entries": [{"volunteer_id": str(scene.volunteer.id), "status": status}]}
    if ago is not None:
        body["taken_at"] = evidence(clock.now() - ago * MINUTE)["client_time"]
    return client.as_(scene.leader).put(f"/shifts/{scene.shift.id}/roll-call", json=body)


@pytest.mark.parametrize("newer", [None, 5])
def test_an_older_list_that_comes_later_changes_nothing(client: Any, scene: Scene, newer: int | None) -> None:
    assert call(client, scene, newer, "present").json["results"][0]["changed"] is True
    [late] = call(client, scene, 10, "absent").json["results"]
    assert (late["status"], late["changed"], late["why"]["code"]) == (200, False, "later_roll_call")
    assert late["attendance"]["state"] == "open"
    [newest] = call(client, scene, 0, "absent").json["results"]
    assert (newest["changed"], newest["why"], newest["attendance"]["state"]) == (True, None, "rejected")


def test_what_is_said_again_stands_from_then_on(client: Any, scene: Scene) -> None:
    for ago, status in ((20, "present"), (5, "present")):
        call(client, scene, ago, status)
    assert call(client, scene, 10, "absent").json["results"][0]["why"]["code"] == "later_roll_call"


@pytest.mark.either_database
def test_no_list_is_of_a_time_to_come(client: Any, scene: Scene) -> None:
    answer = call(client, scene, -40, "present")
    assert (answer.status_code, answer.json["code"]) == (409, "roll_call_ahead")
    # A clock may be a little fast.
    assert call(client, scene, -3, "present").json["results"][0]["changed"] is True
