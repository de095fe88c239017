"""What compliance hears of catalogue and ledger, and holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.catalog.events import ItemOfferChanged, KitStandardIssued
from volunteer_api.catalog.standards import is_required
from volunteer_api.compliance import alerts, refresh
from volunteer_api.compliance.models import AlertKind, StockAlert
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.core.tasks import enqueue
from volunteer_api.inventory.events import LedgerChecked, StockMoved


@on(StockMoved)
def mark_station(event: StockMoved) -> None:
    """Its assessment is not what its shelf says any more."""
    refresh.mark(event.station_id)
    enqueue(refresh.REFRESH)


@on(KitStandardIssued)
def mark_stations_below(event: KitStandardIssued) -> None:
    """Something else may be asked of them."""
    refresh.mark_subtree(event.organization_id)
    enqueue(refresh.REFRESH)


@on(ItemOfferChanged)
def mark_stations(event: ItemOfferChanged) -> None:
    """What is archived or prohibited is asked of nobody any more."""
    if is_required(event.item_id):
        refresh.mark_all()
        enqueue(refresh.REFRESH)


@on(LedgerChecked)
def raise_or_close_mismatch(event: LedgerChecked) -> None:
    """A ledger that does not add up alarms, until it does again; nothing repairs it."""
    if event.mismatches:
        alerts.raise_alert(event.station_id, AlertKind.LEDGER_MISMATCH, details={"mismatches": event.mismatches})
    else:
        alerts.close(event.station_id, AlertKind.LEDGER_MISMATCH)


@exported("stock_alerts_acknowledged")
def stock_alerts_acknowledged(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The alerts that the person saw to, the latest first."""
    return rows(
        select(StockAlert.id, StockAlert.station_id, StockAlert.kind, StockAlert.acknowledged_at, StockAlert.note)
        .where(StockAlert.acknowledged_by == volunteer_id)
        .order_by(StockAlert.acknowledged_at.desc(), StockAlert.id)
    )
