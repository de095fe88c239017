"""What an activity refers to, after the tree of organizations is not what it was."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.activities.factories import MadeActivity, make_activity, make_scene
from tests.factories import next_number
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations.models import OrganizationKind
from volunteer_api.organizations.service import create_organization
from volunteer_api.qualifications.service import create_training

Unit = Callable[[Callable[[], Any]], Any]
REFERENCES = ("team_id", "station_id", "campaign_id", "required_training_ids")


def make_station(parent_id: UUID) -> UUID:
    kind, name = OrganizationKind.PRACTICE_STATION, f"实践站{next_number()}"
    return create_organization(parent_id=parent_id, kind=kind, name=name).id


def of_the_office() -> tuple[MadeActivity, str, str]:
    """A draft of a practice station that refers to what is its office's; its station, and a training of the office."""
    scene = make_scene()
    station_id = make_station(scene.office_id)
    campaign = activities.create_campaign(name="清洁家园", organization_id=scene.office_id)
    needed, other = (create_training(organization_id=scene.office_id, name=name).id for name in ("急救", "水上救生"))
    made = make_activity(
        scene=scene,
        published=False,
        organization_id=station_id,
        team_id=scene.team_id,
        station_id=scene.station_id,
        campaign_id=campaign.id,
        required_training_ids=[needed],
    )
    return made, str(station_id), str(other)


@pytest.mark.parametrize("way", ["move", "merger"])
def test_what_it_had_before_its_organization_went_elsewhere_stands(client: Any, unit: Unit, way: str) -> None:
    """A phone sends back all that it read; only what is named anew has to be of the branch of now."""
    made, station, other = unit(of_the_office)
    elsewhere = made.scene.other_office_id
    administrator, path = client.as_(made.scene.administrator_id), f"/activities/{made.id}"
    if way == "move":
        gone = administrator.patch(f"/organizations/{station}", json={"parent_id": str(elsewhere)}, version=1)
    else:
        into = {"into_id": str(unit(lambda: make_station(elsewhere)))}
        gone = administrator.post(f"/organizations/{station}/merging", json=into)
    assert gone.status_code == 200, gone.json
    read = administrator.get(path).json
    whole = {name: read[name] for name in REFERENCES} | {"title": "清洁家园，第二次"}
    changed = administrator.patch(path, json=whole, version=read["version"])
    assert changed.status_code == 200, changed.json
    assert {name: changed.json[name] for name in whole} == whole
    more = {"required_training_ids": [*read["required_training_ids"], other]}
    refused = administrator.patch(path, json=whole | more, version=changed.json["version"])
    assert [one["pointer"] for one in refused.json["errors"]] == ["/required_training_ids"]
    # What it once let go of is of another branch.
    without = dict.fromkeys(REFERENCES[:3]) | {"required_training_ids": []}
    changed = administrator.patch(path, json=without, version=changed.json["version"])
    assert changed.status_code == 200, changed.json
    refused = administrator.patch(path, json=whole, version=changed.json["version"])
    assert sorted(one["pointer"] for one in refused.json["errors"]) == sorted(f"/{name}" for name in REFERENCES)


def test_a_campaign_goes_on_with_whoever_takes_its_organization_over(client: Any, unit: Unit) -> None:
    """Those below it serve it still, and its new organizers lead it; patterns stay of use too."""
    scene = unit(make_scene)
    station_id = unit(lambda: make_station(scene.office_id))
    administrator, into = client.as_(scene.administrator_id), str(scene.other_office_id)
    campaign = administrator.post("/campaigns", json={"name": "百日", "organization_id": str(scene.office_id)}).json
    kept = unit(lambda: make_activity(scene=scene))
    for organization_id in (str(scene.office_id), into):
        body = {"organization_id": organization_id, "name": "巡河", "activity_id": str(kept.id)}
        assert administrator.post("/activity-templates", json=body).status_code == 201
    unit(lambda: activities.cancel(db.session.get_one(Activity, kept.id), reason="合并"))
    path = f"/organizations/{scene.office_id}/merging"
    told = administrator.post(f"{path}?dry_run=true", json={"into_id": into}).json["consequences"]["holdings"]
    assert {("campaigns", 1, True), ("activity_templates", 1, True)} <= {
        (one["what"], one["count"], one["goes_over"]) for one in told
    }
    assert administrator.post(path, json={"into_id": into}).status_code == 200
    planned = unit(
        lambda: make_activity(
            scene=scene, organization_id=station_id, campaign_id=UUID(campaign["id"]), published=False
        )
    )
    assert planned.id
    [listed] = client.get(f"/campaigns?organization_id={into}").json["items"]
    changed = client.as_(scene.other_organizer_id).patch(
        f"/campaigns/{campaign['id']}", json={"description": "继续"}, version=campaign["version"] + 1
    )
    assert (listed["id"], changed.status_code) == (campaign["id"], 200)
    names = [one["name"] for one in administrator.get(f"/activity-templates?organization_id={into}").json["items"]]
    assert names == ["巡河", f"巡河 ({unit(clock.today):%Y%m%d})"]
