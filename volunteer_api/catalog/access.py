"""Who keeps the catalogue."""

from uuid import UUID

from volunteer_api.catalog.models import Item
from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.organizations.access import Permission, permitted_organization_ids


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


def require_keeper(principal: Principal) -> None:
    """Let pass whoever manages an organization. One statement. Raises Forbidden (403)."""
    managed = permitted_organization_ids(principal.volunteer_id, Permission.ORGANIZATION_MANAGE)
    if db.session.scalar(managed.limit(1)) is None:
        raise Forbidden()
