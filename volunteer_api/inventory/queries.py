"""How the stock, the ledger and its months are read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, case, func, or_, select, true
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.queries import NamedItem, name_at
from volunteer_api.catalog.standards import required_at
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.inventory import holdings
from volunteer_api.inventory.models import (
    QUARANTINED,
    DocumentCounter,
    MonthBalance,
    Movement,
    Recall,
    RetainedName,
    StockBalance,
    StockEntry,
    StockMonth,
    StockState,
    opened_on,
)
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.stations.models import Station

# Made once, for every document that is shown.
Reversal = aliased(Movement)


@dataclass(frozen=True)
class StockRow:
    """One item, lot and portion on a station's shelf."""

    item: NamedItem
    lot_number: str | None
    expires_on: date | None
    quantity: int
    state: StockState
    opened_on: date | None
    quarantined: bool
    on_loan: int
    in_transit: int
    # What the station must hold of the item, in all its lots; None where no kit standard asks for it.
    minimum: int | None


@dataclass(frozen=True)
class LedgerRow:
    """One item in one month: opening + incoming − outgoing = closing."""

    item: NamedItem
    month: str
    opening: int
    incoming: int
    outgoing: int
    closing: int


@dataclass(frozen=True)
class Actor:
    """Who recorded a movement, or decided something about stock."""

    id: UUID
    name: str


@dataclass(frozen=True)
class Entry:
    """One line of the ledger with its document."""

    id: UUID
    movement_id: UUID
    sequence: int
    kind: str
    item_id: UUID
    item: NamedItem
    lot_number: str | None
    opened_on: date | None
    quarantined: bool
    expires_on: date | None
    quantity: int
    balance: int
    document_number: str
    occurred_at: datetime
    recorded_at: datetime
    reason: str
    note: str | None
    actor: Actor


@dataclass(frozen=True)
class Document:
    """A movement with its entries."""

    id: UUID
    station_id: UUID
    kind: str
    reason: str
    note: str | None
    counterparty: str | None
    witness: str | None
    document_number: str
    occurred_at: datetime
    recorded_at: datetime
    actor: Actor
    reverses_id: UUID | None
    reversed_by_id: UUID | None
    entries: list[Entry]


@dataclass(frozen=True)
class ClosedMonth:
    """A month that an organization closed."""

    id: UUID
    organization_id: UUID
    month: str
    closed_at: datetime
    closed_by: Actor
    station_count: int


def list_stock(station_id: UUID, query: Mapping[str, Any]) -> Page:
    """What a station holds, by item, lot and portion; what ran out is listed with 0. Two statements.

    `held`, `state`, `kind` and `q` narrow it as StockFilter says.
    """
    today = clock.today()
    minimums = {item_id: requirement.minimum for item_id, requirement in required_at(station_id).items()}
    statement = (
        select(
            Item.id,
            Item.name,
            Item.pinyin,
            Item.unit,
            Item.kind,
            Item.prohibited,
            StockBalance.lot_number,
            StockBalance.portion,
            StockBalance.expires_on,
            StockBalance.quantity,
            StockBalance.on_loan,
            StockBalance.in_transit,
            holdings.held_of_item(station_id, today).label("held"),
        )
        .join(StockBalance, StockBalance.item_id == Item.id)
        .where(StockBalance.station_id == station_id, *holdings.chosen(query, station_id, today, minimums))
    )
    keys = [
        Key(Item.pinyin, lambda row: row.pinyin),
        Key(Item.id, lambda row: row.id),
        Key(StockBalance.lot_number, lambda row: row.lot_number),
        Key(StockBalance.portion, lambda row: row.portion),
    ]
    found = page(statement, keys, query, scope=str(station_id))
    return replace(
        found,
        items=[
            StockRow(
                item=_named_item(row),
                lot_number=row.lot_number or None,
                expires_on=row.expires_on,
                quantity=row.quantity,
                state=holdings.state_of(
                    row.quantity,
                    # What is prohibited is out of use wherever it lies.
                    QUARANTINED if row.prohibited else row.portion,
                    row.expires_on,
                    today,
                    low=row.held < minimums.get(row.id, 0),
                ),
                opened_on=opened_on(row.portion),
                quarantined=row.portion == QUARANTINED,
                on_loan=row.on_loan,
                in_transit=row.in_transit,
                minimum=minimums.get(row.id),
            )
            for row in found.items
        ],
    )


