"""The books of a month: a station's with its documents, an organization's by station and item.

The opening of a month is counted back from the balances over what happened since the month began, so that a month costs
what happened since and not what ever happened; that of a closed month from what it kept at its end. Everything else
follows from the opening and the month's own entries: opening + in − out = closing, whatever is recorded while the book
is being read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, literal, or_, select, union_all
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.queries import name_at
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory.models import (
    QUARANTINED,
    SEALED,
    DocumentCounter,
    MonthBalance,
    Movement,
    MovementKind,
    RetainedName,
    StockBalance,
    StockEntry,
    opened_on,
)
from volunteer_api.inventory.problems import BookTooLarge
from volunteer_api.inventory.queries import closed_at, month_bounds
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.stations.models import Station

# Some 650 a day at one station; each row is read, held and written.
MOST_ENTRIES = 20_000
MOST_ROWS = 20_000


@dataclass
class Line:
    """What happened to a lot of an item in the month; by direction (+1 in, −1 out) and kind of movement."""

    item: str
    unit: str
    lot_number: str
    expires_on: date | None
    opening: int
    moved: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def incoming(self) -> int:
        return sum(quantity for (direction, _), quantity in self.moved.items() if direction > 0)

    @property
    def outgoing(self) -> int:
        return sum(quantity for (direction, _), quantity in self.moved.items() if direction < 0)

    @property
    def closing(self) -> int:
        return self.opening + self.incoming - self.outgoing


@dataclass(frozen=True)
class Posted:
    """One line of a document. `balance` is that of its item and lot after it, in the order of documents' numbers."""

    occurred_at: datetime
    recorded_at: datetime
    document_number: str
    kind: str
    item: str
    unit: str
    lot_number: str
    quarantined: bool
    opened_on: date | None
    expires_on: date | None
    quantity: int
    balance: int
    reason: str
    handler: str
    counterparty: str | None
    witness: str | None
    note: str | None
    # The numbers of the documents that undid this one, and that this one undoes.
    reversed_by: str | None
    reverses: str | None


@dataclass(frozen=True)
class StationBook:
    """A station's month; `closed_at` is None while it is open."""

    station: str
    code: str
    organization: str
    month: str
    made_at: datetime
    closed_at: datetime | None
    lines: list[Line]
    posted: list[Posted]


@dataclass(frozen=True)
class OrganizationLine:
    """An item at a station in the month: opening + incoming − outgoing = closing.

    Without a station it is the sum of all stations in the organization's subtree, or of those that are its own.
    """

    organization: str
    station: str
    code: str
    item_id: UUID
    item: str
    unit: str
    opening: int
    incoming: int
    outgoing: int

    @property
    def closing(self) -> int:
        return self.opening + self.incoming - self.outgoing


@dataclass(frozen=True)
class OrganizationBook:
    """A month of all stations in an organization's subtree; `by_child` where its lines are sums of children."""

    organization: str
    month: str
    made_at: datetime
    lines: list[OrganizationLine]
    by_child: bool = False


def read_station_book(station: Station, month: str, *, most: int = MOST_ENTRIES) -> StationBook:
    """A station's month. Four statements. Raises BookTooLarge (422) where it has more than `most` entries."""
    begin, end = month_bounds(month)
    closed = closed_at(station.id, month)
    held = _openings(station.id, begin) if closed is None else _kept(station.id, month, closed)
    lines: dict[tuple[UUID, str], Line] = {
        (row.item_id, row.lot_number): Line(row.item, row.unit, row.lot_number, row.expires_on, int(row.opening))
        for row in db.session.execute(held)
    }
    rows = db.session.execute(_posted(station.id, begin, end, name_at(closed)).limit(most + 1)).all()
    if len(rows) > most:
        raise BookTooLarge(most=most)
    for row in rows:
        key = (row.item_id, row.lot_number)
        line = lines.setdefault(key, Line(row.item, row.unit, row.lot_number, row.expires_on, 0))
        if row.portion == SEALED and row.reverses is None and row.reversed_by is None:
            # What was received with a wrong day is undone and received anew: the last word stands.
            line.expires_on = row.expires_on
        if closed is not None:
            line.opening -= row.quantity
    _add_up(lines, rows)
    running = {key: line.opening for key, line in lines.items()}
    posted = []
    for row in rows:
        key = (row.item_id, row.lot_number)
        running[key] += row.quantity
        posted.append(_posted_line(row, running[key]))
    ordered = sorted(lines.items(), key=lambda entry: (entry[1].item, entry[0]))
    return StationBook(
        station=station.name,
        code=station.code,
        organization=db.session.scalars(
            select(Organization.name).where(Organization.id == station.organization_id)
        ).one(),
        month=month,
        made_at=clock.now(),
        closed_at=closed,
        lines=[line for _, line in ordered if line.opening or line.moved],
        posted=posted,
    )


