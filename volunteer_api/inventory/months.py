"""Closing a month: from then on its books stay as they are, for all stations of an organization's subtree.

A document and a closing both change the row of its station and month in `document_counters`. So each document of the
month is either written before the closing adds it up, or refused.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, literal, select
from sqlalchemy import insert as plain_insert

from volunteer_api.core import audit, clock, ids, statements
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import UtcDateTime, db
from volunteer_api.inventory import queries
from volunteer_api.inventory.models import DocumentCounter, MonthBalance, StockBalance, StockEntry, StockMonth
from volunteer_api.inventory.problems import EarlierMonthOpen, MonthAlreadyClosed, MonthClosed, MonthNotOver
from volunteer_api.inventory.queries import ClosedMonth
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.stations.models import Station


def month_of(moment: datetime) -> str:
    """The local month, `YYYY-MM`, of a moment."""
    return clock.local_date(moment).strftime("%Y-%m")


def require_open(station_id: UUID, month: str) -> None:
    """Raises MonthClosed (409) where the station's month is closed, or that of an organization above it.

    The second matters for a station that was set up, or came under the organization, after the closing.
    """
    own = select(DocumentCounter.station_id).where(
        DocumentCounter.station_id == station_id,
        DocumentCounter.month == _plain(month),
        DocumentCounter.closed_at.is_not(None),
    )
    above = (
        select(Station.id)
        .join(Organization, Organization.id == Station.organization_id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .join(StockMonth, StockMonth.organization_id == PathMember.ancestor_id)
        .where(Station.id == station_id, StockMonth.month == month)
    )
    if db.session.execute(own.union_all(above).limit(1)).first() is not None:
        raise MonthClosed(members={"month": month}, month=month)


def close_month(organization: Organization, month: str, *, by: UUID) -> ClosedMonth:
    """Close a past local month, `YYYY-MM`, of all stations in the subtree, and keep what each held at its end.

    A station whose month an organization below closed keeps that closing. Months are closed in their order, each once.
    Raises MonthNotOver, MonthAlreadyClosed, EarlierMonthOpen (409).
    """
    now = clock.now()
    if month >= month_of(now):
        raise MonthNotOver()
    # Whoever sets up a station here, or moves a branch, waits: a station is either among these or comes after.
    held = select(Organization.id).where(Organization.id.in_(subtree_ids(organization.id)))
    db.session.execute(held.order_by(Organization.id).with_for_update(key_share=True)).all()
    if db.session.scalar(queries.closing_id(organization.id, month)) is not None:
        raise MonthAlreadyClosed()
    earlier = db.session.scalar(
        select(func.min(DocumentCounter.month)).where(
            DocumentCounter.station_id.in_(_stations(organization.id)),
            DocumentCounter.month < _plain(month),
            DocumentCounter.last > 0,
            DocumentCounter.closed_at.is_(None),
        )
    )
    if earlier is not None:
        first = f"{earlier[:4]}-{earlier[4:]}"
        raise EarlierMonthOpen(members={"month": first}, month=first)
    count = _close_counters(organization.id, month, now)
    _keep_balances(organization.id, month, now)
    closing_id = ids.new_id()
    db.session.execute(
        plain_insert(StockMonth).values(
            id=closing_id,
            created_at=now,
            organization_id=organization.id,
            month=month,
            closed_at=now,
            closed_by=by,
            station_count=count,
        )
    )
    audit.record(AuditAction.STOCK_MONTH_CLOSED, actor_id=by, organization_id=organization.id, month=month)
    return queries.read_closed_month(closing_id)


def _close_counters(organization_id: UUID, month: str, now: datetime) -> int:
    """Close the month of each station, in the order of ids; returns how many were open."""
    stations = (
        select(Station.id, literal(_plain(month)), literal(0), literal(now, UtcDateTime()))
        .where(Station.organization_id.in_(subtree_ids(organization_id)))
        .order_by(Station.id)
    )
    closing = statements.insert(DocumentCounter).from_select(["station_id", "month", "last", "closed_at"], stations)
    closed = db.session.execute(
        closing.on_conflict_do_update(
            index_elements=["station_id", "month"],
            set_={"closed_at": closing.excluded.closed_at},
            where=DocumentCounter.closed_at.is_(None),
        ).returning(DocumentCounter.station_id)
    )
    return len(closed.all())


def _keep_balances(organization_id: UUID, month: str, now: datetime) -> None:
    """Write what each station that was closed now held at the end of the month. One statement, so one moment."""
    _, end = queries.month_bounds(month)
    closed = select(DocumentCounter.station_id).where(
        DocumentCounter.station_id.in_(_stations(organization_id)),
        DocumentCounter.month == _plain(month),
        DocumentCounter.closed_at == now,
    )
    since = (
        select(
            StockEntry.station_id,
            StockEntry.item_id,
            StockEntry.lot_number,
            StockEntry.portion,
            func.sum(StockEntry.quantity).label("quantity"),
        )
        .where(StockEntry.station_id.in_(closed), StockEntry.occurred_at >= end)
        .group_by(StockEntry.station_id, StockEntry.item_id, StockEntry.lot_number, StockEntry.portion)
        .subquery()
    )
    quantity = StockBalance.quantity - func.coalesce(since.c.quantity, 0)
    held = (
        select(
            StockBalance.station_id,
            literal(month),
            StockBalance.item_id,
            StockBalance.lot_number,
            StockBalance.portion,
            quantity,
            StockBalance.expires_on,
        )
        .outerjoin(
            since,
            (since.c.station_id == StockBalance.station_id)
            & (since.c.item_id == StockBalance.item_id)
            & (since.c.lot_number == StockBalance.lot_number)
            & (since.c.portion == StockBalance.portion),
        )
        .where(StockBalance.station_id.in_(closed), quantity != 0)
    )
    columns = ["station_id", "month", "item_id", "lot_number", "portion", "quantity", "expires_on"]
    db.session.execute(plain_insert(MonthBalance).from_select(columns, held))


def _stations(organization_id: UUID) -> Select[Any]:
    return select(Station.id).where(Station.organization_id.in_(subtree_ids(organization_id)))


def _plain(month: str) -> str:
    """The month as document numbers have it: `YYYYMM`."""
    return month.replace("-", "")
