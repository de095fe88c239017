"""A team's list of members: to be looked at, fetched as a workbook, and filled by an uploaded one."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from volunteer_api.accounts.profile import Contact, contact_of
from volunteer_api.core import audit, clock
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.bodies import Upload
from volunteer_api.core.codes import folded
from volunteer_api.core.database import db
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.exports import export_table
from volunteer_api.core.limits import spend
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.periods import ALL_TIME, Period
from volunteer_api.core.problems import NotFound
from volunteer_api.core.schema import Fault
from volunteer_api.core.tables import (
    CellError,
    Column,
    Outcome,
    Table,
    outcome,
    phone_of,
    receive,
    refusal,
    template_of,
)
from volunteer_api.teams import access, invitations, queries, service
from volunteer_api.teams.models import LEADING_ROLES, Membership, MembershipRole, MembershipState, Team
from volunteer_api.teams.problems import RosterRefused
from volunteer_api.teams.service import MembershipView

HEADERS = ("姓名", "志愿者编号", "手机", "角色", "状态", "入队日期", "离队日期")
PHONE = Column("手机", ("手机号", "手机号码", "联系电话", "电话", "phone"), required=True)
NAME = Column("姓名", ("名字", "name"))
ROLE = Column("角色", ("职务", "role"))
COLUMNS = (PHONE, NAME, ROLE)
ROLE_WORDS = {MembershipRole.LEADER: "队长", MembershipRole.DEPUTY: "副队长", MembershipRole.MEMBER: "队员"}
STATE_WORDS = {
    MembershipState.REQUESTED: "待审核",
    MembershipState.INVITED: "已邀请",
    MembershipState.ACTIVE: "在队",
    MembershipState.REJECTED: "已拒绝",
    MembershipState.LEFT: "已离队",
}
IMPORTED_ROLES = {
    "": MembershipRole.MEMBER,
    "队员": MembershipRole.MEMBER,
    "成员": MembershipRole.MEMBER,
    "member": MembershipRole.MEMBER,
    "副队长": MembershipRole.DEPUTY,
    "deputy": MembershipRole.DEPUTY,
}
HINTS = (
    "带 * 的列必填。角色填队员或副队长，不填为队员；填写姓名便于核对。",
    "导入后每人会收到邀请，本人接受后才成为队员。",
)
MAX_ROWS = 1000
EXPORTED_ROWS = 10_000
IMPORTS = "10/day"
# How many of some phones are members' tells a member's phone to who tries long enough.
DRY_RUNS = "30/day"
# Han characters with the dot of Uyghur and Tibetan names, or Latin letters.
PLAUSIBLE_NAME = re.compile(r"[\u3400-\u9fff\U00020000-\U000323afA-Za-z·・.' -]{2,50}")


# What features to the right count of a team's members in a period, by the header of its column.
Counts = Callable[[UUID, Period], Mapping[UUID, int]]
_counts: dict[str, Counts] = {}


def counted_of_members(header: str) -> Callable[[Counts], Counts]:
    """Decorate what tells a number of each member of a team: a column of the workbook with this header."""

    def register(count: Counts) -> Counts:
        _counts[header] = count
        return count

    return register


@dataclass(kw_only=True)
class Imported(Outcome):
    """What an upload led to, or would lead to."""

    invited: int
    already_members: int


def list_members(team: Team, query: Mapping[str, Any]) -> Page:
    """A team's memberships, oldest first, phones masked. One statement."""
    statement = queries.members(team.id, state=query.get("state"), q=query.get("q"))
    found = page(statement, [Key(Membership.id, read=lambda row: row.Membership.id)], query, scope=str(team.id))
    return Page([service.view(row.Membership, row.Volunteer) for row in found.items], found.next_cursor)


def export_members(team: Team, *, by: Principal, period: Period) -> Download:
    """The list as a workbook, phones masked, with what is counted of each member in a period.

    Who was in the team twice has her numbers once, in her last row. The audit log keeps who fetched it.
    """
    statement = queries.members(team.id).order_by(Membership.id).limit(EXPORTED_ROWS)
    members = [service.view(membership, volunteer) for membership, volunteer in db.session.execute(statement)]
    counts = [count(team.id, period) for count in _counts.values()]
    last = {one.volunteer.id: one.id for one in members if one.joined_at is not None}
    rows = [
        [*_cells(one), *(_counted(one, count) if last.get(one.volunteer.id) == one.id else None for count in counts)]
        for one in members
    ]
    of_period = "累计" if period == ALL_TIME else str(period)
    return export_table(
        "team_members",
        team.organization_id,
        by=by,
        title="队员名单",
        headers=(*HEADERS, *(f"{header}（{of_period}）" for header in _counts)),
        rows=rows,
        whose=team.name,
        team_id=str(team.id),
    )


def template() -> Download:
    """An empty workbook with the columns that `import_members` reads."""
    return Download(template_of("队员导入", HINTS, COLUMNS), XLSX, "队员导入模板.xlsx")


