"""What a station's shelf can give: lots with their balances, and how far each may be drawn on a day gone by."""

from bisect import bisect_right
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select

from volunteer_api.catalog.models import Item
from volunteer_api.catalog.service import named
from volunteer_api.core import clock
from volunteer_api.core.codes import fold
from volunteer_api.core.database import db
from volunteer_api.inventory.models import QUARANTINED, SEALED, StockBalance, StockEntry, name_of_lot, same_lot
from volunteer_api.inventory.problems import (
    LaterBalanceNegative,
    LotExpired,
    LotExpiryDiffers,
    LotRecalled,
    NotExpired,
    StockTooLow,
)


@dataclass(frozen=True)
class Change:
    """What a movement does to one item, lot and portion; `quantity` is signed."""

    item: Item
    lot_number: str
    expires_on: date | None
    quantity: int
    portion: str = SEALED


@dataclass
class Lot:
    """A portion of a lot on the shelf.

    `free` is what can be taken on the movement's day without any day since going below zero.
    """

    number: str
    portion: str
    expires_on: date | None
    balance: int
    free: int


class Shelf:
    """The lots of some items at a station, as a movement on `day` finds them. Their rows are locked in sorted order.

    Each method plans one line and remembers it, so that two lines of one movement can't take the same thing twice.
    """

    def __init__(
        self, station_id: UUID, item_ids: Iterable[UUID], day: date, *, recalled: Set[tuple[UUID, str]] = frozenset()
    ) -> None:
        ids = sorted(set(item_ids))
        self.day = day
        # Items with their lots, folded, that nothing may be taken of for use.
        self.recalled = recalled
        self.lots: dict[UUID, dict[tuple[str, str], Lot]] = {item_id: {} for item_id in ids}
        for row in db.session.execute(
            select(
                StockBalance.item_id,
                StockBalance.lot_number,
                StockBalance.portion,
                StockBalance.expires_on,
                StockBalance.quantity,
            )
            .where(StockBalance.station_id == station_id, StockBalance.item_id.in_(ids))
            .order_by(StockBalance.item_id, StockBalance.lot_number, StockBalance.portion)
            .with_for_update()
        ):
            self.lots[row.item_id][row.lot_number, row.portion] = Lot(
                row.lot_number, row.portion, row.expires_on, row.quantity, row.quantity
            )
        self._look_at_later_days(station_id, ids)

    def put(
        self, item: Item, quantity: int, *, lot_number: str | None, expires_on: date | None, portion: str = SEALED
    ) -> Change:
        """Plan that `quantity` comes onto the shelf. Raises LotExpiryDiffers (409)."""
        number = self._written(item, name_of_lot(lot_number, expires_on) or "")
        lot = self.lots[item.id].setdefault((number, portion), Lot(number, portion, expires_on, 0, 0))
        if lot.balance == 0 and expires_on is not None:
            # Nothing is there that the date could belong to: a receipt with a wrong date may have been reversed.
            lot.expires_on = expires_on
        elif portion != SEALED and expires_on is not None:
            # What is quarantined was sealed or opened; of what comes together, the earlier day holds.
            lot.expires_on = min(expires_on, lot.expires_on or expires_on)
        else:
            _compare_expiry(item, lot, expires_on)
        lot.balance += quantity
        lot.free += quantity
        return Change(item, number, lot.expires_on, quantity, portion)

    def put_anywhere(self, change: Change, quantity: int, portion: str = SEALED) -> Change:
        """Plan that so many of what another shelf gave come onto this one, into the lot that they are of.

        Where that number stands for another expiry here, into the lot that is named by their day: what has come is
        never refused for what was printed on a box.
        """
        known = self.lots[change.item.id].get((change.lot_number, portion))
        is_same = known is None or known.balance == 0 or known.expires_on == change.expires_on
        return self.put(
            change.item,
            quantity,
            lot_number=change.lot_number if is_same else None,
            expires_on=change.expires_on,
            portion=portion,
        )

    def take(
        self,
        item: Item,
        quantity: int,
        *,
        lot_number: str | None,
        expires_on: date | None,
        expired_too: bool,
        expired_only: bool = False,
        portion: str | None = None,
    ) -> list[Change]:
        """Plan that `quantity` leaves the shelf: from the named lot, else from what expires first.

        Without a portion, from every one that is not in quarantine; of two that expire on one day, from what is open.
        `expired_too` takes also what must not be used: expired or recalled lots; `expired_only` nothing that is good.
        Raises StockTooLow, NotExpired, LotExpired, LotRecalled, LotExpiryDiffers or LaterBalanceNegative (409).
        """
        number = name_of_lot(lot_number, expires_on)
        lots = [
            lot
            for lot in self.lots[item.id].values()
            if (lot.portion != QUARANTINED if portion is None else lot.portion == portion)
        ]
        if number is not None:
            lots = _of_number(lots, number, quantity)
            for lot in lots:
                # The printed date is that of what is sealed.
                if lot.portion == SEALED:
                    _compare_expiry(item, lot, expires_on)
        good = [lot for lot in lots if expired_too or (item.id, fold(lot.number)) not in self.recalled]
        usable = [lot for lot in good if expired_too or not self._has_expired(lot)]
        quarantined = None if portion == QUARANTINED else self._quarantined(item, number)
        if quarantined and not expired_too and number is not None and (item.id, fold(number)) in self.recalled:
            # All of it lies there, and that there is too little is not why none is given.
            raise _recalled(item, number, quarantined)
        self._require(item, quantity, number, usable, good, lots, quarantined)
        usable.sort(key=lambda lot: (lot.expires_on or date.max, lot.portion == SEALED, lot.number, lot.portion))
        if expired_only:
            usable = self._expired(item, quantity, usable)
        return self._draw(item, quantity, usable)

    def holds(self, item: Item, *, lot_number: str | None, expires_on: date | None) -> bool:
        """Whether something of this very lot lies there with this very date, or with any where none is given."""
        number = name_of_lot(lot_number, expires_on) or ""
        return any(
            lot.balance > 0 and same_lot(lot.number, number) and expires_on in (None, lot.expires_on)
            for lot in self.lots[item.id].values()
        )

    def booked(self, item: Item, *, lot_number: str | None, expires_on: date | None) -> int:
        """How many `take` could give of everything that is not in quarantine."""
        number = name_of_lot(lot_number, expires_on)
        return sum(
            lot.free
            for lot in self.lots[item.id].values()
            if lot.portion != QUARANTINED and (number is None or same_lot(lot.number, number))
        )

    def _quarantined(self, item: Item, number: str | None) -> int:
        return sum(
            lot.balance
            for lot in self.lots[item.id].values()
            if lot.portion == QUARANTINED and (number is None or same_lot(lot.number, number))
        )

    def _written(self, item: Item, number: str) -> str:
        """The number as the shelf has it already, in whatever way it was typed then."""
        numbers = [known for known, _ in self.lots[item.id]]
        return number if number in numbers else next((known for known in numbers if same_lot(known, number)), number)

    def _draw(self, item: Item, quantity: int, lots: list[Lot]) -> list[Change]:
        changes = []
        for lot in lots:
            taken = min(quantity, lot.free)
            if taken > 0:
                lot.balance -= taken
                lot.free -= taken
                quantity -= taken
                changes.append(Change(item, lot.number, lot.expires_on, -taken, lot.portion))
        return changes

    def _require(
        self,
        item: Item,
        quantity: int,
        number: str | None,
        usable: list[Lot],
        good: list[Lot],
        lots: list[Lot],
        quarantined: int | None,
    ) -> None:
        free = sum(lot.free for lot in usable)
        if free >= quantity:
            return
        held = sum(lot.balance for lot in usable)
        if held >= quantity:
            raise LaterBalanceNegative(
                members={
                    "item": named(item),
                    "occurred_on": self.day.isoformat(),
                    "free": free,
                    "requested": quantity,
                },
                item=item.name,
                free=free,
                unit=item.unit,
            )
        expired = sum(lot.balance for lot in good) - held
        recalled = sum(lot.balance for lot in lots) - expired - held
        if recalled and held + expired + recalled >= quantity > held + expired:
            raise _recalled(item, number, recalled)
        if expired and held + expired >= quantity:
            raise LotExpired(
                members={"item": named(item), "lot_number": number, "balance": held, "expired": expired},
                item=item.name,
                expired=expired,
                unit=item.unit,
            )
        raise stock_too_low(item, number, balance=held, requested=quantity, quarantined=quarantined)

    def _expired(self, item: Item, quantity: int, lots: list[Lot]) -> list[Lot]:
        """Those of the lots, sorted, that have expired. Raises NotExpired (409) where they are too few."""
        expired = [lot for lot in lots if self._has_expired(lot)]
        free = sum(lot.free for lot in expired)
        if free < quantity:
            first = next((lot for lot in lots if lot.balance and lot not in expired), None)
            raise NotExpired(
                members={
                    "item": named(item),
                    "lot_number": first.number or None if first else None,
                    "expires_on": first.expires_on.isoformat() if first and first.expires_on else None,
                    "expired": free,
                },
                item=item.name,
                unit=item.unit,
                expired=free,
            )
        return expired

    def _has_expired(self, lot: Lot) -> bool:
        return lot.expires_on is not None and lot.expires_on < self.day

    def _look_at_later_days(self, station_id: UUID, ids: list[UUID]) -> None:
        """Lower `free` to the least closing balance of the days from `day` on, walking back from the balance of now."""
        _, after = clock.days_between(self.day, self.day)
        # The first moments of the days after it: a look-up among them is cheaper than asking the zone for each entry.
        count = max((clock.today() - self.day).days, 0) + 1
        starts = [clock.start_of(self.day + timedelta(days=number)) for number in range(1, count + 1)]
        later: dict[tuple[int, UUID, str, str], int] = {}
        for row in db.session.execute(
            select(
                StockEntry.item_id,
                StockEntry.lot_number,
                StockEntry.portion,
                StockEntry.occurred_at,
                StockEntry.quantity,
            ).where(StockEntry.station_id == station_id, StockEntry.occurred_at >= after, StockEntry.item_id.in_(ids))
        ):
            key = (bisect_right(starts, row.occurred_at), row.item_id, row.lot_number, row.portion)
            later[key] = later.get(key, 0) + row.quantity
        closing = {(item_id, *key): lot.balance for item_id, lots in self.lots.items() for key, lot in lots.items()}
        for (_, item_id, number, portion), quantity in sorted(later.items(), reverse=True):
            closing[item_id, number, portion] -= quantity
            lot = self.lots[item_id][number, portion]
            lot.free = min(lot.free, closing[item_id, number, portion])


