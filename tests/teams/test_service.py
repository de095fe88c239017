"""Who leads, and one open membership under any concurrency."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import make_organization
from tests.teams.factories import make_member, make_team
from volunteer_api.core import ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.teams import access, service
from volunteer_api.teams.models import OPEN_STATES, Membership, MembershipRole, MembershipState

Unit = Callable[[Callable[[], Any]], Any]


@pytest.mark.parametrize(
    ("role", "state", "leads", "belongs"),
    [
        (MembershipRole.LEADER, MembershipState.ACTIVE, True, True),
        (MembershipRole.DEPUTY, MembershipState.ACTIVE, True, True),
        (MembershipRole.MEMBER, MembershipState.ACTIVE, False, True),
        (MembershipRole.DEPUTY, MembershipState.INVITED, False, False),
    ],
)
def test_active_leaders_and_deputies_lead(
    unit: Unit, role: MembershipRole, state: MembershipState, leads: bool, belongs: bool
) -> None:
    volunteer = make_volunteer()
    team = make_team(organization_id=make_organization().id)
    make_member(team, volunteer, role=role, state=state)
    assert unit(lambda: access.leads(volunteer.id, team.id)) is leads
    assert unit(lambda: access.belongs(volunteer.id, team.id)) is belongs


def test_leading_ends_with_the_membership(unit: Unit) -> None:
    volunteer = make_volunteer()
    team = make_team(organization_id=make_organization().id)
    deputy = make_member(team, volunteer, role=MembershipRole.DEPUTY)
    by = Principal(volunteer.id, ids.new_id())
    unit(lambda: service.leave(db.session.get_one(Membership, deputy.id), by=by))
    assert unit(lambda: access.leads(volunteer.id, team.id)) is False


def test_a_team_needs_an_organization_and_a_leader(unit: Unit) -> None:
    organization, volunteer = make_organization(), make_volunteer()
    for organization_id, leader_id in ((ids.new_id(), volunteer.id), (organization.id, ids.new_id())):
        with pytest.raises(NotFound):
            unit(
                lambda place=organization_id, person=leader_id: service.create_team(
                    name="无名", organization_id=place, leader_id=person
                )
            )


def test_many_requests_at_once_are_one_membership(
    postgresql_client: ApiClient,
    postgresql_unit: Unit,
    race: Callable[[int, Callable[[int], Any]], list[Any]],
) -> None:
    volunteer = make_volunteer()
    team = make_team(organization_id=make_organization().id)
    caller = postgresql_client.as_(volunteer)
    answers = race(20, lambda _: caller.post(f"/teams/{team.id}/memberships", json={}))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {answer.json["code"] for answer in answers if answer.status_code == 409} == {"already_member"}
    opened = select(func.count()).where(Membership.volunteer_id == volunteer.id, Membership.state.in_(OPEN_STATES))
    assert postgresql_unit(lambda: db.session.scalar(opened)) == 1


def test_acceptance_and_rejection_at_once_have_one_winner(
    postgresql_client: ApiClient, race: Callable[[int, Callable[[int], Any]], list[Any]]
) -> None:
    leader = make_volunteer()
    team = make_team(organization_id=make_organization().id, leader=leader)
    asking = make_member(team, make_volunteer(), state=MembershipState.REQUESTED)
    caller = postgresql_client.as_(leader)
    verbs = ("acceptance", "rejection")
    answers = race(8, lambda number: caller.post(f"/memberships/{asking.id}/{verbs[number % 2]}"))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


def test_two_leaders_who_leave_at_once_leave_one(
    postgresql_client: ApiClient, race: Callable[[int, Callable[[int], Any]], list[Any]]
) -> None:
    people = [make_volunteer(), make_volunteer()]
    team = make_team(organization_id=make_organization().id, leader=people[0])
    make_member(team, people[1], role=MembershipRole.LEADER)
    make_member(team, make_volunteer())
    callers = [postgresql_client.as_(person) for person in people]
    listed = callers[0].get(f"/teams/{team.id}/memberships").json["items"]
    own = [next(item["id"] for item in listed if item["volunteer"]["id"] == str(person.id)) for person in people]
    answers = race(2, lambda number: callers[number].post(f"/memberships/{own[number]}/leaving"))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
