"""Moves, merges and closing: who may, what is refused, what stays as it was recorded, and what a race can't break."""

import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_grant, make_organization
from tests.stations.factories import make_station
from tests.teams.factories import make_team
from volunteer_api.activities.models import Activity
from volunteer_api.activities.service import create_activity
from volunteer_api.core import clock, ids
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations import queries, structure
from volunteer_api.organizations.models import (
    Grant,
    Organization,
    OrganizationKind,
    OrganizationPath,
    PathMember,
    Role,
)
from volunteer_api.stations.models import Station, StationStatus
from volunteer_api.teams.models import Team

Unit = Callable[[Callable[[], Any]], Any]
Race = Callable[[int, Callable[[int], Any]], list[Any]]


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


def path_of(unit: Unit, organization_id: UUID) -> list[UUID]:
    return unit(lambda: [row[1] for row in db.session.execute(queries.paths_of(Organization.id == organization_id))])


def walk_up(unit: Unit, organization_id: UUID) -> list[UUID]:
    parents = dict(unit(lambda: db.session.execute(select(Organization.id, Organization.parent_id)).all()))
    found: list[UUID] = []
    step: UUID | None = organization_id
    while step is not None and step not in found:
        found.append(step)
        step = parents[step]
    return found


def make_draft(organization_id: UUID) -> Activity:
    leader = make_volunteer()
    moment = clock.now()
    return create_activity(
        by=leader.id,
        title="清洁家园",
        category="environment_protection",
        organization_id=organization_id,
        shifts=[{"starts_at": moment, "ends_at": moment.replace(year=moment.year + 1)}],
    )


def audited(unit: Unit, action: AuditAction) -> list[AuditEntry]:
    entries = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
    return unit(lambda: db.session.scalars(entries).all())


