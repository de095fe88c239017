"""How each station stood when it was last looked at, and the alerts that follow from it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.models import Item
from volunteer_api.compliance.forecast import Because
from volunteer_api.core.database import Base, Identified, one_of
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station


class AlertKind(StrEnum):
    """What is wrong. All but the last are found by looking at a station, ledger_mismatch by replaying its ledger."""

    MISSING_CRITICAL = "missing_critical"
    LOW = "low"
    EXPIRED = "expired"
    NEAR_EXPIRY = "near_expiry"
    WILL_FAIL = "will_fail"
    LEDGER_MISMATCH = "ledger_mismatch"


class AlertState(StrEnum):
    """Where an alert stands: open, gone up unlooked at, looked at by somebody, or closed as its cause is gone."""

    OPEN = "open"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class StationAssessment(Base):
    """What a station's assessment came to, kept so that a city can be summed up without reading every shelf.

    Whoever moves stock sets `stale`, in the same unit; whoever assesses holds this row while reading the shelf. So a
    row that is not stale is what the shelf says, through the day `valid_through`, as long as path and kind are still
    the station's own. `fails_on` is the first day of failure; counts are of items.
    """

    __tablename__ = "station_assessments"
    __table_args__ = (
        Index(
            "ix_station_assessments_stale",
            "station_id",
            sqlite_where=text("stale"),
            postgresql_where=text("stale"),
        ),
        Index("ix_station_assessments_assessed_on", "assessed_on"),
        CheckConstraint("score BETWEEN 0 AND 100", name="score"),
        CheckConstraint(one_of("fails_because", Because), name="fails_because"),
    )

    station_id: Mapped[UUID] = mapped_column(ForeignKey(Station.id), primary_key=True)
    stale: Mapped[bool] = mapped_column(default=False, server_default=false())
    assessed_on: Mapped[date | None]
    valid_through: Mapped[date | None]
    # No foreign keys: compared with what the station has now, and never followed.
    path_id: Mapped[UUID | None]
    station_kind: Mapped[str | None] = mapped_column(String(20))
    score: Mapped[int | None]
    missing_count: Mapped[int] = mapped_column(default=0, server_default="0")
    critical_missing_count: Mapped[int] = mapped_column(default=0, server_default="0")
    near_expiry_count: Mapped[int] = mapped_column(default=0, server_default="0")
    expired_count: Mapped[int] = mapped_column(default=0, server_default="0")
    fails_on: Mapped[date | None]
    fails_because: Mapped[str | None] = mapped_column(String(30))
    failing_item_id: Mapped[UUID | None] = mapped_column(ForeignKey(Item.id))


class StockAlert(Identified, Base):
    """Something wrong at a station, from when it was found (`created_at`) until its cause is gone.

    `cause` tells apart what of one kind may be wrong at once: an item, or an item's lot and portion. At most one alert
    of a cause is not closed; a cause that comes back is another alert. `details` are the figures as last seen.
    """

    __tablename__ = "stock_alerts"
    __table_args__ = (
        CheckConstraint(one_of("kind", AlertKind), name="kind"),
        CheckConstraint("(acknowledged_at IS NULL) = (acknowledged_by IS NULL)", name="acknowledged_by_somebody"),
        CheckConstraint("(escalated_at IS NULL) = (escalated_to_id IS NULL)", name="escalated_to_somebody"),
        Index(
            "uq_stock_alerts_open",
            "station_id",
            "kind",
            "cause",
            unique=True,
            sqlite_where=text("closed_at IS NULL"),
            postgresql_where=text("closed_at IS NULL"),
        ),
        Index("ix_stock_alerts_station_id", "station_id"),
        Index("ix_stock_alerts_acknowledged_by", "acknowledged_by"),
        Index("ix_stock_alerts_item_id", "item_id"),
        Index(
            "ix_stock_alerts_unseen",
            "created_at",
            sqlite_where=text("closed_at IS NULL AND acknowledged_at IS NULL"),
            postgresql_where=text("closed_at IS NULL AND acknowledged_at IS NULL"),
        ),
    )

    station_id: Mapped[UUID] = mapped_column(ForeignKey(Station.id))
    kind: Mapped[str] = mapped_column(String(20))
    cause: Mapped[str] = mapped_column(String(200), default="", server_default="")
    item_id: Mapped[UUID | None] = mapped_column(ForeignKey(Item.id))
    details: Mapped[dict[str, Any]]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None] = mapped_column(ForeignKey(Volunteer.id))
    note: Mapped[str | None] = mapped_column(String(500))
    escalated_at: Mapped[datetime | None]
    escalated_to_id: Mapped[UUID | None] = mapped_column(ForeignKey(Organization.id))
    closed_at: Mapped[datetime | None]

    @property
    def state(self) -> AlertState:
        """Where it stands."""
        if self.closed_at is not None:
            return AlertState.CLOSED
        if self.acknowledged_at is not None:
            return AlertState.ACKNOWLEDGED
        return AlertState.OPEN if self.escalated_at is None else AlertState.ESCALATED
