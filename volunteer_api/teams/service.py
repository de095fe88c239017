"""The verbs of teams: create, join, invite, accept, reject, leave."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.problems import NotFound
from volunteer_api.organizations.models import Organization
from volunteer_api.teams import access, queries
from volunteer_api.teams.models import OPEN_STATES, Membership, MembershipRole, MembershipState, Team
from volunteer_api.teams.problems import AlreadyMember, LastLeader, MembershipSettled, PhoneUnknown, TeamNameTaken


@dataclass(frozen=True)
class Member:
    """Whom a membership is about; `phone` is masked."""

    id: UUID
    name: str
    phone: str


@dataclass(frozen=True)
class MembershipView:
    id: UUID
    team_id: UUID
    volunteer: Member
    role: str
    state: str
    joined_at: datetime | None
    left_at: datetime | None


def list_teams(*, by: Principal, query: Mapping[str, Any]) -> Page:
    """Teams in the order of their creation. One statement."""
    member_id = by.volunteer_id if query.get("mine") else None
    statement = queries.teams(query.get("organization_id"), member_id, query.get("q"))
    scope = str(member_id or "")
    return page(statement, [Key(Team.id, read=lambda team: team.id)], query, scope=scope)


def list_members(team: Team, query: Mapping[str, Any]) -> Page:
    """A team's memberships, oldest first, phones masked. One statement."""
    statement = queries.members(team.id, query.get("state"))
    found = page(statement, [Key(Membership.id, read=lambda row: row.Membership.id)], query, scope=str(team.id))
    return Page([view(row.Membership, row.Volunteer) for row in found.items], found.next_cursor)


def create_team(*, name: str, organization_id: UUID, leader_id: UUID, description: str | None = None) -> Team:
    """Found a team with its first leader, who is an active member from now on.

    Raises NotFound for an unknown organization or leader, TeamNameTaken.
    """
    if db.session.get(Organization, organization_id) is None or db.session.get(Volunteer, leader_id) is None:
        raise NotFound()
    taken = select(Team.id).where(Team.organization_id == organization_id, Team.name == name)
    if db.session.scalar(taken) is not None:
        raise TeamNameTaken()
    team = Team(name=name, organization_id=organization_id, description=description)
    db.session.add(team)
    db.session.flush()
    add_member(team_id=team.id, volunteer_id=leader_id, role=MembershipRole.LEADER)
    return access.load_team(team.id)


def add_member(
    *,
    team_id: UUID,
    volunteer_id: UUID,
    role: MembershipRole = MembershipRole.MEMBER,
    state: MembershipState = MembershipState.ACTIVE,
) -> Membership:
    """Open a membership in the given state. Raises AlreadyMember where one is open."""
    if db.session.scalar(queries.open_membership(volunteer_id, team_id, OPEN_STATES)) is not None:
        raise AlreadyMember()
    membership = Membership(
        team_id=team_id,
        volunteer_id=volunteer_id,
        role=role,
        state=state,
        joined_at=clock.now() if state == MembershipState.ACTIVE else None,
    )
    db.session.add(membership)
    db.session.flush()
    return membership


def join(team: Team, *, by: Principal, phone: str | None = None) -> MembershipView:
    """Ask to become a member, or, where a phone is given, invite somebody: only those who lead the team may.

    Raises AlreadyMember, PhoneUnknown, TooManyRequests after thirty phones in an hour, and what `require_lead` raises.
    """
    if phone is None:
        volunteer = db.session.get_one(Volunteer, by.volunteer_id)
        state = MembershipState.REQUESTED
    else:
        access.require_lead(by, team)
        volunteer, state = _find(phone, by=by), MembershipState.INVITED
    return view(add_member(team_id=team.id, volunteer_id=volunteer.id, state=state), volunteer)


def accept(membership: Membership) -> MembershipView:
    """Make somebody who asked or was invited a member. Raises MembershipSettled."""
    _require_waiting(membership)
    membership.state, membership.joined_at = MembershipState.ACTIVE, clock.now()
    return _flushed(membership)


def reject(membership: Membership) -> MembershipView:
    """Turn down a request or an invitation. Raises MembershipSettled."""
    _require_waiting(membership)
    membership.state = MembershipState.REJECTED
    return _flushed(membership)


def leave(membership: Membership) -> MembershipView:
    """End a membership, or take back a request; hours stay with the team. Raises MembershipSettled, LastLeader."""
    if membership.state not in OPEN_STATES:
        raise MembershipSettled(state=membership.state)
    _require_leader_remains(membership)
    membership.state, membership.left_at = MembershipState.LEFT, clock.now()
    return _flushed(membership)


def view(membership: Membership, volunteer: Volunteer) -> MembershipView:
    """What leaders and the volunteer see of a membership.

    Whoever neither joined nor asked to is only the owner of a phone that somebody typed in: the name is masked.
    """
    is_stranger = membership.joined_at is None and membership.state != MembershipState.REQUESTED
    name = accounts.masked_name(volunteer.name) if is_stranger else volunteer.name
    return MembershipView(
        id=membership.id,
        team_id=membership.team_id,
        volunteer=Member(id=volunteer.id, name=name, phone=accounts.masked_phone(volunteer.phone)),
        role=membership.role,
        state=membership.state,
        joined_at=membership.joined_at,
        left_at=membership.left_at,
    )


def _require_leader_remains(membership: Membership) -> None:
    if membership.role != MembershipRole.LEADER or membership.state != MembershipState.ACTIVE:
        return
    # Locked, so that of two leaders who leave at the same moment the second sees that the first is gone.
    db.session.execute(select(Team.id).where(Team.id == membership.team_id).with_for_update())
    roles = db.session.scalars(queries.others_active(membership)).all()
    if roles and MembershipRole.LEADER not in roles:
        raise LastLeader()


def _find(phone: str, *, by: Principal) -> Volunteer:
    volunteer = accounts.look_up(phone, by=by)
    if volunteer is None:
        raise PhoneUnknown()
    return volunteer


def _require_waiting(membership: Membership) -> None:
    if membership.state not in (MembershipState.REQUESTED, MembershipState.INVITED):
        raise MembershipSettled(state=membership.state)


def _flushed(membership: Membership) -> MembershipView:
    db.session.flush()
    return view(membership, db.session.get_one(Volunteer, membership.volunteer_id))
