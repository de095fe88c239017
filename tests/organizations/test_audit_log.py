"""Who reads the audit log, and what of it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_grant, make_organization
from volunteer_api.core import audit, clock
from volunteer_api.core.audit import AuditAction
from volunteer_api.organizations.models import Role

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def district(app: Any, unit: Unit) -> District:
    """With one entry in each office, and one of no organization."""
    made = make_district()

    def write() -> None:
        audit.record(
            AuditAction.GRANTED,
            actor_id=made.organizer.id,
            subject_id=made.outsider.id,
            organization_id=made.practice_station.id,
        )
        audit.record(AuditAction.REVOKED, actor_id=made.other_organizer.id, organization_id=made.other_office.id)
        audit.record(AuditAction.SIGNED_IN, actor_id=made.outsider.id, subject_id=made.outsider.id)

    unit(write)
    return made


def actions(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.json
    return [item["action"] for item in answer.json["items"] if item["action"] != "data_read"]


def test_the_four(client: ApiClient, district: District) -> None:
    for path in ("/audit-entries", f"/audit-entries?organization_id={district.office.id}"):
        assert client.get(path).status_code == 401
        assert client.as_(district.outsider).get(path).status_code == 404
        assert client.as_(district.organizer).get(path).status_code == 403
        assert actions(client.as_(district.auditor).get(path)) == ["granted"]


def test_a_subtree_and_what_is_of_no_organization(client: ApiClient, district: District) -> None:
    administrator, auditor = client.as_(district.administrator), client.as_(district.auditor)
    assert actions(administrator.get("/audit-entries")) == ["signed_in", "revoked", "granted"]
    assert actions(administrator.get(f"/audit-entries?organization_id={district.other_office.id}")) == ["revoked"]
    assert auditor.get(f"/audit-entries?organization_id={district.other_office.id}").status_code == 404
    assert auditor.get(f"/audit-entries?organization_id={district.center.id}").status_code == 404
    make_grant(district.outsider, Role.AUDITOR, district.other_office.id)
    assert actions(client.as_(district.outsider).get("/audit-entries")) == ["revoked"]


def test_filters(client: ApiClient, district: District) -> None:
    administrator = client.as_(district.administrator)

    def found(**query: Any) -> list[str]:
        return actions(administrator.get("/audit-entries", query_string=query))

    assert found(action="revoked") == ["revoked"]
    assert found(actor_id=district.organizer.id) == ["granted"]
    assert found(subject_id=district.outsider.id) == ["signed_in", "granted"]
    tomorrow = f"{clock.now() + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    assert found(**{"from": tomorrow}) == []
    assert len(found(to=tomorrow)) == 3
    assert administrator.get("/audit-entries?action=nothing").status_code == 422
    # And by local days, as everywhere else: both are included.
    with client.app.app_context():
        today = clock.today()
    before, after = (today + timedelta(days=days) for days in (-1, 1))
    assert len(found(**{"from": before, "to": after})) == 3
    assert len(found(**{"from": before, "to": today})) + len(found(**{"from": after, "to": after})) == 3
    assert found(**{"from": after}) == []
    refused = administrator.get("/audit-entries?from=2026-11-31").json["errors"][0]
    assert (refused["pointer"], refused["code"]) == ("/from", "not_moment_or_day")


def test_what_an_entry_shows(client: ApiClient, district: District) -> None:
    (item,) = client.as_(district.auditor).get("/audit-entries?action=granted").json["items"]
    assert item["actor"] == {"id": str(district.organizer.id), "name": "组织者"}
    assert item["subject"] == {"id": str(district.outsider.id), "name": "路*"}
    assert item["organization_id"] == str(district.practice_station.id)


def test_reading_is_recorded_and_the_person_sees_it(client: ApiClient, district: District) -> None:
    auditor = client.as_(district.auditor)
    auditor.get(f"/audit-entries?organization_id={district.office.id}&subject_id={district.outsider.id}")
    (first, *_) = auditor.get(f"/audit-entries?organization_id={district.office.id}").json["items"]
    assert (first["action"], first["actor"]["id"]) == ("data_read", str(district.auditor.id))
    assert client.get("/me/audit-entries").status_code == 401
    mine = client.as_(district.outsider).get("/me/audit-entries").json["items"]
    assert [(item["action"], item["by_me"], item["actor"]) for item in mine] == [
        ("data_read", False, "审*"),
        ("signed_in", True, "路*"),
        ("granted", False, "组*"),
    ]
    # Where the auditor sat is the auditor's.
    assert mine[0]["network"] is None
    client.as_(district.outsider).get("/me/export")
    own = client.as_(district.outsider).get("/me/audit-entries").json["items"]
    assert next(item["network"] for item in own if item["action"] == "data_exported") == "127.0.0.0/24"
    assert client.as_(district.organizer).get("/me/audit-entries").json["items"] == []


def test_pages_neither_skip_nor_repeat_and_cost_few_statements(
    client: ApiClient, district: District, unit: Unit, statements: Callable[[], Any]
) -> None:
    unit(
        lambda: [
            audit.record(AuditAction.GRANTED, organization_id=district.office.id, number=number) for number in range(40)
        ]
    )
    auditor = client.as_(district.auditor)
    with statements() as seen:
        page = auditor.get("/audit-entries?action=granted&limit=15").json
    # The session, the right, the page, and that it was read.
    assert len(seen) == 4
    found = [item["id"] for item in page["items"]]
    while page["next_cursor"]:
        path = f"/audit-entries?action=granted&limit=15&cursor={page['next_cursor']}"
        page = auditor.get(path).json
        found += [item["id"] for item in page["items"]]
    assert len(found) == len(set(found)) == 41


def test_a_move_leaves_old_entries_with_those_who_were_above(client: ApiClient, district: District, unit: Unit) -> None:
    station, other = district.practice_station.id, district.other_office.id
    new_auditor = make_volunteer()
    make_grant(new_auditor, Role.AUDITOR, other)
    moved = client.as_(district.administrator).patch(
        f"/organizations/{station}", json={"parent_id": str(other)}, version=1
    )
    assert moved.status_code == 200, moved.json
    unit(lambda: audit.record(AuditAction.DATA_EXPORTED, organization_id=station))
    # What was done before the move, and the move itself, but nothing after it.
    assert actions(client.as_(district.auditor).get("/audit-entries")) == ["organization_moved", "granted"]
    seen = actions(client.as_(new_auditor).get("/audit-entries"))
    assert seen == ["data_exported", "organization_moved", "revoked"]
    assert actions(client.as_(new_auditor).get(f"/audit-entries?organization_id={station}")) == seen[:2]
    # Who is above both sees it all.
    both = client.as_(district.administrator).get(f"/audit-entries?organization_id={station}")
    assert actions(both) == ["data_exported", "organization_moved", "organization_moved", "granted"]


def test_what_is_of_no_organization_crosses_no_root(client: ApiClient, district: District) -> None:
    """Another district in the same deployment: nothing says to which of the two a sign-in belongs."""
    other_root = make_organization(name="另一区的中心")
    administrator = client.as_(district.administrator)
    assert "signed_in" not in actions(administrator.get("/audit-entries"))
    make_grant(district.administrator, Role.AUDITOR, other_root.id)
    assert "signed_in" in actions(administrator.get("/audit-entries"))
