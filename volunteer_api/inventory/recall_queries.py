"""How recalls are read: how far they are, station by station, and where the lot went before."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, case, func, select, true
from sqlalchemy.orm import InstrumentedAttribute, aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.queries import NamedItem
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.statements import folded
from volunteer_api.inventory.models import (
    QUARANTINED,
    Movement,
    MovementKind,
    Recall,
    RecallState,
    RetainedName,
    StockBalance,
    StockEntry,
)
from volunteer_api.inventory.queries import Actor
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.organizations.queries import ancestor_ids
from volunteer_api.stations.models import Station

LEFT_OVER_AT_ONCE = 100


@dataclass(frozen=True)
class RecallView:
    """A recall, with how many stations had the lot and how many still have it outside of quarantine."""

    id: UUID
    organization_id: UUID
    item: NamedItem
    lot_number: str
    reason: str
    recalled_at: datetime
    recalled_by: Actor
    ended_at: datetime | None
    ended_by: Actor | None
    end_reason: str | None
    station_count: int
    open_station_count: int
    quarantined: int


@dataclass(frozen=True)
class NamedStation:
    """A station as a row names it."""

    id: UUID
    code: str
    name: str


@dataclass(frozen=True)
class RecallStation:
    """What a station has of a recalled lot."""

    station: NamedStation
    on_shelf: int
    quarantined: int
    on_loan: int
    in_transit: int
    state: RecallState


@dataclass(frozen=True)
class RecallIssue:
    """An entry by which the lot left a station; `counterparty` is who took it, where that was written down."""

    id: UUID
    movement_id: UUID
    station: NamedStation
    kind: str
    document_number: str
    quantity: int
    occurred_at: datetime
    counterparty: str | None
    note: str | None
    actor: Actor


def open_recall(organization_id: UUID, item_id: UUID, lot_number: str) -> Select[UUID]:
    """The id of a recall of this lot that reaches the organization and has not ended."""
    return select(Recall.id).where(
        Recall.item_id == item_id,
        Recall.lot_number == lot_number,
        Recall.ended_at.is_(None),
        Recall.organization_id.in_(ancestor_ids(organization_id)),
    )


def holding_stations(recall_id: UUID) -> Select[UUID]:
    """The ids, in order, of the stations that a recall reaches and that have of the lot outside of quarantine."""
    return (_holding().with_only_columns(StockBalance.station_id).where(Recall.id == recall_id).distinct()).order_by(
        StockBalance.station_id
    )


def left_over(done: Set[tuple[UUID, UUID]]) -> list[tuple[UUID, UUID]]:
    """The next recalls and stations with something to quarantine, apart from those that were tried."""
    statement = (
        _holding()
        .where(Recall.ended_at.is_(None))
        .distinct()
        .order_by(Recall.id, StockBalance.station_id)
        .limit(LEFT_OVER_AT_ONCE + len(done))
    )
    found = [(row[0], row[1]) for row in db.session.execute(statement)]
    return [pair for pair in found if pair not in done][:LEFT_OVER_AT_ONCE]


def quarantined_at(recall: Recall) -> list[Row[UUID, str, int]]:
    """The stations that a recall reaches with something of its lot in quarantine: id, name and how much."""
    return _reached(recall, StockBalance.quantity, StockBalance.portion == QUARANTINED)


def awaited_at(recall: Recall) -> list[Row[UUID, str, int]]:
    """The stations that a recall reaches to which something of its lot is on the way: id, name and how much."""
    return _reached(recall, StockBalance.in_transit, true())


def _reached(
    recall: Recall, quantity: InstrumentedAttribute[int], chosen: ColumnElement[bool]
) -> list[Row[UUID, str, int]]:
    return list(
        db.session.execute(
            select(Station.id, Station.name, func.sum(quantity))
            .join(StockBalance, StockBalance.station_id == Station.id)
            .join(Organization, Organization.id == Station.organization_id)
            .join(PathMember, PathMember.path_id == Organization.path_id)
            .where(
                PathMember.ancestor_id == recall.organization_id,
                StockBalance.item_id == recall.item_id,
                folded(StockBalance.lot_number) == recall.lot_number,
                chosen,
                quantity > 0,
            )
            .group_by(Station.id, Station.name)
            .order_by(Station.id)
        )
    )


def name_of_station(station_id: UUID) -> str:
    """The name of a station that exists."""
    return db.session.execute(select(Station.name).where(Station.id == station_id)).scalar_one()


def read_recall(recall_id: UUID) -> RecallView:
    """A recall that exists. One statement."""
    return _view(db.session.execute(_recalls().where(Recall.id == recall_id)).one())


def list_recalls(organization_id: UUID, query: Mapping[str, Any]) -> Page:
    """The recalls of an organization and of those above it, the latest first; `open` keeps those that go on."""
    statement = _recalls().where(Recall.organization_id.in_(ancestor_ids(organization_id)))
    return _page_of_recalls(statement, query, scope=f"organization {organization_id}")


def list_station_recalls(station: Station, query: Mapping[str, Any]) -> Page:
    """The recalls that reach a station and of whose lot it has, or had, something, the latest first."""
    has = select(StockBalance.item_id).where(
        StockBalance.station_id == station.id,
        StockBalance.item_id == Recall.item_id,
        _is_recalled(),
    )
    statement = _recalls().where(Recall.organization_id.in_(ancestor_ids(station.organization_id)), has.exists())
    return _page_of_recalls(statement, query, scope=f"station {station.id}")


def list_recall_stations(recall: Recall, query: Mapping[str, Any]) -> Page:
    """The stations below that ever had the lot, by code, with what they have of it."""
    on_shelf, quarantined = _quantities()
    held = (
        select(
            StockBalance.station_id,
            func.sum(on_shelf).label("on_shelf"),
            func.sum(quarantined).label("quarantined"),
            func.sum(StockBalance.on_loan).label("on_loan"),
            func.sum(StockBalance.in_transit).label("in_transit"),
        )
        .where(StockBalance.item_id == recall.item_id, folded(StockBalance.lot_number) == recall.lot_number)
        .group_by(StockBalance.station_id)
        .subquery()
    )
    statement = (
        select(
            Station.id,
            Station.code,
            Station.name,
            held.c.on_shelf,
            held.c.quarantined,
            held.c.on_loan,
            held.c.in_transit,
        )
        .join(held, held.c.station_id == Station.id)
        .join(Organization, Organization.id == Station.organization_id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .where(PathMember.ancestor_id == recall.organization_id)
    )
    keys = [Key(Station.code, lambda row: row.code)]
    found = page(statement, keys, query, scope=str(recall.id))
    return replace(found, items=[_recall_station(row) for row in found.items])


def list_recall_issues(recall: Recall, query: Mapping[str, Any]) -> Page:
    """The entries by which the lot left stations below, for people, other stations or as a loan; the latest first."""
    reversal = aliased(Movement)
    written = select(StockBalance.lot_number).where(
        StockBalance.item_id == recall.item_id, folded(StockBalance.lot_number) == recall.lot_number
    )
    statement = (
        select(
            StockEntry.id,
            StockEntry.movement_id,
            StockEntry.quantity,
            StockEntry.occurred_at,
            Station.id.label("station_id"),
            Station.code,
            Station.name,
            Movement.kind,
            Movement.document_number,
            Movement.counterparty,
            Movement.note,
            Movement.actor_id,
            func.coalesce(RetainedName.name, Volunteer.name).label("actor_name"),
        )
        .join(Movement, Movement.id == StockEntry.movement_id)
        .join(Station, Station.id == StockEntry.station_id)
        .join(Organization, Organization.id == Station.organization_id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .join(Volunteer, Volunteer.id == Movement.actor_id)
        .outerjoin(RetainedName, RetainedName.volunteer_id == Movement.actor_id)
        .outerjoin(reversal, reversal.reverses_id == Movement.id)
        .where(
            PathMember.ancestor_id == recall.organization_id,
            StockEntry.item_id == recall.item_id,
            # The entries of a lot are found by its number as it was written; there are few ways.
            StockEntry.lot_number.in_(written),
            StockEntry.quantity < 0,
            Movement.kind.in_([MovementKind.ISSUE, MovementKind.LOAN_OUT, MovementKind.TRANSFER_OUT]),
            # What was undone never left.
            reversal.id.is_(None),
        )
    )
    keys = [
        Key(StockEntry.occurred_at, lambda row: row.occurred_at, descending=True),
        Key(StockEntry.id, lambda row: row.id, descending=True),
    ]
    found = page(statement, keys, query, scope=str(recall.id))
    return replace(found, items=[_recall_issue(row) for row in found.items])


def _is_recalled() -> ColumnElement[bool]:
    # A recall has its number folded; a balance that is older than the folding has it as it was typed.
    return folded(StockBalance.lot_number) == Recall.lot_number


def _holding() -> Select[UUID, UUID]:
    return (
        select(Recall.id, StockBalance.station_id)
        .join(
            StockBalance,
            (StockBalance.item_id == Recall.item_id) & _is_recalled(),
        )
        .join(Station, Station.id == StockBalance.station_id)
        .join(Organization, Organization.id == Station.organization_id)
        .join(
            PathMember,
            (PathMember.path_id == Organization.path_id) & (PathMember.ancestor_id == Recall.organization_id),
        )
        .where(StockBalance.portion != QUARANTINED, StockBalance.quantity > 0)
    )


def _quantities() -> tuple[ColumnElement[int], ColumnElement[int]]:
    quarantined = StockBalance.portion == QUARANTINED
    return (
        case((quarantined, 0), else_=StockBalance.quantity),
        case((quarantined, StockBalance.quantity), else_=0),
    )


def _recalls() -> Select[*tuple[Any, ...]]:
    on_shelf, quarantined = _quantities()
    outside = case((on_shelf + StockBalance.on_loan + StockBalance.in_transit > 0, StockBalance.station_id))
    reached = (
        select(StockBalance.station_id)
        .join(Station, Station.id == StockBalance.station_id)
        .join(Organization, Organization.id == Station.organization_id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .where(
            PathMember.ancestor_id == Recall.organization_id,
            StockBalance.item_id == Recall.item_id,
            _is_recalled(),
        )
        .correlate(Recall)
    )
    recaller, ender = aliased(Volunteer), aliased(Volunteer)
    recaller_kept, ender_kept = aliased(RetainedName), aliased(RetainedName)
    return (
        select(
            Recall.id,
            Recall.organization_id,
            Recall.item_id,
            Item.name.label("item_name"),
            Item.unit,
            Item.kind,
            Recall.lot_number,
            Recall.reason,
            Recall.created_at,
            Recall.recalled_by,
            func.coalesce(recaller_kept.name, recaller.name).label("recaller_name"),
            Recall.ended_at,
            Recall.ended_by,
            func.coalesce(ender_kept.name, ender.name).label("ender_name"),
            Recall.end_reason,
            reached.with_only_columns(func.count(StockBalance.station_id.distinct()))
            .scalar_subquery()
            .label("station_count"),
            reached.with_only_columns(func.count(outside.distinct())).scalar_subquery().label("open_station_count"),
            reached.with_only_columns(func.coalesce(func.sum(quarantined), 0)).scalar_subquery().label("quarantined"),
        )
        .join(Item, Item.id == Recall.item_id)
        .join(recaller, recaller.id == Recall.recalled_by)
        .outerjoin(recaller_kept, recaller_kept.volunteer_id == Recall.recalled_by)
        .outerjoin(ender, ender.id == Recall.ended_by)
        .outerjoin(ender_kept, ender_kept.volunteer_id == Recall.ended_by)
    )


def _page_of_recalls(statement: Select[*tuple[Any, ...]], query: Mapping[str, Any], *, scope: str) -> Page:
    if "open" in query:
        is_open = Recall.ended_at.is_(None)
        statement = statement.where(is_open if query["open"] else ~is_open)
    keys = [
        Key(Recall.created_at, lambda row: row.created_at, descending=True),
        Key(Recall.id, lambda row: row.id, descending=True),
    ]
    found = page(statement, keys, query, scope=scope)
    return replace(found, items=[_view(row) for row in found.items])


def _view(row: Row[Any]) -> RecallView:
    return RecallView(
        id=row.id,
        organization_id=row.organization_id,
        item=NamedItem(id=row.item_id, name=row.item_name, unit=row.unit, kind=row.kind),
        lot_number=row.lot_number,
        reason=row.reason,
        recalled_at=row.created_at,
        recalled_by=Actor(row.recalled_by, row.recaller_name),
        ended_at=row.ended_at,
        ended_by=None if row.ended_by is None else Actor(row.ended_by, row.ender_name),
        end_reason=row.end_reason,
        station_count=row.station_count,
        open_station_count=row.open_station_count,
        # PostgreSQL sums bigints to a numeric.
        quarantined=int(row.quarantined),
    )


def _recall_station(row: Row[Any]) -> RecallStation:
    on_shelf, quarantined = int(row.on_shelf), int(row.quarantined)
    on_loan, in_transit = int(row.on_loan), int(row.in_transit)
    state = RecallState.QUARANTINED if quarantined else RecallState.CLEARED
    return RecallStation(
        station=NamedStation(row.id, row.code, row.name),
        on_shelf=on_shelf,
        quarantined=quarantined,
        on_loan=on_loan,
        in_transit=in_transit,
        state=RecallState.OPEN if on_shelf or on_loan or in_transit else state,
    )


def _recall_issue(row: Row[Any]) -> RecallIssue:
    return RecallIssue(
        id=row.id,
        movement_id=row.movement_id,
        station=NamedStation(row.station_id, row.code, row.name),
        kind=row.kind,
        document_number=row.document_number,
        quantity=row.quantity,
        occurred_at=row.occurred_at,
        counterparty=row.counterparty,
        note=row.note,
        actor=Actor(row.actor_id, row.actor_name),
    )
