"""What features to the right must hear of the catalogue."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class KitStandardIssued:
    """An organization has issued another version of a kit standard: what its stations must keep may change."""

    organization_id: UUID


@dataclass(frozen=True)
class ItemOfferChanged:
    """An item was archived or prohibited, or is so no longer: it is required nowhere, or again."""

    item_id: UUID
