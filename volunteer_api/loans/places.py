"""The stations that lend and take back, locked in one order."""

from uuid import UUID

from sqlalchemy import select

from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.stations.models import Station


def hold_stations(*station_ids: UUID) -> dict[UUID, str]:
    """Hold the ledgers of these stations until the unit ends, in the order of their ids; returns their codes.

    Two returns that cross each other so wait and never lock each other out. Raises NotFound (404).
    """
    return {station_id: _hold(station_id) for station_id in sorted(set(station_ids))}


def _hold(station_id: UUID) -> str:
    code = db.session.scalar(select(Station.code).where(Station.id == station_id).with_for_update(key_share=True))
    if code is None:
        raise NotFound()
    return code
