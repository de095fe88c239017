"""What was received before: the opening stock, which is taken over once, and tables that look the same."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import aliased

from volunteer_api.catalog.service import named
from volunteer_api.core.codes import fold
from volunteer_api.core.database import db
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.models import Movement, MovementKind, MovementReason, StockEntry
from volunteer_api.inventory.problems import OpeningRepeated
from volunteer_api.inventory.shelf import Change

# A table that comes again so many days later is likely another delivery of the same.
SAME_WITHIN_DAYS = 30


def opened_with(posting: Posting) -> dict[tuple[UUID, str], str]:
    """The document that took over the opening stock of each item and lot, folded, and was not undone. One statement."""
    undoing = aliased(Movement)
    rows = db.session.execute(
        select(StockEntry.item_id, StockEntry.lot_number, Movement.document_number)
        .join(Movement, Movement.id == StockEntry.movement_id)
        .outerjoin(undoing, undoing.reverses_id == Movement.id)
        .where(
            StockEntry.station_id == posting.station_id,
            StockEntry.item_id.in_(list(posting.items)),
            Movement.kind == MovementKind.RECEIPT,
            Movement.reason == MovementReason.OPENING,
            undoing.id.is_(None),
        )
        .order_by(StockEntry.sequence)
    )
    return {(row.item_id, fold(row.lot_number)): row.document_number for row in rows}


def require_first_opening(change: Change, opened: Mapping[tuple[UUID, str], str]) -> None:
    """What a station had before the books began, it had once. Raises OpeningRepeated (409)."""
    number = opened.get((change.item.id, fold(change.lot_number)))
    if number is not None:
        raise OpeningRepeated(
            members={
                "item": named(change.item),
                "lot_number": change.lot_number or None,
                "document_number": number,
            },
            item=change.item.name,
            document_number=number,
        )


def same_receipt(posting: Posting, reason: str, counterparty: str | None, changes: Sequence[Change]) -> str | None:
    """The number of the last receipt with the same lines from the same source in these days; None where there is none.

    One statement. It may be another delivery: who takes it in is asked, not refused.
    """
    undoing = aliased(Movement)
    rows = db.session.execute(
        select(Movement.document_number, StockEntry.item_id, StockEntry.lot_number, StockEntry.quantity)
        .join(StockEntry, StockEntry.movement_id == Movement.id)
        .outerjoin(undoing, undoing.reverses_id == Movement.id)
        .where(
            Movement.station_id == posting.station_id,
            Movement.recorded_at >= posting.recorded_at - timedelta(days=SAME_WITHIN_DAYS),
            Movement.kind == MovementKind.RECEIPT,
            Movement.reason == reason,
            Movement.counterparty.is_not_distinct_from(counterparty),
            undoing.id.is_(None),
        )
        .order_by(StockEntry.sequence)
    )
    documents: dict[str, list[tuple[UUID, str, int]]] = {}
    for row in rows:
        documents.setdefault(row.document_number, []).append((row.item_id, row.lot_number, row.quantity))
    planned = sorted((change.item.id, change.lot_number, change.quantity) for change in changes)
    same = [number for number, lines in documents.items() if sorted(lines) == planned]
    return same[-1] if same else None
