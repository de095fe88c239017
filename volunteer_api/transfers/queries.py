"""How transfers are read, and the locks under which they change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, case, func, or_, select, union
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.queries import NamedItem
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.problems import NotFound
from volunteer_api.core.statements import folded
from volunteer_api.inventory.models import QUARANTINED, SEALED, Movement, RetainedName, StockBalance, StockEntry
from volunteer_api.inventory.queries import Actor
from volunteer_api.organizations.access import Permission, roles_with
from volunteer_api.organizations.models import Grant, ScopeType
from volunteer_api.stations.models import Station
from volunteer_api.transfers.models import (
    OPEN_STATES,
    ReceiptReversal,
    StepKind,
    Transfer,
    TransferLine,
    TransferLot,
    TransferShortfall,
    TransferState,
    TransferStep,
)

# Of each transfer in a list; the first lines tell people which one it is.
LINES_IN_A_LIST = 3
Sender, Receiver = aliased(Station, name="sender"), aliased(Station, name="receiver")


@dataclass(frozen=True)
class Desk:
    """A station as a transfer names it."""

    id: UUID
    code: str
    name: str


@dataclass(frozen=True)
class Held:
    """A station that this unit has locked, as it is now."""

    name: str
    status: str


@dataclass(frozen=True)
class AskedLine:
    """What was asked for of an item."""

    item: NamedItem
    lot_number: str | None
    expires_on: date | None
    requested: int
    approved: int | None
    free: int | None


@dataclass(frozen=True)
class SentLot:
    """What was shipped of an item and lot, and what became of it."""

    id: UUID
    item: NamedItem
    lot_number: str | None
    expires_on: date | None
    shipped: int
    received: int
    short: int
    returned: int
    in_transit: int
    expired_on_arrival: bool


@dataclass(frozen=True)
class Document:
    """A document of the ledger, as a step names it."""

    id: UUID
    document_number: str


@dataclass(frozen=True)
class Step:
    """Who did what, when. A receipt that is reversed was a mistake."""

    id: UUID
    kind: str
    at: datetime
    actor: Actor
    note: str | None
    movement: Document | None
    quarantined: int
    reversed_at: datetime | None


@dataclass(frozen=True)
class Missing:
    """What did not arrive of a lot, why, and what the ledger or a transfer back says of it."""

    lot_id: UUID
    quantity: int
    reason: str
    note: str | None
    at: datetime
    movement: Document | None
    return_id: UUID | None


@dataclass(frozen=True)
class Summary:
    """A transfer in a list, with its first lines."""

    id: UUID
    state: str
    from_station: Desk
    to_station: Desk
    needs_organizer: bool
    note: str | None
    requested_at: datetime
    returns_id: UUID | None
    line_count: int
    lines: Sequence[AskedLine]


@dataclass(frozen=True)
class Whole(Summary):
    """A transfer with all that happened to it."""

    lots: Sequence[SentLot]
    shortfalls: Sequence[Missing]
    steps: Sequence[Step]


def list_transfers(reach: ColumnElement[bool], query: Mapping[str, Any], *, scope: str) -> Page:
    """The transfers that `reach` lets through, the latest first. Two statements."""
    statement = _summaries().where(reach)
    if "state" in query:
        statement = statement.where(Transfer.state == query["state"])
    if "movement_id" in query:
        statement = statement.where(Transfer.id.in_(_with_document(query["movement_id"])))
    found = page(statement, [Key(Transfer.id, lambda row: row.Transfer.id, descending=True)], query, scope=scope)
    first = _lines_by_transfer(
        TransferLine.transfer_id.in_([row.Transfer.id for row in found.items]),
        TransferLine.position <= LINES_IN_A_LIST,
    )
    return replace(
        found,
        items=[Summary(**_summary(row), lines=first.get(row.Transfer.id, [])) for row in found.items],
    )


def read_transfer(transfer_id: UUID) -> Whole:
    """A transfer that exists, with everything. Five statements."""
    row = db.session.execute(_summaries().where(Transfer.id == transfer_id)).one()
    lines = _lines_by_transfer(TransferLine.transfer_id == transfer_id)
    return Whole(
        **_summary(row),
        lines=lines.get(transfer_id, []),
        lots=_read_lots(transfer_id),
        shortfalls=_read_shortfalls(transfer_id),
        steps=_read_steps(transfer_id),
    )


def receipt_with_document(movement_id: UUID) -> Select[TransferStep]:
    """The receipt that made a document of the ledger."""
    wrote_off = select(TransferShortfall.step_id).where(TransferShortfall.movement_id == movement_id)
    return select(TransferStep).where(
        TransferStep.kind == StepKind.RECEIVED,
        or_(TransferStep.movement_id == movement_id, TransferStep.id.in_(wrote_off)),
    )


def at_station(station_id: UUID) -> ColumnElement[bool]:
    """The transfers from and to a station."""
    return or_(Transfer.from_station_id == station_id, Transfer.to_station_id == station_id)


def at_stations(station_ids: Select[UUID]) -> ColumnElement[bool]:
    """The transfers from and to one of the stations."""
    return or_(Transfer.from_station_id.in_(station_ids), Transfer.to_station_id.in_(station_ids))


def readable_stations(volunteer_id: UUID, organization_ids: Select[UUID]) -> Select[UUID]:
    """The stations of these organizations, and those over which the volunteer's own grants let her read stock."""
    own = select(Grant.scope_id).where(
        Grant.volunteer_id == volunteer_id,
        Grant.revoked_at.is_(None),
        Grant.scope_type == ScopeType.STATION,
        Grant.role.in_(roles_with(Permission.STOCK_READ)),
    )
    return select(Station.id).where(or_(Station.organization_id.in_(organization_ids), Station.id.in_(own)))


