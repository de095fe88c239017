"""What stations do when their organization merges or closes, and hold about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.organizations.events import OrganizationClosing, OrganizationMerged
from volunteer_api.organizations.holdings import register_holding
from volunteer_api.organizations.problems import OrganizationNotEmpty
from volunteer_api.stations import queries
from volunteer_api.stations.models import Station, StationStatus, StationStatusChange

register_holding(
    "stations",
    lambda organization_id: select(Station.id, Station.name).where(
        Station.organization_id == organization_id, Station.status != StationStatus.CLOSED
    ),
)


@on(OrganizationClosing)
def refuse_while_stations_stand(event: OrganizationClosing) -> None:
    """A station must be closed first, or move with a merger. Raises OrganizationNotEmpty."""
    standing = db.session.execute(queries.standing_in(event.organization_id)).first()
    if standing is not None:
        raise OrganizationNotEmpty(name=standing.name, members={"what": "stations", "id": str(standing.id)})


@on(OrganizationMerged)
def hand_over_stations(event: OrganizationMerged) -> None:
    """All of them, closed ones too: their stock documents are the successor's to answer for."""
    db.session.execute(
        update(Station)
        .where(Station.organization_id == event.organization_id)
        .values(organization_id=event.into_id, version=Station.version + 1)
        .execution_options(synchronize_session=False)
    )


@exported("station_status_changes")
def station_status_changes(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person opened, paused and closed, the latest first."""
    return rows(
        select(
            StationStatusChange.station_id,
            StationStatusChange.from_status,
            StationStatusChange.to_status,
            StationStatusChange.reason,
            StationStatusChange.created_at,
        )
        .where(StationStatusChange.changed_by == volunteer_id)
        .order_by(StationStatusChange.id.desc())
    )
