"""The verbs of teams and of their members: found, change, close; accept, reject, leave, roles, leadership."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import audit, clock
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.pinyin import search_text
from volunteer_api.core.problems import NotFound
from volunteer_api.core.statements import row_count
from volunteer_api.organizations import access as organizations
from volunteer_api.organizations.access import Permission, holders_near
from volunteer_api.teams import access, notices, queries
from volunteer_api.teams.events import TeamClosing, TeamRenamed
from volunteer_api.teams.models import LEADING_ROLES, OPEN_STATES, Membership, MembershipRole, MembershipState, Team
from volunteer_api.teams.problems import (
    AlreadyLeader,
    AlreadyMember,
    LastLeader,
    LeaderNeeded,
    MembershipSettled,
    NotInTeam,
    TeamClosed,
    TeamNameTaken,
    TeamsStandInTheWay,
)

INVITATION_DAYS = 30


@dataclass(frozen=True)
class Member:
    """Whom a membership is about; `phone` is masked. Of somebody who is only invited nothing else is told."""

    id: UUID | None
    name: str | None
    phone: str | None
    volunteer_number: str | None


@dataclass(frozen=True)
class MembershipView:
    """A membership as those see it who lead the team, and the volunteer."""

    id: UUID
    version: int
    team_id: UUID
    volunteer: Member
    role: str
    state: str
    joined_at: datetime | None
    left_at: datetime | None
    expires_at: datetime | None
    rejection_reason: str | None


@dataclass(frozen=True)
class OwnMembershipView:
    """A membership as its volunteer sees it."""

    id: UUID
    version: int
    team: Team
    role: str
    state: str
    is_primary: bool
    joined_at: datetime | None
    left_at: datetime | None
    expires_at: datetime | None
    rejection_reason: str | None


def list_teams(*, by: Principal, query: Mapping[str, Any]) -> Page:
    """Teams in the order of their creation. One statement."""
    member_id = by.volunteer_id if query.get("mine") else None
    statement = queries.teams(
        organization_id=query.get("organization_id"),
        member_id=member_id,
        q=query.get("q"),
        recruiting=query.get("recruiting"),
        closed=bool(query.get("closed")),
    )
    scope = str(member_id or "")
    return page(statement, [Key(Team.id, read=lambda team: team.id)], query, scope=scope)


def list_own(*, by: Principal, query: Mapping[str, Any]) -> Page:
    """The caller's memberships, the newest first. One statement."""
    statement = queries.own_memberships(by.volunteer_id, query.get("state"))
    key = Key(Membership.id, read=lambda row: row.Membership.id, descending=True)
    found = page(statement, [key], query, scope=str(by.volunteer_id))
    return Page([_own_view(row.Membership, row.Team) for row in found.items], found.next_cursor)


def own_memberships(volunteer_id: UUID, *those: ColumnElement[bool], limit: int) -> list[OwnMembershipView]:
    """The first of a volunteer's memberships, by their ids, that meet the conditions."""
    statement = queries.own_memberships(volunteer_id, None).where(*those).order_by(Membership.id).limit(limit)
    return [_own_view(row.Membership, row.Team) for row in db.session.execute(statement)]


def create_team(
    *, name: str, organization_id: UUID, leader_id: UUID, description: str | None = None, by: Principal | None = None
) -> Team:
    """Found a team with its first leader, who is an active member from now on.

    Where `by` founds it for another, that one is invited to lead: nobody is made to. Until she accepts, the organizers
    above run the team. Raises NotFound for an unknown organization or leader, OrganizationClosed, TeamNameTaken.
    """
    organizations.require_open(organization_id)
    leader = db.session.get(Volunteer, leader_id)
    if leader is None or leader.erased_at is not None:
        raise NotFound()
    _require_free_name(organization_id, name)
    team = Team(name=name, organization_id=organization_id, description=description, search_text=search_text(name))
    db.session.add(team)
    db.session.flush()
    is_asked = by is not None and by.volunteer_id != leader_id
    state = MembershipState.INVITED if is_asked else MembershipState.ACTIVE
    first = add_member(team_id=team.id, volunteer_id=leader_id, role=MembershipRole.LEADER, state=state)
    if is_asked:
        first.expires_at = clock.now() + timedelta(days=INVITATION_DAYS)
        db.session.flush()
        notices.tell_of_invitation(first, leader_id)
    elif by is not None:
        _record_lead(first, by)
    return access.load_team(team.id)


