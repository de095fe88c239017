"""What comes out of quarantine: it was found good, or it is mended. It goes back into the portion that it is of."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.catalog.models import Item
from volunteer_api.catalog.service import named
from volunteer_api.core.database import db
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.models import QUARANTINED, SEALED, Movement, MovementKind, StockEntry
from volunteer_api.inventory.problems import LotExpired, OccurredInFuture, OpenedInQuarantine, OpeningChangesNothing
from volunteer_api.inventory.shelf import Change


def plan_release(
    posting: Posting,
    item: Item,
    quantity: int,
    *,
    lot_number: str | None,
    expires_on: date | None,
    opened_on: date | None,
) -> list[Change]:
    """Plan that so many leave the quarantine for the shelf: as sealed ones, or as what was opened on that day.

    What was opened is never released as sealed: it expires sooner. Raises OpeningChangesNothing, OpenedInQuarantine,
    OccurredInFuture and what `Shelf.take` raises (409).
    """
    if opened_on is not None and item.days_once_opened is None:
        raise OpeningChangesNothing(members={"item": named(item)}, item=item.name)
    taken = _take(posting, item, quantity, lot_number=lot_number, expires_on=expires_on, sealed=opened_on is None)
    put = _put_sealed if opened_on is None else _put_opened
    return [*taken, *(put(posting, change, opened_on or posting.shelf.day) for change in taken)]


def _take(
    posting: Posting, item: Item, quantity: int, *, lot_number: str | None, expires_on: date | None, sealed: bool
) -> list[Change]:
    # The quarantine has the earliest day of all that went in; what is sealed is good until the day of its lot.
    lots = posting.shelf.lots[item.id]
    earliest = {}
    if sealed and item.days_once_opened is not None:
        for (number, portion), lot in lots.items():
            if portion == QUARANTINED and (number, SEALED) in lots:
                earliest[number] = lot.expires_on
                lot.expires_on = lots[number, SEALED].expires_on
    taken = posting.shelf.take(
        item, quantity, lot_number=lot_number, expires_on=expires_on, expired_too=False, portion=QUARANTINED
    )
    for number, day in earliest.items():
        lots[number, QUARANTINED].expires_on = day
    return [replace(change, expires_on=lots[change.lot_number, QUARANTINED].expires_on) for change in taken]


def _put_sealed(posting: Posting, change: Change, _opened_on: date) -> Change:
    lots = posting.shelf.lots[change.item.id]
    if change.item.days_once_opened is not None:
        opened = _opened_in_quarantine(posting.station_id, change)
        # The shelf's plan has taken them already.
        if opened and lots[change.lot_number, QUARANTINED].balance < opened:
            raise OpenedInQuarantine(
                members={"item": named(change.item), "lot_number": change.lot_number or None, "opened": opened},
                item=change.item.name,
                opened=opened,
                unit=change.item.unit,
            )
        sealed = lots.get((change.lot_number, SEALED))
        if sealed is not None:
            # The quarantine has the earliest day of all that is in it.
            return posting.shelf.put(
                change.item, -change.quantity, lot_number=change.lot_number, expires_on=sealed.expires_on
            )
    return posting.shelf.put_anywhere(change, -change.quantity)


def _put_opened(posting: Posting, change: Change, opened_on: date) -> Change:
    if opened_on > posting.shelf.day:
        raise OccurredInFuture()
    last = opened_on + timedelta(days=change.item.days_once_opened or 0)
    expires_on = min(last, change.expires_on or last)
    if expires_on < posting.shelf.day:
        raise LotExpired(
            members={"item": named(change.item), "lot_number": change.lot_number or None, "expired": -change.quantity},
            item=change.item.name,
            expired=-change.quantity,
            unit=change.item.unit,
        )
    return posting.shelf.put(
        change.item,
        -change.quantity,
        lot_number=change.lot_number,
        expires_on=expires_on,
        portion=opened_on.isoformat(),
    )


def _opened_in_quarantine(station_id: UUID, change: Change) -> int:
    """How many opened ones of the lot lie in quarantine: what went in since it was empty, less what came out.

    What was written off in quarantine was the opened ones first: they had to go.
    """
    original, undoing = aliased(Movement), aliased(Movement)
    of_lot = and_(
        StockEntry.station_id == station_id,
        StockEntry.item_id == change.item.id,
        StockEntry.lot_number == change.lot_number,
    )
    emptied = (
        select(func.coalesce(func.max(StockEntry.sequence), 0))
        .outerjoin(undoing, undoing.reverses_id == StockEntry.movement_id)
        .where(of_lot, StockEntry.portion == QUARANTINED, StockEntry.balance == 0, undoing.id.is_(None))
    )
    inside = (MovementKind.QUARANTINE, MovementKind.RELEASE)
    moved = and_(
        StockEntry.portion.not_in((SEALED, QUARANTINED)), or_(Movement.kind.in_(inside), original.kind.in_(inside))
    )
    written_off = and_(StockEntry.portion == QUARANTINED, Movement.kind == MovementKind.WRITE_OFF, undoing.id.is_(None))
    opened = 0
    # Of one movement and lot, the entry of what is opened comes before that of the quarantine.
    for quantity in db.session.scalars(
        select(case((written_off, StockEntry.quantity), else_=-StockEntry.quantity))
        .join(Movement, Movement.id == StockEntry.movement_id)
        .outerjoin(original, original.id == Movement.reverses_id)
        .outerjoin(undoing, undoing.reverses_id == Movement.id)
        .where(of_lot, or_(moved, written_off), StockEntry.sequence > emptied.scalar_subquery())
        .order_by(StockEntry.sequence)
    ):
        opened = max(0, opened + quantity)
    return opened