def read_organization_book(organization: Organization, month: str, *, most: int = MOST_ROWS) -> OrganizationBook:
    """A month of an organization's stations, by station and item. One statement.

    Where it has more than `most` rows, by child and item, and two statements; raises BookTooLarge (422) where those are
    more, too.
    """
    rows = db.session.execute(_by_station(organization.id, month).limit(most + 1)).all()
    by_child = len(rows) > most
    if by_child:
        rows = db.session.execute(_by_child(organization, month).limit(most + 1)).all()
    if len(rows) > most:
        raise BookTooLarge(most=most)
    # PostgreSQL sums bigints to a numeric.
    lines = [
        OrganizationLine(
            organization=row.organization,
            station=row.station,
            code=row.code,
            item_id=row.item_id,
            item=row.item,
            unit=row.unit,
            opening=int(row.opening),
            incoming=int(row.incoming),
            outgoing=int(row.outgoing),
        )
        for row in rows
    ]
    return OrganizationBook(organization.name, month, clock.now(), lines, by_child)


def by_item(lines: Iterable[OrganizationLine]) -> list[OrganizationLine]:
    """The sums over all stations, by item."""
    sums: dict[UUID, list[int]] = {}
    names: dict[UUID, OrganizationLine] = {}
    for line in lines:
        names.setdefault(line.item_id, line)
        held = sums.setdefault(line.item_id, [0, 0, 0])
        for place, quantity in enumerate((line.opening, line.incoming, line.outgoing)):
            held[place] += quantity
    ordered = sorted(names.values(), key=lambda line: (line.item, line.item_id))
    return [OrganizationLine("", "", "", line.item_id, line.item, line.unit, *sums[line.item_id]) for line in ordered]


def _add_up(lines: dict[tuple[UUID, str], Line], rows: Iterable[Any]) -> None:
    """Add the month's entries to their lines: each document by its sum for a lot.

    What goes from one portion of a lot to another (quarantine, release, unsealing) neither came nor went.
    """
    documents: dict[tuple[UUID, UUID, str, str], int] = {}
    for row in rows:
        document = (row.movement_id, row.item_id, row.lot_number, row.kind)
        documents[document] = documents.get(document, 0) + row.quantity
    for (_, item_id, lot_number, kind), quantity in documents.items():
        if quantity:
            moved = lines[item_id, lot_number].moved
            direction = 1 if quantity > 0 else -1
            moved[direction, kind] = moved.get((direction, kind), 0) + abs(quantity)


def _openings(station_id: UUID, begin: datetime) -> Select[*tuple[Any, ...]]:
    """What each item and lot of a station opened a month with, where it opened with something."""
    held = (
        select(
            StockBalance.item_id,
            StockBalance.lot_number,
            func.sum(StockBalance.quantity).label("quantity"),
            _day_of_lot(StockBalance).label("expires_on"),
        )
        .where(StockBalance.station_id == station_id)
        .group_by(StockBalance.item_id, StockBalance.lot_number)
        .subquery()
    )
    moved = (
        select(StockEntry.item_id, StockEntry.lot_number, func.sum(StockEntry.quantity).label("quantity"))
        .where(StockEntry.station_id == station_id, StockEntry.occurred_at >= begin)
        .group_by(StockEntry.item_id, StockEntry.lot_number)
        .subquery()
    )
    opening = held.c.quantity - func.coalesce(moved.c.quantity, 0)
    return (
        select(
            held.c.item_id,
            held.c.lot_number,
            held.c.expires_on,
            opening.label("opening"),
            Item.name.label("item"),
            Item.unit,
        )
        .join(Item, Item.id == held.c.item_id)
        .outerjoin(moved, (moved.c.item_id == held.c.item_id) & (moved.c.lot_number == held.c.lot_number))
        .where(opening != 0)
        .order_by(Item.name, held.c.item_id, held.c.lot_number)
    )