def change_team(team: Team, **changes: Any) -> Team:
    """Change `name`, `description` or `is_recruiting`. Raises TeamClosed, TeamNameTaken."""
    if team.closed_at is not None:
        raise TeamClosed()
    name = changes.get("name", team.name)
    if name != team.name:
        _require_free_name(team.organization_id, name)
        team.search_text = search_text(name)
        publish(TeamRenamed(team.id))
    for attribute, value in changes.items():
        setattr(team, attribute, value)
    # The answer shows the version that the UPDATE gave.
    db.session.flush()
    return team


def close_team(team: Team, *, by: Principal) -> Team:
    """Close a team for good: memberships end, requests and invitations too; what it did stays.

    Its people hear of it, and the nearest who manage the teams of its organization. Raises TeamClosed, and what a
    feature says that still stands in the way.
    """
    if team.closed_at is not None:
        raise TeamClosed()
    moment = clock.now()
    team.closed_at = moment
    # Before the rest: who joins or plans something at this moment waits for this row, then sees the team closed.
    db.session.flush()
    publish(TeamClosing(team.id))
    belong = select(Membership.volunteer_id).where(Membership.team_id == team.id, Membership.state.in_(OPEN_STATES))
    hears = {*db.session.scalars(belong), *holders_near(team.organization_id, Permission.TEAM_MANAGE)}
    notices.tell_of_closing(team, hears - {by.volunteer_id})
    _end_all(moment, team_id=team.id)
    audit.record(
        AuditAction.TEAM_CLOSED, actor_id=by.volunteer_id, organization_id=team.organization_id, team_id=str(team.id)
    )
    return access.load_team(team.id)


def add_member(
    *,
    team_id: UUID,
    volunteer_id: UUID,
    role: MembershipRole = MembershipRole.MEMBER,
    state: MembershipState = MembershipState.ACTIVE,
) -> Membership:
    """Open a membership in the given state. Raises AlreadyMember where one is open."""
    # Who asks, takes it back and asks again leaves no heap of rows.
    taken_back = (Membership.state == MembershipState.LEFT) & Membership.joined_at.is_(None)
    earlier = delete(Membership).where(
        Membership.team_id == team_id, Membership.volunteer_id == volunteer_id, taken_back
    )
    db.session.execute(earlier.execution_options(synchronize_session=False))
    opened = db.session.scalar(queries.open_membership(volunteer_id, team_id, OPEN_STATES))
    if opened is not None:
        stale = delete(Membership).where(Membership.id == opened, queries.ran_out(clock.now()))
        if row_count(db.session.execute(stale.execution_options(synchronize_session=False))) == 0:
            raise AlreadyMember()
    membership = Membership(
        team_id=team_id,
        volunteer_id=volunteer_id,
        role=role,
        state=state,
        joined_at=clock.now() if state == MembershipState.ACTIVE else None,
        leads_since=clock.now() if state == MembershipState.ACTIVE and role in LEADING_ROLES else None,
    )
    db.session.add(membership)
    db.session.flush()
    return membership