class TestMove:
    def test_the_four(self, client: ApiClient, district: District) -> None:
        path = f"/organizations/{district.practice_station.id}"
        body = {"parent_id": str(district.other_office.id)}
        assert client.patch(path, json=body, version=1).status_code == 401
        assert client.as_(district.outsider).patch(path, json=body, version=1).status_code == 404
        assert client.as_(district.auditor).patch(path, json=body, version=1).status_code == 403
        # She manages the station but sees nothing of the other office.
        assert client.as_(district.organizer).patch(path, json=body, version=1).status_code == 404
        answer = client.as_(district.administrator).patch(path, json=body, version=1)
        assert (answer.status_code, answer.json["parent_id"], answer.json["version"]) == (
            200,
            str(district.other_office.id),
            2,
        )
        assert client.as_(district.administrator).patch(path, json=body, version=1).status_code == 412

    def test_nobody_takes_what_she_holds_away_from_above(self, client: ApiClient, district: District) -> None:
        make_grant(district.organizer, Role.ORGANIZER, district.other_office.id)
        unit_center = make_organization(parent_id=district.other_office.id, kind=OrganizationKind.UNIT, name="学校")
        answer = client.as_(district.organizer).patch(
            f"/organizations/{district.office.id}", json={"parent_id": str(district.other_office.id)}, version=1
        )
        assert answer.status_code == 403
        moved = client.as_(district.organizer).patch(
            f"/organizations/{unit_center.id}", json={"parent_id": str(district.office.id)}, version=1
        )
        assert moved.status_code == 200

    def test_the_subtree_gets_new_paths_and_records_keep_theirs(
        self, client: ApiClient, district: District, unit: Unit
    ) -> None:
        school = make_organization(parent_id=district.practice_station.id, kind=OrganizationKind.UNIT, name="一中")
        draft = unit(lambda: make_draft(school.id))
        before = unit(
            lambda: db.session.execute(
                select(PathMember.ancestor_id, PathMember.depth).where(PathMember.path_id == draft.organization_path_id)
            ).all()
        )
        body = {"parent_id": str(district.other_office.id)}
        answer = client.as_(district.administrator).patch(
            f"/organizations/{district.practice_station.id}", json=body, version=1
        )
        assert answer.status_code == 200
        expected = [school.id, district.practice_station.id, district.other_office.id, district.center.id]
        assert path_of(unit, school.id) == expected
        kept = unit(lambda: db.session.get(Activity, draft.id))
        assert kept.organization_path_id == draft.organization_path_id
        after = unit(
            lambda: db.session.execute(
                select(PathMember.ancestor_id, PathMember.depth).where(PathMember.path_id == draft.organization_path_id)
            ).all()
        )
        assert sorted(after) == sorted(before)
        # Rights follow the tree of now.
        rename = {"name": "一中新校"}
        assert (
            client.as_(district.organizer).patch(f"/organizations/{school.id}", json=rename, version=1).status_code
            == 404
        )
        other = client.as_(district.other_organizer)
        assert other.patch(f"/organizations/{school.id}", json=rename, version=1).status_code == 200
        # One on the path that it left, one on the new.
        entry, _ = audited(unit, AuditAction.ORGANIZATION_MOVED)
        assert (entry.actor_id, entry.organization_id) == (district.administrator.id, district.practice_station.id)
        assert entry.details == {
            "path": "before",
            "name": district.practice_station.name,
            "from_id": str(district.office.id),
            "from_name": district.office.name,
            "to_id": str(district.other_office.id),
            "to_name": district.other_office.name,
        }

    def test_refusals(self, client: ApiClient, district: District) -> None:
        administrator = client.as_(district.administrator)
        office, station = district.office, district.practice_station
        make_organization(parent_id=district.other_office.id, kind=OrganizationKind.PRACTICE_STATION, name=station.name)

        def code(organization: Organization, **body: Any) -> str:
            answer = administrator.patch(f"/organizations/{organization.id}", json=body, version=1)
            assert answer.status_code == 409
            return str(answer.json["code"])

        assert code(district.center, parent_id=str(office.id)) == "root_stays"
        assert code(office, parent_id=str(station.id)) == "organization_in_itself"
        assert code(office, parent_id=str(office.id)) == "organization_in_itself"
        assert code(office, parent_id=str(district.other_office.id)) == "organization_kind_misplaced"
        body = {"parent_id": str(district.other_office.id)}
        misplaced = administrator.patch(f"/organizations/{office.id}", json=body, version=1).json
        assert misplaced["detail"] == "实践所类组织不能设在实践所类组织之下。"
        assert code(station, parent_id=str(district.other_office.id)) == "organization_name_taken"
        assert code(station, division_code="99") == "division_unknown"
        unknown = administrator.patch(f"/organizations/{station.id}", json={"parent_id": str(ids.new_id())}, version=1)
        assert unknown.status_code == 404
        # With another name she may come.
        body = {"parent_id": str(district.other_office.id), "name": "东苑新站"}
        assert administrator.patch(f"/organizations/{station.id}", json=body, version=1).status_code == 200

    def test_a_name_taken_is_named(self, client: ApiClient, district: District) -> None:
        answer = client.as_(district.administrator).patch(
            f"/organizations/{district.office.id}", json={"name": district.other_office.name}, version=1
        )
        assert district.other_office.name in answer.json["detail"]

    def test_a_wide_subtree_costs_no_more_statements(self, unit: Unit, statements: Callable[[], Any]) -> None:
        root = make_organization(kind=OrganizationKind.CITY_OFFICE)
        centers = [make_organization(parent_id=root.id, kind=OrganizationKind.PRACTICE_CENTER) for _ in range(2)]
        office = make_organization(parent_id=centers[0].id, kind=OrganizationKind.PRACTICE_OFFICE)

        def moving(target: UUID) -> int:
            with statements() as seen:
                unit(lambda: structure.move(db.session.get_one(Organization, office.id), parent_id=target))
            return len(seen)

        few = moving(centers[1].id)
        unit(
            lambda: structure.insert_organizations(
                [
                    Organization(
                        id=ids.new_id(),
                        parent_id=office.id,
                        kind=OrganizationKind.UNIT,
                        name=f"单位{number}",
                        path_id=ids.new_id(),
                        initials="",
                        pinyin="",
                    )
                    for number in range(2828)
                ]
            )
        )
        # As PostgreSQL does by itself within a minute: it plans badly for thousands of rows that it does not know of.
        for table in ("organizations", "path_members"):
            unit(lambda table=table: db.session.execute(text(f"ANALYZE {table}")))
        assert moving(centers[0].id) == few < 20
        below = select(func.count()).select_from(queries.subtree_ids(centers[0].id).subquery())
        assert unit(lambda: db.session.scalar(below)) == 2830


