"""Closing a month: from then on its books stay as they are, for all stations of an organization's subtree.

A closed month opens with what the months before it left, so it closes those too. A document changes the rows of its
station in `document_counters` from its month up to that of recording, a closing those of its month. So each document
that the month's books depend on is either written before the closing adds them up, or refused.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
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
    """Raises MonthClosed (409) where the month or a later one is closed at the station, or an organization above it.

    It names the earliest of these. That of an organization matters for a station that was set up, or came under the
    organization, after the closing.
    """
    own = select(DocumentCounter.month).where(
        DocumentCounter.station_id == station_id,
        DocumentCounter.month >= _plain(month),
        DocumentCounter.closed_at.is_not(None),
    )
    above = (
        select(func.replace(StockMonth.month, "-", ""))
        .select_from(Station)
        .join(Organization, Organization.id == Station.organization_id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .join(StockMonth, StockMonth.organization_id == PathMember.ancestor_id)
        .where(Station.id == station_id, StockMonth.month >= month)
    )
    first = min(db.session.scalars(own.union(above)), default=None)
    if first is not None:
        raise closed(first)


def closed(plain_month: str) -> MonthClosed:
    """The refusal that names the month, `YYYYMM`."""
    month = _dashed(plain_month)
    return MonthClosed(members={"month": month}, month=month)


def touched(occurred_at: datetime, recorded_at: datetime) -> list[str]:
    """The local months, `YYYYMM`, whose books a document changes: its own, then each up to that of its recording."""
    month, last = (clock.local_date(moment).replace(day=1) for moment in (occurred_at, recorded_at))
    found = [month]
    while month < last:
        month = (month + timedelta(days=31)).replace(day=1)
        found.append(month)
    return [first.strftime("%Y%m") for first in found]


def close_month(organization: Organization, month: str, *, by: UUID) -> ClosedMonth:
    """Close a past local month, `YYYY-MM`, of all stations in the subtree, and keep what each held at its end.

    A station whose month an organization below closed keeps that closing. Months are closed in their order, each once;
    again only for stations that came under the organization since with documents in it, which leaves its row as it is.
    Raises MonthNotOver, MonthAlreadyClosed, EarlierMonthOpen (409).
    """
    now = clock.now()
    if month >= month_of(now):
        raise MonthNotOver()
    # Whoever sets up a station here, or moves a branch, waits: a station is either among these or comes after.
    held = select(Organization.id).where(Organization.id.in_(subtree_ids(organization.id)))
    db.session.execute(held.order_by(Organization.id).with_for_update(key_share=True)).all()
    closing_id = db.session.scalar(queries.closing_id(organization.id, month))
    if closing_id is not None and not _has_open(organization.id, month):
        raise MonthAlreadyClosed()
    stations = _close_counters(organization.id, month, now)
    # Behind the closing: what came into an earlier month until then is seen, and nothing comes any more.
    _require_earlier_closed(stations, month)
    _keep_balances(stations, month)
    audit.record(AuditAction.STOCK_MONTH_CLOSED, actor_id=by, organization_id=organization.id, month=month)
    if closing_id is not None:
        return queries.read_closed_month(closing_id)
    closing_id = ids.new_id()
    db.session.execute(
        plain_insert(StockMonth).values(
            id=closing_id,
            created_at=now,
            organization_id=organization.id,
            month=month,
            closed_at=now,
            closed_by=by,
            station_count=len(stations),
        )
    )
    return queries.read_closed_month(closing_id)


def _has_open(organization_id: UUID, month: str) -> bool:
    """Whether a station of the subtree has documents of the month and it is open there."""
    found = select(DocumentCounter.station_id).where(
        DocumentCounter.station_id.in_(_stations(organization_id)),
        DocumentCounter.month == _plain(month),
        DocumentCounter.last > 0,
        DocumentCounter.closed_at.is_(None),
    )
    return db.session.scalar(found.limit(1)) is not None


def _require_earlier_closed(station_ids: Collection[UUID], month: str) -> None:
    earlier = db.session.scalar(
        select(func.min(DocumentCounter.month)).where(
            DocumentCounter.station_id.in_(station_ids),
            DocumentCounter.month < _plain(month),
            DocumentCounter.last > 0,
            DocumentCounter.closed_at.is_(None),
        )
    )
    if earlier is not None:
        first = _dashed(earlier)
        raise EarlierMonthOpen(members={"month": first}, month=first)


def _close_counters(organization_id: UUID, month: str, now: datetime) -> list[UUID]:
    """Close the month of each station, in the order of ids; returns those at which it was open."""
    stations = (
        select(Station.id, literal(_plain(month)), literal(0), literal(now, UtcDateTime()))
        .where(Station.organization_id.in_(subtree_ids(organization_id)))
        .order_by(Station.id)
    )
    closing = statements.insert(DocumentCounter).from_select(["station_id", "month", "last", "closed_at"], stations)
    closed_now = db.session.scalars(
        closing.on_conflict_do_update(
            index_elements=["station_id", "month"],
            set_={"closed_at": closing.excluded.closed_at},
            where=DocumentCounter.closed_at.is_(None),
        ).returning(DocumentCounter.station_id)
    )
    return list(closed_now)


def _keep_balances(station_ids: Collection[UUID], month: str) -> None:
    """Write what these stations held at the end of the month. One statement, so one moment.

    By their ids: a station may move to another organization meanwhile.
    """
    _, end = queries.month_bounds(month)
    since = (
        select(
            StockEntry.station_id,
            StockEntry.item_id,
            StockEntry.lot_number,
            StockEntry.portion,
            func.sum(StockEntry.quantity).label("quantity"),
        )
        .where(StockEntry.station_id.in_(station_ids), StockEntry.occurred_at >= end)
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
        .where(StockBalance.station_id.in_(station_ids), quantity != 0)
    )
    columns = ["station_id", "month", "item_id", "lot_number", "portion", "quantity", "expires_on"]
    db.session.execute(plain_insert(MonthBalance).from_select(columns, held))


def _stations(organization_id: UUID) -> Select[Any]:
    return select(Station.id).where(Station.organization_id.in_(subtree_ids(organization_id)))


def _plain(month: str) -> str:
    """The month as document numbers have it: `YYYYMM`."""
    return month.replace("-", "")


def _dashed(plain: str) -> str:
    """A month as documents' numbers have it, as `YYYY-MM`."""
    return f"{plain[:4]}-{plain[4:]}"