def accept(membership: Membership, *, by: Principal | None = None) -> MembershipView:
    """Make somebody who asked or was invited a member; who asked hears of it. Raises MembershipSettled."""
    _require_waiting(membership)
    membership.state, membership.joined_at = MembershipState.ACTIVE, clock.now()
    membership.take_role(membership.role, clock.now())
    shown = _flushed(membership)
    if membership.role in LEADING_ROLES:
        _change_lead(membership, by)
    if membership.volunteer_id is not None and (by is None or by.volunteer_id != membership.volunteer_id):
        notices.tell(notices.ACCEPTED, membership, [membership.volunteer_id])
    return shown


def reject(membership: Membership, *, by: Principal, reason: str | None = None) -> MembershipView:
    """Turn down a request, whose volunteer hears of it, or an invitation. Raises MembershipSettled."""
    _require_waiting(membership)
    membership.state, membership.rejection_reason = MembershipState.REJECTED, reason
    shown = _flushed(membership)
    if membership.volunteer_id != by.volunteer_id:
        _tell_of_rejection(membership)
    return shown


def leave(membership: Membership, *, by: Principal) -> MembershipView:
    """End a membership, or take back a request; hours stay with the team.

    Those who lead hear of who left, and whose membership somebody else ended hears of that. Raises MembershipSettled,
    LastLeader.
    """
    if membership.state not in OPEN_STATES:
        raise MembershipSettled(membership.state)
    if membership.role == MembershipRole.LEADER and membership.state == MembershipState.ACTIVE:
        roles = db.session.scalars(queries.others_active(membership)).all()
        if roles and MembershipRole.LEADER not in roles:
            raise LastLeader()
    before, is_own = membership.state, membership.volunteer_id == by.volunteer_id
    membership.state, membership.left_at, membership.is_primary = MembershipState.LEFT, clock.now(), False
    shown = _flushed(membership)
    if before == MembershipState.ACTIVE:
        _tell_of_end(membership, by)
    elif before == MembershipState.REQUESTED and not is_own:
        _tell_of_rejection(membership)
    return shown


def set_role(membership: Membership, *, role: MembershipRole, by: Principal) -> MembershipView:
    """Make an active member a member, deputy or leader. Raises MembershipSettled, LeaderNeeded for the last leader.

    The caller has locked the team, as `access.to_set_role` does.
    """
    _require_active(membership)
    if membership.role == role:
        return _flushed(membership)
    if membership.role == MembershipRole.LEADER:
        roles = db.session.scalars(queries.others_active(membership)).all()
        if MembershipRole.LEADER not in roles:
            raise LeaderNeeded()
    membership.take_role(role, clock.now())
    shown = _flushed(membership)
    _change_lead(membership, by)
    return shown


def hand_over(membership: Membership, *, by: Principal) -> MembershipView:
    """Let this member lead in the caller's place, who becomes an ordinary member; both hear of it.

    The caller is a leader of the team and has it locked. Raises MembershipSettled, AlreadyLeader.
    """
    _require_active(membership)
    if membership.role == MembershipRole.LEADER:
        raise AlreadyLeader()
    own = db.session.scalars(
        select(Membership)
        .where(
            Membership.team_id == membership.team_id,
            Membership.volunteer_id == by.volunteer_id,
            Membership.state == MembershipState.ACTIVE,
        )
        .with_for_update()
    ).one()
    membership.take_role(MembershipRole.LEADER, clock.now())
    own.take_role(MembershipRole.MEMBER, clock.now())
    shown = _flushed(membership)
    _record_lead(own, by)
    _change_lead(membership, by, besides=[by.volunteer_id])
    return shown


def set_primary(*, by: Principal, team_id: UUID | None) -> None:
    """Name the team that counts as the caller's first, None for no team. Raises NotFound, NotInTeam."""
    if team_id is not None:
        access.load_team(team_id)
    own = db.session.scalars(
        select(Membership)
        .where(Membership.volunteer_id == by.volunteer_id, Membership.state == MembershipState.ACTIVE)
        .order_by(Membership.id)
        .with_for_update()
    ).all()
    chosen = next((membership for membership in own if membership.team_id == team_id), None)
    if chosen is None and team_id is not None:
        raise NotInTeam()
    for membership in own:
        if membership.is_primary and membership is not chosen:
            membership.is_primary = False
    # The one before must be none before the next can be the only one.
    db.session.flush()
    if chosen is not None:
        chosen.is_primary = True