class TestMerge:
    def path(self, district: District) -> str:
        return f"/organizations/{district.office.id}/merging"

    def body(self, district: District) -> dict[str, str]:
        return {"into_id": str(district.other_office.id)}

    def test_the_four(self, client: ApiClient, district: District) -> None:
        path, body = self.path(district), self.body(district)
        assert client.post(path, json=body).status_code == 401
        assert client.as_(district.outsider).post(path, json=body).status_code == 404
        assert client.as_(district.auditor).post(path, json=body).status_code == 403
        assert client.as_(district.organizer).post(path, json=body).status_code == 404
        make_grant(district.organizer, Role.ORGANIZER, district.other_office.id)
        assert client.as_(district.organizer).post(path, json=body).status_code == 403
        answer = client.as_(district.administrator).post(path, json=body)
        assert answer.status_code == 200
        assert answer.json["merged_into_id"] == answer.json["parent_id"] == str(district.other_office.id)
        assert answer.json["closed_at"] is not None

    def test_the_successor_has_it_all_and_a_second_call_changes_nothing(
        self, client: ApiClient, district: District, unit: Unit
    ) -> None:
        station = make_station(organization_id=district.office.id)
        team = make_team(organization_id=district.office.id)
        draft = unit(lambda: make_draft(district.office.id))
        administrator = client.as_(district.administrator)
        first = administrator.post(self.path(district), json=self.body(district))
        again = administrator.post(self.path(district), json=self.body(district))
        assert again.json == first.json
        into = district.other_office.id
        assert unit(lambda: db.session.get(Station, station.id)).organization_id == into
        assert unit(lambda: db.session.get(Team, team.id)).organization_id == into
        kept = unit(lambda: db.session.get(Activity, draft.id))
        assert (kept.organization_id, kept.organization_path_id) == (district.office.id, draft.organization_path_id)
        for child in district.practice_stations[:2]:
            assert path_of(unit, child.id) == [child.id, into, district.center.id] == walk_up(unit, child.id)
        assert path_of(unit, district.office.id) == [district.office.id, into, district.center.id]
        # Who organizes the successor finishes what was left.
        assert client.as_(district.other_organizer).get(f"/activities/{draft.id}").status_code == 200
        assert len(audited(unit, AuditAction.ORGANIZATION_MERGED)) == 2

    def test_a_dry_run_tells_what_a_merger_would_do(self, client: ApiClient, district: District, unit: Unit) -> None:
        """It was final at one tap, and nobody could know before what it took along."""
        make_station(organization_id=district.office.id, name="东安路服务台")
        make_team(organization_id=district.office.id, name="鹰城大妈")
        unit(lambda: make_draft(district.office.id))
        administrator, path = client.as_(district.administrator), f"{self.path(district)}?dry_run=true"
        scope = {"type": "organization", "id": str(district.office.id)}
        waiting = {"phone": "+8613799990000", "role": "organizer", "scope": scope}
        assert administrator.post("/grants", json=waiting).status_code == 201
        answer = administrator.post(path, json=self.body(district))
        assert (answer.status_code, answer.json["closed_at"], answer.json["merged_into_id"]) == (200, None, None)
        told = answer.json["consequences"]
        assert [(one["what"], one["count"], one["goes_over"]) for one in told["holdings"]] == [
            ("activities", 1, False),
            ("organizations", 2, True),
            ("stations", 1, True),
            ("teams", 1, True),
        ]
        assert told["holdings"][2]["names"] == ["东安路服务台"]
        assert [(one["role"], one["volunteer"]["id"]) for one in told["ending_grants"]] == [
            ("organizer", str(district.organizer.id)),
            ("auditor", str(district.auditor.id)),
        ]
        assert [(one["role"], one["masked_phone"]) for one in told["lapsing_grants"]] == [("organizer", "137****0000")]
        # Nothing of it was done, and nobody heard of anything.
        assert path_of(unit, district.office.id) == [district.office.id, district.center.id]
        assert client.get(f"/organizations/{district.office.id}").json["closed_at"] is None
        assert unit(lambda: db.session.scalar(select(func.count()).select_from(Notification))) == 0
        assert audited(unit, AuditAction.ORGANIZATION_MERGED) == []
        live = select(Grant).where(Grant.scope_id == district.office.id, Grant.revoked_at.is_(None))
        assert len(unit(lambda: db.session.scalars(live).all())) == 2
        # What the merger would be refused for, its dry run is.
        taken = {"parent_id": str(district.other_office.id), "kind": "unit", "name": district.practice_station.name}
        assert administrator.post("/organizations", json=taken).status_code == 201
        refused = administrator.post(path, json=self.body(district))
        assert (refused.status_code, refused.json["code"]) == (409, "organization_name_taken")

    def test_grants_on_it_end_and_their_holders_hear_of_it(
        self, client: ApiClient, district: District, unit: Unit
    ) -> None:
        client.as_(district.administrator).post(self.path(district), json=self.body(district))
        live = select(Grant).where(Grant.scope_id == district.office.id, Grant.revoked_at.is_(None))
        assert unit(lambda: db.session.scalars(live).all()) == []
        ended = audited(unit, AuditAction.REVOKED)
        assert {entry.subject_id for entry in ended} == {district.organizer.id, district.auditor.id}
        assert {entry.details["reason"] for entry in ended} == {"merged"}
        told = unit(lambda: db.session.execute(select(Notification.volunteer_id, Notification.kind)).all())
        # Who looks after what went over hears of it too.
        assert {tuple(row) for row in told} == {
            (district.organizer.id, "grant_ended_by_merging"),
            (district.auditor.id, "grant_ended_by_merging"),
            (district.other_organizer.id, "organization_taken_over"),
        }
        heard = client.as_(district.organizer).get("/me/notifications").json["items"][0]["body"]
        assert heard == f"{district.office.name}已并入{district.other_office.name}，您在原组织的组织者角色随之结束。"
        assert client.as_(district.organizer).get("/me/grants").json["items"] == []

    def test_refusals(self, client: ApiClient, district: District) -> None:
        administrator = client.as_(district.administrator)

        def code(organization_id: UUID, into_id: UUID) -> str:
            answer = administrator.post(f"/organizations/{organization_id}/merging", json={"into_id": str(into_id)})
            assert answer.status_code == 409, answer.json
            return str(answer.json["code"])

        office, other, station = district.office.id, district.other_office.id, district.practice_station.id
        assert code(district.center.id, office) == "root_stays"
        assert code(office, station) == "organization_in_itself"
        assert code(office, office) == "organization_in_itself"
        assert code(office, district.practice_stations[2].id) == "organization_kind_misplaced"
        make_organization(parent_id=other, kind=OrganizationKind.PRACTICE_STATION, name=district.practice_station.name)
        answer = administrator.post(self.path(district), json=self.body(district))
        assert answer.json["code"] == "organization_name_taken"
        assert district.practice_station.name in answer.json["detail"]
        assert administrator.post(f"/organizations/{station}/merging", json={"into_id": str(other)}).status_code == 409
        administrator.post(f"/organizations/{station}/closing", json={"reason": "并入"})
        assert code(station, district.practice_stations[1].id) == "organization_closed"
        assert code(district.practice_stations[1].id, station) == "organization_closed"

    def test_a_teams_name_collides(self, client: ApiClient, district: District, unit: Unit) -> None:
        for office in district.offices:
            make_team(organization_id=office.id, name="鹰城大妈")
        answer = client.as_(district.administrator).post(self.path(district), json=self.body(district))
        assert (answer.status_code, answer.json["code"]) == (409, "team_name_taken")
        assert unit(lambda: db.session.get(Organization, district.office.id)).closed_at is None

    def test_a_closed_teams_name_does_not(self, client: ApiClient, district: District, unit: Unit) -> None:
        """Nobody renames a closed team: its name would stand in the way for ever."""
        for office in district.offices:
            team = make_team(organization_id=office.id, name="鹰城大妈")
            assert client.as_(district.administrator).post(f"/teams/{team.id}/closing").status_code == 200
        make_team(organization_id=district.office.id, name="鹰城大妈")
        answer = client.as_(district.administrator).post(self.path(district), json=self.body(district))
        assert answer.status_code == 200, answer.json
        names = select(Team.name).where(Team.organization_id == district.other_office.id)
        assert unit(lambda: db.session.scalars(names).all()) == ["鹰城大妈"] * 3


