"""What stands of a public activity: whom it counts for, and its place, by which those who checked in were judged."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.activities.changes import UNPUBLISHED
from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.activities.problems import PlaceStands
from volunteer_api.core import audit, clock
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.stations.models import Station

# What the place of a check-in is judged by.
FENCE = ("place", "radius_m")
FROZEN_AT_PUBLICATION = ("team_id", "station_id", "category")


def frozen(activity: Activity, changes: Mapping[str, Any], *, publishes: bool) -> list[str]:
    """What of a change a public activity does not take: by whom it counts for, people have decided to come.

    From who could publish it, it takes a team or a station where it had none, as in a copy that was published at once,
    until it takes check-ins.
    """
    if activity.state != ActivityState.PUBLISHED:
        return []
    known = {name: getattr(activity, name) for name in FROZEN_AT_PUBLICATION}
    others = [name for name, value in known.items() if changes.get(name, value) != value]
    given_up = [name for name in others if known[name] is not None]
    return given_up or (others if others and (not publishes or _takes_check_ins(activity)) else [])


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


def place_of_station(station_id: UUID) -> dict[str, float]:
    """Where the station is: without a place of its own, what it holds is there."""
    station = db.session.get_one(Station, station_id)
    return {"lat": station.latitude, "lng": station.longitude}


def go_with_station(activity: Activity, changes: dict[str, Any]) -> None:
    """Let a draft that another station is to hold be at that one, where it has no place of its own."""
    former, station_id = activity.station_id, changes.get("station_id")
    if station_id is None or station_id == former or "place" in changes:
        return
    if activity.place in (None, place_of_station(former) if former is not None else None):
        changes["place"] = place_of_station(station_id)


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


def _takes_check_ins(activity: Activity) -> bool:
    opened = select(Shift.id).where(Shift.activity_id == activity.id, Shift.starts_at <= _opened_by())
    return db.session.scalar(opened.limit(1)) is not None


def _opened_by() -> datetime:
    return clock.now() + timedelta(minutes=rules().check_in_opens_minutes)


def _has_begun(activity: Activity) -> bool:
    # By a place that is told later than this nobody is judged any more.
    judged = clock.now() - timedelta(hours=rules().late_evidence_hours)
    begun = select(Shift.id).where(
        Shift.activity_id == activity.id,
        Shift.canceled_at.is_(None),
        Shift.starts_at <= _opened_by(),
        Shift.ends_at > judged,
    )
    return db.session.scalar(begun.limit(1)) is not None


def _written(value: Any) -> str | None:
    if isinstance(value, dict):
        return f"{value['lat']:.6f},{value['lng']:.6f}"
    return str(value) if value is not None else None
