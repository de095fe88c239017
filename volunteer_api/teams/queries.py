"""How teams and their members are read."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, func, literal, not_, or_, select
from sqlalchemy.orm import with_expression

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.statements import among_constants
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.teams.models import LEADING_ROLES, OPEN_STATES, Membership, MembershipState, Team


def teams_counted() -> Select[Team]:
    """Teams with their `member_count`, the active ones."""
    return (
        select(Team)
        .options(with_expression(Team.member_count, _member_count()))
        .execution_options(populate_existing=True)
    )


def teams(
    *,
    organization_id: UUID | None = None,
    member_id: UUID | None = None,
    q: str | None = None,
    recruiting: bool | None = None,
    closed: bool = False,
) -> Select[Team]:
    """The open (or the closed) teams of an organization's subtree, of which somebody is an active member.

    `q` is a part of the name, or of its pinyin or initials.
    """
    statement = teams_counted().where(Team.closed_at.is_not(None) if closed else Team.closed_at.is_(None))
    if organization_id is not None:
        statement = statement.where(Team.organization_id.in_(subtree_ids(organization_id)))
    if member_id is not None:
        statement = statement.where(
            Team.id.in_(
                select(Membership.team_id).where(
                    Membership.volunteer_id == member_id, Membership.state == MembershipState.ACTIVE
                )
            )
        )
    if q is not None:
        typed = "".join(q.split()).lower()
        statement = statement.where(
            or_(Team.name.icontains(q, autoescape=True), Team.search_text.contains(typed, autoescape=True))
        )
    if recruiting is not None:
        statement = statement.where(Team.is_recruiting.is_(recruiting))
    return statement


def members(team_id: UUID, *, state: str | None = None, q: str | None = None) -> Select[Membership, Volunteer]:
    """The memberships of a team with their volunteers (None for a phone that nobody has proven to have).

    Requests and invitations that were taken back are no history and not listed. `q` is a part of the name, or a
    volunteer number; who is only invited is never found by it.
    """
    statement = (
        select(Membership, Volunteer)
        .outerjoin(Volunteer, Volunteer.id == Membership.volunteer_id)
        .where(
            Membership.team_id == team_id,
            or_(Membership.state != MembershipState.LEFT, Membership.joined_at.is_not(None)),
        )
    )
    if q is not None:
        known = or_(Membership.joined_at.is_not(None), Membership.state == MembershipState.REQUESTED)
        named = or_(Volunteer.name.icontains(q, autoescape=True), Volunteer.volunteer_number == q.upper())
        statement = statement.where(known, named)
    return statement if state is None else statement.where(Membership.state == state)


def own_memberships(volunteer_id: UUID, state: str | None) -> Select[Membership, Team]:
    """A volunteer's memberships, the past ones too, with their teams; not the invitations that ran out."""
    statement = (
        select(Membership, Team)
        .join(Team, Team.id == Membership.team_id)
        .where(
            Membership.volunteer_id == volunteer_id,
            or_(
                Membership.state != MembershipState.INVITED,
                Membership.expires_at.is_(None),
                Membership.expires_at > clock.now(),
            ),
        )
    )
    return statement if state is None else statement.where(Membership.state == state)


def open_among(
    team_id: UUID, volunteer_ids: Collection[UUID], digests: Collection[bytes]
) -> Select[UUID | None, bytes | None, str]:
    """Volunteer, phone digest and state of the team's open memberships among these people and invited phones.

    An invitation that ran out is not open any more.
    """
    return select(Membership.volunteer_id, Membership.phone_digest, Membership.state).where(
        Membership.team_id == team_id,
        not_(ran_out(clock.now())),
        or_(
            Membership.volunteer_id.in_(volunteer_ids) & Membership.state.in_(OPEN_STATES),
            Membership.phone_digest.in_(digests) & (Membership.state == MembershipState.INVITED),
        ),
    )


def ran_out(moment: datetime) -> ColumnElement[bool]:
    """The condition that an invitation's time is over and nobody came by it."""
    return and_(
        Membership.joined_at.is_(None),
        Membership.expires_at.is_not(None),
        Membership.expires_at <= moment,
        Membership.state.in_((MembershipState.INVITED, MembershipState.LEFT)),
    )


def roles_in(volunteer_id: UUID, team_id: UUID) -> Select[str]:
    """The volunteer's role in the team, no row where there is no active membership."""
    return select(Membership.role).where(
        Membership.team_id == team_id,
        Membership.volunteer_id == volunteer_id,
        Membership.state == MembershipState.ACTIVE,
    )


def leader_ids(team_id: UUID) -> Select[UUID | None]:
    """Who leads the team, deputies too: leaders first, a hundred at most."""
    return (
        select(Membership.volunteer_id)
        .where(
            Membership.team_id == team_id,
            Membership.state == MembershipState.ACTIVE,
            Membership.role.in_(LEADING_ROLES),
        )
        .order_by(Membership.role.desc(), Membership.id)
        .limit(100)
    )


def led_since(moment: Any) -> ColumnElement[bool]:
    """The memberships of who leads her team, or led it at the moment, or the column's, or later."""
    leading = and_(
        Membership.role.in_(LEADING_ROLES),
        Membership.joined_at.is_not(None),
        or_(Membership.state == MembershipState.ACTIVE, Membership.left_at >= moment),
    )
    return or_(leading, Membership.led_until >= moment)


def open_membership(volunteer_id: UUID, team_id: UUID, states: tuple[MembershipState, ...]) -> Select[UUID]:
    """The id of the volunteer's membership that is in one of `states`."""
    return select(Membership.id).where(
        Membership.team_id == team_id, Membership.volunteer_id == volunteer_id, Membership.state.in_(states)
    )


def others_active(membership: Membership) -> Select[str]:
    """The roles of the team's active members beside this one."""
    return select(Membership.role).where(
        Membership.team_id == membership.team_id,
        Membership.id != membership.id,
        Membership.state == MembershipState.ACTIVE,
    )


def led_by(volunteer_id: UUID) -> Select[str, str, UUID, str]:
    """Role, the word team, id and name of the teams that the volunteer leads: they count as held roles."""
    return (
        select(Membership.role, literal("team"), Team.id, Team.name)
        .join(Team, Team.id == Membership.team_id)
        .where(*_leads(volunteer_id))
    )


def team_ids_led_by(volunteer_id: UUID) -> Select[UUID]:
    """The ids of the teams that the volunteer leads, as a deputy too."""
    return select(Membership.team_id).where(*_leads(volunteer_id))


def _leads(volunteer_id: UUID) -> tuple[ColumnElement[bool], ...]:
    return (
        Membership.volunteer_id == volunteer_id,
        Membership.state == MembershipState.ACTIVE,
        among_constants(Membership.role, LEADING_ROLES),
    )


def _member_count() -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(Membership)
        .where(Membership.team_id == Team.id, Membership.state == MembershipState.ACTIVE)
        .correlate(Team)
        .scalar_subquery()
    )