REASON = {"reason": "社区合并"}


class TestReopen:
    def test_the_four(self, client: ApiClient, district: District, unit: Unit) -> None:
        path = f"/organizations/{district.practice_station.id}/reopening"
        administrator = client.as_(district.administrator)
        administrator.post(f"/organizations/{district.practice_station.id}/closing", json=REASON)
        assert client.post(path, json={}).status_code == 401
        assert client.as_(district.other_organizer).post(path, json={}).status_code == 404
        assert client.as_(district.auditor).post(path, json={}).status_code == 403
        answer = client.as_(district.organizer).post(path, json={})
        assert (answer.status_code, answer.json["closed_at"], answer.json["closing_reason"]) == (200, None, None)
        assert client.as_(district.organizer).post(path, json={}).json == answer.json
        assert len(audited(unit, AuditAction.ORGANIZATION_REOPENED)) == 1

    def test_what_was_merged_by_a_slip_goes_on_beside_its_successor(
        self, client: ApiClient, district: District, unit: Unit
    ) -> None:
        """Else it is founded anew and stands twice in every ranking of the months before."""
        administrator, office = client.as_(district.administrator), district.office
        administrator.post(f"/organizations/{office.id}/merging", json={"into_id": str(district.other_office.id)})
        path = f"/organizations/{office.id}/reopening"
        # Those who took over have it below them, and not what stands above.
        assert client.as_(district.other_organizer).post(path, json={}).status_code == 404
        below = administrator.post(path, json={"parent_id": str(district.other_office.id)})
        assert below.json["code"] == "organization_kind_misplaced"
        answer = administrator.post(path, json={})
        assert (answer.status_code, answer.json["merged_into_id"]) == (200, None)
        assert answer.json["parent_id"] == str(district.center.id)
        assert path_of(unit, office.id) == [office.id, district.center.id] == walk_up(unit, office.id)
        # What was merged stays merged, and is moved back by who wants that.
        station = district.practice_station
        assert walk_up(unit, station.id) == [station.id, district.other_office.id, district.center.id]
        version = client.get(f"/organizations/{station.id}").json["version"]
        moved = administrator.patch(f"/organizations/{station.id}", json={"parent_id": str(office.id)}, version=version)
        assert moved.status_code == 200
        assert administrator.post(f"/organizations/{district.center.id}/reopening", json={}).status_code == 409


