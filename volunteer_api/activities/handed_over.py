"""What somebody leads who closes her account: she and the organizers hear of it, and in the end it is not hers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from volunteer_api.activities import leaders
from volunteer_api.activities.models import Activity, ActivityLeader
from volunteer_api.activities.shifts import OVER
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import Notice, notify, notify_all
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.access import Permission, holders_near, permitted_organization_ids

LEADS_AT_ERASURE = register(
    "leads_at_erasure",
    "You still lead activities",
    "You lead activities that are not over: %(count)s, the first is %(activity)s. Let somebody else take them over.",
    Group.ACTIVITIES,
)
LEADER_LEAVES = register(
    "leader_leaves",
    "A leader closes her account",
    "A leader of %(activity)s closes her account on %(day)s. Name somebody else in time.",
    Group.ACTIVITIES,
)
LEADER_LEFT = register(
    "leader_left",
    "An activity lost a leader",
    "A leader of %(activity)s closed her account. See that somebody leads it.",
    Group.ACTIVITIES,
)


def tell_before(volunteer_id: UUID, erases_at: datetime) -> None:
    """Tell her, and the organizers of each, what she leads, by name or as its planner, that is not over."""
    # As who planned it alone she leads what she still may; later her rights have ended, and the organizers hear of all.
    as_planner = and_(
        Activity.created_by == volunteer_id,
        Activity.organization_id.in_(permitted_organization_ids(volunteer_id, Permission.ACTIVITY_LEAD)),
        # Nobody misses a draft that only she saw.
        Activity.published_at.is_not(None),
        leaders.led_by_planner(),
    )
    led = _led(volunteer_id, as_planner)
    if not led:
        return
    once = f"{volunteer_id}:{erases_at.isoformat()}"
    notify(
        volunteer_id=volunteer_id,
        kind=LEADS_AT_ERASURE,
        values={"count": str(len(led)), "activity": led[0].title, "activity_id": str(led[0].id)},
        dedup_key=f"{LEADS_AT_ERASURE}:{once}",
    )
    _tell_organizers(LEADER_LEAVES, led, volunteer_id, once, day=clock.local_date(erases_at).isoformat())


def take_off(volunteer_id: UUID) -> None:
    """Let her lead nothing by name that is not over."""
    led = _led(volunteer_id)
    if not led:
        return
    leaders.take_off(
        ActivityLeader.volunteer_id == volunteer_id, ActivityLeader.activity_id.in_([one.id for one in led])
    )
    _tell_organizers(LEADER_LEFT, led, volunteer_id, str(volunteer_id))


def _led(volunteer_id: UUID, *others: ColumnElement[bool]) -> Sequence[Activity]:
    by_name = Activity.id.in_(select(ActivityLeader.activity_id).where(ActivityLeader.volunteer_id == volunteer_id))
    running = select(Activity).where(or_(by_name, *others), Activity.state.not_in(OVER)).order_by(Activity.id)
    return db.session.scalars(running).all()


def _tell_organizers(kind: str, led: Sequence[Activity], leader_id: UUID, once: str, **values: str) -> None:
    near = {
        one: holders_near(one, Permission.ACTIVITY_PUBLISH, without=[leader_id])
        for one in {activity.organization_id for activity in led}
    }
    notify_all(
        [
            Notice(
                one,
                kind,
                {"activity": activity.title, "activity_id": str(activity.id), **values},
                f"{kind}:{activity.id}:{once}:{one}",
            )
            for activity in led
            for one in near[activity.organization_id]
        ]
    )
