"""What the catalogue holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.catalog.models import Item, KitStandard, KitStandardVersion
from volunteer_api.core.personal_data import exported, rows


@exported("kit_standards_issued")
def kit_standards_issued(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The versions of kit standards that the person issued, the latest first."""
    return rows(
        select(
            KitStandard.organization_id,
            KitStandard.name.label("title"),
            KitStandardVersion.number,
            KitStandardVersion.effective_from,
            KitStandardVersion.note,
            KitStandardVersion.created_at,
        )
        .join(KitStandard, KitStandard.id == KitStandardVersion.standard_id)
        .where(KitStandardVersion.issued_by == volunteer_id)
        .order_by(KitStandardVersion.id.desc())
    )


@exported("items_added")
def items_added(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The items that the person added to the catalogue, the latest first."""
    return rows(
        select(Item.id, Item.name, Item.created_at).where(Item.added_by == volunteer_id).order_by(Item.id.desc())
    )
