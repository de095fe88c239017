"""Numbered pieces: give a piece on the shelf a number, repair, retire, lose and find it, move it to another station.

Numbered pieces count within the shelf and beside nothing: of a station and item, those in stock are never more than lie
on the shelf, those in repair never more than lie in quarantine. A piece that changes its state moves the ledger; a
movement that would take numbered pieces without naming them is refused (`require_unnumbered`).
"""

import re
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from volunteer_api.catalog.models import ItemKind
from volunteer_api.catalog.service import load_items, named, prohibited_item
from volunteer_api.core import ids
from volunteer_api.core.database import db
from volunteer_api.inventory import ledger
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.models import QUARANTINED, SEALED, MovementKind, MovementReason
from volunteer_api.inventory.queries import Document
from volunteer_api.inventory.shelf import Change
from volunteer_api.loans import queries
from volunteer_api.loans.models import Asset, AssetCondition, AssetState, LendingDocument
from volunteer_api.loans.places import hold_stations
from volunteer_api.loans.problems import (
    AssetCodeTaken,
    AssetNotInStock,
    AssetStateConflict,
    NotLendable,
    NoUnnumberedPiece,
    PiecesNumbered,
)
from volunteer_api.loans.queries import AssetView

CODE_LENGTH = 8
LABEL = re.compile(r"^\S*/c/a/([^/\s]+)$", re.ASCII)
Step = tuple[str, str]


def code_of(text: str) -> str:
    """The number in what somebody typed or scanned: a bare one, or the whole text of a label."""
    label = LABEL.match(text)
    return (label.group(1) if label else text).upper()


def number_piece(
    *,
    station_id: UUID,
    item_id: UUID,
    code: str | None = None,
    condition: AssetCondition = AssetCondition.GOOD,
    note: str | None = None,
) -> AssetView:
    """Give a piece that is on a station's shelf a number; the ledger does not move. `code` is made up where absent.

    Raises NotFound (404), StationClosed, ItemUnknown, ProhibitedItem, NotLendable, NoUnnumberedPiece, AssetCodeTaken
    (409).
    """
    hold_stations(station_id)
    item = load_items([item_id])[item_id]
    if item.kind != ItemKind.DURABLE:
        raise NotLendable(members={"item": named(item)}, item=item.name)
    if item.prohibited:
        raise prohibited_item(item)
    _require_free_code(code)
    row = db.session.execute(queries.shelf_and_numbers(station_id, frozenset({item_id}))).one()
    if row.in_stock >= row.shelf:
        raise NoUnnumberedPiece(
            members={"item": named(item), "balance": int(row.shelf), "numbered": row.in_stock},
            item=item.name,
            balance=int(row.shelf),
            numbered=row.in_stock,
        )
    asset = Asset(
        code=code or ids.readable(CODE_LENGTH), item_id=item_id, station_id=station_id, condition=condition, note=note
    )
    db.session.add(asset)
    db.session.flush()
    return queries.read_asset(asset.id)


def change_asset(asset: Asset, *, actor_id: UUID, state: AssetState | None = None, **changes: Any) -> AssetView:
    """Change what is given: code, condition, note; and state, by a document of the station's ledger.

    in_stock ↔ repair goes into quarantine and back, retired and lost are written off, what was either and is there
    after all comes in again. Raises AssetCodeTaken, AssetStateConflict, StockTooLow (409).
    """
    if changes.get("code", asset.code) != asset.code:
        _require_free_code(changes["code"])
    for member, value in changes.items():
        setattr(asset, member, value)
    if state is not None and state != asset.state:
        _change_state(asset, state, actor_id)
    db.session.flush()
    return queries.read_asset(asset.id)


