"""Everybody in the demo. The names are invented, and so are the phone numbers."""

from datetime import date

from volunteer_api.accounts.consent_texts import ConsentKind, current_texts
from volunteer_api.accounts.service import create_volunteer
from volunteer_api.core import clock
from volunteer_api.demo.stage import (
    ADMINISTRATOR,
    HOME_OFFICE,
    HOME_STATION,
    ORGANIZER,
    STATION_MANAGER,
    TEAM_LEADER,
    VOLUNTEER,
    Crew,
    Stage,
)
from volunteer_api.organizations.grants import grant
from volunteer_api.organizations.models import Role, ScopeType
from volunteer_api.teams.models import MembershipRole
from volunteer_api.teams.service import add_member, create_team

ACCOUNTS = {
    ADMINISTRATOR: "周文明",
    ORGANIZER: "刘海燕",
    STATION_MANAGER: "赵站长",
    TEAM_LEADER: "王桂兰",
    VOLUNTEER: "李小雨",
}
OTHERS = 42
SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN_NAMES = (
    *("秀英", "建国", "桂芳", "志强", "玉兰", "海波", "丽娟", "国庆", "春梅", "晓东", "红霞"),
    *("永刚", "淑珍", "鹏飞", "雅琴", "卫民", "佳怡", "子轩", "雨桐", "浩然", "思源"),
)
TEAM_NAMES = (
    *("东安夕阳红志愿服务队", "优越先锋志愿服务队", "鹰城大妈", "建设路蓝马甲志愿服务队", "东环路邻里互助队"),
    *("东工人镇矿工志愿服务队", "光华巾帼志愿服务队", "鸿鹰青年志愿服务队", "申楼乡风文明志愿服务队"),
    *("北环路文明交通志愿服务队", "东高皇护绿志愿服务队", "蒲城河长志愿服务队"),
)
MEMBERS_OF_A_TEAM = 6
# Nobody in the demo is a minor or told a resident ID.
GIVEN = (ConsentKind.TERMS, ConsentKind.PRIVACY, ConsentKind.LOCATION, ConsentKind.RANKING_NAME)


def register(stage: Stage) -> None:
    """Write the accounts of the contract and about forty volunteers more."""
    consents = [{"kind": kind, "version": text.version} for kind, text in current_texts().items() if kind in GIVEN]
    names = dict(ACCOUNTS)
    possible = [surname + given for surname in SURNAMES for given in GIVEN_NAMES]
    for number, name in enumerate(stage.random.sample(possible, OTHERS), start=1):
        names[f"+8613800000{100 + number}"] = name
    with clock.at(stage.founded_at):
        for phone, name in names.items():
            home = stage.random.choice(stage.stations).division_code if phone not in ACCOUNTS else HOME_STATION
            volunteer = create_volunteer(
                phone=phone,
                name=name,
                birth_date=date(stage.random.randint(1950, 2004), stage.random.randint(1, 12), 15),
                home_division=home,
                consents=consents,
            )
            stage.volunteers[phone] = volunteer.id


def appoint(stage: Stage) -> None:
    """Give the accounts their roles, and each office its team."""
    administrator = stage.volunteers[ADMINISTRATOR]
    with clock.at(stage.founded_at):
        for phone, role, scope_type, scope_id in (
            (ADMINISTRATOR, Role.ADMINISTRATOR, ScopeType.ORGANIZATION, stage.center.id),
            (ORGANIZER, Role.ORGANIZER, ScopeType.ORGANIZATION, stage.home_office.id),
            (STATION_MANAGER, Role.STATION_MANAGER, ScopeType.STATION, stage.desks[HOME_STATION]),
        ):
            grant(
                volunteer_id=stage.volunteers[phone],
                role=role,
                scope_type=scope_type,
                scope_id=scope_id,
                granted_by=administrator,
            )
        _found_teams(stage)


def _found_teams(stage: Stage) -> None:
    others = [volunteer_id for phone, volunteer_id in stage.volunteers.items() if phone not in ACCOUNTS]
    leaders, rest = others[: len(stage.offices)], others[len(stage.offices) :]
    for office, name, leader_id in zip(stage.offices, TEAM_NAMES, leaders, strict=True):
        members = stage.random.sample(rest, MEMBERS_OF_A_TEAM)
        if office.division_code == HOME_OFFICE:
            members = [stage.volunteers[VOLUNTEER], leader_id, *members]
            leader_id = stage.volunteers[TEAM_LEADER]
        description = f"{office.title}的志愿服务队"
        team = create_team(name=name, organization_id=office.id, leader_id=leader_id, description=description)
        for position, member_id in enumerate(members):
            role = MembershipRole.DEPUTY if position == len(members) - 1 else MembershipRole.MEMBER
            add_member(team_id=team.id, volunteer_id=member_id, role=role)
        stage.crews[office.division_code] = Crew(team.id, leader_id, tuple(members))
