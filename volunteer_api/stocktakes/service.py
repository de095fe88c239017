"""The verbs of counts: start one, count, approve, cancel."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.queries import items_of_barcodes
from volunteer_api.catalog.service import load_items, named, prohibited_item
from volunteer_api.catalog.standards import required_at
from volunteer_api.core import audit, clock, ids
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.problems import PreconditionRequired
from volunteer_api.core.unit_of_work import Rerun
from volunteer_api.inventory import ledger
from volunteer_api.inventory.keepers import approvers_of
from volunteer_api.inventory.ledger import Posting
from volunteer_api.inventory.models import (
    QUARANTINED,
    SEALED,
    MovementKind,
    MovementReason,
    StockBalance,
    name_of_lot,
)
from volunteer_api.inventory.problems import ExpiryDateMissing, LotExpiryDiffers
from volunteer_api.inventory.shelf import Change
from volunteer_api.organizations.problems import VolunteerUnknown
from volunteer_api.stations.models import Station
from volunteer_api.stocktakes import news, positions, queries
from volunteer_api.stocktakes.models import (
    Stocktake,
    StocktakeKind,
    StocktakeLine,
    StocktakeScope,
    StocktakeState,
    VarianceReason,
)
from volunteer_api.stocktakes.moments import Counted, is_before_start, moments_of, names_moment
from volunteer_api.stocktakes.positions import Place
from volunteer_api.stocktakes.problems import (
    BarcodeUnknown,
    CountIncomplete,
    HandoverToOneself,
    ItemNotInCount,
    LotNotChosen,
    NothingCritical,
    SecondPersonNeeded,
    StocktakeDecided,
    StocktakeOutdated,
    VarianceReasonMissing,
)

# As many lines as a refusal names.
MOST_NAMED = 20


def start_stocktake(
    *,
    station_id: UUID,
    by: UUID,
    kind: str = StocktakeKind.COUNT,
    scope: str | None = None,
    item_ids: Sequence[UUID] = (),
    blind: bool = False,
    from_volunteer_id: UUID | None = None,
    to_volunteer_id: UUID | None = None,
    note: str | None = None,
) -> UUID:
    """Begin a count with a sheet of what the books say is there; returns its id.

    With `item_ids`, of these items, also of those that the books say nothing of; a hand-over without items or scope is
    of what the station must have to do its work. Raises ItemUnknown, VolunteerUnknown, NothingCritical,
    HandoverToOneself.
    """
    if kind == StocktakeKind.HANDOVER and scope is None and not item_ids:
        item_ids = _critical_items(station_id)
    scope = scope or StocktakeScope.ALL
    if item_ids:
        scope = StocktakeScope.ITEMS
        load_items(item_ids)
    from_id = from_volunteer_id or (by if kind == StocktakeKind.HANDOVER else None)
    if to_volunteer_id is not None and to_volunteer_id == from_id:
        raise HandoverToOneself()
    for person in (from_id, to_volunteer_id):
        if person is not None and db.session.get(Volunteer, person) is None:
            raise VolunteerUnknown()
    stocktake = Stocktake(
        id=ids.new_id(),
        station_id=station_id,
        kind=kind,
        scope=scope,
        blind=blind,
        state=StocktakeState.COUNTING,
        note=note,
        started_by=by,
        from_volunteer_id=from_id,
        to_volunteer_id=to_volunteer_id,
    )
    db.session.add(stocktake)
    db.session.flush()
    rows = _sheet(station_id, item_ids if scope == StocktakeScope.ITEMS else None)
    if rows:
        moment = clock.now()
        for row in rows:
            row.update(id=ids.new_id(), created_at=moment, stocktake_id=stocktake.id, listed=True)
            row["book_at_start"] = row["book"]
        db.session.execute(insert(StocktakeLine), rows)
    return stocktake.id


def _critical_items(station_id: UUID) -> list[UUID]:
    """What the station's kit standards call critical. Raises NothingCritical (409) where that is nothing."""
    found = sorted(item_id for item_id, asked in required_at(station_id).items() if asked.critical)
    if not found:
        raise NothingCritical()
    return found


