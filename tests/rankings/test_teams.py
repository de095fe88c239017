"""Teams in rankings: what was served for them, and what was published for them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.factories import make_volunteer
from tests.organizations.factories import make_organization
from tests.rankings.factories import Happening, Turn, write
from tests.teams.factories import make_team
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.organizations.models import OrganizationKind


def test_a_ranking_of_teams_says_whose_minutes_and_whose_attendances_it_counts(
    client: Any, unit: Callable[..., Any]
) -> None:
    """An office's cleaning, to which a team came: the minutes are the team's, the activity is nobody's."""

    def clean() -> UUID:
        office = make_organization(kind=OrganizationKind.PRACTICE_OFFICE)
        turn = Turn(clock.now() - timedelta(hours=9), present=[(0, State.CREDITED, 30)])
        volunteer = make_volunteer()
        team_id = make_team(organization_id=office.id, leader=volunteer, name="鹰城大妈").id
        write(Happening(turns=[turn]), office, [volunteer.id], signed_up_for=team_id)
        return office.id

    office_id = unit(clean)
    for metric, value, team in (
        ("credited_minutes", 30, "the team that was signed up for"),
        ("attendance_count", 0, "the team that the activity was published for, whichever team was signed up for"),
        ("activity_count", 0, "the team that the activity was published for"),
    ):
        path = f"/rankings?subject=team&scope={office_id}&metric={metric}"
        body = client.get(path, headers={"Accept-Language": "en"}).get_json()
        assert [(item["subject"]["name"], item["value"]) for item in body["items"]] == [("鹰城大妈", value)]
        assert team in body["rule"]["text"]
        assert "队伍" in client.get(path, headers={"Accept-Language": "zh-CN"}).get_json()["rule"]["text"]
    organizations = client.get(f"/rankings?subject=organization&scope={office_id}").get_json()
    assert "signed up" not in organizations["rule"]["text"]
