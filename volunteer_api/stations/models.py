"""Service stations."""

import math
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, query_expression

from volunteer_api.core import clock
from volunteer_api.core.database import Base, Identified, Versioned
from volunteer_api.core.settings import settings
from volunteer_api.organizations.models import Organization


class StationKind(StrEnum):
    DESK = "desk"
    POST = "post"
    READING_ROOM = "reading_room"
    SERVICE_POINT = "service_point"


class StationStatus(StrEnum):
    PLANNED = "planned"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


class Station(Identified, Versioned, Base):
    """A service station of an organization, at a place in WGS-84 degrees.

    `opening_hours` is a list of `{"weekday": 1..7 (Monday first), "opens": "08:00", "closes": "18:00"}` in local time,
    `closes` up to "24:00"; `services` is a list of short texts.
    """

    __tablename__ = "stations"
    __table_args__ = (
        CheckConstraint("kind IN ('desk', 'post', 'reading_room', 'service_point')", name="kind"),
        CheckConstraint("status IN ('planned', 'open', 'paused', 'closed')", name="status"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
        UniqueConstraint("code"),
        Index("ix_stations_latitude_longitude", "latitude", "longitude"),
        Index("ix_stations_organization_id", "organization_id"),
    )

    code: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    organization_id: Mapped[UUID] = mapped_column(ForeignKey(Organization.id))
    status: Mapped[str] = mapped_column(String(20), default=StationStatus.OPEN)
    latitude: Mapped[float]
    longitude: Mapped[float]
    address: Mapped[str] = mapped_column(String(200))
    opening_hours: Mapped[list[Any]]
    services: Mapped[list[Any]]
    # Filled by the reads that ask from where; None elsewhere.
    squared_distance_m: Mapped[float | None] = query_expression()

    @property
    def place(self) -> dict[str, float]:
        """`{lat, lng}` in WGS-84 degrees."""
        return {"lat": self.latitude, "lng": self.longitude}

    @property
    def distance_m(self) -> int | None:
        """Whole meters from where the reader stands, None where nobody asked."""
        return None if self.squared_distance_m is None else round(math.sqrt(self.squared_distance_m))

    @property
    def open_now(self) -> bool:
        """Whether the station is in service and the local time lies in its opening hours."""
        local = clock.now().astimezone(settings().zone)
        time_of_day = f"{local:%H:%M}"
        return self.status == StationStatus.OPEN and any(
            hours["weekday"] == local.isoweekday() and hours["opens"] <= time_of_day < hours["closes"]
            for hours in self.opening_hours
        )
