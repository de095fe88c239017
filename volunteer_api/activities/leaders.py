"""Who leads an activity, and so decides at it and hears of it."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, literal, or_, select, union, union_all

from volunteer_api.accounts.ages import is_under_age
from volunteer_api.accounts.service import masked_name
from volunteer_api.activities.models import Activity, ActivityLeader, CoOrganizer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.statements import among
from volunteer_api.teams.models import LEADING_ROLES, Membership, MembershipState, Team


def leads_by_name(volunteer_id: Any) -> ColumnElement[bool]:
    """The activities that a volunteer, or whom a column names, leads: by name, or as leader or deputy of the team."""
    return or_(
        Activity.id.in_(select(ActivityLeader.activity_id).where(ActivityLeader.volunteer_id == volunteer_id)),
        Activity.team_id.in_(
            select(Membership.team_id).where(
                Membership.volunteer_id == volunteer_id,
                Membership.state == MembershipState.ACTIVE,
                Membership.role.in_(LEADING_ROLES),
            )
        ),
    )


def leads_a_team_of(volunteer_id: UUID, organization_id: UUID) -> bool:
    """Whether the volunteer is leader or deputy of a team of this very organization. One statement."""
    teams = (
        select(Team.id)
        .join(Membership, Membership.team_id == Team.id)
        .where(
            Team.organization_id == organization_id,
            Team.closed_at.is_(None),
            Membership.volunteer_id == volunteer_id,
            Membership.state == MembershipState.ACTIVE,
            Membership.role.in_(LEADING_ROLES),
        )
    )
    return db.session.scalar(teams.limit(1)) is not None


def leading(activity_ids: Collection[UUID]) -> CompoundSelect[tuple[UUID, UUID]]:
    """Pairs of an activity and one who leads it by name or by its team, each once."""
    named = select(ActivityLeader.activity_id, ActivityLeader.volunteer_id)
    of_team = (
        select(Activity.id, Membership.volunteer_id)
        .join(Membership, Membership.team_id == Activity.team_id)
        .where(
            Membership.volunteer_id.is_not(None),
            Membership.state == MembershipState.ACTIVE,
            Membership.role.in_(LEADING_ROLES),
        )
    )
    return union(
        named.where(among(ActivityLeader.activity_id, activity_ids)), of_team.where(among(Activity.id, activity_ids))
    )


def leaders_of(activity_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Those named and the leaders and deputies of its team, in the order of their ids; else who planned it.

    One statement for all the activities.
    """
    lead = leading(activity_ids).subquery()
    named = select(lead.c.activity_id, lead.c.volunteer_id, literal(True).label("leads"))
    planned = select(Activity.id, Activity.created_by, literal(False)).where(among(Activity.id, activity_ids))
    rows: Sequence[Any] = db.session.execute(union_all(named, planned)).all()
    known: dict[UUID, set[UUID]] = {one: set() for one in activity_ids}
    for row in rows:
        if row.leads:
            known[row.activity_id].add(row.volunteer_id)
    planners = {row.activity_id: row.volunteer_id for row in rows if not row.leads}
    return {one: sorted(found) or [planners[one]] for one, found in known.items()}


def leaders_of_one(activity: Activity) -> list[UUID]:
    """The same of one activity."""
    return leaders_of([activity.id])[activity.id]


def named_in(activity_id: UUID) -> tuple[set[UUID], set[UUID]]:
    """Those who are named to lead the activity, and the organizations that are named to hold it too. One statement."""
    leaders = select(literal(True), ActivityLeader.volunteer_id).where(ActivityLeader.activity_id == activity_id)
    partners = select(literal(False), CoOrganizer.organization_id).where(CoOrganizer.activity_id == activity_id)
    rows: Sequence[Any] = db.session.execute(union_all(leaders, partners)).all()
    leads = {named for is_leader, named in rows if is_leader}
    return leads, {named for is_leader, named in rows if not is_leader}


def leader_view(leader: Any, caller_id: UUID | None, *, is_public: bool) -> dict[str, Any]:
    """A named leader: whole names are for who is signed in, and those of minors for nobody.

    Nor those of a draft, in which anybody may be named.
    """
    known = caller_id is not None and (is_public or caller_id == leader.id)
    named = known and not is_under_age(leader.birth_date, clock.today())
    return {"id": leader.id, "name": leader.name if named else masked_name(leader.name)}
