"""Who adds to the catalogue, whose it is, and who issues kit standards.

It is one list for the whole deployment: what one station adds, another may take. So whoever manages an organization may
add an item, and mend it while nobody but her own stations uses it; only who manages all of them may change what others
use, or prohibit anything.
"""

from uuid import UUID

from sqlalchemy import select

from volunteer_api.catalog import queries
from volunteer_api.catalog.models import Item, KitStandard
from volunteer_api.catalog.problems import ItemOfAll, ItemsByOrganizers
from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.organizations.access import Permission, holds_everything, permitted_organization_ids, require


@open_to_all
def to_see_item(principal: Principal | None, item_id: UUID) -> Item:
    """Anybody sees the catalogue."""
    item = db.session.get(Item, item_id)
    if item is None:
        raise NotFound()
    return item


@for_signed_in
def to_add_items(principal: Principal) -> None:
    """Whoever manages an organization. Not 404: the catalogue itself is public."""
    require_adder(principal)


@for_signed_in
def to_change_item(principal: Principal, item_id: UUID) -> Item:
    """Whoever owns the catalogue, and who added the item while it is used by nobody but stations that she manages."""
    item = db.session.get(Item, item_id)
    if item is None:
        raise NotFound()
    if not (_is_hers_alone(principal, item) or owns_catalog(principal)):
        raise ItemOfAll()
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


def require_adder(principal: Principal) -> None:
    """Let pass whoever manages an organization. One statement. Raises Forbidden (403)."""
    managed = permitted_organization_ids(principal.volunteer_id, Permission.ORGANIZATION_MANAGE)
    if db.session.scalar(managed.limit(1)) is None:
        raise ItemsByOrganizers()


def require_owner(principal: Principal) -> None:
    """Let pass whoever owns the catalogue. One statement. Raises Forbidden (403)."""
    if not owns_catalog(principal):
        raise ItemOfAll()


def _is_hers_alone(principal: Principal, item: Item) -> bool:
    if item.added_by != principal.volunteer_id:
        return False
    managed = permitted_organization_ids(principal.volunteer_id, Permission.ORGANIZATION_MANAGE)
    may_add = db.session.scalar(managed.limit(1)) is not None
    return may_add and not queries.is_used_beyond(item.id, managed)


def owns_catalog(principal: Principal) -> bool:
    """Whether the caller manages all organizations, from the roots down. One statement."""
    return bool(db.session.scalar(select(holds_everything(principal.volunteer_id, Permission.ORGANIZATION_MANAGE))))


def require_issuer(principal: Principal, organization_id: UUID) -> None:
    """Let pass whoever has stock.approve over the organization. Raises Forbidden (403), NotFound (404)."""
    require(principal, Permission.STOCK_APPROVE, organization_id=organization_id)


def _load_standard(standard_id: UUID) -> KitStandard:
    standard = db.session.get(KitStandard, standard_id)
    if standard is None:
        raise NotFound()
    return standard
