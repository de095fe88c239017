"""How loans and numbered pieces are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, or_, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.service import masked_name, masked_phone
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.queries import NamedItem
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import settings
from volunteer_api.inventory.models import QUARANTINED, SEALED, Movement, StockBalance
from volunteer_api.loans import borrowers
from volunteer_api.loans.models import (
    Asset,
    AssetState,
    LendingDocument,
    Loan,
    LoanReturn,
    ReturnCondition,
)
from volunteer_api.organizations.access import Permission, permitted_organization_ids, roles_with
from volunteer_api.organizations.models import Grant, Organization, ScopeType
from volunteer_api.stations.models import Station

# One row of several columns, whose types the caller knows.
Rows = Select[*tuple[Any, ...]]
# How many loans a look-up answers with at most.
MOST_FOUND = 100


@dataclass(frozen=True)
class NamedStation:
    """A station as a row names it."""

    id: UUID
    code: str
    name: str


@dataclass(frozen=True)
class NamedAsset:
    """A numbered piece as a loan names it."""

    id: UUID
    code: str


@dataclass(frozen=True)
class Person:
    """An account as a loan names it."""

    id: UUID
    name: str


@dataclass(frozen=True)
class Borrower:
    """Who borrowed: `kind` is volunteer, passer_by or forgotten.

    Every phone is masked, and every name but that of a volunteer for herself and for who reads the lender's stock.
    """

    kind: str
    volunteer: Person | None
    name: str | None
    phone: str | None


@dataclass(frozen=True)
class ReturnView:
    """What came back at one time."""

    id: UUID
    station: NamedStation
    quantity: int
    condition: str
    written_off: bool
    note: str | None
    returned_at: datetime
    reversed_at: datetime | None


@dataclass(frozen=True)
class DocumentView:
    """A document that the loan made in the ledger of a station."""

    id: UUID
    station_id: UUID
    kind: str
    reason: str
    document_number: str


@dataclass(frozen=True)
class LoanView:
    """A loan as it is answered; `returns` and `documents` are None in lists, `volunteer_id` is not answered."""

    id: UUID
    slip_number: str
    state: str
    overdue: bool
    station: NamedStation
    item: NamedItem
    asset: NamedAsset | None
    quantity: int
    outstanding: int
    returned: int
    damaged: int
    lost: int
    borrower: Borrower
    volunteer_id: UUID | None
    lent_at: datetime
    due_at: datetime
    extended_count: int
    closed_at: datetime | None
    returns: Sequence[ReturnView] | None = None
    documents: Sequence[DocumentView] | None = None


@dataclass(frozen=True)
class AssetView:
    """A numbered piece as it is answered; `qr` is the text of its label."""

    id: UUID
    version: int
    code: str
    qr: str
    item: NamedItem
    station: NamedStation
    state: str
    condition: str
    note: str | None


def list_loans(stations: Select[UUID], query: Mapping[str, Any], *, reader_id: UUID) -> Page:
    """The loans of these stations: overdue ones by how long they are, all others the latest first. One statement.

    Of a station where the reader only serves, those that are open.
    """
    statement = _loans(reader_id).where(
        Loan.station_id.in_(stations), or_(Loan.closed_at.is_(None), _reads_lender(reader_id))
    )
    for name in ("station_id", "item_id"):
        if name in query:
            statement = statement.where(getattr(Loan, name) == query[name])
    if "state" in query:
        statement = statement.where(_has_state(query["state"]))
    if "overdue" in query:
        overdue = and_(Loan.closed_at.is_(None), Loan.due_at <= clock.now())
        statement = statement.where(overdue if query["overdue"] else ~overdue)
    if "borrower" in query:
        statement = statement.where(
            Loan.volunteer_id.is_not(None) if query["borrower"] == "volunteer" else Loan.borrower.is_not(None)
        )
    keys = [Key(Loan.id, lambda row: row.id, descending=True)]
    if query.get("overdue"):
        keys = [Key(Loan.due_at, lambda row: row.due_at), Key(Loan.id, lambda row: row.id)]
    found = page(statement, keys, query, scope=str(reader_id))
    return replace(found, items=[_loan(row) for row in found.items])


def loans_of(volunteer_id: UUID, query: Mapping[str, Any]) -> Page:
    """What a volunteer borrowed, the latest first. One statement."""
    statement = _loans(volunteer_id).where(Loan.volunteer_id == volunteer_id)
    if "state" in query:
        statement = statement.where(_has_state(query["state"]))
    found = page(statement, [Key(Loan.id, lambda row: row.id, descending=True)], query, scope=str(volunteer_id))
    return replace(found, items=[_loan(row) for row in found.items])


def own_loans(volunteer_id: UUID, *those: ColumnElement[bool], limit: int) -> list[LoanView]:
    """The first of a volunteer's loans, by their ids, that meet conditions on Loan."""
    statement = _loans(volunteer_id).where(Loan.volunteer_id == volunteer_id, *those)
    return [_loan(row) for row in db.session.execute(statement.order_by(Loan.id).limit(limit))]


