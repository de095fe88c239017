"""What features to the right must hear of an organization."""

from dataclasses import dataclass
from uuid import UUID

from volunteer_api.organizations.models import Role


@dataclass(frozen=True)
class OrganizationClosing:
    """It is about to close; a handler raises where something of its own still stands in the way."""

    organization_id: UUID


@dataclass(frozen=True)
class OrganizationMerged:
    """It closed and now stands under `into_id`, which takes over what it ran."""

    organization_id: UUID
    into_id: UUID


@dataclass(frozen=True)
class OrganizationRenamed:
    """It has another name."""

    organization_id: UUID


@dataclass(frozen=True)
class OrganizationGrantGiven:
    """Somebody holds a role over it from now on."""

    volunteer_id: UUID
    role: Role
    organization_id: UUID