def relocate(asset: Asset, *, actor_id: UUID, station_id: UUID) -> AssetView:
    """Carry a piece in stock to another station at once: out of one ledger, into the other.

    Where it is already, nothing happens. One that is lost is found there, whatever became of the station that lost it:
    it comes in by a receipt. Raises NotFound (404), StationClosed, AssetNotInStock, ProhibitedItem (409).
    """
    if station_id == asset.station_id:
        return queries.read_asset(asset.id)
    codes = hold_stations(asset.station_id, station_id)
    if asset.state == AssetState.LOST:
        asset.station_id = station_id
        _change_state(asset, AssetState.IN_STOCK, actor_id)
        db.session.flush()
        return queries.read_asset(asset.id)
    require_in_stock(asset)
    leaving = ledger.begin(asset.station_id, [asset.item_id])
    arriving = ledger.begin(station_id, [asset.item_id])
    item = leaving.items[asset.item_id]
    if item.prohibited:
        raise prohibited_item(item)
    here = asset.station_id
    asset.station_id = station_id
    # The version in the UPDATE finds out who was faster, before anything is posted.
    db.session.flush()
    (taken,) = leaving.shelf.take(item, 1, lot_number=None, expires_on=None, expired_too=True, portion=SEALED)
    put = arriving.shelf.put_anywhere(taken, 1)
    for posting, change, kind, other in (
        (leaving, taken, MovementKind.TRANSFER_OUT, station_id),
        (arriving, put, MovementKind.TRANSFER_IN, here),
    ):
        document = posting.write(
            [change],
            actor_id=actor_id,
            kind=kind,
            reason=MovementReason.OTHER,
            note=asset.code,
            counterparty=codes[other],
        )
        belongs_to(document, asset_id=asset.id)
        if landed_in_quarantine(document):
            asset.state = AssetState.REPAIR
    db.session.flush()
    return queries.read_asset(asset.id)


def require_in_stock(asset: Asset) -> None:
    """Raise AssetNotInStock (409) where the piece can't be taken from the shelf."""
    if asset.state != AssetState.IN_STOCK:
        raise AssetNotInStock(members={"state": asset.state}, code=asset.code)


def require_unnumbered(station_id: UUID, item_ids: frozenset[UUID]) -> None:
    """Raise PiecesNumbered (409) where fewer pieces are left on the shelf, or in quarantine, than have a number there.

    The balances are those of after a movement; the caller holds the station's ledger.
    """
    for row in db.session.execute(queries.shelf_and_numbers(station_id, item_ids)):
        if row.in_stock > row.shelf:
            raise _numbered(row, int(row.shelf), row.in_stock)
        if row.in_repair > row.quarantined:
            raise _numbered(row, int(row.quarantined), row.in_repair)


def follow_into_quarantine(station_id: UUID, item_ids: frozenset[UUID]) -> None:
    """Let as many numbered pieces be in repair as lie no more on the shelf: a lot was quarantined as a whole.

    Nobody said which, and the numbers say no lot: those that come first. The caller holds the station's ledger.
    """
    for row in db.session.execute(queries.shelf_and_numbers(station_id, item_ids)).all():
        excess = row.in_stock - int(row.shelf)
        if excess <= 0:
            continue
        pieces = (
            select(Asset)
            .where(Asset.station_id == station_id, Asset.item_id == row.id, Asset.state == AssetState.IN_STOCK)
            .order_by(Asset.code)
            .limit(excess)
            .execution_options(populate_existing=True)
        )
        for asset in db.session.scalars(pieces):
            asset.state = AssetState.REPAIR
    db.session.flush()


def landed_in_quarantine(document: Document) -> bool:
    """Whether what came in by a document went out of use at once, as of a lot that is called back."""
    return any(entry.quarantined and entry.quantity > 0 for entry in document.entries)


def belongs_to(document: Document, *, loan_id: UUID | None = None, asset_id: UUID | None = None) -> None:
    """Note what made a document, so that nobody reverses it behind its back."""
    db.session.add(LendingDocument(movement_id=document.id, loan_id=loan_id, asset_id=asset_id))
    db.session.flush()


