"""How shelves, assessments and alerts are read."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Row,
    Select,
    String,
    and_,
    cast,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.models import Item
from volunteer_api.catalog.queries import NamedItem
from volunteer_api.compliance.assessment import Holding
from volunteer_api.compliance.models import AlertState, StationAssessment, StockAlert
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import rules
from volunteer_api.inventory.models import Movement, MovementKind, MovementReason, StockBalance, StockEntry
from volunteer_api.loans.models import Asset, AssetState
from volunteer_api.organizations.access import Permission, permitted_organization_ids, roles_with
from volunteer_api.organizations.models import Grant, Organization, Role, ScopeType
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.stations.models import Station, StationStatus
from volunteer_api.transfers.models import Transfer, TransferLine, TransferState

# A planned station has nothing yet, a closed one has nothing any more.
ASSESSED = (StationStatus.OPEN, StationStatus.PAUSED)
# The roles of an organization that an alert goes up to.
RESPONSIBLE = (Role.ADMINISTRATOR, Role.ORGANIZER)


@dataclass(frozen=True)
class AlertView:
    """An alert as the contract shows it."""

    id: UUID
    kind: str
    state: AlertState
    station: dict[str, Any]
    item: NamedItem | None
    details: dict[str, Any]
    raised_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: dict[str, Any] | None
    note: str | None
    escalated_at: datetime | None
    escalated_to: dict[str, Any] | None
    closed_at: datetime | None


def holdings(station_ids: Collection[UUID]) -> dict[UUID, dict[UUID, Holding]]:
    """What stations have of each item, and what they issued of it in the days that the rules look back. One statement.

    What a count found to be used or handed out was issued, too; an issue that was reversed is none.
    """
    found: dict[UUID, dict[UUID, Holding]] = defaultdict(dict)
    if not station_ids:
        return found
    both = union_all(_shelves(station_ids), _issues(station_ids)).subquery()
    rows = db.session.execute(select(both, Item.name, Item.unit, Item.kind).join(Item, Item.id == both.c.item_id))
    for row in rows:
        items = found[row.station_id]
        if row.item_id not in items:
            items[row.item_id] = Holding(NamedItem(row.item_id, row.name, row.unit, row.kind))
        items[row.item_id].add(row)
    return found


def due_station_ids(limit: int) -> list[UUID]:
    """Stations whose assessment is not of today or holds no more; their rows are this unit's until it ends.

    Those that another unit has are left out.
    """
    return list(
        db.session.scalars(
            select(StationAssessment.station_id)
            .where(
                or_(
                    StationAssessment.stale,
                    StationAssessment.assessed_on < clock.today(),
                    StationAssessment.assessed_on.is_(None),
                )
            )
            .order_by(StationAssessment.station_id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    )


def undiscovered() -> Select[UUID]:
    """Stations in service that have no assessment, or one of another place in the tree or another kind."""
    return (
        select(Station.id)
        .join(Organization, Organization.id == Station.organization_id)
        .outerjoin(StationAssessment, StationAssessment.station_id == Station.id)
        .where(
            Station.status.in_(ASSESSED),
            or_(
                StationAssessment.station_id.is_(None),
                and_(
                    not_(StationAssessment.stale),
                    or_(
                        StationAssessment.path_id != Organization.path_id,
                        StationAssessment.station_kind != Station.kind,
                    ),
                ),
            ),
        )
    )


def assessed_out_of_service() -> Select[UUID]:
    """Stations that have an assessment and are not in service any more."""
    return (
        select(StationAssessment.station_id)
        .join(Station, Station.id == StationAssessment.station_id)
        .where(Station.status.not_in(ASSESSED))
    )


def stations_below(organization_id: UUID) -> Select[UUID]:
    """The ids of the stations of an organization and of all below it."""
    return select(Station.id).where(Station.organization_id.in_(subtree_ids(organization_id)))


def parents_of(organization_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """What each organization stands under; roots are left out. One statement, none for none."""
    if not organization_ids:
        return {}
    found = db.session.execute(
        select(Organization.id, Organization.parent_id).where(
            Organization.id.in_(organization_ids), Organization.parent_id.is_not(None)
        )
    )
    return {row.id: row.parent_id for row in found if row.parent_id is not None}


def station_facts(station_ids: Collection[UUID]) -> Sequence[Row[*tuple[Any, ...]]]:
    """Id, name, kind, organization and its path, of stations. One statement."""
    return db.session.execute(
        select(
            Station.id,
            Station.name,
            Station.kind,
            Station.organization_id,
            Organization.path_id,
        )
        .join(Organization, Organization.id == Station.organization_id)
        .where(Station.id.in_(station_ids))
        .order_by(Station.id)
    ).all()


def placed_stations(organization_id: UUID, limit: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """The stations in service of a tree with their places, up to so many. One statement."""
    return db.session.execute(
        select(
            Station.id,
            Station.code,
            Station.name,
            Station.kind,
            Station.latitude,
            Station.longitude,
            Organization.path_id,
        )
        .join(Organization, Organization.id == Station.organization_id)
        .where(Station.organization_id.in_(subtree_ids(organization_id)), Station.status.in_(ASSESSED))
        .order_by(Station.id)
        .limit(limit)
    ).all()


def promised(station_ids: Collection[UUID]) -> Sequence[Row[*tuple[Any, ...]]]:
    """What transfers that are not shipped yet will take from or bring to these stations. One statement.

    What is shipped has left the one shelf, and is counted as under way beside the other.
    """
    return db.session.execute(
        select(
            Transfer.from_station_id,
            Transfer.to_station_id,
            TransferLine.item_id,
            TransferLine.lot_number,
            func.coalesce(TransferLine.approved, TransferLine.requested).label("quantity"),
        )
        .join(Transfer, Transfer.id == TransferLine.transfer_id)
        .where(
            Transfer.state.in_((TransferState.REQUESTED, TransferState.APPROVED)),
            or_(Transfer.from_station_id.in_(station_ids), Transfer.to_station_id.in_(station_ids)),
        )
        .order_by(TransferLine.transfer_id, TransferLine.position)
    ).all()


def numbered(station_ids: Collection[UUID]) -> Sequence[Row[UUID, UUID, int]]:
    """How many numbered pieces of each item lie on the shelves of these stations. One statement."""
    return db.session.execute(
        select(Asset.station_id, Asset.item_id, func.count())
        .where(Asset.station_id.in_(station_ids), Asset.state == AssetState.IN_STOCK)
        .group_by(Asset.station_id, Asset.item_id)
    ).all()


def list_alerts(query: Mapping[str, Any], volunteer_id: UUID) -> Page:
    """Alerts of stations whose stock the volunteer may read, the latest first; closed ones only where asked for."""
    statement = _alerts().where(_may_read(volunteer_id))
    if "organization_id" in query:
        statement = statement.where(Station.organization_id.in_(subtree_ids(query["organization_id"])))
    if "station_id" in query:
        statement = statement.where(StockAlert.station_id == query["station_id"])
    if "kind" in query:
        statement = statement.where(StockAlert.kind == query["kind"])
    statement = statement.where(_in_state(query.get("state")))
    found = page(
        statement, [Key(StockAlert.id, lambda row: row.StockAlert.id, descending=True)], query, scope=str(volunteer_id)
    )
    return replace(found, items=[_alert_view(row) for row in found.items])


def read_alert(alert_id: UUID) -> AlertView:
    """An alert that is there, past what the session remembers of it. One statement."""
    statement = _alerts().where(StockAlert.id == alert_id).execution_options(populate_existing=True)
    return _alert_view(db.session.execute(statement).one())


def managers_of(station_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Who manages each of the stations now. One statement."""
    return _holders(ScopeType.STATION, station_ids, (Role.STATION_MANAGER,))


