"""The verbs of loans: lend, take back in part and anywhere, extend, look up.

What is lent leaves the shelf by a document and is counted beside it, at the station that lent it, until it is settled.
What comes back goes onto the shelf where it comes back. Locks are taken in one order: the borrower, the stations in the
order of their ids, the loan.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.problems import ItemUnknown
from volunteer_api.catalog.service import load_items, named, prohibited_item
from volunteer_api.core import audit, clock, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.problems import Problem
from volunteer_api.core.settings import rules
from volunteer_api.core.unit_of_work import attempt
from volunteer_api.inventory import ledger
from volunteer_api.inventory.models import SEALED
from volunteer_api.inventory.models import MovementKind as Kind
from volunteer_api.inventory.models import MovementReason as Reason
from volunteer_api.inventory.shelf import Change
from volunteer_api.loans import assets, borrowers, news, queries
from volunteer_api.loans.models import Asset, AssetState, Loan, LoanLine
from volunteer_api.loans.places import hold_stations
from volunteer_api.loans.problems import (
    AlreadyReturned,
    AssetElsewhere,
    AssetNotInStock,
    AssetUnknown,
    DueInPast,
    DueNotLater,
    DueTooLate,
    NotLendable,
)
from volunteer_api.loans.queries import LoanView
from volunteer_api.stations.models import Station
from volunteer_api.stations.opening import MINUTES_A_DAY, spans_on
from volunteer_api.stations.service import require_not_paused
from volunteer_api.stations.views import schedule_of

# 31 to the eighth are 850 milliards: nobody finds one by trying, and eight letters can be read aloud.
SLIP_LENGTH = 8
# Per person: a desk on a rainy day looks up that many slips.
SLIPS_LOOKED_UP = "600/hour"
LAST_MINUTE = MINUTES_A_DAY - 1


def lend(
    *,
    station_id: UUID,
    actor_id: UUID,
    borrower: Mapping[str, Any],
    item_id: UUID | None = None,
    asset_id: UUID | None = None,
    quantity: int = 1,
    due_at: datetime | None = None,
) -> LoanView:
    """Lend so many of an item, or one numbered piece, to {volunteer_id}, {volunteer_number}, {phone} or {name, phone}.

    A phone alone is that of an account, which is looked up, counted and audited whatever comes of it. Without `due_at`
    it is due at the end of the day in `loan_days`. Raises NotFound (404), TooManyRequests (429), BorrowerUnknown,
    TooManyLoans, DueInPast, DueTooLate, StationClosed, ItemUnknown, NotLendable, ProhibitedItem, AssetNotInStock,
    AssetElsewhere, StockTooLow, LotExpired or PiecesNumbered (409).
    """
    work = partial(
        _lend,
        station_id=station_id,
        actor_id=actor_id,
        item_id=item_id,
        asset_id=asset_id,
        quantity=quantity,
        due_at=due_at,
    )
    if set(borrower) != {"phone"}:
        return work(borrower)
    try:
        found = borrowers.look_up_account(borrower["phone"], by=actor_id)
        return attempt(partial(work, {"volunteer_id": found}))
    except Problem as problem:
        # Whoever is refused has learned who is registered: that stays counted, and what was begun is undone.
        problem.keeps_writes = True
        raise


def _lend(
    borrower: Mapping[str, Any],
    *,
    station_id: UUID,
    actor_id: UUID,
    item_id: UUID | None,
    asset_id: UUID | None,
    quantity: int,
    due_at: datetime | None,
) -> LoanView:
    loan_id = ids.new_id()
    columns = borrowers.columns_of(borrower, loan_id)
    hold_stations(station_id)
    lent_at = clock.now()
    if due_at is None:
        due_at = _due_by_default(station_id, lent_at)
    else:
        _check_due(due_at, lent_at)
    asset = _piece(asset_id, station_id) if asset_id is not None else None
    item = _lendable(asset.item_id if asset is not None else item_id)
    posting = ledger.begin(station_id, [item.id])
    require_not_paused(station_id)
    changes = posting.shelf.take(item, quantity, lot_number=None, expires_on=None, expired_too=False, portion=SEALED)
    loan = Loan(
        id=loan_id,
        slip_number=ids.readable(SLIP_LENGTH),
        station_id=station_id,
        item_id=item.id,
        asset_id=asset_id,
        quantity=quantity,
        outstanding=quantity,
        lent_by=actor_id,
        lent_at=lent_at,
        due_at=due_at,
        remind_at=next_reminder(due_at, lent_at),
        **columns,
    )
    db.session.add(loan)
    if asset is not None:
        asset.state = AssetState.ON_LOAN
    db.session.flush()
    document = posting.write(changes, actor_id=actor_id, kind=Kind.LOAN_OUT, reason=Reason.OTHER, note=loan.slip_number)
    assets.belongs_to(document, loan_id=loan.id)
    for change in changes:
        _count(station_id, change, -change.quantity)
        db.session.add(_line(loan.id, change))
    db.session.flush()
    news.tell_borrower(loan, item, news.LOAN_MADE)
    return queries.read_loan(loan.id, reader_id=actor_id)


def extend(loan: Loan, *, actor_id: UUID, due_at: datetime) -> LoanView:
    """Let a loan be due later, up to `loan_longest_days` from now; its reminders begin anew.

    Raises OwnLoan, AlreadyReturned, DueInPast, DueNotLater, DueTooLate (409).
    """
    lock(loan)
    borrowers.require_another(loan, actor_id)
    if loan.closed_at is not None:
        raise already_returned(loan)
    now = clock.now()
    _check_due(due_at, now)
    if due_at <= loan.due_at:
        raise DueNotLater(members={"due_at": told(loan.due_at)})
    loan.due_at, loan.extended_count = due_at, loan.extended_count + 1
    loan.remind_at = next_reminder(due_at, now)
    db.session.flush()
    item = load_items([loan.item_id])[loan.item_id]
    news.tell_borrower(loan, item, news.LOAN_EXTENDED, stage=str(loan.extended_count))
    return queries.read_loan(loan.id, reader_id=actor_id)


def look_up(
    *, by: Principal, phone: str | None = None, slip_number: str | None = None, asset_code: str | None = None
) -> Sequence[LoanView]:
    """What somebody who stands at the desk has borrowed, wherever that was: by her phone, her slip or the piece itself.

    Counted and audited. Raises TooManyRequests (429).
    """
    spend(SLIPS_LOOKED_UP, "loans looked up", who=str(by.volunteer_id))
    if phone is not None:
        spend(borrowers.PHONES_LOOKED_UP, "borrowers looked up", who=str(by.volunteer_id))
        kind, found = "phone", queries.find_by_phone(phone, reader_id=by.volunteer_id)
    elif slip_number is not None:
        kind, found = "slip_number", queries.find_by_slip(plain_slip(slip_number), reader_id=by.volunteer_id)
    else:
        code = assets.code_of(asset_code or "")
        kind, found = "asset_code", queries.find_by_asset(code, reader_id=by.volunteer_id)
    accounts = {loan.volunteer_id for loan in found if loan.volunteer_id is not None}
    audit.record(
        AuditAction.DATA_READ,
        actor_id=by.volunteer_id,
        subject_id=accounts.pop() if len(accounts) == 1 else None,
        what="loans",
        by=kind,
        found=len(found),
    )
    return found


def contact(loan: Loan, *, by: Principal) -> borrowers.Contact:
    """The whole name and phone of a passer-by, to call about a loan; each reading is audited.

    Raises BorrowerForgotten, BorrowerIsVolunteer (409).
    """
    found = borrowers.contact_of(loan)
    audit.record(AuditAction.DATA_READ, actor_id=by.volunteer_id, what="borrower", loan_id=str(loan.id))
    return found


def plain_slip(text: str) -> str:
    """A slip number as somebody typed it, without what a typist may vary."""
    return "".join(text.upper().replace("-", " ").split())


def next_reminder(due_at: datetime, after: datetime) -> datetime | None:
    """When the next stage of being overdue is reached after a moment; None where all are over."""
    stages = (due_at + timedelta(days=days) for days in rules().loan_reminder_days)
    return min((stage for stage in stages if stage > after), default=None)


def lock(loan: Loan) -> None:
    """Hold the loan until the unit ends, as it is now."""
    db.session.refresh(loan, with_for_update=True)


def already_returned(loan: Loan) -> AlreadyReturned:
    """The refusal of what is over."""
    return AlreadyReturned(members={"closed_at": told(loan.closed_at)})


def _due_by_default(station_id: UUID, lent_at: datetime) -> datetime:
    """When the desk closes on the day in `loan_days`; at the end of that day where it has no hours then."""
    day = clock.local_date(lent_at + timedelta(days=rules().loan_days))
    closes = [closes for _, closes in spans_on(schedule_of(db.session.get_one(Station, station_id)), day)]
    return clock.at_local(day, time(*divmod(min(max(closes, default=LAST_MINUTE), LAST_MINUTE), 60)))


def _check_due(due_at: datetime, now: datetime) -> None:
    days = rules().loan_longest_days
    latest = now + timedelta(days=days)
    if due_at <= now:
        raise DueInPast()
    if due_at > latest:
        raise DueTooLate(members={"latest": told(latest)}, days=days)


def _piece(asset_id: UUID, station_id: UUID) -> Asset:
    """The numbered piece, in stock at the station whose ledger is held."""
    asset = db.session.scalar(select(Asset).where(Asset.id == asset_id).execution_options(populate_existing=True))
    if asset is None:
        raise AssetUnknown(members={"asset_id": str(asset_id)})
    if asset.state == AssetState.ON_LOAN:
        due_at = db.session.scalar(select(Loan.due_at).where(Loan.asset_id == asset.id, Loan.closed_at.is_(None)))
        raise AssetNotInStock(members={"state": asset.state, "due_at": told(due_at)}, code=asset.code)
    assets.require_in_stock(asset)
    if asset.station_id != station_id:
        raise AssetElsewhere(members={"station_id": str(asset.station_id)}, code=asset.code)
    return asset


def _lendable(item_id: UUID | None) -> Item:
    if item_id is None:
        raise ItemUnknown()
    item = load_items([item_id])[item_id]
    if item.kind != ItemKind.DURABLE:
        raise NotLendable(members={"item": named(item)}, item=item.name)
    if item.prohibited:
        raise prohibited_item(item)
    return item


def told(moment: datetime | None) -> str | None:
    """A moment as a member of a refusal."""
    return clock.stamp(moment) if moment is not None else None


def _count(station_id: UUID, change: Change, on_loan: int) -> None:
    ledger.count_beside(station_id, change.item.id, change.lot_number, expires_on=change.expires_on, on_loan=on_loan)


def _line(loan_id: UUID, change: Change) -> LoanLine:
    taken = -change.quantity
    return LoanLine(
        loan_id=loan_id,
        lot_number=change.lot_number,
        expires_on=change.expires_on,
        quantity=taken,
        outstanding=taken,
    )