def list_entries(station_id: UUID, query: Mapping[str, Any]) -> Page:
    """A station's ledger, the entry recorded last first."""
    statement = _entries().where(StockEntry.station_id == station_id)
    if "item_id" in query:
        statement = statement.where(StockEntry.item_id == query["item_id"])
    if "kind" in query:
        statement = statement.where(Movement.kind == query["kind"])
    if "month" in query:
        begin, end = month_bounds(query["month"])
        statement = statement.where(StockEntry.occurred_at >= begin, StockEntry.occurred_at < end)
    if "until" in query:
        statement = statement.where(StockEntry.occurred_at < clock.days_between(query["until"], query["until"])[1])
    keys = [Key(StockEntry.sequence, lambda row: row.sequence, descending=True)]
    found = page(statement, keys, query, scope=str(station_id))
    return replace(found, items=[_entry(row) for row in found.items])


def left_at(station_id: UUID) -> Row[*tuple[Any, ...]] | None:
    """Id and name of an item that a station still holds or lent, and how much there is in all; None for nothing.

    `items` are those held or lent, `stock_items` those on its shelf, `on_loan` and `in_transit` pieces.
    """
    here = StockBalance.station_id == station_id
    left = or_(StockBalance.quantity > 0, StockBalance.on_loan > 0)
    of_item = StockBalance.item_id.distinct()
    sums = (
        select(
            func.count(of_item).filter(left).label("items"),
            func.count(of_item).filter(StockBalance.quantity > 0).label("stock_items"),
            func.sum(StockBalance.on_loan).label("on_loan"),
            func.sum(StockBalance.in_transit).label("in_transit"),
        )
        .where(here)
        .subquery()
    )
    statement = (
        select(Item.id, Item.name, sums)
        .join(StockBalance, StockBalance.item_id == Item.id)
        .join(sums, true())
        .where(here, left)
        .order_by(Item.name, Item.id)
        .limit(1)
    )
    return db.session.execute(statement).first()


def has_documents(station_id: UUID) -> bool:
    """Whether anything was ever recorded at a station."""
    return db.session.scalar(select(Movement.id).where(Movement.station_id == station_id).limit(1)) is not None


def read_movement(movement_id: UUID) -> Document:
    """A movement that exists, with its entries in their order. One statement."""
    rows = db.session.execute(
        _entries()
        .add_columns(
            Movement.station_id,
            Movement.counterparty,
            Movement.witness,
            Movement.reverses_id,
            Reversal.id.label("reversed_by_id"),
        )
        .outerjoin(Reversal, Reversal.reverses_id == Movement.id)
        .where(Movement.id == movement_id)
        .order_by(StockEntry.sequence)
    ).all()
    first = rows[0]
    return Document(
        id=movement_id,
        station_id=first.station_id,
        kind=first.kind,
        reason=first.reason,
        note=first.note,
        counterparty=first.counterparty,
        witness=first.witness,
        document_number=first.document_number,
        occurred_at=first.occurred_at,
        recorded_at=first.recorded_at,
        actor=Actor(first.actor_id, first.actor_name),
        reverses_id=first.reverses_id,
        reversed_by_id=first.reversed_by_id,
        entries=[_entry(row) for row in rows],
    )


