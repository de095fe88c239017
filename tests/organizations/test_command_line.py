"""How a new district gets its network and its first administrator, and one whose last administrator is gone another."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import func, select

from tests.factories import make_volunteer
from tests.organizations.factories import DISTRICT_ROWS, make_organization
from volunteer_api.cli import common
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.organizations import divisions, grants, service
from volunteer_api.organizations.models import Division, Organization, OrganizationKind

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on the test's database."""
    monkeypatch.setattr(common, "ready_app", lambda: app)
    return lambda *arguments: CliRunner().invoke(common.group, arguments)


def give(run: Run, organization_id: Any, phone: str, role: str = "administrator") -> Result:
    return run("grants", "give", role, "--organization", str(organization_id), "--phone", phone)


def test_a_new_district_gets_its_network_and_its_first_administrator(run: Run, unit: Any, client: Any) -> None:
    unit(lambda: divisions.import_divisions(DISTRICT_ROWS))
    built = run("organizations", "build", "410403")
    assert built.exit_code == 0, built.output
    assert "2 offices, 4 stations" in built.output
    again = run("organizations", "build", "410403")
    assert again.output == built.output
    center = unit(lambda: db.session.scalars(select(Organization).where(Organization.parent_id.is_(None))).one())
    first = make_volunteer(name="王书记", phone="+8613912345678")
    given = give(run, center.id, "+8613912345678")
    assert given.exit_code == 0, given.output
    assert "王书记" in given.output
    [held] = client.as_(first).get("/me/grants").json["items"]
    assert (held["role"], held["scope"]["id"]) == ("administrator", str(center.id))
    # She can go on in the app.
    office = {"name": "新办公室", "kind": "practice_office", "parent_id": str(center.id)}
    assert client.as_(first).post("/organizations", json=office, key="office").status_code == 201
    [entry] = unit(lambda: db.session.scalars(select(AuditEntry).where(AuditEntry.action == "granted")).all())
    assert (entry.actor_id, entry.subject_id) == (None, first.id)
    [told] = client.as_(first).get("/me/notifications").json["items"]
    assert told["kind"] == "grant_given"


def test_a_district_whose_only_administrator_was_erased_gets_another(run: Run, unit: Any, client: Any) -> None:
    center = make_organization()
    gone, other = make_volunteer(), make_volunteer(phone="+8613912345679")
    assert give(run, center.id, gone.phone).exit_code == 0
    unit(lambda: grants.end_all_of(gone.id))
    assert give(run, center.id, other.phone).exit_code == 0
    assert len(client.as_(other).get("/me/grants").json["items"]) == 1


def test_what_can_not_be_given_is_named(run: Run, unit: Any) -> None:
    center, volunteer = make_organization(), make_volunteer(phone="+8613912345678")
    nobody = give(run, center.id, "+8613900000000")
    assert nobody.exit_code == 1
    assert "+8613900000000" in nobody.output
    assert give(run, volunteer.id, volunteer.phone).exit_code == 1
    assert give(run, "nonsense", volunteer.phone).exit_code == 2
    assert give(run, center.id, volunteer.phone, role="station_manager").exit_code == 2
    assert give(run, center.id, volunteer.phone).exit_code == 0
    twice = give(run, center.id, volunteer.phone)
    assert twice.exit_code == 1
    assert "already holds this role" in twice.output
    # Every usual spelling of the same number is it; what is no organization is named.
    assert "already holds this role" in give(run, center.id, "139 1234 5678").output
    assert give(run, center.id, "12345").exit_code == 2
    assert f"no organization {volunteer.id} (--organization)" in give(run, volunteer.id, volunteer.phone).output
    kit = run("kit-standards", "issue", "desk", "--organization", str(volunteer.id))
    assert (kit.exit_code, f"no organization {volunteer.id}" in kit.output) == (1, True)
    closed = make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE)
    unit(lambda: service.structure.close(db.session.get_one(Organization, closed.id), reason="merged", actor_id=None))
    assert give(run, closed.id, volunteer.phone).exit_code == 1


def test_a_network_is_of_an_imported_district(run: Run) -> None:
    unknown = run("organizations", "build", "999999")
    assert unknown.exit_code == 1
    assert "999999 is no imported district" in unknown.output


def test_a_district_that_a_file_has_not_is_named(run: Run, unit: Any, tmp_path: Any) -> None:
    """It loaded the city alone, and said that all was well."""
    path = tmp_path / "divisions.csv"
    path.write_text("code,parent_code,level,name\n4104,,city,平顶山市\n410403,4104,district,卫东区\n", encoding="utf-8")
    slip = run("import", "divisions", str(path), "--district", "410499")
    assert (slip.exit_code, "has no division 410499" in slip.output) == (1, True)
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(Division))) == 0
    assert "2 divisions loaded." in run("import", "divisions", str(path), "--district", "410403").output
