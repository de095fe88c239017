"""What features to the right must hear of a station.

Both are published while the station's row is locked. Whoever records something that must not happen at a closed
station locks the same row first, by `service.hold`: then either the handler sees what was recorded, or the recorder
sees that the station is closed. Locks are taken in this order: organizations, stations, what lies in stations; several
of a kind in the order of their ids.
"""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class StationClosing:
    """It is about to close; a handler raises StationNotEmpty where something of its own still stands in the way."""

    station_id: UUID


@dataclass(frozen=True)
class StationCodeChanging:
    """It is about to get another code; a handler raises StationCodeInUse where documents carry the present one."""

    station_id: UUID
    code: str
