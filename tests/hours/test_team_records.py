"""What a team's leader sees of her members' hours: what was given for her team, and nothing else."""

from datetime import date, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.attendance.factories import Scene, make_scene, soon
from tests.factories import make_volunteer
from tests.hours.factories import make_backfill
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, ids
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.hours import service as hours
from volunteer_api.teams.models import Membership, MembershipRole, Team

HOUR = timedelta(hours=1)


@pytest.fixture
def scene(app: Any) -> Scene:
    """A shift of two hours that is over."""
    return make_scene(starts_at=soon() - 30 * HOUR)


@pytest.fixture
def team(scene: Scene) -> Team:
    """A team of the volunteer and of its leader, who has nothing to do with the activity."""
    team = make_team(organization_id=scene.organization.id, leader=scene.unsigned)
    with clock.at(scene.shift.starts_at - HOUR):
        make_member(team, scene.volunteer)
    return team


def credit(scene: Scene, team: Team | None, minutes: int, *, at: datetime | None = None) -> Any:
    starts_at = at or scene.shift.starts_at
    attendance_id = ids.new_id()
    hours.credit(
        volunteer_id=scene.volunteer.id,
        minutes=minutes,
        activity=scene.activity,
        shift=scene.shift,
        station=None,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes),
        attendance_id=attendance_id,
        team_id=team.id if team is not None else None,
        leader_id=scene.leader.id,
        recorder_id=None,
    )
    return attendance_id


def told(client: Any, who: Volunteer, **query: Any) -> list[tuple[str, int]]:
    answer = client.as_(who).get("/service-records", query_string=query)
    assert answer.status_code == 200, answer.json
    return [(item["volunteer"]["name"], item["minutes"]) for item in answer.json["items"]]


def workbook(client: Any, who: Volunteer, team: Team, period: str | None = None) -> list[list[Any]]:
    query = {"period": period} if period is not None else {}
    answer = client.as_(who).get(f"/teams/{team.id}/members.xlsx", query_string=query)
    assert answer.status_code == 200
    sheet = load_workbook(BytesIO(answer.data)).worksheets[0]
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def test_who_reads_them(client: Any, unit: Any, scene: Scene, team: Team) -> None:
    deputy, path = make_volunteer(), {"team_id": str(team.id)}
    make_member(team, deputy, role=MembershipRole.DEPUTY)
    unit(lambda: credit(scene, team, 60))
    read = lambda who: client.as_(who).get("/service-records", query_string=path).status_code  # noqa: E731
    assert client.get("/service-records", query_string=path).status_code == 401
    assert [read(who) for who in (scene.unsigned, deputy, scene.organizer, scene.inspector)] == [200] * 4
    assert [read(who) for who in (scene.volunteer, scene.leader, scene.stranger)] == [403, 404, 404]
    # Once she leads no more, she reads no more.
    own = unit(lambda: str(db.session.query(Membership).filter_by(volunteer_id=deputy.id).one().id))
    client.as_(deputy).post(f"/memberships/{own}/leaving")
    assert read(deputy) == 404
    assert client.as_(scene.unsigned).get("/service-records?team_id=" + str(ids.new_id())).status_code == 404


def test_only_what_was_given_for_the_team(client: Any, unit: Any, scene: Scene, team: Team) -> None:
    other = make_team(organization_id=scene.organization.id)
    unit(lambda: credit(scene, team, 60))
    unit(lambda: credit(scene, other, 30, at=scene.shift.starts_at + HOUR))
    unit(lambda: credit(scene, None, 20, at=scene.shift.starts_at + 2 * HOUR))
    leader, mine = scene.unsigned, {"team_id": str(team.id)}
    assert told(client, leader, **mine) == [("volunteer", 60)]
    assert told(client, leader, **mine, volunteer_id=str(scene.volunteer.id)) == [("volunteer", 60)]
    # Further filters leave less of it, whoever else may read what they name.
    assert told(client, leader, **mine, activity_id=str(scene.activity.id)) == [("volunteer", 60)]
    assert told(client, leader, **mine, organization_id=str(scene.organization.id)) == [("volunteer", 60)]
    for query in ({"team_id": str(other.id)}, {"volunteer_id": str(scene.volunteer.id)}):
        assert client.as_(leader).get("/service-records", query_string=query).status_code == 404
    assert len(told(client, scene.organizer, volunteer_id=str(scene.volunteer.id))) == 3
    read = unit(lambda: db.session.query(AuditEntry).filter_by(actor_id=leader.id, action="data_read").count())
    assert read == 4


def test_what_waits_for_approval_has_its_name(client: Any, unit: Any, scene: Scene, team: Team) -> None:
    """For others of whom nobody there knows the volunteer she is 志*."""
    member = make_volunteer(name="王桂兰")
    with clock.at(scene.shift.starts_at - HOUR):
        make_member(team, member)
    make_backfill(scene, volunteer_id=member.id, team_id=team.id)
    assert told(client, scene.unsigned, team_id=str(team.id), state="pending") == [("王桂兰", 60)]
    assert told(client, scene.leader, activity_id=str(scene.activity.id), state="pending") == [("王*", 60)]


def test_minutes_of_each_member(client: Any, unit: Any, scene: Scene, team: Team) -> None:
    day = unit(lambda: clock.local_date(scene.shift.starts_at))
    taken_back = unit(lambda: credit(scene, team, 60))
    unit(lambda: hours.take_back(attendance_id=taken_back, reason="重复", actor_id=None))
    unit(lambda: credit(scene, team, 90, at=scene.shift.starts_at))
    unit(lambda: credit(scene, None, 20, at=scene.shift.starts_at + 2 * HOUR))
    header, leader, member = workbook(client, scene.unsigned, team)
    assert header[-2:] == ["离队日期", "服务分钟（累计）"]
    assert (leader[-1], member[-1]) == (0, 90)
    assert workbook(client, scene.unsigned, team, f"{day:%Y}")[0][-1] == f"服务分钟（{day:%Y}）"
    assert workbook(client, scene.unsigned, team, f"{date(day.year - 1, 1, 1):%Y}")[2][-1] == 0


def test_who_came_back_has_hers_once(client: Any, unit: Any, scene: Scene, team: Team) -> None:
    unit(lambda: credit(scene, team, 90))
    first = unit(lambda: str(db.session.query(Membership).filter_by(volunteer_id=scene.volunteer.id).one().id))
    client.as_(scene.volunteer).post(f"/memberships/{first}/leaving")
    today = unit(clock.today).isoformat()
    assert workbook(client, scene.unsigned, team)[2][-2:] == [today, 90]
    make_member(team, scene.volunteer)
    _, _, left, back = workbook(client, scene.unsigned, team)
    assert (left[-2:], back[-2:]) == ([today, None], [None, 90])
