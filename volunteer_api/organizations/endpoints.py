"""Routes of organizations, divisions and grants."""

from typing import Any
from uuid import UUID

from volunteer_api.core.access import Principal, public, signed_in
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.organizations import access, audit_log, divisions, grants, held_roles, schemas, service
from volunteer_api.organizations.access import Permission
from volunteer_api.organizations.models import Organization

blueprint = feature_blueprint("organizations", __name__, "Practice centers, offices and stations, and who holds rights")


@endpoint(
    blueprint, "GET", "/divisions", access=public, query=schemas.DivisionFilter, returns=page_of(schemas.DivisionRead)
)
def list_divisions(query: dict[str, Any]) -> Page:
    """List the official divisions."""
    return divisions.list_divisions(query)


@endpoint(
    blueprint,
    "GET",
    "/organizations",
    access=public,
    query=schemas.OrganizationFilter,
    returns=page_of(schemas.OrganizationRead),
)
def list_organizations(query: dict[str, Any]) -> Page:
    """List organizations."""
    return service.list_organizations(query)


@endpoint(
    blueprint, "GET", "/organizations/<uuid:organization_id>", access=access.to_see, returns=schemas.OrganizationRead
)
def read_organization(organization: Organization) -> Organization:
    """Read an organization."""
    return organization


@endpoint(
    blueprint,
    "POST",
    "/organizations",
    access=signed_in,
    body=schemas.OrganizationCreate,
    returns=schemas.OrganizationRead,
    status=201,
)
def create_organization(principal: Principal, body: dict[str, Any]) -> Organization:
    """Set up an organization below one that you manage."""
    access.require(principal, Permission.ORGANIZATION_MANAGE, organization_id=body["parent_id"])
    return service.create_organization(by=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "PATCH",
    "/organizations/<uuid:organization_id>",
    access=access.to_manage,
    body=schemas.OrganizationUpdate,
    returns=schemas.OrganizationRead,
    edits=True,
)
def change_organization(principal: Principal, organization: Organization, body: dict[str, Any]) -> Organization:
    """Rename an organization, or move it below another one that you manage."""
    return service.change_organization(organization, by=principal, **body)


@endpoint(
    blueprint,
    "POST",
    "/organizations/<uuid:organization_id>/merging",
    access=access.to_manage,
    query=schemas.DryRunQuery,
    body=schemas.OrganizationMerging,
    returns=schemas.OrganizationMergedRead,
)
def merge_organization(
    principal: Principal, organization: Organization, query: dict[str, Any], body: dict[str, Any]
) -> dict[str, Any]:
    """Let another organization take over; this one closes. A dry run tells what goes over and which roles end."""
    return service.merge_organization(organization, by=principal, **query, **body)


@endpoint(
    blueprint,
    "POST",
    "/organizations/<uuid:organization_id>/closing",
    access=access.to_manage,
    query=schemas.DryRunQuery,
    body=schemas.OrganizationClosingCreate,
    returns=schemas.OrganizationRead,
)
def close_organization(
    principal: Principal, organization: Organization, query: dict[str, Any], body: dict[str, Any]
) -> Organization:
    """Close an organization that has nothing open any more."""
    return service.close_organization(organization, by=principal, **query, **body)


@endpoint(
    blueprint,
    "POST",
    "/organizations/<uuid:organization_id>/reopening",
    access=access.to_manage,
    body=schemas.OrganizationReopening,
    returns=schemas.OrganizationRead,
)
def reopen_organization(principal: Principal, organization: Organization, body: dict[str, Any]) -> Organization:
    """Let a closed organization go on; what a merger took over stays with the successor, ended roles stay ended."""
    return service.reopen_organization(organization, by=principal, **body)


@endpoint(
    blueprint,
    "GET",
    "/grants",
    access=signed_in,
    query=schemas.GrantFilter,
    returns=page_of(schemas.GrantRead),
)
def list_grants(principal: Principal, query: dict[str, Any]) -> Page:
    """List the grants that you manage."""
    if "organization_id" in query:
        access.require(principal, Permission.GRANT_MANAGE, organization_id=query["organization_id"])
    return held_roles.list_grants(by=principal, query=query)


@endpoint(
    blueprint,
    "POST",
    "/grants",
    access=signed_in,
    body=schemas.GrantCreate,
    returns=schemas.GrantRead,
    status=201,
    limit="600/10 minutes",
)
def create_grant(principal: Principal, body: dict[str, Any]) -> held_roles.GrantView:
    """Grant a role below what you hold."""
    return grants.grant_below(by=principal, **body)


@endpoint(blueprint, "DELETE", "/grants/<uuid:grant_id>", access=access.to_revoke, status=204)
def revoke_grant(principal: Principal, grant_id: UUID) -> None:
    """Take a grant away at once."""
    grants.revoke(grant_id, by=principal)


@endpoint(blueprint, "GET", "/me/grants", access=signed_in, query=PageQuery, returns=page_of(schemas.HeldRoleRead))
def list_my_grants(principal: Principal, query: dict[str, Any]) -> Page:
    """List the roles that you hold, and over what."""
    return held_roles.list_held_roles(by=principal, query=query)


@endpoint(
    blueprint,
    "GET",
    "/audit-entries",
    access=access.to_read_audit_log,
    query=schemas.AuditFilter,
    returns=page_of(schemas.AuditEntryRead),
    audits=True,
)
def list_audit_entries(principal: Principal, query: dict[str, Any]) -> Page:
    """List who did what where you may look, the newest first; your reading is recorded too."""
    if "organization_id" in query:
        access.require(principal, Permission.AUDIT_READ, organization_id=query["organization_id"])
    return audit_log.list_entries(by=principal, query=query)


@endpoint(
    blueprint,
    "GET",
    "/me/audit-entries",
    access=signed_in,
    query=PageQuery,
    returns=page_of(schemas.OwnAuditEntryRead),
)
def list_my_audit_entries(principal: Principal, query: dict[str, Any]) -> Page:
    """List what was done with your account and your data, the newest first."""
    return audit_log.list_own_entries(by=principal, query=query)