def _with_items(lines: Sequence[Counted]) -> list[Counted]:
    """The lines with their items' ids in place of barcodes. Raises BarcodeUnknown (409)."""
    scanned = {line["barcode"] for line in lines if "barcode" in line}
    known = items_of_barcodes(scanned)
    for barcode in sorted(scanned - known.keys()):
        raise BarcodeUnknown(members={"barcode": barcode}, barcode=barcode)
    found = [line.copy() for line in lines]
    for line in found:
        if "barcode" in line:
            line["item_id"] = known[line.pop("barcode")]
    return found


def count_lines(stocktake: Stocktake, lines: Sequence[Counted], *, by: UUID) -> None:
    """Take what was counted, in one batch, in any order; of each line the latest count holds, whenever it arrives.

    A line keeps the position of the ledger at its moment. One that names no moment and says again what its counter has
    said is the same count sent twice, and keeps its moment, unless that has to be counted again or is before the count
    began. A hand-over that is counted without a variance is closed by it; of a count that is complete and needs a
    second person, those who may approve it hear.
    Raises StocktakeDecided, CountedInFuture, CountedTooLongAgo, BarcodeUnknown, ItemUnknown, ItemNotInCount,
    ProhibitedItem, LotNotChosen, LotExpiryDiffers or ExpiryDateMissing (409), and takes nothing then.
    """
    # Nothing moves while a line is given its position; and a hand-over may close itself, which posts.
    ledger.begin(stocktake.station_id, ())
    _hold(stocktake)
    now = clock.now()
    lines = _with_items(lines)
    moments = moments_of(lines, now)
    items = load_items(line["item_id"] for line in lines)
    known = {
        line.place: line
        for line in db.session.scalars(
            select(StocktakeLine).where(
                StocktakeLine.stocktake_id == stocktake.id, StocktakeLine.item_id.in_(list(items))
            )
        )
    }
    listed = {item_id for item_id, _, _ in known}
    touched: dict[Place, StocktakeLine] = {}
    again: dict[Place, StocktakeLine] = {}
    stored = positions.stored_dates(stocktake.station_id, items)
    for line, moment in sorted(zip(lines, moments, strict=True), key=lambda pair: pair[1]):
        item, place = items[line["item_id"]], positions.written(known, _place_of(line))
        row = known.get(place)
        if row is None:
            if stocktake.scope == StocktakeScope.ITEMS and item.id not in listed:
                raise ItemNotInCount(members={"item": named(item)}, item=item.name)
            if line["quantity"]:
                _require_lot(item, place, known)
            row = known[place] = _found_line(stocktake, item, place, line, stored.get(place))
        elif "expires_on" in line and place[2] == SEALED and row.expires_on != line["expires_on"]:
            raise _differs(item, place, row.expires_on)
        if row.counted_at is not None and row.counted_at > moment:
            continue
        if _says_again(row, line, by) and not is_before_start(row.counted_at, stocktake.created_at):
            again[place] = row
            continue
        row.counted, row.counted_at, row.counted_by = line["quantity"], moment, by
        row.reason, row.note = line.get("reason"), line.get("note")
        touched[place] = row
    for place, compared in positions.compare(stocktake.station_id, again.values()).items():
        if compared.is_outdated and place not in touched:
            # As it stands nobody can approve it: it was asked to be counted again.
            again[place].counted_at = now
            touched[place] = again[place]
    _place_in_ledger(stocktake.station_id, touched)
    db.session.add_all(touched.values())
    stocktake.version += bool(touched)
    db.session.flush()
    _close_or_tell(stocktake, by)