class TestClose:
    def path(self, district: District) -> str:
        return f"/organizations/{district.practice_station.id}/closing"

    def test_a_root_stays_open(self, client: ApiClient, district: District) -> None:
        """Nobody could open another one: what holds it up has no request."""
        empty = make_organization(name="空的中心")
        administrator = make_volunteer()
        make_grant(administrator, Role.ADMINISTRATOR, empty.id)
        answer = client.as_(administrator).post(f"/organizations/{empty.id}/closing", json=REASON)
        assert (answer.status_code, answer.json["code"]) == (409, "root_stays")

    def test_the_four(self, client: ApiClient, district: District, unit: Unit) -> None:
        path = self.path(district)
        assert client.post(path, json=REASON).status_code == 401
        assert client.as_(district.other_organizer).post(path, json=REASON).status_code == 404
        assert client.as_(district.auditor).post(path, json=REASON).status_code == 403
        answer = client.as_(district.organizer).post(path, json=REASON)
        assert (answer.status_code, answer.json["closing_reason"]) == (200, "社区合并")
        again = client.as_(district.organizer).post(path, json={"reason": "别的"})
        assert again.json == answer.json
        assert len(audited(unit, AuditAction.ORGANIZATION_CLOSED)) == 1

    def test_a_dry_run_closes_nothing(self, client: ApiClient, district: District, unit: Unit) -> None:
        path = f"{self.path(district)}?dry_run=true"
        answer = client.as_(district.organizer).post(path, json=REASON)
        assert (answer.status_code, answer.json["closed_at"], answer.json["closing_reason"]) == (200, None, None)
        assert audited(unit, AuditAction.ORGANIZATION_CLOSED) == []
        make_organization(parent_id=district.practice_station.id, kind=OrganizationKind.UNIT, name="一中")
        refused = client.as_(district.organizer).post(path, json=REASON)
        assert (refused.status_code, refused.json["code"]) == (409, "organization_not_empty")

    def test_what_stands_in_the_way_is_named(self, client: ApiClient, district: District, unit: Unit) -> None:
        organizer, place = client.as_(district.organizer), district.practice_station.id
        child = make_organization(parent_id=place, kind=OrganizationKind.UNIT, name="一中")

        def refusal() -> Any:
            answer = organizer.post(self.path(district), json=REASON)
            assert (answer.status_code, answer.json["code"]) == (409, "organization_not_empty")
            return answer.json

        assert (refusal()["what"], "一中" in refusal()["detail"]) == ("organizations", True)
        organizer.post(f"/organizations/{child.id}/closing", json=REASON)
        station = make_station(organization_id=place, name="河西服务台")
        assert (refusal()["what"], "河西服务台" in refusal()["detail"]) == ("stations", True)
        organizer.patch(f"/stations/{station.id}", json={"status": "closed", "status_reason": "撤销"}, version=1)
        draft = unit(lambda: make_draft(place))
        assert (refusal()["what"], "清洁家园" in refusal()["detail"]) == ("activities", True)
        organizer.post(f"/activities/{draft.id}/cancellation", json={"reason": "不办了"})
        team = make_team(organization_id=place)
        assert organizer.post(self.path(district), json=REASON).status_code == 409
        unit(lambda: setattr(db.session.get(Team, team.id), "closed_at", clock.now()))
        assert organizer.post(self.path(district), json=REASON).status_code == 200

    def test_it_takes_nothing_new_and_stays_readable(self, client: ApiClient, district: District, unit: Unit) -> None:
        organizer, place = client.as_(district.organizer), str(district.practice_station.id)
        station = make_station(organization_id=district.practice_station.id, status=StationStatus.CLOSED)
        organizer.post(self.path(district), json=REASON)
        scope = {"type": "organization", "id": place}
        moment = clock.now() + timedelta(days=1)
        tries = [
            ("/organizations", {"parent_id": place, "kind": "unit", "name": "一中"}),
            ("/grants", {"volunteer_id": str(district.outsider.id), "role": "inspector", "scope": scope}),
            ("/grants", {"phone": "13700000000", "role": "inspector", "scope": scope}),
            ("/teams", {"organization_id": place, "name": "新队"}),
            (
                "/stations",
                {
                    "organization_id": place,
                    "name": "新台",
                    "kind": "desk",
                    "place": {"lat": 33.7, "lng": 113.3},
                    "address": "一号",
                },
            ),
            (
                "/activities",
                {
                    "organization_id": place,
                    "title": "新活动",
                    "category": "elderly_care",
                    "shifts": [
                        {
                            "starts_at": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
                            "ends_at": f"{moment + timedelta(hours=2):%Y-%m-%dT%H:%M:%SZ}",
                        }
                    ],
                },
            ),
        ]
        for path, body in tries:
            answer = organizer.post(path, json=body)
            assert (answer.status_code, answer.json["code"]) == (409, "organization_closed"), (path, answer.json)
        reopening = organizer.patch(f"/stations/{station.id}", json={"status": "open"}, version=1)
        assert (reopening.status_code, reopening.json["code"]) == (409, "organization_closed")
        rename = organizer.patch(f"/organizations/{place}", json={"name": "新名"}, version=2)
        assert (rename.status_code, rename.json["code"]) == (409, "organization_closed")
        into = {"parent_id": place}
        school = make_organization(parent_id=district.office.id, kind=OrganizationKind.UNIT, name="二中")
        moving = organizer.patch(f"/organizations/{school.id}", json=into, version=1)
        assert (moving.status_code, moving.json["code"]) == (409, "organization_closed")
        assert client.get(f"/organizations/{place}").status_code == 200
        listed = f"/organizations?parent_id={district.office.id}&kind=practice_station"
        assert place not in [item["id"] for item in client.get(listed).json["items"]]
        assert place in [item["id"] for item in client.get(f"{listed}&closed=true").json["items"]]

    def test_rankings_list_it_only_with_a_value(self, client: ApiClient, district: District) -> None:
        client.as_(district.organizer).post(self.path(district), json=REASON)
        path = f"/rankings?subject=organization&metric=activity_count&scope={district.office.id}"
        names = [item["subject"]["name"] for item in client.get(path).json["items"]]
        assert names == [district.practice_stations[1].name]