def read_loan(loan_id: UUID, *, reader_id: UUID) -> LoanView:
    """A loan that exists, with what came back and its documents. Three statements."""
    row = db.session.execute(_loans(reader_id).where(Loan.id == loan_id)).one()
    returns = db.session.execute(
        select(
            LoanReturn.id,
            LoanReturn.quantity,
            LoanReturn.condition,
            LoanReturn.written_off,
            LoanReturn.note,
            LoanReturn.returned_at,
            LoanReturn.reversed_at,
            Station.id.label("station_id"),
            Station.code.label("station_code"),
            Station.name.label("station_name"),
        )
        .join(Station, Station.id == LoanReturn.station_id)
        .where(LoanReturn.loan_id == loan_id)
        .order_by(LoanReturn.id)
    )
    documents = db.session.execute(
        select(Movement.id, Movement.station_id, Movement.kind, Movement.reason, Movement.document_number)
        .join(LendingDocument, LendingDocument.movement_id == Movement.id)
        .where(LendingDocument.loan_id == loan_id)
        .order_by(Movement.id)
    )
    return replace(
        _loan(row),
        returns=[
            ReturnView(
                id=one.id,
                station=NamedStation(one.station_id, one.station_code, one.station_name),
                quantity=one.quantity,
                condition=one.condition,
                written_off=one.written_off,
                note=one.note,
                returned_at=one.returned_at,
                reversed_at=one.reversed_at,
            )
            for one in returns
        ],
        documents=[
            DocumentView(one.id, one.station_id, one.kind, one.reason, one.document_number) for one in documents
        ],
    )


def find_by_phone(phone: str, *, reader_id: UUID) -> list[LoanView]:
    """What the owner of an E.164 number has borrowed and not brought back; the one due first comes first."""
    mine = or_(
        Loan.phone_digest == borrowers.phone_digest(phone),
        Loan.volunteer_id.in_(select(Volunteer.id).where(Volunteer.phone == phone)),
    )
    return _found(_loans(reader_id).where(mine, Loan.closed_at.is_(None)))


def find_by_slip(slip_number: str, *, reader_id: UUID) -> list[LoanView]:
    """The loan with this number; one that is closed only for who reads the lender's stock."""
    seen = or_(Loan.closed_at.is_(None), _reads_lender(reader_id))
    return _found(_loans(reader_id).where(Loan.slip_number == slip_number, seen))


def find_by_asset(code: str, *, reader_id: UUID) -> list[LoanView]:
    """The loan that the numbered piece is out by."""
    return _found(_loans(reader_id).where(Asset.code == code, Loan.closed_at.is_(None)))


def list_assets(stations: Select[UUID], query: Mapping[str, Any], *, scope: str) -> Page:
    """The numbered pieces of these stations by their numbers. One statement."""
    statement = _assets().where(Asset.station_id.in_(stations))
    for name in ("station_id", "item_id", "state", "code"):
        if name in query:
            statement = statement.where(getattr(Asset, name) == query[name])
    found = page(statement, [Key(Asset.code, lambda row: row.code)], query, scope=scope)
    return replace(found, items=[_asset(row) for row in found.items])


