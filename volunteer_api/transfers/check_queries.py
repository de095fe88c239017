"""What the nightly check of transfers compares."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select

from volunteer_api.core.database import db
from volunteer_api.inventory.models import SEALED, StockBalance
from volunteer_api.transfers.models import Transfer, TransferLot, TransferState


def differences(limit: int, *, station_id: UUID | None = None) -> Sequence[Row[*tuple[Any, ...]]]:
    """Where what is counted as under way differs from what the transfers say: station, item, lot, both numbers.

    Of one station, or of all. One statement.
    """
    open_lots = (
        select(
            Transfer.to_station_id.label("station_id"),
            TransferLot.item_id,
            TransferLot.lot_number,
            func.sum(TransferLot.shipped - TransferLot.received - TransferLot.short - TransferLot.returned).label(
                "quantity"
            ),
        )
        .join(Transfer, Transfer.id == TransferLot.transfer_id)
        .where(Transfer.state == TransferState.SHIPPED, *_only(Transfer.to_station_id, station_id))
        .group_by(Transfer.to_station_id, TransferLot.item_id, TransferLot.lot_number)
        .subquery()
    )
    counted = (
        select(StockBalance.station_id, StockBalance.item_id, StockBalance.lot_number, StockBalance.in_transit)
        .where(StockBalance.portion == SEALED, StockBalance.in_transit > 0, *_only(StockBalance.station_id, station_id))
        .subquery()
    )
    same = (
        (counted.c.station_id == open_lots.c.station_id)
        & (counted.c.item_id == open_lots.c.item_id)
        & (counted.c.lot_number == open_lots.c.lot_number)
    )
    moved, expected = func.coalesce(counted.c.in_transit, 0), func.coalesce(open_lots.c.quantity, 0)
    station = func.coalesce(counted.c.station_id, open_lots.c.station_id)
    return db.session.execute(
        select(
            station.label("station_id"),
            func.coalesce(counted.c.item_id, open_lots.c.item_id).label("item_id"),
            func.coalesce(counted.c.lot_number, open_lots.c.lot_number).label("lot_number"),
            moved.label("counted"),
            expected.label("under_way"),
        )
        .select_from(counted)
        .join(open_lots, same, full=True)
        .where(moved != expected)
        .order_by(station)
        .limit(limit)
    ).all()


def _only(column: Any, station_id: UUID | None) -> list[ColumnElement[bool]]:
    return [] if station_id is None else [column == station_id]
