"""The place of a public activity: who checked in by it was judged by it, so it does not move under anybody's feet."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from volunteer_api.activities.changes import UNPUBLISHED
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.activities.problems import PlaceStands
from volunteer_api.core import audit, clock
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules

# What the place of a check-in is judged by.
FENCE = ("place", "radius_m")


def what_moves(activity: Activity, changes: Mapping[str, Any], *, publishes: bool) -> dict[str, Any]:
    """What of the fence a change makes otherwise, as it is before; nothing of a draft.

    `publishes`: whether who changes it could publish it. Raises PlaceStands (403) for others once a shift takes
    check-ins: who leads it would say herself where her own people have to be.
    """
    known = {name: getattr(activity, name) for name in FENCE}
    moved = {name: value for name, value in known.items() if changes.get(name, value) != value}
    if not moved or activity.state in UNPUBLISHED:
        return {}
    if not publishes and _has_begun(activity):
        raise PlaceStands(members={"fields": [*moved]})
    return moved


def note(activity: Activity, moved: Mapping[str, Any], *, by: Principal) -> None:
    """Let the audit log have where it was, and where it is now."""
    told: dict[str, Any] = {}
    for name, before in moved.items():
        told |= {f"{name}_before": _written(before), name: _written(getattr(activity, name))}
    audit.record(
        AuditAction.ACTIVITY_MOVED,
        actor_id=by.volunteer_id,
        organization_id=activity.organization_id,
        activity_id=str(activity.id),
        **told,
    )


def _has_begun(activity: Activity) -> bool:
    opened = clock.now() + timedelta(minutes=rules().check_in_opens_minutes)
    # By a place that is told later than this nobody is judged any more.
    judged = clock.now() - timedelta(hours=rules().late_evidence_hours)
    begun = select(Shift.id).where(
        Shift.activity_id == activity.id,
        Shift.canceled_at.is_(None),
        Shift.starts_at <= opened,
        Shift.ends_at > judged,
    )
    return db.session.scalar(begun.limit(1)) is not None


def _written(value: Any) -> str | None:
    if isinstance(value, dict):
        return f"{value['lat']:.6f},{value['lng']:.6f}"
    return str(value) if value is not None else None