def receive_members(principal: Principal, upload: Upload) -> Table:
    """The table of an upload; see `core.tables.receive`."""
    return receive(principal, upload, COLUMNS, max_rows=MAX_ROWS)


def import_members(team: Team, table: Table, *, by: Principal, dry_run: bool) -> Imported:
    """Invite the people of an uploaded table, all or nobody; they become members once they accept themselves.

    A dry run invites nobody and names each bad row; the log keeps that phones were looked up. Whoever asked to join
    waits for an answer: she is not invited again, and no count tells that hers is one of the phones. Raises
    RosterRefused (422) with the same errors, TeamClosed, TooManyRequests after ten imports, or thirty dry runs, in a
    day.
    """
    service.require_open(team.id)
    people, errors = _judge(table, names_deputies=access.directs(by, team))
    taken = invitations.phones_taken(team, people)
    already = sum(taken.values())
    result = Imported(invited=len(people) - already, already_members=already, **outcome(table, errors, dry_run=dry_run))
    if dry_run:
        spend(DRY_RUNS, "team imports tried", who=str(by.volunteer_id))
        audit.record(
            AuditAction.DATA_READ,
            actor_id=by.volunteer_id,
            organization_id=team.organization_id,
            what="members_by_phone",
            team_id=str(team.id),
            rows=len(people),
        )
        return result
    if errors:
        raise refusal(errors, RosterRefused)
    spend(IMPORTS, "team imports", who=str(by.volunteer_id))
    wanted = {phone: role for phone, role in people.items() if phone not in taken}
    invitations.invite(team, wanted)
    audit.record(
        AuditAction.MEMBERS_IMPORTED,
        actor_id=by.volunteer_id,
        organization_id=team.organization_id,
        team_id=str(team.id),
        invited=len(wanted),
    )
    return result


def read_contact(membership: Membership, *, by: Principal) -> Contact:
    """An active member's phone and whom to call about her, in full; the audit log keeps who looked."""
    if membership.volunteer_id is None:
        raise NotFound()
    team = access.load_team(membership.team_id)
    audit.record(
        AuditAction.DATA_READ,
        actor_id=by.volunteer_id,
        subject_id=membership.volunteer_id,
        organization_id=team.organization_id,
        what="contact",
        membership_id=str(membership.id),
    )
    return contact_of(membership.volunteer_id)


def _counted(member: MembershipView, count: Mapping[UUID, int]) -> int:
    return count.get(member.volunteer.id, 0) if member.volunteer.id is not None else 0


def _day(moment: datetime | None) -> str | None:
    return clock.local_date(moment).isoformat() if moment is not None else None


def _cells(member: MembershipView) -> list[str | None]:
    return [
        member.volunteer.name,
        member.volunteer.volunteer_number,
        member.volunteer.phone,
        ROLE_WORDS[MembershipRole(member.role)],
        STATE_WORDS[MembershipState(member.state)],
        _day(member.joined_at),
        _day(member.left_at),
    ]


def _judge(table: Table, *, names_deputies: bool) -> tuple[dict[str, MembershipRole], list[CellError]]:
    """The phones of the good rows with their roles, and what is wrong with the others."""
    people: dict[str, MembershipRole] = {}
    errors: list[CellError] = []
    first_rows: dict[str, int] = {}
    for record in table.records:
        phone, faults = phone_of(record.values[PHONE.name]), _faults(record.values, names_deputies)
        if phone in first_rows:
            row = first_rows[phone]
            faults[PHONE.name] = Fault("repeated", "This stands in row %(row)s already.", row=row)
        if phone is not None:
            first_rows.setdefault(phone, record.row)
        errors += [record.fault(name, fault) for name, fault in faults.items()]
        if phone is not None and not faults:
            people[phone] = IMPORTED_ROLES[folded(record.values.get(ROLE.name, ""))]
    return people, errors


def _faults(values: Mapping[str, str], names_deputies: bool) -> dict[str, Fault]:
    faults: dict[str, Fault] = {}
    if not values[PHONE.name]:
        faults[PHONE.name] = Fault("required")
    elif phone_of(values[PHONE.name]) is None:
        faults[PHONE.name] = Fault("not_phone")
    name = unicodedata.normalize("NFKC", values.get(NAME.name, ""))
    if name and not PLAUSIBLE_NAME.fullmatch(name):
        faults[NAME.name] = Fault("not_name", "This does not look like a person's name.")
    role = folded(values.get(ROLE.name, ""))
    if role in ("队长", "leader"):
        faults[ROLE.name] = Fault(
            "role_not_invited", "Nobody is invited as a leader; hand the leadership over instead."
        )
    elif role not in IMPORTED_ROLES:
        faults[ROLE.name] = Fault("not_role", "A role is 队员 or 副队长.")
    elif IMPORTED_ROLES[role] in LEADING_ROLES and not names_deputies:
        faults[ROLE.name] = Fault("role_not_invited", "A deputy names no deputies; ask a leader of the team.")
    return faults