def test_two_moves_that_would_make_a_circle(postgresql_app: Any, postgresql_unit: Unit, race: Race) -> None:
    """A below a child of B, and B below a child of A: each holds what it needs before either looks for a circle."""
    root = make_organization(kind=OrganizationKind.CITY_OFFICE)
    for _ in range(2):
        tops = [make_organization(parent_id=root.id, kind=OrganizationKind.PRACTICE_CENTER) for _ in range(2)]
        leaves = [make_organization(parent_id=top.id, kind=OrganizationKind.PRACTICE_OFFICE) for top in tops]
        both_hold = threading.Barrier(2)

        def move(number: int, tops: Any = tops, leaves: Any = leaves, both_hold: threading.Barrier = both_hold) -> Any:
            return postgresql_unit(lambda: force_move(tops[number].id, leaves[1 - number].id, both_hold))

        outcomes = race(2, move)
        assert sorted(str(outcome) for outcome in outcomes) == ["None", "organization_in_itself"]
        for organization in (*tops, *leaves):
            assert path_of(postgresql_unit, organization.id) == walk_up(postgresql_unit, organization.id)
            assert walk_up(postgresql_unit, organization.id)[-1] == root.id


def force_move(organization_id: UUID, parent_id: UUID, both_hold: threading.Barrier) -> None:
    """A move whose kinds are not looked at, so that only the locks and the look for a circle stand in the way."""
    structure.hold_branches(organization_id, parent_id)
    with contextlib.suppress(threading.BrokenBarrierError):
        # The two never hold at once. Without the locks they would, and only a deadlock of foreign keys would stop them.
        both_hold.wait(timeout=1)
    structure.refuse_below(organization_id, parent_id)
    db.session.get_one(Organization, organization_id).parent_id = parent_id
    db.session.flush()
    structure.repath(organization_id, [organization_id], parent_id)


