"""Who may read and move a station's stock, close its months and recall its lots."""

import re
from uuid import UUID

from sqlalchemy import and_, or_, select

from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.inventory.models import Movement, MovementKind, Recall
from volunteer_api.organizations.access import Permission, judge, load_organization, require
from volunteer_api.organizations.models import Grant, Organization, PathMember, Role, ScopeType
from volunteer_api.organizations.queries import ancestor_ids, subtree_ids
from volunteer_api.stations.models import Station

MONTH = re.compile(r"(19|20)[0-9]{2}-(0[1-9]|1[0-2])", re.ASCII)


@for_signed_in
def to_read_stock(principal: Principal, station_id: UUID) -> Station:
    """The station's manager, and whoever has stock.read above it."""
    return require_station(principal, Permission.STOCK_READ, station_id)


@for_signed_in
def to_move_stock(principal: Principal, station_id: UUID) -> Station:
    """The station's manager, and whoever has stock.move above it."""
    return require_station(principal, Permission.STOCK_MOVE, station_id)


@for_signed_in
def to_read_movement(principal: Principal, movement_id: UUID) -> Movement:
    """Whoever may read the stock of its station."""
    return _movement(principal, Permission.STOCK_READ, movement_id)


@for_signed_in
def to_reverse(principal: Principal, movement_id: UUID) -> Movement:
    """Whoever may move the stock of its station; what a count corrected, whoever approves counts there."""
    movement = _movement(principal, Permission.STOCK_MOVE, movement_id)
    if movement.kind == MovementKind.STOCKTAKE:
        require_station(principal, Permission.STOCK_APPROVE, movement.station_id)
    return movement


@for_signed_in
def to_read_stock_below(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever has stock.read over the organization."""
    return _organization(principal, Permission.STOCK_READ, organization_id)


@for_signed_in
def to_approve_below(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever has stock.approve over the organization."""
    return _organization(principal, Permission.STOCK_APPROVE, organization_id)


@for_signed_in
def to_close_month(principal: Principal, organization_id: UUID, month: str) -> tuple[Organization, str]:
    """Whoever has stock.approve over the organization. What is no month, `YYYY-MM`, is 404."""
    organization = _organization(principal, Permission.STOCK_APPROVE, organization_id)
    if not MONTH.fullmatch(month):
        raise NotFound()
    return organization, month


@for_signed_in
def to_read_recall(principal: Principal, recall_id: UUID) -> Recall:
    """Whoever has stock.read over the organization that recalls, or anywhere below it: it is called back from there."""
    recall = db.session.get(Recall, recall_id)
    if recall is None:
        raise NotFound()
    judge(_roles_around(principal.volunteer_id, recall.organization_id), Permission.STOCK_READ)
    return recall


@for_signed_in
def to_read_whole_recall(principal: Principal, recall_id: UUID) -> Recall:
    """Whoever has stock.read over the organization that recalls."""
    return _recall(principal, Permission.STOCK_READ, recall_id)


@for_signed_in
def to_end_recall(principal: Principal, recall_id: UUID) -> Recall:
    """Whoever has stock.approve over the organization that recalls."""
    return _recall(principal, Permission.STOCK_APPROVE, recall_id)


def _recall(principal: Principal, permission: Permission, recall_id: UUID) -> Recall:
    recall = db.session.get(Recall, recall_id)
    if recall is None:
        raise NotFound()
    require(principal, permission, organization_id=recall.organization_id)
    return recall


def _roles_around(volunteer_id: UUID, organization_id: UUID) -> set[Role]:
    """The roles that somebody has over an organization, or over anything below it. One statement."""
    below = subtree_ids(organization_id)
    reaches = or_(
        and_(
            Grant.scope_type == ScopeType.ORGANIZATION,
            or_(Grant.scope_id.in_(ancestor_ids(organization_id)), Grant.scope_id.in_(below)),
        ),
        and_(
            Grant.scope_type == ScopeType.STATION,
            Grant.scope_id.in_(select(Station.id).where(Station.organization_id.in_(below))),
        ),
    )
    roles = db.session.scalars(
        select(Grant.role).where(Grant.volunteer_id == volunteer_id, Grant.revoked_at.is_(None), reaches)
    )
    return {Role(role) for role in roles}


def _organization(principal: Principal, permission: Permission, organization_id: UUID) -> Organization:
    require(principal, permission, organization_id=organization_id)
    return load_organization(organization_id)


def require_station(principal: Principal, permission: Permission, station_id: UUID) -> Station:
    """The station, judged by the roles that reach it. One statement. Raises NotFound (404) or Forbidden (403)."""
    reaches = or_(
        and_(
            Grant.scope_type == ScopeType.ORGANIZATION,
            Grant.scope_id.in_(
                select(PathMember.ancestor_id)
                .join(Organization, Organization.path_id == PathMember.path_id)
                .where(Organization.id == Station.organization_id)
                .correlate(Station)
            ),
        ),
        and_(Grant.scope_type == ScopeType.STATION, Grant.scope_id == Station.id),
    )
    rows = db.session.execute(
        select(Station, Grant.role)
        .join(Grant, and_(Grant.volunteer_id == principal.volunteer_id, Grant.revoked_at.is_(None), reaches))
        .where(Station.id == station_id)
    ).all()
    judge({Role(row.role) for row in rows}, permission)
    station: Station = rows[0][0]
    return station


def _movement(principal: Principal, permission: Permission, movement_id: UUID) -> Movement:
    movement = db.session.get(Movement, movement_id)
    if movement is None:
        raise NotFound()
    require_station(principal, permission, movement.station_id)
    return movement
