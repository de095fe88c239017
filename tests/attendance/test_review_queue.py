"""What waits for a review is on the list of those who may decide on it now, wherever its organization stood before."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.attendance.factories import evidence, make_scene, make_shift, soon
from tests.organizations.factories import make_grant
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations import service as organizations
from volunteer_api.organizations import structure
from volunteer_api.organizations.models import Organization, OrganizationKind, Role
from volunteer_api.stations.models import Station

HOUR = timedelta(hours=1)


@pytest.mark.both_databases
def test_what_waits_moves_with_its_organization(client: Any, unit: Any) -> None:
    began = soon() - HOUR
    scene = unit(lambda: make_scene(starts_at=began))

    def make(parent_id: UUID | None, kind: OrganizationKind, name: str) -> UUID:
        made = organizations.create_organization(parent_id=parent_id, kind=kind, name=name, division_code=None)
        return made.id

    def build() -> tuple[UUID, UUID, UUID]:
        office_id = make(None, OrganizationKind.PRACTICE_OFFICE, "东安路街道")
        make_grant(scene.stranger, Role.ORGANIZER, office_id)
        below_id = make(scene.organization.id, OrganizationKind.PRACTICE_STATION, "铁路新村实践站")
        db.session.get_one(Station, scene.station.id).organization_id = below_id
        below = db.session.get_one(Organization, below_id)
        with clock.at(began - HOUR):
            shift = make_shift(organization=below, created_by=scene.organizer, starts_at=began)
        return office_id, below_id, shift.id

    office_id, below_id, shift_id = unit(build)
    phone = client.as_(scene.volunteer)
    for key, target in (("a", {"shift_id": str(shift_id)}), ("b", {"station_id": str(scene.station.id)})):
        made = phone.post("/attendances", json=target | {"evidence": evidence(began)}, key=key).json
        left = phone.post(f"/attendances/{made['id']}/check-out", json={"evidence": evidence(soon())}, key=f"{key}-out")
        assert left.json["state"] == "held"

    def listed(which: str = "") -> int:
        return len(client.as_(scene.stranger).get(f"/attendances?state=held{which}").json["items"])

    assert (listed(), listed(f"&organization_id={office_id}")) == (0, 0)
    unit(lambda: structure.move(db.session.get_one(Organization, below_id), parent_id=office_id))
    assert (listed(), listed(f"&organization_id={office_id}")) == (2, 2)
    # Whose each is: who decides for a whole district could not tell.
    names = {
        one["organization"]["name"] for one in client.as_(scene.stranger).get("/attendances?state=held").json["items"]
    }
    assert names == {"铁路新村实践站"}
    assert listed(f"&organization_id={scene.organization.id}") == 0