def unfinished_at(station_id: UUID) -> Row[*tuple[Any, ...]] | None:
    """The id and the names of both stations of one transfer from or to the station that is not over; `count` of all."""
    return db.session.execute(
        select(
            Transfer.id,
            Sender.name.label("sender_name"),
            Receiver.name.label("receiver_name"),
            func.count().over().label("count"),
        )
        .join(Sender, Sender.id == Transfer.from_station_id)
        .join(Receiver, Receiver.id == Transfer.to_station_id)
        .where(at_station(station_id), Transfer.state.in_(OPEN_STATES))
        .order_by(Transfer.id)
        .limit(1)
    ).one_or_none()


def hold_station(station_id: UUID) -> Held:
    """Lock a station until this unit ends. Raises NotFound (404)."""
    found = db.session.execute(
        # Not a full lock: rows that refer to the station need not wait.
        select(Station.name, Station.status).where(Station.id == station_id).with_for_update(key_share=True)
    ).one_or_none()
    if found is None:
        raise NotFound()
    return Held(found.name, found.status)


def lock(transfer: Transfer) -> None:
    """Lock a transfer until this unit ends, and read it as it is now."""
    db.session.refresh(transfer, with_for_update={"key_share": True})


def lines_of(transfer_id: UUID) -> Sequence[TransferLine]:
    """What was asked for, in its order."""
    return db.session.scalars(
        select(TransferLine).where(TransferLine.transfer_id == transfer_id).order_by(TransferLine.position)
    ).all()


def lots_of(transfer_id: UUID) -> Sequence[TransferLot]:
    """What was shipped, by item and lot, as it is now."""
    return db.session.scalars(
        select(TransferLot)
        .where(TransferLot.transfer_id == transfer_id)
        .order_by(TransferLot.item_id, TransferLot.lot_number)
        .execution_options(populate_existing=True)
    ).all()


def last_step(transfer_id: UUID) -> int:
    """The number of the last step, 0 before the first."""
    return (
        db.session.scalar(select(func.max(TransferStep.sequence)).where(TransferStep.transfer_id == transfer_id)) or 0
    )


def requester_of(transfer_id: UUID) -> UUID:
    """Who began the transfer."""
    return db.session.scalars(
        select(TransferStep.actor_id).where(TransferStep.transfer_id == transfer_id, TransferStep.sequence == 1)
    ).one()