def _day_of_lot(held: type[StockBalance] | type[MonthBalance]) -> ColumnElement[date]:
    """The day that is printed on the lot: that of what is sealed. What is opened or in quarantine may expire sooner."""
    return func.coalesce(func.max(held.expires_on).filter(held.portion == SEALED), func.max(held.expires_on))


def _kept(station_id: UUID, month: str, closed: datetime) -> Select[*tuple[Any, ...]]:
    """What a closed month kept of each item and lot at its end: its opening, before its entries are taken off."""
    name = name_at(closed)
    return (
        select(
            MonthBalance.item_id,
            MonthBalance.lot_number,
            _day_of_lot(MonthBalance).label("expires_on"),
            func.sum(MonthBalance.quantity).label("opening"),
            name.label("item"),
            Item.unit,
        )
        .join(Item, Item.id == MonthBalance.item_id)
        .where(MonthBalance.station_id == station_id, MonthBalance.month == month)
        .group_by(Item.id, MonthBalance.item_id, MonthBalance.lot_number)
        .order_by(name, MonthBalance.item_id, MonthBalance.lot_number)
    )


def _posted(station_id: UUID, begin: datetime, end: datetime, name: ColumnElement[str]) -> Select[*tuple[Any, ...]]:
    """The entries of a month in the order of recording, which is that of the documents' numbers; items by `name`."""
    reversal, original = aliased(Movement), aliased(Movement)
    return (
        select(
            StockEntry.movement_id,
            StockEntry.item_id,
            StockEntry.lot_number,
            StockEntry.portion,
            StockEntry.expires_on,
            StockEntry.quantity,
            StockEntry.occurred_at,
            name.label("item"),
            Item.unit,
            Movement.recorded_at,
            Movement.document_number,
            Movement.kind,
            Movement.reason,
            Movement.counterparty,
            Movement.witness,
            Movement.note,
            func.coalesce(RetainedName.name, Volunteer.name).label("handler"),
            reversal.document_number.label("reversed_by"),
            original.document_number.label("reverses"),
        )
        .join(Movement, Movement.id == StockEntry.movement_id)
        .join(Item, Item.id == StockEntry.item_id)
        .join(Volunteer, Volunteer.id == Movement.actor_id)
        .outerjoin(RetainedName, RetainedName.volunteer_id == Movement.actor_id)
        .outerjoin(reversal, reversal.reverses_id == Movement.id)
        .outerjoin(original, original.id == Movement.reverses_id)
        .where(StockEntry.station_id == station_id, StockEntry.occurred_at >= begin, StockEntry.occurred_at < end)
        .order_by(StockEntry.sequence)
    )