def _change_state(asset: Asset, state: AssetState, actor_id: UUID) -> None:
    step = (asset.state, str(state))
    if step not in STEPS:
        raise AssetStateConflict(members={"from_state": asset.state, "to_state": str(state)})
    kind, reason, plan = STEPS[step]
    hold_stations(asset.station_id)
    posting = ledger.begin(asset.station_id, [asset.item_id])
    asset.state = state
    # The version in the UPDATE finds out whether it was lent meanwhile, before anything is posted.
    db.session.flush()
    document = posting.write(plan(posting, asset), actor_id=actor_id, kind=kind, reason=reason, note=asset.code)
    belongs_to(document, asset_id=asset.id)
    if state == AssetState.IN_STOCK and landed_in_quarantine(document):
        # Found, but prohibited by now.
        asset.state = AssetState.REPAIR


def _take(posting: Posting, asset: Asset, portion: str) -> Change:
    item = posting.items[asset.item_id]
    (change,) = posting.shelf.take(item, 1, lot_number=None, expires_on=None, expired_too=True, portion=portion)
    return change


def _from_shelf(posting: Posting, asset: Asset) -> list[Change]:
    return [_take(posting, asset, SEALED)]


def _from_repair(posting: Posting, asset: Asset) -> list[Change]:
    return [_take(posting, asset, QUARANTINED)]


def _into_repair(posting: Posting, asset: Asset) -> list[Change]:
    taken = _take(posting, asset, SEALED)
    return [taken, posting.shelf.put_anywhere(taken, 1, QUARANTINED)]


def _repaired(posting: Posting, asset: Asset) -> list[Change]:
    taken = _take(posting, asset, QUARANTINED)
    return [taken, posting.shelf.put_anywhere(taken, 1)]


def _found(posting: Posting, asset: Asset) -> list[Change]:
    return [posting.shelf.put(posting.items[asset.item_id], 1, lot_number=None, expires_on=None)]


Plan = Callable[[Posting, Asset], Sequence[Change]]
# What a change of state is in the ledger; what stands not here is none that a person makes.
STEPS: dict[Step, tuple[MovementKind, MovementReason, Plan]] = {
    (AssetState.IN_STOCK, AssetState.REPAIR): (MovementKind.QUARANTINE, MovementReason.DAMAGED, _into_repair),
    (AssetState.REPAIR, AssetState.IN_STOCK): (MovementKind.RELEASE, MovementReason.OTHER, _repaired),
    (AssetState.IN_STOCK, AssetState.RETIRED): (MovementKind.WRITE_OFF, MovementReason.OTHER, _from_shelf),
    (AssetState.REPAIR, AssetState.RETIRED): (MovementKind.WRITE_OFF, MovementReason.DAMAGED, _from_repair),
    (AssetState.IN_STOCK, AssetState.LOST): (MovementKind.WRITE_OFF, MovementReason.LOST, _from_shelf),
    (AssetState.REPAIR, AssetState.LOST): (MovementKind.WRITE_OFF, MovementReason.LOST, _from_repair),
    (AssetState.LOST, AssetState.IN_STOCK): (MovementKind.RECEIPT, MovementReason.OTHER, _found),
    # A wrong tap, or somebody mended it after all: its label still hangs on it.
    (AssetState.RETIRED, AssetState.IN_STOCK): (MovementKind.RECEIPT, MovementReason.OTHER, _found),
}


def _require_free_code(code: str | None) -> None:
    if code is not None and db.session.scalar(select(Asset.id).where(Asset.code == code)) is not None:
        raise AssetCodeTaken(code=code)


def _numbered(row: Row[Any], balance: int, numbered: int) -> PiecesNumbered:
    item = {"id": str(row.id), "name": row.name, "unit": row.unit}
    return PiecesNumbered(
        members={"item": item, "balance": balance, "numbered": numbered},
        item=row.name,
        balance=balance,
        numbered=numbered,
    )
