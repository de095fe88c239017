"""The list of members as a workbook, and filled by one."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from sqlalchemy import func, select

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, exports, tables
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.downloads import XLSX
from volunteer_api.teams.models import Membership, MembershipRole, MembershipState, Team

NO_FAULTS: dict[str, Any] = {
    "dry_run": False,
    "ignored_columns": [],
    "ignored_rows": [],
    "ignored_sheets": [],
    "errors": [],
    "error_count": 0,
}

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


@pytest.fixture
def leader(app: Any) -> Volunteer:
    return make_volunteer(name="王队长")


@pytest.fixture
def team(district: District, leader: Volunteer) -> Team:
    return make_team(organization_id=district.office.id, leader=leader, name="鹰城大妈")


def workbook(*rows: list[Any]) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    output = BytesIO()
    book.save(output)
    return output.getvalue()


def entries(unit: Unit, action: str) -> list[Any]:
    statement = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
    return list(unit(lambda: db.session.scalars(statement).all()))


class TestSearchMembers:
    def test_by_name_or_number_but_never_who_is_only_invited(
        self, client: ApiClient, team: Team, leader: Volunteer
    ) -> None:
        aunt, invited = make_volunteer(name="李阿姨"), make_volunteer(name="李大爷")
        make_member(team, aunt)
        make_member(team, invited, state=MembershipState.INVITED)
        path = f"/teams/{team.id}/memberships"
        for q in ("李", aunt.volunteer_number, aunt.volunteer_number.lower()):
            found = client.as_(leader).get(path, query_string={"q": q}).json["items"]
            assert [item["volunteer"]["id"] for item in found] == [str(aunt.id)]
        assert client.as_(leader).get(path, query_string={"q": invited.volunteer_number}).json["items"] == []


class TestContact:
    def test_the_four_and_the_audit_log(
        self, client: ApiClient, unit: Unit, district: District, team: Team, leader: Volunteer
    ) -> None:
        member, deputy = make_volunteer(name="李阿姨", phone="+8613812340001"), make_volunteer()
        path = f"/memberships/{make_member(team, member).id}/contact"
        make_member(team, deputy, role=MembershipRole.DEPUTY)
        assert client.get(path).status_code == 401
        for outsider in (district.outsider, district.other_organizer):
            assert client.as_(outsider).get(path).status_code == 404
        for insider in (member, district.auditor):
            assert client.as_(insider).get(path).status_code == 403
        assert entries(unit, "data_read") == []
        for right in (leader, deputy, district.organizer):
            assert client.as_(right).get(path).json == {
                "name": "李阿姨",
                "phone": "+8613812340001",
                "emergency_contact": None,
                "guardian": None,
            }
        read = [(entry.actor_id, entry.subject_id, entry.organization_id) for entry in entries(unit, "data_read")]
        assert read == [(one.id, member.id, district.office.id) for one in (leader, deputy, district.organizer)]

    @pytest.mark.parametrize(
        "state", [state for state in MembershipState if state not in (MembershipState.ACTIVE, MembershipState.LEFT)]
    )
    def test_only_of_active_members(
        self, client: ApiClient, team: Team, leader: Volunteer, state: MembershipState
    ) -> None:
        path = f"/memberships/{make_member(team, make_volunteer(), state=state).id}/contact"
        assert client.as_(leader).get(path).status_code == 404


class TestExport:
    def test_the_four(self, client: ApiClient, district: District, team: Team, leader: Volunteer) -> None:
        member = make_volunteer()
        make_member(team, member)
        for path in (f"/teams/{team.id}/members.xlsx", f"/teams/{team.id}/members/template.xlsx"):
            assert client.get(path).status_code == 401
            for outsider in (district.outsider, district.other_organizer):
                assert client.as_(outsider).get(path).status_code == 404
            for insider in (member, district.auditor):
                assert client.as_(insider).get(path).status_code == 403
            for right in (leader, district.organizer):
                assert client.as_(right).get(path).status_code == 200

    def test_the_workbook(self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer) -> None:
        aunt = make_volunteer(name="=cmd|'/c calc'!A1", phone="+8613812340001")
        make_member(team, aunt)
        client.as_(leader).post(f"/teams/{team.id}/memberships", json={"phone": "+8613712340009"})
        answer = client.as_(leader).get(f"/teams/{team.id}/members.xlsx")
        assert (answer.mimetype, answer.headers["Cache-Control"]) == (XLSX, "no-store")
        sheet = load_workbook(BytesIO(answer.data)).worksheets[0]
        today = unit(clock.today).isoformat()
        assert [[cell.value for cell in row] for row in sheet.iter_rows()][:1] == [
            ["姓名", "志愿者编号", "手机", "角色", "状态", "入队日期", "离队日期", "服务分钟（累计）"]
        ]
        assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=3)] == [
            ["=cmd|'/c calc'!A1", aunt.volunteer_number, "138****0001", "队员", "在队", today, None, 0],
            [None, None, "137****0009", "队员", "已邀请", None, None, None],
        ]
        assert (sheet["A3"].data_type, bool(sheet["A3"].quotePrefix), sheet.freeze_panes) == ("s", True, "A2")
        (kept,) = entries(unit, "data_exported")
        assert (kept.actor_id, kept.organization_id, kept.details["rows"]) == (leader.id, team.organization_id, 3)


class TestImport:
    def post(self, client: Any, team: Team, content: bytes, *, dry: bool = False, name: str = "名单.xlsx") -> Any:
        path = f"/teams/{team.id}/members/import" + ("?dry_run=true" if dry else "")
        data = {"file": (BytesIO(content), name)}
        return client.post(path, data=data, content_type="multipart/form-data")

    def count(self, unit: Unit, team: Team) -> int:
        found: int = unit(lambda: db.session.scalar(select(func.count()).where(Membership.team_id == team.id)))
        return found

    def test_the_four(self, client: ApiClient, district: District, team: Team, leader: Volunteer) -> None:
        member, content = make_volunteer(), workbook(["手机"], ["13700000001"])
        make_member(team, member)
        assert self.post(client, team, content).status_code == 401
        for outsider in (district.outsider, district.other_organizer):
            assert self.post(client.as_(outsider), team, content).status_code == 404
        for insider in (member, district.auditor):
            assert self.post(client.as_(insider), team, content).status_code == 403
        for right in (leader, district.organizer):
            assert self.post(client.as_(right), team, content).status_code == 200

    def messy(self, member: Volunteer, known: Volunteer) -> bytes:
        """What an office sends: a title over the header, numbers, full-width digits, blank rows."""
        return workbook(
            ["鹰城大妈志愿服务队名单"],
            [],
            ["序号", "姓 名", "联系电话*", "职务", "备注"],
            [1, "王秀英", 13700000001.0, "队员", "老党员"],
            [2, "阿依古丽·买买提", "137 0000 0002", "副队长"],
            [3, "李阿姨", "+86-137-0000-0003".translate(str.maketrans("0123456789", "０１２３４５６７８９")), None],
            [4, None, int(known.phone[3:]), "队员"],
            [5, "老队员", member.phone, "队员"],
            *[[None] * 5] * 200,
        )

    def test_a_messy_workbook_invites(self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer) -> None:
        member, known = make_volunteer(), make_volunteer()
        make_member(team, member)
        caller, content = client.as_(leader), self.messy(member, known)
        expected = {"rows": 5, "invited": 4, "already_members": 1, **NO_FAULTS}
        expected |= {"ignored_columns": ["序号", "备注"]}
        dry = self.post(caller, team, content, dry=True)
        assert (dry.status_code, dry.json) == (200, expected | {"dry_run": True})
        assert self.count(unit, team) == 2
        done = self.post(caller, team, content)
        assert (done.status_code, done.json) == (200, expected)
        items = caller.get(f"/teams/{team.id}/memberships?state=invited").json["items"]
        assert [(item["volunteer"]["phone"], item["volunteer"]["name"], item["role"]) for item in items] == [
            ("137****0001", None, "member"),
            ("137****0002", None, "deputy"),
            ("137****0003", None, "member"),
            (f"{known.phone[3:6]}****{known.phone[-4:]}", None, "member"),
        ]
        # Nobody is made a member: the one with an account is asked.
        (own,) = client.as_(known).get("/me/memberships").json["items"]
        assert own["state"] == "invited"
        again = self.post(caller, team, content)
        assert again.json == expected | {"invited": 0, "already_members": 5}
        assert [entry.details["invited"] for entry in entries(unit, "members_imported")] == [4, 0]

    def test_gbk(self, client: ApiClient, team: Team, leader: Volunteer) -> None:
        content = "姓名,手机号码\r\n王秀英,13700000001\r\n,\r\n".encode("gbk")
        answer = self.post(client.as_(leader), team, content, name="名单.csv")
        assert answer.json == {"rows": 1, "invited": 1, "already_members": 0, **NO_FAULTS}

    def test_each_bad_row_is_named_and_nobody_is_invited(
        self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer
    ) -> None:
        content = workbook(
            ["手机", "姓名", "角色"],
            ["13700000001", "王秀英", "队员"],
            ["1370000000", "王秀英", "队员"],
            [None, "王秀英", "队员"],
            ["13700000002", "王2", "队长"],
            ["137-0000-0001", "王秀英", "组长"],
        )
        caller = client.as_(leader)
        dry = self.post(caller, team, content, dry=True)
        assert dry.status_code == 200
        assert dry.json["errors"][0]["cell"].endswith(str(dry.json["errors"][0]["row"]))
        errors = [(error["row"], error["column"], error["code"]) for error in dry.json["errors"]]
        assert errors == [
            (3, "手机", "not_phone"),
            (4, "手机", "required"),
            (5, "姓名", "not_name"),
            (5, "角色", "role_not_invited"),
            (6, "角色", "not_role"),
            (6, "手机", "repeated"),
        ]
        assert (dry.json["rows"], dry.json["invited"]) == (5, 1)
        refused = self.post(caller, team, content)
        assert (refused.status_code, refused.json["code"]) == (422, "roster_refused")
        assert refused.json["errors"] == dry.json["errors"]
        assert self.count(unit, team) == 1

    @pytest.mark.parametrize(
        ("content", "code"),
        [
            (workbook(["姓名"], ["王秀英"]), "column_missing"),
            (workbook(["手机"], ['="138"&"00000001"']), "spreadsheet_has_formula"),
            (b"\xd0\xcf\x11\xe0" * 100, "spreadsheet_not_xlsx"),
            (workbook(["手机"], *[[13700000000 + number] for number in range(1011)]), "spreadsheet_too_large"),
            (b"", "column_missing"),
        ],
    )
    def test_what_is_refused_whole(
        self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer, content: bytes, code: str
    ) -> None:
        for dry in (True, False):
            refused = self.post(client.as_(leader), team, content, dry=dry)
            assert (refused.status_code, refused.json["code"]) == (422, code)
        assert self.count(unit, team) == 1

    def test_files_are_read_and_made_outside_of_the_unit(
        self, client: ApiClient, team: Team, leader: Volunteer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They take seconds, in which SQLite's only writer would wait."""
        held: list[bool] = []

        def watched(module: Any, name: str) -> None:
            real = getattr(module, name)

            def watch(*arguments: Any, **more: Any) -> Any:
                held.append(db.session.registry().in_transaction())
                return real(*arguments, **more)

            monkeypatch.setattr(module, name, watch)

        watched(tables, "read_table")
        watched(exports, "write_table")
        caller = client.as_(leader)
        for dry in (True, False):
            assert self.post(caller, team, workbook(["手机"], ["13700000001"]), dry=dry).status_code == 200
        assert caller.get(f"/teams/{team.id}/members.xlsx").status_code == 200
        assert held == [False] * 3

    def test_a_dry_run_tells_no_phone_of_who_asked_and_is_recorded(
        self, client: ApiClient, unit: Unit, team: Team, leader: Volunteer
    ) -> None:
        """Ten of them and a bisection would tell all of a masked phone."""
        asked, named, member = make_volunteer(), make_volunteer(), make_volunteer()
        make_member(team, asked, state=MembershipState.REQUESTED)
        make_member(team, named, state=MembershipState.INVITED)
        make_member(team, member)
        content = workbook(["手机"], *[[person.phone] for person in (asked, named, member)], ["13700000001"])
        expected = {"rows": 4, "invited": 3, "already_members": 1, **NO_FAULTS}
        assert self.post(client.as_(leader), team, content, dry=True).json == expected | {"dry_run": True}
        (kept,) = entries(unit, "data_read")
        assert (kept.actor_id, kept.organization_id) == (leader.id, team.organization_id)
        assert kept.details == {"what": "members_by_phone", "team_id": str(team.id), "rows": 4}
        # In earnest nobody is invited twice, and no count tells it either.
        assert self.post(client.as_(leader), team, content).json == expected
        assert [entry.details["invited"] for entry in entries(unit, "members_imported")] == [1]

    def test_a_deputy_names_no_deputies(
        self, client: ApiClient, unit: Unit, district: District, team: Team, leader: Volunteer
    ) -> None:
        deputy = make_volunteer()
        make_member(team, deputy, role=MembershipRole.DEPUTY)
        content = workbook(["手机", "角色"], ["13700000001", "副队长"], ["13700000002", None])
        dry = self.post(client.as_(deputy), team, content, dry=True).json
        assert [(error["row"], error["code"]) for error in dry["errors"]] == [(2, "role_not_invited")]
        refused = self.post(client.as_(deputy), team, content)
        assert (refused.status_code, refused.json["code"]) == (422, "roster_refused")
        assert self.count(unit, team) == 2
        plain = workbook(["手机", "角色"], ["13700000002", None])
        assert self.post(client.as_(deputy), team, plain).json["invited"] == 1
        assert self.post(client.as_(district.organizer), team, content).json["invited"] == 1

    def test_imports_are_limited(
        self, client: ApiClient, team: Team, leader: Volunteer, change_settings: Callable[..., None]
    ) -> None:
        change_settings(client.app, limits=True)
        caller = client.as_(leader)
        with clock.at(clock.now()):
            codes = [
                self.post(caller, team, workbook(["手机"], [13700000000 + number])).status_code for number in range(11)
            ]
        assert codes == [200] * 10 + [429]
        with clock.at(clock.now()):
            codes = [
                self.post(caller, team, workbook(["手机"], [13700000000]), dry=True).status_code for _ in range(31)
            ]
        assert codes == [200] * 30 + [429]

    def test_what_the_template_says_can_be_imported(self, client: ApiClient, team: Team, leader: Volunteer) -> None:
        caller = client.as_(leader)
        template = caller.get(f"/teams/{team.id}/members/template.xlsx").data
        assert self.post(caller, team, template).json["code"] == "table_empty"
        book = load_workbook(BytesIO(template))
        book.worksheets[0].append(["13700000001", "王秀英", "队员"])
        filled = BytesIO()
        book.save(filled)
        assert self.post(caller, team, filled.getvalue()).json["invited"] == 1