def _by_station(organization_id: UUID, month: str) -> Select[*tuple[Any, ...]]:
    """Each item's month at each station of the subtree."""
    begin, end = month_bounds(month)
    stations = select(Station.id).where(Station.organization_id.in_(subtree_ids(organization_id)))
    closed = select(DocumentCounter.station_id).where(
        DocumentCounter.month == month.replace("-", ""), DocumentCounter.closed_at.is_not(None)
    )
    documents = (
        select(
            StockEntry.station_id,
            StockEntry.item_id,
            func.sum(StockEntry.quantity).label("quantity"),
            func.sum(case((StockEntry.occurred_at < end, StockEntry.quantity), else_=0)).label("inside"),
        )
        .where(
            StockEntry.station_id.in_(stations),
            StockEntry.occurred_at >= begin,
            or_(StockEntry.occurred_at < end, StockEntry.station_id.not_in(closed)),
        )
        .group_by(StockEntry.station_id, StockEntry.movement_id, StockEntry.item_id, StockEntry.lot_number)
        .subquery()
    )
    moved = (
        select(
            documents.c.station_id,
            documents.c.item_id,
            func.sum(case((documents.c.inside > 0, documents.c.inside), else_=0)).label("incoming"),
            func.sum(case((documents.c.inside < 0, -documents.c.inside), else_=0)).label("outgoing"),
            func.sum(documents.c.quantity).label("since"),
        )
        .group_by(documents.c.station_id, documents.c.item_id)
        .subquery()
    )
    # Where the month is closed, what it kept; the shelf itself only says what was ever there.
    now = case((StockBalance.station_id.in_(closed), 0), else_=StockBalance.quantity)
    shelf = select(StockBalance.station_id, StockBalance.item_id, now.label("quantity"))
    kept = select(MonthBalance.station_id, MonthBalance.item_id, MonthBalance.quantity)
    both = union_all(
        shelf.where(StockBalance.station_id.in_(stations)),
        kept.where(
            MonthBalance.station_id.in_(stations), MonthBalance.station_id.in_(closed), MonthBalance.month == month
        ),
    ).subquery()
    held = (
        select(both.c.station_id, both.c.item_id, func.sum(both.c.quantity).label("quantity"))
        .group_by(both.c.station_id, both.c.item_id)
        .subquery()
    )
    opening = held.c.quantity - func.coalesce(moved.c.since, 0)
    incoming, outgoing = func.coalesce(moved.c.incoming, 0), func.coalesce(moved.c.outgoing, 0)
    name = name_at(DocumentCounter.closed_at.expression)
    return (
        select(
            Organization.name.label("organization"),
            Organization.path_id,
            Station.name.label("station"),
            Station.code,
            held.c.item_id,
            name.label("item"),
            Item.unit,
            opening.label("opening"),
            incoming.label("incoming"),
            outgoing.label("outgoing"),
        )
        .join(Station, Station.id == held.c.station_id)
        .join(Organization, Organization.id == Station.organization_id)
        .join(Item, Item.id == held.c.item_id)
        .outerjoin(moved, (moved.c.station_id == held.c.station_id) & (moved.c.item_id == held.c.item_id))
        .outerjoin(
            DocumentCounter,
            (DocumentCounter.station_id == held.c.station_id) & (DocumentCounter.month == month.replace("-", "")),
        )
        .where(or_(opening != 0, incoming != 0, outgoing != 0))
        .order_by(Station.code, name, held.c.item_id)
    )


def _by_child(organization: Organization, month: str) -> Select[*tuple[Any, ...]]:
    """Each item's month in each child's subtree, and at the organization's own stations."""
    detail = _by_station(organization.id, month).order_by(None).subquery()
    child = aliased(Organization)
    name = func.coalesce(child.name, literal(organization.name))
    return (
        select(
            name.label("organization"),
            literal("").label("station"),
            literal("").label("code"),
            detail.c.item_id,
            # Where it was renamed, months that were closed before call it by its former name.
            func.max(detail.c.item).label("item"),
            func.max(detail.c.unit).label("unit"),
            func.sum(detail.c.opening).label("opening"),
            func.sum(detail.c.incoming).label("incoming"),
            func.sum(detail.c.outgoing).label("outgoing"),
        )
        .select_from(detail)
        .outerjoin(
            PathMember,
            (PathMember.path_id == detail.c.path_id)
            & PathMember.ancestor_id.in_(select(Organization.id).where(Organization.parent_id == organization.id)),
        )
        .outerjoin(child, child.id == PathMember.ancestor_id)
        .group_by(child.id, child.name, detail.c.item_id)
        .order_by(child.name.nulls_first(), child.id, func.max(detail.c.item), detail.c.item_id)
    )


def _posted_line(row: Any, balance: int) -> Posted:
    return Posted(
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        document_number=row.document_number,
        kind=MovementKind(row.kind),
        item=row.item,
        unit=row.unit,
        lot_number=row.lot_number,
        quarantined=row.portion == QUARANTINED,
        opened_on=opened_on(row.portion),
        expires_on=row.expires_on,
        quantity=row.quantity,
        balance=balance,
        reason=row.reason,
        handler=row.handler,
        counterparty=row.counterparty,
        witness=row.witness,
        note=row.note,
        reversed_by=row.reversed_by,
        reverses=row.reverses,
    )