def require_open(team_id: UUID) -> None:
    """Hold the team open until the unit is committed. Raises TeamClosed."""
    # Shared among those who join; who closes the team waits for them, or they for her.
    closed_at = db.session.scalar(select(Team.closed_at).where(Team.id == team_id).with_for_update(read=True))
    if closed_at is not None:
        raise TeamClosed()


def forget(volunteer_id: UUID) -> None:
    """End everything that somebody has with any team; what she never joined is deleted, and no phone is kept."""
    never_joined = (Membership.volunteer_id == volunteer_id) & Membership.joined_at.is_(None)
    db.session.execute(delete(Membership).where(never_joined).execution_options(synchronize_session=False))
    led = select(Membership).where(
        Membership.volunteer_id == volunteer_id,
        Membership.state == MembershipState.ACTIVE,
        Membership.role.in_(LEADING_ROLES),
    )
    for membership in db.session.scalars(led.order_by(Membership.id)).all():
        _record_lead(membership, None, role="left")
    _end_all(clock.now(), volunteer_id=volunteer_id)
    db.session.execute(
        update(Membership)
        .where(Membership.volunteer_id == volunteer_id)
        .values(phone_digest=None, masked_phone=None)
        .execution_options(synchronize_session=False)
    )


def move_teams(organization_id: UUID, into_id: UUID) -> None:
    """Let an organization's teams, the closed ones too, belong to another. Raises TeamNameTaken for two open ones."""
    names = select(Team.name).where(Team.organization_id == into_id, Team.closed_at.is_(None))
    both = select(Team.name).where(
        Team.organization_id == organization_id, Team.closed_at.is_(None), Team.name.in_(names)
    )
    taken = db.session.scalar(both.order_by(Team.name).limit(1))
    if taken is not None:
        raise TeamNameTaken(name=taken)
    db.session.execute(
        update(Team)
        .where(Team.organization_id == organization_id)
        .values(organization_id=into_id, version=Team.version + 1)
        .execution_options(synchronize_session=False)
    )


def require_no_teams(organization_id: UUID) -> None:
    """Raise TeamsStandInTheWay where the organization has a team that is not closed."""
    found = select(Team.id).where(Team.organization_id == organization_id, Team.closed_at.is_(None)).limit(1)
    if db.session.scalar(found) is not None:
        raise TeamsStandInTheWay()


def view(membership: Membership, volunteer: Volunteer | None) -> MembershipView:
    """What leaders and the volunteer see of a membership.

    Whoever was invited by phone and has not joined is only a number that somebody typed in: whether it is registered
    isn't told. Who asked keeps her name, turned down or not.
    """
    is_stranger = membership.joined_at is None and membership.phone_digest is not None
    known = None if is_stranger else volunteer
    phone = membership.masked_phone if is_stranger else None
    # Who was erased has no phone any more.
    if phone is None and volunteer is not None and volunteer.phone is not None:
        phone = accounts.masked_phone(volunteer.phone)
    return MembershipView(
        id=membership.id,
        version=membership.version,
        team_id=membership.team_id,
        volunteer=Member(
            id=known.id if known is not None else None,
            name=known.name if known is not None else None,
            phone=phone,
            volunteer_number=known.volunteer_number if known is not None else None,
        ),
        role=membership.role,
        state=membership.state,
        joined_at=membership.joined_at,
        left_at=membership.left_at,
        expires_at=membership.expires_at if membership.state == MembershipState.INVITED else None,
        rejection_reason=membership.rejection_reason,
    )