def responsible_for(organization_ids: Collection[UUID]) -> dict[UUID, list[UUID]]:
    """Administrators and organizers of these very organizations. One statement."""
    return _holders(ScopeType.ORGANIZATION, organization_ids, RESPONSIBLE)


def _holders(scope_type: ScopeType, scope_ids: Collection[UUID], roles: Sequence[Role]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = defaultdict(list)
    rows = (
        select(Grant.scope_id, Grant.volunteer_id)
        .where(
            Grant.scope_type == scope_type,
            Grant.scope_id.in_(scope_ids),
            Grant.role.in_(roles),
            Grant.revoked_at.is_(None),
        )
        .distinct()
        .order_by(Grant.scope_id, Grant.volunteer_id)
    )
    for scope_id, volunteer_id in db.session.execute(rows):
        found[scope_id].append(volunteer_id)
    return found


def _shelves(station_ids: Collection[UUID]) -> Select[*tuple[Any, ...]]:
    return select(
        StockBalance.station_id,
        StockBalance.item_id,
        StockBalance.lot_number,
        StockBalance.portion,
        StockBalance.expires_on,
        StockBalance.quantity,
        StockBalance.on_loan,
        StockBalance.in_transit,
        literal(0).label("issued"),
        cast(null(), StockEntry.occurred_at.type).label("since"),
    ).where(
        StockBalance.station_id.in_(station_ids),
        or_(StockBalance.quantity > 0, StockBalance.on_loan > 0, StockBalance.in_transit > 0),
    )


def _issues(station_ids: Collection[UUID]) -> Select[*tuple[Any, ...]]:
    since = clock.start_of(clock.today() - timedelta(days=rules().consumption_days))
    reversal = aliased(Movement)
    first = aliased(StockEntry)
    began = (
        select(first.occurred_at)
        .where(first.station_id == StockEntry.station_id, first.item_id == StockEntry.item_id)
        .order_by(first.sequence)
        .limit(1)
        .correlate(StockEntry)
        .scalar_subquery()
    )
    return (
        select(
            StockEntry.station_id,
            StockEntry.item_id,
            cast(literal(""), String).label("lot_number"),
            cast(literal(""), String).label("portion"),
            cast(null(), Date).label("expires_on"),
            literal(0).label("quantity"),
            literal(0).label("on_loan"),
            literal(0).label("in_transit"),
            cast(-func.sum(StockEntry.quantity), StockBalance.quantity.type).label("issued"),
            began.label("since"),
        )
        .join(Movement, Movement.id == StockEntry.movement_id)
        .outerjoin(reversal, reversal.reverses_id == Movement.id)
        .where(
            StockEntry.station_id.in_(station_ids),
            StockEntry.occurred_at >= since,
            or_(
                Movement.kind == MovementKind.ISSUE,
                # What was used and nobody wrote down, as a count found it.
                and_(
                    Movement.kind == MovementKind.STOCKTAKE,
                    Movement.reason.in_((MovementReason.USED, MovementReason.HANDED_OUT)),
                    StockEntry.quantity < 0,
                ),
            ),
            reversal.id.is_(None),
        )
        .group_by(StockEntry.station_id, StockEntry.item_id)
    )


def _alerts() -> Select[*tuple[Any, ...]]:
    organization = aliased(Organization)
    return (
        select(
            StockAlert,
            Station.code.label("station_code"),
            Station.name.label("station_name"),
            Item.name.label("item_name"),
            Item.unit.label("item_unit"),
            Item.kind.label("item_kind"),
            Volunteer.name.label("acknowledged_by_name"),
            organization.name.label("escalated_to_name"),
        )
        .join(Station, Station.id == StockAlert.station_id)
        .outerjoin(Item, Item.id == StockAlert.item_id)
        .outerjoin(Volunteer, Volunteer.id == StockAlert.acknowledged_by)
        .outerjoin(organization, organization.id == StockAlert.escalated_to_id)
    )


def _may_read(volunteer_id: UUID) -> ColumnElement[bool]:
    managed = select(Grant.scope_id).where(
        Grant.volunteer_id == volunteer_id,
        Grant.scope_type == ScopeType.STATION,
        Grant.role.in_(roles_with(Permission.STOCK_READ)),
        Grant.revoked_at.is_(None),
    )
    return or_(
        Station.organization_id.in_(permitted_organization_ids(volunteer_id, Permission.STOCK_READ)),
        Station.id.in_(managed),
    )


def _in_state(state: AlertState | None) -> ColumnElement[bool]:
    if state == AlertState.CLOSED:
        return StockAlert.closed_at.is_not(None)
    going = StockAlert.closed_at.is_(None)
    if state is None:
        return going
    if state == AlertState.ACKNOWLEDGED:
        return and_(going, StockAlert.acknowledged_at.is_not(None))
    gone_up = StockAlert.escalated_at.is_not(None)
    unseen = and_(going, StockAlert.acknowledged_at.is_(None))
    return and_(unseen, gone_up if state == AlertState.ESCALATED else not_(gone_up))


def _alert_view(row: Row[Any]) -> AlertView:
    alert: StockAlert = row.StockAlert
    item = None
    if alert.item_id is not None:
        item = NamedItem(alert.item_id, row.item_name, row.item_unit, row.item_kind)
    return AlertView(
        id=alert.id,
        kind=alert.kind,
        state=alert.state,
        station={"id": alert.station_id, "code": row.station_code, "name": row.station_name},
        item=item,
        details=alert.details,
        raised_at=alert.created_at,
        acknowledged_at=alert.acknowledged_at,
        acknowledged_by=_named(alert.acknowledged_by, row.acknowledged_by_name),
        note=alert.note,
        escalated_at=alert.escalated_at,
        escalated_to=_named(alert.escalated_to_id, row.escalated_to_name),
        closed_at=alert.closed_at,
    )


def _named(found: UUID | None, name: str | None) -> dict[str, Any] | None:
    return None if found is None else {"id": found, "name": name}