def labeled(station_id: UUID, item_id: UUID | None, codes: Sequence[str]) -> Rows:
    """What the labels of a station's pieces show, by their numbers: of one item, of these numbers, or of all.

    Not of what is lost or retired: nothing is there to stick it on.
    """
    statement = (
        select(Asset.code, Item.name.label("item"), Organization.name.label("organization"))
        .join(Item, Item.id == Asset.item_id)
        .join(Station, Station.id == Asset.station_id)
        .join(Organization, Organization.id == Station.organization_id)
        .where(Asset.station_id == station_id, Asset.state.not_in((AssetState.LOST, AssetState.RETIRED)))
        .order_by(Asset.code)
    )
    if item_id is not None:
        statement = statement.where(Asset.item_id == item_id)
    return statement.where(Asset.code.in_(codes)) if codes else statement


def label_text(code: str) -> str:
    """The text of the QR code on a piece: the address of its page."""
    return f"{settings().public_base_url}/c/a/{code}"


def read_asset(asset_id: UUID) -> AssetView:
    """A numbered piece that exists."""
    return _asset(db.session.execute(_assets().where(Asset.id == asset_id)).one())


def stations_in_reach(volunteer_id: UUID, permission: Permission) -> Select[UUID]:
    """The ids of the stations where the volunteer's live grants have the permission; for `column.in_(...)`."""
    granted = select(Grant.scope_id).where(
        Grant.volunteer_id == volunteer_id,
        Grant.revoked_at.is_(None),
        Grant.scope_type == ScopeType.STATION,
        Grant.role.in_(roles_with(permission)),
    )
    organizations = permitted_organization_ids(volunteer_id, permission)
    return select(Station.id).where(or_(Station.organization_id.in_(organizations), Station.id.in_(granted)))


def shelf_and_numbers(station_id: UUID, item_ids: frozenset[UUID]) -> Rows:
    """Of each item what a station has on its shelf and in quarantine, and how many numbered pieces are in each."""

    def numbered(state: AssetState) -> Any:
        return (
            select(func.count())
            .select_from(Asset)
            .where(Asset.station_id == station_id, Asset.item_id == Item.id, Asset.state == state)
            .scalar_subquery()
        )

    def held(*conditions: Any) -> Any:
        return (
            select(func.coalesce(func.sum(StockBalance.quantity), 0))
            .where(StockBalance.station_id == station_id, StockBalance.item_id == Item.id, *conditions)
            .scalar_subquery()
        )

    return (
        select(
            Item.id,
            Item.name,
            Item.unit,
            held(StockBalance.portion == SEALED).label("shelf"),
            held(StockBalance.portion == QUARANTINED).label("quarantined"),
            numbered(AssetState.IN_STOCK).label("in_stock"),
            numbered(AssetState.REPAIR).label("in_repair"),
        )
        .where(Item.id.in_(item_ids))
        .order_by(Item.id)
    )


def _has_state(state: str) -> Any:
    return Loan.closed_at.is_(None) if state == "open" else Loan.closed_at.is_not(None)


def _reads_lender(reader_id: UUID) -> Any:
    return Loan.station_id.in_(stations_in_reach(reader_id, Permission.STOCK_READ))