def route_of(transfer: Transfer) -> dict[UUID, str]:
    """The names of both stations."""
    wanted = (transfer.from_station_id, transfer.to_station_id)
    return {
        row.id: row.name for row in db.session.execute(select(Station.id, Station.name).where(Station.id.in_(wanted)))
    }


def overdue(days: int, *, after: UUID, limit: int) -> Sequence[tuple[Transfer, datetime]]:
    """Transfers behind `after` that left so many days ago or before and are under way, with when they were shipped."""
    rows = db.session.execute(
        select(Transfer, TransferStep.created_at)
        .join(TransferStep, (TransferStep.transfer_id == Transfer.id) & (TransferStep.kind == StepKind.SHIPPED))
        .where(Transfer.state == TransferState.SHIPPED, TransferStep.created_at <= clock.now() - timedelta(days=days))
        .where(Transfer.id > after)
        .order_by(Transfer.id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in rows]


def _with_document(movement_id: UUID) -> Any:
    return union(
        select(TransferStep.transfer_id).where(TransferStep.movement_id == movement_id),
        select(TransferStep.transfer_id)
        .join(TransferShortfall, TransferShortfall.step_id == TransferStep.id)
        .where(TransferShortfall.movement_id == movement_id),
    )


def _summaries() -> Select[*tuple[Any, ...]]:
    line_count = (
        select(func.count())
        .select_from(TransferLine)
        .where(TransferLine.transfer_id == Transfer.id)
        .correlate(Transfer)
        .scalar_subquery()
    )
    return (
        select(
            Transfer,
            *(column for desk in (Sender, Receiver) for column in _desk_columns(desk)),
            line_count.label("line_count"),
        )
        .join(Sender, Sender.id == Transfer.from_station_id)
        .join(Receiver, Receiver.id == Transfer.to_station_id)
        .execution_options(populate_existing=True)
    )


def _desk_columns(desk: Any) -> list[Any]:
    prefix = "sender" if desk is Sender else "receiver"
    return [getattr(desk, name).label(f"{prefix}_{name}") for name in ("code", "name")]


def _summary(row: Row[Any]) -> dict[str, Any]:
    transfer: Transfer = row.Transfer
    return {
        "id": transfer.id,
        "state": transfer.state,
        "from_station": Desk(transfer.from_station_id, row.sender_code, row.sender_name),
        "to_station": Desk(transfer.to_station_id, row.receiver_code, row.receiver_name),
        "needs_organizer": transfer.needs_organizer,
        "note": transfer.note,
        "requested_at": transfer.created_at,
        "returns_id": transfer.returns_id,
        "line_count": row.line_count,
    }


def _lines_by_transfer(*chosen: ColumnElement[bool]) -> dict[UUID, list[AskedLine]]:
    lines: dict[UUID, list[AskedLine]] = {}
    on_shelf = (
        select(func.coalesce(func.sum(StockBalance.quantity), 0))
        .where(
            StockBalance.station_id == Transfer.from_station_id,
            StockBalance.item_id == TransferLine.item_id,
            StockBalance.portion == SEALED,
            or_(TransferLine.lot_number == "", folded(StockBalance.lot_number) == folded(TransferLine.lot_number)),
            or_(StockBalance.expires_on.is_(None), StockBalance.expires_on >= clock.today()),
        )
        .correlate(Transfer, TransferLine)
        .scalar_subquery()
    )
    waits = Transfer.state.in_((TransferState.REQUESTED, TransferState.APPROVED))
    for row in db.session.execute(
        select(TransferLine, Item.name, Item.unit, Item.kind, case((waits, on_shelf)).label("free"))
        .join(Item, Item.id == TransferLine.item_id)
        .join(Transfer, Transfer.id == TransferLine.transfer_id)
        .where(*chosen)
        .order_by(TransferLine.transfer_id, TransferLine.position)
        .execution_options(populate_existing=True)
    ):
        line: TransferLine = row.TransferLine
        lines.setdefault(line.transfer_id, []).append(
            AskedLine(
                item=NamedItem(line.item_id, row.name, row.unit, row.kind),
                lot_number=line.lot_number or None,
                expires_on=line.expires_on,
                requested=line.requested,
                approved=line.approved,
                free=None if row.free is None else int(row.free),
            )
        )
    return lines


def _read_lots(transfer_id: UUID) -> list[SentLot]:
    return [
        SentLot(
            id=row.TransferLot.id,
            item=NamedItem(row.TransferLot.item_id, row.name, row.unit, row.kind),
            lot_number=row.TransferLot.lot_number or None,
            expires_on=row.TransferLot.expires_on,
            shipped=row.TransferLot.shipped,
            received=row.TransferLot.received,
            short=row.TransferLot.short,
            returned=row.TransferLot.returned,
            in_transit=row.TransferLot.in_transit,
            expired_on_arrival=row.TransferLot.expired_on_arrival,
        )
        for row in db.session.execute(
            select(TransferLot, Item.name, Item.unit, Item.kind)
            .join(Item, Item.id == TransferLot.item_id)
            .where(TransferLot.transfer_id == transfer_id)
            .order_by(Item.name, TransferLot.item_id, TransferLot.expires_on, TransferLot.lot_number)
            .execution_options(populate_existing=True)
        )
    ]


def _read_shortfalls(transfer_id: UUID) -> list[Missing]:
    return [
        Missing(
            lot_id=row.TransferShortfall.lot_id,
            quantity=row.TransferShortfall.quantity,
            reason=row.TransferShortfall.reason,
            note=row.TransferShortfall.note,
            at=row.TransferShortfall.created_at,
            movement=_document(row.TransferShortfall.movement_id, row.document_number),
            return_id=row.TransferShortfall.return_id,
        )
        for row in db.session.execute(
            select(TransferShortfall, Movement.document_number)
            .join(TransferStep, TransferStep.id == TransferShortfall.step_id)
            .outerjoin(Movement, Movement.id == TransferShortfall.movement_id)
            .outerjoin(ReceiptReversal, ReceiptReversal.step_id == TransferStep.id)
            .where(TransferStep.transfer_id == transfer_id, ReceiptReversal.step_id.is_(None))
            .order_by(TransferStep.sequence, TransferShortfall.id)
        )
    ]


def _read_steps(transfer_id: UUID) -> list[Step]:
    return [
        Step(
            id=row.TransferStep.id,
            kind=row.TransferStep.kind,
            at=row.TransferStep.created_at,
            actor=Actor(row.TransferStep.actor_id, row.actor_name),
            note=row.TransferStep.note,
            movement=_document(row.TransferStep.movement_id, row.document_number),
            quarantined=int(row.quarantined or 0),
            reversed_at=row.reversed_at,
        )
        for row in db.session.execute(
            select(
                TransferStep,
                Movement.document_number,
                func.coalesce(RetainedName.name, Volunteer.name).label("actor_name"),
                ReceiptReversal.reversed_at,
                select(func.sum(StockEntry.quantity))
                .where(
                    StockEntry.movement_id == TransferStep.movement_id,
                    StockEntry.portion == QUARANTINED,
                    StockEntry.quantity > 0,
                )
                .correlate(TransferStep)
                .scalar_subquery()
                .label("quarantined"),
            )
            .join(Volunteer, Volunteer.id == TransferStep.actor_id)
            .outerjoin(RetainedName, RetainedName.volunteer_id == TransferStep.actor_id)
            .outerjoin(Movement, Movement.id == TransferStep.movement_id)
            .outerjoin(ReceiptReversal, ReceiptReversal.step_id == TransferStep.id)
            .where(TransferStep.transfer_id == transfer_id)
            .order_by(TransferStep.sequence)
        )
    ]


def _document(movement_id: UUID | None, number: str | None) -> Document | None:
    return Document(movement_id, number) if movement_id is not None and number is not None else None