def list_ledger(station_id: UUID, query: Mapping[str, Any]) -> Page:
    """Each item's month at a station: what it opened with, what came, what went, what it closed with.

    Counted back from the balances over the entries since the month began, so that a month costs what happened since
    and not what ever happened; a closed one from what it kept, so that it costs what happened in it. Items that had
    nothing and moved nothing are left out. With `on`, of the month to the end of that day.
    """
    on = query.get("on")
    month = query.get("month") or (on or clock.today()).strftime("%Y-%m")
    begin, end = month_bounds(month)
    shown = end if on is None else clock.days_between(on, on)[1]
    chosen = [StockEntry.station_id == station_id, StockEntry.occurred_at >= begin]
    balances: Select[*tuple[Any, ...]] = select(
        StockBalance.item_id, func.sum(StockBalance.quantity).label("quantity")
    ).where(StockBalance.station_id == station_id)
    closed = closed_at(station_id, month)
    name = name_at(closed)
    if closed is not None:
        chosen.append(StockEntry.occurred_at < end)
        balances = select(MonthBalance.item_id, func.sum(MonthBalance.quantity).label("quantity")).where(
            MonthBalance.station_id == station_id, MonthBalance.month == month
        )
    # What goes from one portion of a lot to another neither came nor went: a document counts by its sum.
    documents = (
        select(
            StockEntry.item_id,
            func.sum(StockEntry.quantity).label("quantity"),
            func.sum(case((StockEntry.occurred_at < shown, StockEntry.quantity), else_=0)).label("inside"),
        )
        .where(*chosen)
        .group_by(StockEntry.movement_id, StockEntry.item_id, StockEntry.lot_number)
        .subquery()
    )
    moved = (
        select(
            documents.c.item_id,
            func.sum(case((documents.c.inside > 0, documents.c.inside), else_=0)).label("incoming"),
            func.sum(case((documents.c.inside < 0, -documents.c.inside), else_=0)).label("outgoing"),
            func.sum(documents.c.quantity).label("since"),
        )
        .group_by(documents.c.item_id)
        .subquery()
    )
    held = balances.group_by(balances.selected_columns.item_id).subquery()
    opening = func.coalesce(held.c.quantity, 0) - func.coalesce(moved.c.since, 0)
    incoming = func.coalesce(moved.c.incoming, 0)
    outgoing = func.coalesce(moved.c.outgoing, 0)
    statement = (
        select(
            Item.id,
            name.label("name"),
            Item.unit,
            Item.kind,
            opening.label("opening"),
            incoming.label("incoming"),
            outgoing.label("outgoing"),
        )
        .outerjoin(held, held.c.item_id == Item.id)
        .outerjoin(moved, moved.c.item_id == Item.id)
        .where(or_(opening != 0, incoming != 0, outgoing != 0))
    )
    keys = [Key(name, lambda row: row.name), Key(Item.id, lambda row: row.id)]
    found = page(statement, keys, query, scope=f"{station_id} {on or month}")
    return replace(found, items=[_ledger_row(row, month) for row in found.items])


def month_bounds(month: str) -> tuple[datetime, datetime]:
    """The half-open moments of a local month, `YYYY-MM`."""
    first = date.fromisoformat(f"{month}-01")
    following = (first + timedelta(days=31)).replace(day=1)
    return clock.start_of(first), clock.start_of(following)


def closed_at(station_id: UUID, month: str) -> datetime | None:
    """When the month, `YYYY-MM`, was closed at the station; None where it is open.

    What the station held at the end of a closed one is in `month_balances`.
    """
    return db.session.scalar(
        select(DocumentCounter.closed_at).where(
            DocumentCounter.station_id == station_id, DocumentCounter.month == month.replace("-", "")
        )
    )


def closing_id(organization_id: UUID, month: str) -> Select[UUID]:
    """The id of the organization's closing of a month."""
    return select(StockMonth.id).where(StockMonth.organization_id == organization_id, StockMonth.month == month)


def read_closed_month(closed_month_id: UUID) -> ClosedMonth:
    """A closing that exists. One statement."""
    return _closed_month(db.session.execute(_closed_months().where(StockMonth.id == closed_month_id)).one())


