"""Who keeps the catalogue, and who issues kit standards."""

from uuid import UUID

from volunteer_api.catalog.models import Item, KitStandard
from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.organizations.access import Permission, permitted_organization_ids, require


@open_to_all
def to_see_item(principal: Principal | None, item_id: UUID) -> Item:
    """Anybody sees the catalogue."""
    item = db.session.get(Item, item_id)
    if item is None:
        raise NotFound()
    return item


@for_signed_in
def to_keep_catalog(principal: Principal) -> None:
    """Whoever manages an organization. Not 404: the catalogue itself is public."""
    require_keeper(principal)


@for_signed_in
def to_change_item(principal: Principal, item_id: UUID) -> Item:
    """Whoever keeps the catalogue."""
    item = db.session.get(Item, item_id)
    if item is None:
        raise NotFound()
    require_keeper(principal)
    return item


@for_signed_in
def to_see_standard(principal: Principal, standard_id: UUID) -> KitStandard:
    """Everybody who is signed in: what a station must hold is no secret of its organization."""
    return _load_standard(standard_id)


@for_signed_in
def to_issue_version(principal: Principal, standard_id: UUID) -> KitStandard:
    """Whoever has stock.approve over the organization that issued it."""
    standard = _load_standard(standard_id)
    require_issuer(principal, standard.organization_id)
    return standard


def require_keeper(principal: Principal) -> None:
    """Let pass whoever manages an organization. One statement. Raises Forbidden (403)."""
    managed = permitted_organization_ids(principal.volunteer_id, Permission.ORGANIZATION_MANAGE)
    if db.session.scalar(managed.limit(1)) is None:
        raise Forbidden()


def require_issuer(principal: Principal, organization_id: UUID) -> None:
    """Let pass whoever has stock.approve over the organization. Raises Forbidden (403), NotFound (404)."""
    require(principal, Permission.STOCK_APPROVE, organization_id=organization_id)


def _load_standard(standard_id: UUID) -> KitStandard:
    standard = db.session.get(KitStandard, standard_id)
    if standard is None:
        raise NotFound()
    return standard