def approve(
    stocktake: Stocktake,
    *,
    by: UUID,
    may_approve: bool,
    names_version: bool = False,
    reason: VarianceReason | None = None,
    note: str | None = None,
    skip_uncounted: bool = False,
) -> None:
    """Post what the count differs from the books by, one document for each reason, once.

    `names_version`: the caller named the version that she has read, and it is the one of `stocktake`. A second person
    who does not approves what she was told of: not what was counted or changed since, nor by other books before the
    count began.
    Raises StocktakeDecided, CountIncomplete, StocktakeOutdated, SecondPersonNeeded, VarianceReasonMissing (409),
    PreconditionRequired (428).
    """
    read = stocktake.version
    item_ids = db.session.scalars(
        select(StocktakeLine.item_id).distinct().where(StocktakeLine.stocktake_id == stocktake.id)
    ).all()
    # The station first, then what lies in it; nothing moves until the count is posted.
    posting = ledger.begin(stocktake.station_id, item_ids)
    _hold(stocktake)
    if stocktake.version != read:
        # Something was counted or found while this waited: what was named is compared with that.
        raise Rerun()
    lines = db.session.scalars(
        select(StocktakeLine)
        .where(StocktakeLine.stocktake_id == stocktake.id, StocktakeLine.counted.is_not(None))
        .execution_options(populate_existing=True)
    ).all()
    uncounted = queries.uncounted_count(stocktake.id)
    if not lines or (uncounted and not skip_uncounted):
        raise CountIncomplete(members={"uncounted": uncounted}, uncounted=uncounted)
    _compare(posting, lines)
    differing = [line for line in lines if line.delta]
    findings = queries.findings_of(stocktake.id)
    # Before the reasons: their refusal says which lines differ, and who counted blindly may have to count again.
    if queries.needs_second_person(stocktake.kind, findings):
        _require_second(stocktake, by=by, may_approve=may_approve)
        if not names_version and (findings.before_start or stocktake.version != stocktake.told_version):
            raise PreconditionRequired()
    without = [line for line in differing if (line.reason or reason) is None]
    if without:
        seen = not stocktake.blind or (may_approve and by not in {line.counted_by for line in lines})
        members = {"lines": _named(without, posting.items)} if seen else {}
        raise VarianceReasonMissing(members=members, count=len(without))
    # Decided before it is posted, which corrects the counts that go on.
    _decide(stocktake, StocktakeState.APPROVED, by=by, note=note)
    _post(posting, differing, by=by, reason=reason, note=note)
    _mark(stocktake.station_id, lines)
    db.session.flush()


def cancel(stocktake: Stocktake, *, reason: str, by: UUID) -> None:
    """Give a count up; nothing is posted. Who would have had to approve what it found hears.

    Raises StocktakeDecided (409).
    """
    _hold(stocktake)
    _decide(stocktake, StocktakeState.CANCELED, by=by, note=reason)
    findings = queries.findings_of(stocktake.id)
    if not (findings.is_anything and queries.needs_second_person(stocktake.kind, findings)):
        return
    station = db.session.get_one(Station, stocktake.station_id)
    audit.record(
        AuditAction.STOCKTAKE_CANCELED,
        actor_id=by,
        organization_id=station.organization_id,
        stocktake_id=str(stocktake.id),
        variance=findings.found,
    )
    news.tell_approvers_of_cancellation(stocktake, variance=findings.found, reason=reason, by=by)