def list_closed_months(organization_id: UUID, query: Mapping[str, Any]) -> Page:
    """The months that the organization closed, the latest first."""
    statement = _closed_months().where(StockMonth.organization_id == organization_id)
    keys = [Key(StockMonth.month, lambda row: row.month, descending=True)]
    found = page(statement, keys, query, scope=str(organization_id))
    return replace(found, items=[_closed_month(row) for row in found.items])


def recalled_lots(station_id: UUID, item_ids: Iterable[UUID]) -> Select[UUID, str]:
    """Item and lot of what the organizations above the station recall now, of these items."""
    return (
        select(Recall.item_id, Recall.lot_number)
        .join(PathMember, PathMember.ancestor_id == Recall.organization_id)
        .join(Organization, Organization.path_id == PathMember.path_id)
        .join(Station, Station.organization_id == Organization.id)
        .where(Station.id == station_id, Recall.item_id.in_(list(item_ids)), Recall.ended_at.is_(None))
    )


def _closed_months() -> Select[*tuple[Any, ...]]:
    return (
        select(
            StockMonth.id,
            StockMonth.organization_id,
            StockMonth.month,
            StockMonth.closed_at,
            StockMonth.station_count,
            StockMonth.closed_by.label("actor_id"),
            func.coalesce(RetainedName.name, Volunteer.name).label("actor_name"),
        )
        .join(Volunteer, Volunteer.id == StockMonth.closed_by)
        .outerjoin(RetainedName, RetainedName.volunteer_id == StockMonth.closed_by)
    )


def _closed_month(row: Row[Any]) -> ClosedMonth:
    return ClosedMonth(
        id=row.id,
        organization_id=row.organization_id,
        month=row.month,
        closed_at=row.closed_at,
        closed_by=Actor(row.actor_id, row.actor_name),
        station_count=row.station_count,
    )


def _entries() -> Select[*tuple[Any, ...]]:
    return (
        select(
            StockEntry.id,
            StockEntry.movement_id,
            StockEntry.sequence,
            Movement.kind,
            StockEntry.item_id,
            Item.name,
            Item.unit,
            Item.kind.label("item_kind"),
            StockEntry.lot_number,
            StockEntry.portion,
            StockEntry.expires_on,
            StockEntry.quantity,
            StockEntry.balance,
            Movement.document_number,
            StockEntry.occurred_at,
            Movement.recorded_at,
            Movement.reason,
            Movement.note,
            Movement.actor_id,
            func.coalesce(RetainedName.name, Volunteer.name).label("actor_name"),
        )
        .join(Movement, Movement.id == StockEntry.movement_id)
        .join(Item, Item.id == StockEntry.item_id)
        .join(Volunteer, Volunteer.id == Movement.actor_id)
        .outerjoin(RetainedName, RetainedName.volunteer_id == Movement.actor_id)
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        id=row.id,
        movement_id=row.movement_id,
        sequence=row.sequence,
        kind=row.kind,
        item_id=row.item_id,
        item=NamedItem(id=row.item_id, name=row.name, unit=row.unit, kind=row.item_kind),
        lot_number=row.lot_number or None,
        opened_on=opened_on(row.portion),
        quarantined=row.portion == QUARANTINED,
        expires_on=row.expires_on,
        quantity=row.quantity,
        balance=row.balance,
        document_number=row.document_number,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        reason=row.reason,
        note=row.note,
        actor=Actor(row.actor_id, row.actor_name),
    )


def _named_item(row: Row[Any]) -> NamedItem:
    return NamedItem(id=row.id, name=row.name, unit=row.unit, kind=row.kind)


def _ledger_row(row: Row[Any], month: str) -> LedgerRow:
    # PostgreSQL sums bigints to a numeric.
    opening, incoming, outgoing = int(row.opening), int(row.incoming), int(row.outgoing)
    return LedgerRow(
        item=_named_item(row),
        month=month,
        opening=opening,
        incoming=incoming,
        outgoing=outgoing,
        closing=opening + incoming - outgoing,
    )