def test_children_born_while_their_parent_moves(
    postgresql_client: ApiClient, postgresql_unit: Unit, race: Race
) -> None:
    district = make_district()
    caller = postgresql_client.as_(district.administrator)
    place = district.practice_station.id

    def act(number: int) -> Any:
        if number == 0:
            body = {"parent_id": str(district.other_office.id)}
            return caller.patch(f"/organizations/{place}", json=body, version=1).status_code
        return caller.post(
            "/organizations", json={"parent_id": str(place), "kind": "unit", "name": f"单位{number}"}
        ).status_code

    assert race(8, act) == [200] + [201] * 7
    children = postgresql_unit(
        lambda: db.session.scalars(select(Organization.id).where(Organization.parent_id == place)).all()
    )
    assert len(children) == 7
    for child in children:
        assert path_of(postgresql_unit, child) == [child, place, district.other_office.id, district.center.id]


@pytest.mark.parametrize("what", ["organizations", "teams", "stations"])
def test_nothing_is_born_in_what_closes(
    postgresql_client: ApiClient, postgresql_unit: Unit, race: Race, what: str
) -> None:
    district = make_district()
    caller = postgresql_client.as_(district.organizer)
    for place in district.practice_stations[:2]:
        bodies: dict[str, dict[str, Any]] = {
            "organizations": {"parent_id": str(place.id), "kind": "unit", "name": "一中"},
            "teams": {"organization_id": str(place.id), "name": "新队"},
            "stations": {
                "organization_id": str(place.id),
                "name": "新台",
                "kind": "desk",
                "place": {"lat": 33.7, "lng": 113.3},
                "address": "一号",
            },
        }

        def act(number: int, place: Any = place, body: dict[str, Any] = bodies[what]) -> int:
            if number == 0:
                return caller.post(f"/organizations/{place.id}/closing", json={"reason": "撤销"}).status_code
            return caller.post(f"/{what}", json=body).status_code

        assert sorted(race(2, act)) in ([200, 409], [201, 409])


def test_rows_of_paths_are_one_per_path(unit: Unit) -> None:
    """A path says whose it is by its member of depth 0."""
    make_district()
    wrong = (
        select(OrganizationPath.id)
        .join(PathMember, PathMember.path_id == OrganizationPath.id)
        .where(PathMember.depth == 0, PathMember.ancestor_id != OrganizationPath.organization_id)
    )
    assert unit(lambda: db.session.scalars(wrong).all()) == []