def _loans(reader_id: UUID) -> Rows:
    """`names_borrower`: whether the reader sees which volunteer it was; who only serves needs no more than a mask."""

    def came_back(condition: ReturnCondition) -> Any:
        return (
            select(func.coalesce(func.sum(LoanReturn.quantity), 0))
            .where(LoanReturn.loan_id == Loan.id, LoanReturn.condition == condition, LoanReturn.reversed_at.is_(None))
            .scalar_subquery()
        )

    return (
        select(
            Loan.id,
            Loan.slip_number,
            Loan.quantity,
            Loan.outstanding,
            Loan.volunteer_id,
            Loan.borrower,
            Loan.lent_at,
            Loan.due_at,
            Loan.extended_count,
            Loan.closed_at,
            case((Loan.outstanding < Loan.quantity, came_back(ReturnCondition.GOOD)), else_=0).label("good"),
            case((Loan.outstanding < Loan.quantity, came_back(ReturnCondition.DAMAGED)), else_=0).label("damaged"),
            Item.id.label("item_id"),
            Item.name.label("item_name"),
            Item.unit,
            Item.kind,
            Station.id.label("station_id"),
            Station.code.label("station_code"),
            Station.name.label("station_name"),
            Asset.id.label("asset_id"),
            Asset.code.label("asset_code"),
            Volunteer.name.label("volunteer_name"),
            Volunteer.phone.label("volunteer_phone"),
            or_(Loan.volunteer_id == reader_id, _reads_lender(reader_id)).label("names_borrower"),
        )
        .join(Item, Item.id == Loan.item_id)
        .join(Station, Station.id == Loan.station_id)
        .outerjoin(Asset, Asset.id == Loan.asset_id)
        .outerjoin(Volunteer, Volunteer.id == Loan.volunteer_id)
    )


def _found(statement: Rows) -> list[LoanView]:
    rows = db.session.execute(statement.order_by(Loan.due_at, Loan.id).limit(MOST_FOUND))
    return [_loan(row) for row in rows]


def _loan(row: Row[Any]) -> LoanView:
    # PostgreSQL sums bigints to a numeric.
    good, damaged = int(row.good), int(row.damaged)
    return LoanView(
        id=row.id,
        slip_number=row.slip_number,
        state="open" if row.closed_at is None else "closed",
        overdue=row.closed_at is None and row.due_at <= clock.now(),
        station=NamedStation(row.station_id, row.station_code, row.station_name),
        item=NamedItem(id=row.item_id, name=row.item_name, unit=row.unit, kind=row.kind),
        asset=NamedAsset(row.asset_id, row.asset_code) if row.asset_id is not None else None,
        quantity=row.quantity,
        outstanding=row.outstanding,
        returned=good + damaged,
        damaged=damaged,
        lost=row.quantity - row.outstanding - good - damaged,
        borrower=_borrower(row),
        volunteer_id=row.volunteer_id,
        lent_at=row.lent_at,
        due_at=row.due_at,
        extended_count=row.extended_count,
        closed_at=row.closed_at,
    )


def _borrower(row: Row[Any]) -> Borrower:
    if row.volunteer_id is not None:
        phone = masked_phone(row.volunteer_phone) or None
        if not row.names_borrower:
            return Borrower("volunteer", None, masked_name(row.volunteer_name), phone)
        return Borrower("volunteer", Person(row.volunteer_id, row.volunteer_name), row.volunteer_name, phone)
    if row.borrower is None:
        return Borrower("forgotten", None, None, None)
    contact = borrowers.unseal(row.borrower, row.id)
    return Borrower("passer_by", None, masked_name(contact.name), masked_phone(contact.phone) or None)


def _assets() -> Rows:
    return (
        select(
            Asset.id,
            Asset.version,
            Asset.code,
            Asset.state,
            Asset.condition,
            Asset.note,
            Item.id.label("item_id"),
            Item.name.label("item_name"),
            Item.unit,
            Item.kind,
            Station.id.label("station_id"),
            Station.code.label("station_code"),
            Station.name.label("station_name"),
        )
        .join(Item, Item.id == Asset.item_id)
        .join(Station, Station.id == Asset.station_id)
    )


def _asset(row: Row[Any]) -> AssetView:
    return AssetView(
        id=row.id,
        version=row.version,
        code=row.code,
        qr=label_text(row.code),
        item=NamedItem(id=row.item_id, name=row.item_name, unit=row.unit, kind=row.kind),
        station=NamedStation(row.station_id, row.station_code, row.station_name),
        state=row.state,
        condition=row.condition,
        note=row.note,
    )
