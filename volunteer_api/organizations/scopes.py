"""The scopes that grants reach and roles are held over, those of features to the right included.

Organizations can't import stations or teams, so each of them registers here what `/grants` and `/me/grants` must know.
"""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import CompoundSelect, Select, String, cast, literal, select, union_all

from volunteer_api.organizations.models import Organization, ScopeType

Places = Callable[[], Select[UUID, UUID, str]]
HeldRoles = Callable[[UUID], Select[str, str, UUID, str]]

_places: dict[ScopeType, Places] = {}
_held_roles: dict[str, HeldRoles] = {}


def register_places(scope_type: ScopeType, places: Places) -> None:
    """`places()` selects id, organization_id and name of everything that a scope of this type can be."""
    _places[scope_type] = places


def register_held_roles(scope_type: str, roles: HeldRoles) -> None:
    """`roles(volunteer_id)` selects role, scope type, scope id and name of what is held otherwise than by a grant."""
    _held_roles[scope_type] = roles


def all_places() -> CompoundSelect[Any]:
    """Columns scope_type, id, organization_id, name: every place that a grant can reach."""
    selects = [_labeled(scope_type, places) for scope_type, places in _places.items()]
    return union_all(*selects)


def held_roles(volunteer_id: UUID) -> list[Select[str, str, UUID, str]]:
    """The registered selects of role, scope type, scope id and name."""
    return [roles(volunteer_id) for roles in _held_roles.values()]


def _labeled(scope_type: ScopeType, places: Places) -> Select[Any]:
    found = places().subquery()
    return select(
        cast(literal(scope_type.value), String).label("scope_type"),
        found.c[0].label("id"),
        found.c[1].label("organization_id"),
        found.c[2].label("name"),
    )


register_places(
    ScopeType.ORGANIZATION, lambda: select(Organization.id, Organization.id.label("organization_id"), Organization.name)
)