def _own_view(membership: Membership, team: Team) -> OwnMembershipView:
    return OwnMembershipView(
        id=membership.id,
        version=membership.version,
        team=team,
        role=membership.role,
        state=membership.state,
        is_primary=membership.is_primary,
        joined_at=membership.joined_at,
        left_at=membership.left_at,
        expires_at=membership.expires_at if membership.state == MembershipState.INVITED else None,
        rejection_reason=membership.rejection_reason,
    )


def _require_free_name(organization_id: UUID, name: str) -> None:
    taken = select(Team.id).where(Team.organization_id == organization_id, Team.name == name, Team.closed_at.is_(None))
    if db.session.scalar(taken) is not None:
        raise TeamNameTaken(name=name)


def _require_active(membership: Membership) -> None:
    if membership.state != MembershipState.ACTIVE:
        raise MembershipSettled(membership.state)


def _require_waiting(membership: Membership) -> None:
    if membership.state not in (MembershipState.REQUESTED, MembershipState.INVITED):
        raise MembershipSettled(membership.state)
    if membership.expires_at is not None and membership.expires_at <= clock.now():
        raise MembershipSettled("expired")


def _end_all(moment: datetime, **whose: UUID) -> None:
    db.session.execute(
        update(Membership)
        .filter_by(**whose)
        .where(Membership.state.in_(OPEN_STATES))
        .values(state=MembershipState.LEFT, left_at=moment, is_primary=False, version=Membership.version + 1)
        .execution_options(synchronize_session=False)
    )


def _change_lead(membership: Membership, by: Principal | None, *, besides: Sequence[UUID] = ()) -> None:
    """Record that a member moved into or out of the roles that lead, and let those who lead, and her, hear of it."""
    _record_lead(membership, by)
    hers = {membership.volunteer_id}
    hears = {*db.session.scalars(queries.leader_ids(membership.team_id)), *besides}
    kind = notices.LEAD_KINDS.get(membership.role, notices.LEAD_ENDED)
    notices.tell(kind, membership, hears - hers, person_id=str(membership.volunteer_id))
    if by is None or by.volunteer_id != membership.volunteer_id:
        notices.tell(notices.ROLE_CHANGED, membership, hers, team_role=membership.role)


def _tell_of_end(membership: Membership, by: Principal) -> None:
    """Tell of an active membership that ended: her, where somebody else ended it, and those who lead the team."""
    about, is_own = str(membership.volunteer_id), membership.volunteer_id == by.volunteer_id
    leaders = {*db.session.scalars(queries.leader_ids(membership.team_id))} - {by.volunteer_id}
    if membership.role in LEADING_ROLES:
        _record_lead(membership, by, role="left")
    if is_own:
        notices.tell(notices.LEFT, membership, leaders, person_id=about)
        return
    notices.tell(notices.ENDED, membership, [membership.volunteer_id])
    if membership.role in LEADING_ROLES:
        notices.tell(notices.LEAD_ENDED, membership, leaders, person_id=about)


def _tell_of_rejection(membership: Membership) -> None:
    told = {"reason": membership.rejection_reason} if membership.rejection_reason else {}
    notices.tell(notices.REJECTED, membership, [membership.volunteer_id], **told)


def _record_lead(membership: Membership, by: Principal | None, *, role: str | None = None) -> None:
    team = db.session.get_one(Team, membership.team_id)
    audit.record(
        AuditAction.LEADERSHIP_CHANGED,
        actor_id=by.volunteer_id if by is not None else None,
        subject_id=membership.volunteer_id,
        organization_id=team.organization_id,
        team_id=str(team.id),
        role=role or membership.role,
    )


def _flushed(membership: Membership) -> MembershipView:
    db.session.flush()
    return view(membership, person_of(membership))


def person_of(membership: Membership) -> Volunteer | None:
    """The volunteer of a membership, None for a phone that nobody has proven to have."""
    return db.session.get(Volunteer, membership.volunteer_id) if membership.volunteer_id is not None else None