def follow_books(station_id: UUID, item_ids: Collection[UUID]) -> None:
    """Let the lines of counts that go on say what the books say now of their moments. The caller holds the station."""
    counts = db.session.scalars(
        select(Stocktake)
        .where(Stocktake.station_id == station_id, Stocktake.state == StocktakeState.COUNTING)
        .order_by(Stocktake.id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    for stocktake in counts:
        lines = db.session.scalars(
            select(StocktakeLine)
            .where(
                StocktakeLine.stocktake_id == stocktake.id,
                StocktakeLine.item_id.in_(list(item_ids)),
                StocktakeLine.counted.is_not(None),
            )
            .execution_options(populate_existing=True)
        ).all()
        compared = positions.compare(station_id, lines)
        changed = [line for line in lines if line.book != compared[line.place].book]
        for line in changed:
            line.book = compared[line.place].book
        stocktake.version += bool(changed)
    db.session.flush()


def _sheet(station_id: UUID, item_ids: Sequence[UUID] | None) -> list[dict[str, Any]]:
    """What the books say is there, as rows of lines."""
    statement = select(
        StockBalance.item_id,
        StockBalance.lot_number,
        StockBalance.portion,
        StockBalance.expires_on,
        StockBalance.quantity.label("book"),
    ).where(StockBalance.station_id == station_id, StockBalance.quantity > 0)
    if item_ids is not None:
        statement = statement.where(StockBalance.item_id.in_(item_ids))
    rows = [dict(row) for row in db.session.execute(statement).mappings()]
    there = {row["item_id"] for row in rows}
    # That nothing is there must be counted too.
    missing = [item_id for item_id in dict.fromkeys(item_ids or ()) if item_id not in there]
    return rows + [
        {"item_id": item_id, "lot_number": "", "portion": SEALED, "expires_on": None, "book": 0} for item_id in missing
    ]


def _hold(stocktake: Stocktake) -> None:
    """Let one at a time work on a count that goes on, as it is now. Raises StocktakeDecided (409)."""
    db.session.refresh(stocktake, with_for_update={"key_share": True})
    if stocktake.state != StocktakeState.COUNTING:
        raise StocktakeDecided(members={"state": stocktake.state})


def _says_again(row: StocktakeLine, line: Counted, by: UUID) -> bool:
    said = (line["quantity"], line.get("reason"), line.get("note"), by)
    return not names_moment(line) and said == (row.counted, row.reason, row.note, row.counted_by)


def _place_of(line: Counted) -> Place:
    number = name_of_lot(line.get("lot_number"), line.get("expires_on")) or ""
    if line.get("quarantined"):
        return line["item_id"], number, QUARANTINED
    return line["item_id"], number, line["opened_on"].isoformat() if "opened_on" in line else SEALED


def _require_lot(item: Item, place: Place, known: Collection[Place]) -> None:
    """Something medical without a lot is one of those on the sheet. Raises LotNotChosen (409)."""
    if item.kind != ItemKind.MEDICAL or place[1]:
        return
    if numbers := sorted({number for item_id, number, _ in known if item_id == item.id and number}):
        raise LotNotChosen(
            members={"item": named(item), "lot_numbers": numbers[:MOST_NAMED]},
            item=item.name,
            lot_numbers=", ".join(numbers[:MOST_NAMED]),
        )


def _found_line(stocktake: Stocktake, item: Item, place: Place, line: Counted, stored: date | None) -> StocktakeLine:
    """A line for what the sheet did not list."""
    if item.prohibited and place[2] != QUARANTINED:
        # It is found: that is what quarantine is for.
        raise prohibited_item(item)
    given = line.get("expires_on")
    if given is not None and stored is not None and given != stored and place[2] == SEALED:
        raise _differs(item, place, stored)
    expires_on = given or stored
    if expires_on is None and item.kind == ItemKind.MEDICAL and line["quantity"]:
        raise ExpiryDateMissing(members={"item": named(item)}, item=item.name)
    if "opened_on" in line and item.days_once_opened is not None:
        last = line["opened_on"] + timedelta(days=item.days_once_opened)
        expires_on = min(expires_on or last, last)
    return StocktakeLine(
        id=ids.new_id(),
        stocktake_id=stocktake.id,
        item_id=place[0],
        lot_number=place[1],
        portion=place[2],
        expires_on=expires_on,
        listed=False,
        book=0,
        book_at_start=0,
    )


def _differs(item: Item, place: Place, stored: date | None) -> LotExpiryDiffers:
    return LotExpiryDiffers(
        members={
            "item": named(item),
            "lot_number": place[1] or None,
            "expires_on": stored.isoformat() if stored else None,
        },
        item=item.name,
        lot_number=place[1],
        expires_on=stored.isoformat() if stored else "—",
    )


def _place_in_ledger(station_id: UUID, lines: Mapping[Place, StocktakeLine]) -> None:
    """Give each line its position, and what the books say of that moment."""
    moments = [line.counted_at for line in lines.values() if line.counted_at is not None]
    found = positions.positions(station_id, moments) if moments else {}
    for line in lines.values():
        line.position = found[line.counted_at] if line.counted_at is not None else None
    for place, compared in positions.compare(station_id, lines.values()).items():
        lines[place].book = lines[place].book_when_counted = compared.book


def _close_or_tell(stocktake: Stocktake, by: UUID) -> None:
    if queries.uncounted_count(stocktake.id):
        return
    findings = queries.findings_of(stocktake.id)
    if queries.needs_second_person(stocktake.kind, findings):
        if stocktake.told_version is None:
            stocktake.told_version = stocktake.version
            db.session.flush()
        news.tell_approvers_of_end(stocktake, variance=findings.variance, by=by)
    elif stocktake.kind == StocktakeKind.HANDOVER and findings.variance == 0:
        approve(stocktake, by=by, may_approve=False)


def _compare(posting: Posting, lines: Sequence[StocktakeLine]) -> None:
    """Give each line what the books say now of its moment, and the delta. Raises StocktakeOutdated (409)."""
    compared = positions.compare(posting.station_id, lines)
    for line in lines:
        line.book, line.delta, _ = compared[line.place]
    db.session.flush()
    outdated = [line for line in lines if compared[line.place].is_outdated]
    if outdated:
        raise StocktakeOutdated(members={"lines": _named(outdated, posting.items)})


def _require_second(stocktake: Stocktake, *, by: UUID, may_approve: bool) -> None:
    first = queries.counters(stocktake.id) | {stocktake.from_volunteer_id, stocktake.to_volunteer_id}
    if may_approve and by not in first:
        return
    others = [person for person in approvers_of(stocktake.station_id) if person not in first]
    names = db.session.scalars(select(Volunteer.name).where(Volunteer.id.in_(others)).order_by(Volunteer.name)).all()
    raise SecondPersonNeeded(members={"approvers": names}, approvers=", ".join(names) or "—")


def _post(
    posting: Posting, lines: Sequence[StocktakeLine], *, by: UUID, reason: VarianceReason | None, note: str | None
) -> None:
    """Write a document for each reason."""
    by_reason: dict[str, list[StocktakeLine]] = {}
    for line in lines:
        line.reason = line.reason or reason
        by_reason.setdefault(str(line.reason), []).append(line)
    for given, group in sorted(by_reason.items()):
        document = posting.write(
            [_change(posting, line) for line in group],
            actor_id=by,
            kind=MovementKind.STOCKTAKE,
            reason=MovementReason(given),
            note=note,
        )
        for line in group:
            line.movement_id = document.id


def _change(posting: Posting, line: StocktakeLine) -> Change:
    lot = posting.shelf.lots[line.item_id].get((line.lot_number, line.portion))
    known = lot is not None and (lot.balance > 0 or lot.expires_on is not None)
    expires_on = lot.expires_on if lot is not None and known else line.expires_on
    return Change(posting.items[line.item_id], line.lot_number, expires_on, line.delta or 0, line.portion)


def _decide(stocktake: Stocktake, state: StocktakeState, *, by: UUID, note: str | None) -> None:
    stocktake.state, stocktake.decided_at, stocktake.decided_by = state, clock.now(), by
    stocktake.decision_note = note
    db.session.add(stocktake)
    db.session.flush()
    if state == StocktakeState.APPROVED:
        station = db.session.get_one(Station, stocktake.station_id)
        audit.record(
            AuditAction.STOCKTAKE_APPROVED,
            actor_id=by,
            organization_id=station.organization_id,
            stocktake_id=str(stocktake.id),
        )
        news.tell_who_signed(stocktake, by=by)


def _mark(station_id: UUID, lines: Collection[StocktakeLine]) -> None:
    latest: dict[UUID, datetime] = {}
    for line in lines:
        if line.counted_at is not None:
            latest[line.item_id] = max(line.counted_at, latest.get(line.item_id, line.counted_at))
    ledger.mark_counted(station_id, latest)


def _named(lines: Sequence[StocktakeLine], items: Mapping[UUID, Item]) -> list[dict[str, Any]]:
    return [
        {"line_id": str(line.id), "item": named(items[line.item_id]), "lot_number": line.lot_number or None}
        for line in lines[:MOST_NAMED]
    ]
