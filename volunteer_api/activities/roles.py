"""The roles of shifts: given with a shift, changed with it, and read beside it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.activities.events import RolesChanging
from volunteer_api.activities.models import Shift, ShiftRole
from volunteer_api.activities.problems import RoleBelowConfirmed
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list


def roles_of(shift_ids: Collection[UUID]) -> dict[UUID, list[ShiftRole]]:
    """The roles of each shift in the order in which they were given, as they are now. One statement."""
    found: dict[UUID, list[ShiftRole]] = {shift_id: [] for shift_id in shift_ids}
    statement = select(ShiftRole).where(ShiftRole.shift_id.in_(found))
    in_order = statement.order_by(ShiftRole.position, ShiftRole.name, ShiftRole.id)
    for role in db.session.scalars(in_order.execution_options(populate_existing=True)):
        found[role.shift_id].append(role)
    return found


def patterns_of(shift_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The roles of each shift without who is in them: [{name, capacity}]. One statement."""
    return {
        shift_id: [{"name": role.name, "capacity": role.capacity} for role in roles]
        for shift_id, roles in roles_of(shift_ids).items()
    }


def replace(shift: Shift, wanted: Sequence[Mapping[str, Any]], there: Sequence[ShiftRole]) -> bool:
    """Let a held shift whose roles are `there` have these: {id?, name, capacity}; whether that changes something.

    One without an id is the role of that name where the shift has it, else a new one. Who is in a role stays in it.
    Raises InvalidPayload (422) for an id of another shift's role, RoleBelowConfirmed, RoleTaken (409).
    """
    by_id, by_name = {role.id: role for role in there}, {role.name: role for role in there}
    named = {one["id"] for one in wanted if "id" in one}
    if not named.issubset(by_id):
        raise InvalidPayload(error_list({"roles": [Fault("unknown_reference", "This shift has no such role.")]}))
    kept: dict[UUID, Mapping[str, Any]] = {}
    new: list[ShiftRole] = []
    places: dict[UUID, int] = {}
    for place, one in enumerate(wanted):
        role = by_id[one["id"]] if "id" in one else by_name.get(one["name"])
        if role is None or ("id" not in one and role.id in named):
            new.append(ShiftRole(shift_id=shift.id, name=one["name"], capacity=one["capacity"], position=place))
        else:
            kept[role.id], places[role.id] = one, place
    changed = {
        role_id: one
        for role_id, one in kept.items()
        if (by_id[role_id].name, by_id[role_id].capacity) != (one["name"], one["capacity"])
    }
    gone = [role for role in there if role.id not in kept]
    _require_room([(by_id[role_id], one["capacity"]) for role_id, one in changed.items()])
    renamed = [by_id[role_id] for role_id, one in changed.items() if by_id[role_id].name != one["name"]]
    if gone or renamed:
        names = tuple((role.id, role.name, changed[role.id]["name"]) for role in renamed)
        publish(RolesChanging(shift.activity_id, shift.id, tuple(role.id for role in gone), names))
    for role in gone:
        db.session.delete(role)
    # Two roles may take each other's names, and each name is one role's at every moment.
    for role in renamed:
        role.name = str(role.id)
    db.session.flush()
    for role_id, one in changed.items():
        by_id[role_id].name, by_id[role_id].capacity = one["name"], one["capacity"]
    moved = [role for role in there if places.get(role.id, role.position) != role.position]
    for role in moved:
        role.position = places[role.id]
    db.session.add_all(new)
    db.session.flush()
    return bool(gone or changed or new or moved)


def _require_room(changes: Sequence[tuple[ShiftRole, int]]) -> None:
    for role, capacity in changes:
        if capacity < role.confirmed_count:
            members = {"role_id": str(role.id), "confirmed_count": role.confirmed_count}
            raise RoleBelowConfirmed(members=members, count=role.confirmed_count, role=role.name)
