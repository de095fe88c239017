"""Who may read rankings."""

from uuid import UUID

from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.organizations.access import Permission, load_organization, require
from volunteer_api.organizations.models import Organization


@open_to_all
def to_read(_principal: Principal | None) -> None:
    """Anybody. A loader, and not plain `public`, because an unknown scope or campaign is answered with 404."""


@for_signed_in
def to_report(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever has attendance.read over it: organizers, inspectors and auditors. Its numbers are public one by one."""
    require(principal, Permission.ATTENDANCE_READ, organization_id=organization_id)
    return load_organization(organization_id)
