"""Who leads an activity, and so decides at it and hears of it."""

from collections.abc import Collection, Sequence, Set
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    delete,
    exists,
    literal,
    null,
    or_,
    select,
    union,
    union_all,
)

from volunteer_api.accounts.ages import is_under_age
from volunteer_api.accounts.service import masked_name
from volunteer_api.activities.models import Activity, ActivityLeader, CoOrganizer, FormerLeader
from volunteer_api.core import audit, clock
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import UtcDateTime, db
from volunteer_api.core.statements import among, insert
from volunteer_api.organizations.access import Permission, can, holders_near
from volunteer_api.teams.models import LEADING_ROLES, Membership, MembershipState, Team
from volunteer_api.teams.queries import led_since


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


def has_led(volunteer_id: Any, *, until: Any = None) -> ColumnElement[bool]:
    """The activities that a volunteer, or whom a column names, leads or once led, and not only from above.

    By name, with the team since it was planned, or as who planned it where nobody else leads: the ledger names her
    then. Who came to lead after `until`, a moment or a column, is left out.
    """
    here = Activity.id
    named = exists().where(
        ActivityLeader.activity_id == here,
        ActivityLeader.volunteer_id == volunteer_id,
        *_began(ActivityLeader.named_at, until),
    )
    former = exists().where(
        FormerLeader.activity_id == here,
        FormerLeader.volunteer_id == volunteer_id,
        *_began(FormerLeader.named_at, until),
    )
    with_team = exists().where(
        Membership.team_id == Activity.team_id,
        Membership.volunteer_id == volunteer_id,
        led_since(Activity.created_at),
        *_began(Membership.leads_since, until),
    )
    return or_(named, former, with_team, and_(Activity.created_by == volunteer_id, led_by_planner(until)))


def everybody_who_led(activity: Activity, since: datetime) -> list[UUID]:
    """Those who lead the activity, as `leaders_of_one` has them, then who led at `since` or later. Two statements."""
    former = select(FormerLeader.volunteer_id).where(
        FormerLeader.activity_id == activity.id, FormerLeader.left_at >= since
    )
    with_team = select(Membership.volunteer_id).where(
        Membership.team_id == activity.team_id, Membership.volunteer_id.is_not(None), led_since(since)
    )
    before = sorted(db.session.scalars(union(former, with_team)))
    return list(dict.fromkeys([*leaders_of_one(activity), *before]))


def led_by_planner(until: Any = None) -> ColumnElement[bool]:
    """The activities that nobody leads by name or with the team, or did by then, and so who planned them."""
    named = exists().where(ActivityLeader.activity_id == Activity.id, *_began(ActivityLeader.named_at, until))
    of_team = exists().where(
        Membership.team_id == Activity.team_id,
        Membership.state == MembershipState.ACTIVE,
        Membership.role.in_(LEADING_ROLES),
        *_began(Membership.leads_since, until),
    )
    return and_(~named, ~of_team)


def take_off(*whose: ColumnElement[bool]) -> None:
    """Let these leaders lead by name no more; that they led what is published is kept."""
    _keep(
        select(ActivityLeader.activity_id, ActivityLeader.volunteer_id, ActivityLeader.named_at, _now())
        .join(Activity, _published(ActivityLeader.activity_id))
        .where(*whose)
    )
    db.session.execute(delete(ActivityLeader).where(*whose).execution_options(synchronize_session=False))


def replace_named(activity: Activity, wanted: Set[UUID], *, actor_id: UUID | None) -> Set[UUID]:
    """Let these people lead the activity by name, and no others; returns those who did not before.

    Of a published one it is kept who led until now, who planned it where nobody else did, and who changed it.
    """
    known, _ = named_in(activity.id)
    gone, new = known - wanted, wanted - known
    if new and not known:
        _keep(select(Activity.id, Activity.created_by, null(), _now()).where(_published(activity.id), led_by_planner()))
    take_off(ActivityLeader.activity_id == activity.id, ActivityLeader.volunteer_id.in_(gone))
    db.session.add_all([ActivityLeader(activity_id=activity.id, volunteer_id=one) for one in sorted(new)])
    for one in sorted(gone | new) if activity.published_at is not None else ():
        audit.record(
            AuditAction.ACTIVITY_LEADERS_CHANGED,
            actor_id=actor_id,
            subject_id=one,
            organization_id=activity.organization_id,
            activity_id=str(activity.id),
            named=one in new,
        )
    return new


def _published(activity_id: Any) -> ColumnElement[bool]:
    return and_(Activity.id == activity_id, Activity.published_at.is_not(None))


def _now() -> ColumnElement[datetime]:
    return literal(clock.now(), UtcDateTime())


def _keep(led: Select[*tuple[Any, ...]]) -> None:
    statement = insert(FormerLeader).from_select(["activity_id", "volunteer_id", "named_at", "left_at"], led)
    # Who led before is known since then.
    again = {"left_at": statement.excluded.left_at}
    db.session.execute(statement.on_conflict_do_update(index_elements=["activity_id", "volunteer_id"], set_=again))


def _began(since: Any, until: Any) -> list[ColumnElement[bool]]:
    return [] if until is None else [or_(since.is_(None), since <= until)]


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


def leaders_of_one(activity: Activity) -> list[UUID]:
    """Those named and the leaders and deputies of its team, in the order of their ids; else who planned it.

    The ledger names them: they led whatever they may do now. Of news hears `who_hears_of`. One statement.
    """
    return leaders_of([activity.id])[activity.id] or [activity.created_by]


def who_hears_of(activity: Activity) -> list[UUID]:
    """Who hears of what happens at the activity; see `hearers_of`."""
    return hearers_of([activity.id])[activity.id]


def hearers_of(activity_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Who hears of what happens at each activity: who leads it; else who planned it, while she may still lead there;
    else those of the nearest organization that has any who could publish it.

    One statement; another where nobody leads one of them, and up to two for each planner of such and organization.
    """
    hear = leaders_of(activity_ids)
    unled = [one for one, leaders in hear.items() if not leaders]
    planned = select(Activity.id, Activity.created_by, Activity.organization_id).where(among(Activity.id, unled))
    answering: dict[tuple[UUID, UUID], list[UUID]] = {}
    for row in db.session.execute(planned) if unled else ():
        where = row.created_by, row.organization_id
        if where not in answering:
            may_lead = can(row.created_by, Permission.ACTIVITY_LEAD, organization_id=row.organization_id)
            answering[where] = (
                [row.created_by] if may_lead else holders_near(row.organization_id, Permission.ACTIVITY_PUBLISH)
            )
        hear[row.id] = answering[where]
    return hear


def leaders_of(activity_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Those named and the leaders and deputies of its team for each activity, in the order of their ids."""
    known: dict[UUID, list[UUID]] = {one: [] for one in activity_ids}
    rows: Sequence[Any] = db.session.execute(leading(activity_ids)).all()
    for row in rows:
        known[row.activity_id].append(row.volunteer_id)
    return {one: sorted(leaders) for one, leaders in known.items()}


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
