"""A small tree with desks, standards and stock. Call them inside a unit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from tests.factories import make_volunteer, next_number
from tests.inventory.factories import make_item
from tests.organizations.factories import make_grant, make_organization
from tests.stations.factories import make_station
from volunteer_api.catalog import kits
from volunteer_api.catalog.models import ItemKind, KitStandard
from volunteer_api.core import clock
from volunteer_api.inventory import service
from volunteer_api.inventory.models import MovementReason, RecordableKind
from volunteer_api.inventory.queries import Document
from volunteer_api.organizations.models import OrganizationKind, Role
from volunteer_api.stations.models import StationKind


@dataclass
class Tree:
    """A center with two offices of two desks each, which stand in a row, a kilometer from one to the next."""

    center_id: UUID
    offices: list[UUID]
    desks: list[UUID]
    administrator_id: UUID
    organizer_id: UUID
    manager_id: UUID
    items: dict[str, UUID] = field(default_factory=dict)

    def item(self, name: str, kind: ItemKind = ItemKind.CONSUMABLE) -> UUID:
        """The item of this name, made when first asked for."""
        if name not in self.items:
            self.items[name] = make_item(name=f"{name}{next_number()}", kind=kind)
        return self.items[name]

    def require(self, organization_id: UUID | None = None, kit: str = "desk", **minimums: int) -> KitStandard:
        """A standard for desks; an item whose name ends with `_critical` is."""
        return kits.issue_standard(
            organization_id=organization_id or self.center_id,
            kit=kit,
            name=kit,
            station_kinds=[StationKind.DESK],
            lines=[
                {"item_id": self.item(name), "minimum": minimum, "critical": name.endswith("_critical")}
                for name, minimum in minimums.items()
            ],
        )

    def move(self, kind: str, desk: int, name: str, quantity: int, days: int | None = None) -> Document:
        """A movement at a desk; `days` from today its lot expires."""
        line: service.Line = {"item_id": self.item(name), "quantity": quantity}
        if days is not None:
            line["expires_on"] = in_days(days)
        return service.record_movement(
            station_id=self.desks[desk],
            actor_id=self.administrator_id,
            kind=RecordableKind(kind),
            reason=MovementReason.OTHER,
            lines=[line],
        )

    def fill(self, desk: int, **quantities: int) -> None:
        """Receipts of things that don't expire."""
        for name, quantity in quantities.items():
            self.move("receipt", desk, name, quantity)


def make_tree() -> Tree:
    """The tree: an administrator of the center, an organizer of the first office, a manager of the first desk."""
    center = make_organization()
    offices = [make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE).id for _ in range(2)]
    desks = [
        make_station(organization_id=offices[number // 2], latitude=33.73 + 0.009 * number, name=f"服务台{number}").id
        for number in range(4)
    ]
    administrator, organizer, manager = (make_volunteer() for _ in range(3))
    make_grant(administrator, Role.ADMINISTRATOR, center.id)
    make_grant(organizer, Role.ORGANIZER, offices[0])
    make_grant(manager, Role.STATION_MANAGER, desks[0])
    return Tree(center.id, offices, desks, administrator.id, organizer.id, manager.id)


def in_days(days: int) -> date:
    """A local day from today."""
    return clock.today() + timedelta(days=days)


def by_name(items: list[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Items of an answer by their names without the number."""
    return {one["item"]["name"].rstrip("0123456789"): one for one in items}
