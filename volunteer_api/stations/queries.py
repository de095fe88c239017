"""How stations are found."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import aliased, with_expression

from volunteer_api.core import geo
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.stations.models import Station, StationStatus

VISIBLE = (StationStatus.OPEN, StationStatus.PAUSED)


def standing_in(organization_id: UUID) -> Select[UUID, str]:
    """Id and name of one station of the organization itself that is not closed."""
    return (
        select(Station.id, Station.name)
        .where(Station.organization_id == organization_id, Station.status != StationStatus.CLOSED)
        .order_by(Station.id)
        .limit(1)
    )


def stations(organization_id: UUID | None, kind: str | None, status: str | None, q: str | None) -> Select[Station]:
    """The stations of an organization's subtree, of a kind and status, with `q` in name, address or code."""
    statement = select(Station)
    statement = statement.where(Station.status.in_(VISIBLE) if status is None else Station.status == status)
    if organization_id is not None:
        statement = statement.where(Station.organization_id.in_(subtree_ids(organization_id)))
    if kind is not None:
        statement = statement.where(Station.kind == kind)
    if q is not None:
        fields = (Station.name, Station.address, Station.code)
        statement = statement.where(or_(*(field.icontains(q, autoescape=True) for field in fields)))
    return statement


def measured(statement: Select[Station], near: geo.Place, radius_m: int | None) -> Select[Station]:
    """The same stations with their distance from `near`, inside the radius where there is one."""
    distance = geo.squared_distance_m(Station.latitude, Station.longitude, near)
    statement = statement.options(with_expression(Station.squared_distance_m, distance))
    if radius_m is not None:
        statement = statement.where(geo.within(Station.latitude, Station.longitude, near, radius_m))
    # A station that the unit has read already would keep its empty distance.
    return statement.execution_options(populate_existing=True)


def labeled() -> Select[*tuple[Any, ...]]:
    """What a station's label shows: the station, its organization and the office above that."""
    office = aliased(Organization)
    return (
        select(
            Station.id,
            Station.code,
            Station.name,
            Station.address,
            Organization.name.label("organization"),
            office.name.label("office"),
        )
        .join(Organization, Organization.id == Station.organization_id)
        .outerjoin(office, office.id == Organization.parent_id)
    )


def labeled_below(organization_id: UUID) -> Select[*tuple[Any, ...]]:
    """The same of all stations in the organization's subtree that are not closed, by office and code."""
    return (
        labeled()
        .where(Station.organization_id.in_(subtree_ids(organization_id)), Station.status != StationStatus.CLOSED)
        .order_by("office", "organization", Station.code)
    )
