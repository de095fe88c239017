"""Who may read rankings."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound, Unauthorized
from volunteer_api.organizations.access import Permission, load_organization, require
from volunteer_api.organizations.models import Organization
from volunteer_api.rankings.models import RankingSnapshot
from volunteer_api.rankings.schemas import Subject


@open_to_all
def to_read(_principal: Principal | None) -> None:
    """Anybody. A loader, and not plain `public`, because an unknown scope or campaign is answered with 404."""


def require_may_name(principal: Principal | None, query: Mapping[str, Any]) -> None:
    """Show the names of volunteers to those who are signed in; of all else anybody. Raises Unauthorized (401)."""
    if query["subject"] is Subject.VOLUNTEER and principal is None:
        raise Unauthorized()


@open_to_all
def to_see_snapshot(_principal: Principal | None, snapshot_id: UUID) -> RankingSnapshot:
    """Anybody: it is published."""
    snapshot = db.session.get(RankingSnapshot, snapshot_id)
    if snapshot is None:
        raise NotFound()
    return snapshot


def require_closing(principal: Principal, scope_id: UUID) -> Organization:
    """Let pass who has ranking.close over the subtree. Raises NotFound (404), Forbidden (403)."""
    require(principal, Permission.RANKING_CLOSE, organization_id=scope_id)
    return load_organization(scope_id)


@for_signed_in
def to_report(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever has attendance.read over it: organizers, inspectors and auditors. Its numbers are public one by one."""
    require(principal, Permission.ATTENDANCE_READ, organization_id=organization_id)
    return load_organization(organization_id)