def stock_too_low(
    item: Item, lot_number: str | None, *, balance: int, requested: int, quarantined: int | None
) -> StockTooLow:
    """The refusal that names the item, what there is of it, and what in quarantine (None: that is what was asked)."""
    return StockTooLow(
        members={
            "item": named(item),
            "lot_number": lot_number or None,
            "balance": balance,
            "requested": requested,
            "quarantined": quarantined,
        },
        item=item.name,
        unit=item.unit,
        lot_number=lot_number or "",
        balance=balance,
        requested=requested,
    )


def _recalled(item: Item, lot_number: str | None, recalled: int) -> LotRecalled:
    return LotRecalled(members={"item": named(item), "lot_number": lot_number, "recalled": recalled}, item=item.name)


def _of_number(lots: Iterable[Lot], number: str, quantity: int) -> list[Lot]:
    # Written exactly so where that is enough: what is undone is taken back from where it went.
    found = [lot for lot in lots if same_lot(lot.number, number)]
    exact = [lot for lot in found if lot.number == number]
    return exact if sum(lot.free for lot in exact) >= quantity else found


def _compare_expiry(item: Item, lot: Lot, expires_on: date | None) -> None:
    if expires_on is not None and lot.expires_on != expires_on:
        stored = lot.expires_on.isoformat() if lot.expires_on else None
        raise LotExpiryDiffers(
            members={"item": named(item), "lot_number": lot.number or None, "expires_on": stored},
            item=item.name,
            lot_number=lot.number,
            expires_on=stored or "—",
        )
