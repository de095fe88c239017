"""Who keeps a station's stock, and hears of it: its managers, or where it has none, who approves above it."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select, select

from volunteer_api.core.database import db
from volunteer_api.organizations.access import Permission, holders_near
from volunteer_api.organizations.models import Grant, Role, ScopeType
from volunteer_api.stations.models import Station


def managers_of(station_ids: Sequence[UUID]) -> Select[UUID, UUID]:
    """Station and volunteer, of those who manage these stations now."""
    return (
        select(Grant.scope_id, Grant.volunteer_id)
        .where(
            Grant.scope_type == ScopeType.STATION,
            Grant.scope_id.in_(station_ids),
            Grant.role == Role.STATION_MANAGER,
            Grant.revoked_at.is_(None),
        )
        .order_by(Grant.scope_id, Grant.volunteer_id)
    )


def keepers_of(station_ids: Collection[UUID]) -> dict[UUID, set[UUID]]:
    """Of each station the people that hear. Two statements, and one for each organization with unmanaged stations."""
    keepers: dict[UUID, set[UUID]] = {station_id: set() for station_id in station_ids}
    for station_id, volunteer_id in db.session.execute(managers_of(list(keepers))):
        keepers[station_id].add(volunteer_id)
    unmanaged = [station_id for station_id, people in keepers.items() if not people]
    if not unmanaged:
        return keepers
    approvers: dict[UUID, set[UUID]] = {}
    for station_id, organization_id in db.session.execute(
        select(Station.id, Station.organization_id).where(Station.id.in_(unmanaged))
    ).all():
        if organization_id not in approvers:
            approvers[organization_id] = set(holders_near(organization_id, Permission.STOCK_APPROVE))
        keepers[station_id] = approvers[organization_id]
    return keepers


def approvers_of(station_id: UUID) -> list[UUID]:
    """Who approves what happens to the stock of a station, nearest above it."""
    station = db.session.get_one(Station, station_id)
    return holders_near(station.organization_id, Permission.STOCK_APPROVE)
