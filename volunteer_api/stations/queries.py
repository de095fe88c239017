"""How stations are found."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, Uuid, and_, bindparam, case, cast, func, or_, select, true
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.nearby import distance_to
from volunteer_api.core.settings import settings
from volunteer_api.files.models import StoredFile
from volunteer_api.organizations.models import Grant, Organization, Role, ScopeType
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.organizations.spelling import is_typed, spelled_like
from volunteer_api.stations.models import (
    SPOT,
    HolidayRule,
    Station,
    StationHours,
    StationPhoto,
    StationStatus,
    StationStatusChange,
)
from volunteer_api.stations.opening import MINUTES_A_DAY, weekday_of

VISIBLE = (StationStatus.OPEN, StationStatus.PAUSED)
# What most lists ask for, and nearly all of those on phones: these share their SQL, which is built once.
BOUND = ("organization_id", "kind", "status")
ORGANIZATION_ID: Any = bindparam("organization_id", type_=Uuid())


def standing_in(organization_id: UUID) -> Select[UUID, str]:
    """Id and name of one station of the organization itself that is not closed."""
    return (
        select(Station.id, Station.name)
        .where(Station.organization_id == organization_id, Station.status != StationStatus.CLOSED)
        .order_by(Station.id)
        .limit(1)
    )


@cache
def shown() -> Select[*tuple[Any, ...]]:
    """Station, `organization_name` and `Cover` (the StoredFile of its first photo, or None)."""
    cover = aliased(StoredFile, name="Cover")
    return (
        select(Station, Organization.name.label("organization_name"), cover)
        .select_from(Station)
        # Outer, though it is always there: a search for the nearest leaves outer joins out until it has found them.
        .outerjoin(Organization, Organization.id == Station.organization_id)
        .outerjoin(StationPhoto, and_(StationPhoto.station_id == Station.id, StationPhoto.position == 0))
        .outerjoin(cover, cover.id == StationPhoto.file_id)
    )


@cache
def listed(asked: frozenset[str], *, measured: bool) -> Select[*tuple[Any, ...]]:
    """`shown` as a list asks for them: those of BOUND that are `asked` are bound to it by their names.

    Without a status, all that the public uses. `measured`, with their squared distance as `square`, see `Nearest`.
    """
    statement = shown()
    if measured:
        statement = statement.add_columns(distance_to(SPOT).label("square"))
    if "organization_id" in asked:
        statement = statement.where(Station.organization_id.in_(subtree_ids(ORGANIZATION_ID)))
    if "kind" in asked:
        statement = statement.where(Station.kind == bindparam("kind"))
    return statement.where(Station.status == bindparam("status") if "status" in asked else Station.status.in_(VISIBLE))


def filters(
    *, service: str | None = None, open_at: datetime | None = None, q: str | None = None
) -> list[ColumnElement[bool]]:
    """What else a list may ask for; None asks for nothing."""
    found: list[ColumnElement[bool]] = []
    if service is not None:
        # A code has no character that JSON or LIKE would write otherwise; a quote inside of a text has a backslash.
        found.append(cast(Station.services, String).contains(f'"{service}"', autoescape=True))
    if open_at is not None:
        found.append(_is_open(open_at))
    if q is not None:
        found.append(_named_like(q))
    return found


def coded_or_in(codes: Collection[str], organization_ids: Collection[UUID]) -> Select[Station]:
    """The stations with one of the codes, and all of the organizations themselves, closed ones too; oldest first."""
    return (
        select(Station)
        .where(or_(Station.code.in_(codes), Station.organization_id.in_(organization_ids)))
        .order_by(Station.id)
    )


def below(organization_id: UUID) -> Select[Station]:
    """All stations in the organization's subtree, closed ones too, by organization and code."""
    return (
        select(Station)
        .join(Organization, Organization.id == Station.organization_id)
        .where(Station.organization_id.in_(subtree_ids(organization_id)))
        .order_by(Organization.division_code, Organization.name, Organization.id, Station.code)
    )


def managers_below(organization_id: UUID) -> Select[UUID, UUID, str | None]:
    """`station_id`, id and whole phone of who manages a station in the organization's subtree now, by their grants."""
    return (
        select(Station.id.label("station_id"), Volunteer.id, Volunteer.phone)
        .join(Grant, Grant.scope_id == Station.id)
        .join(Volunteer, Volunteer.id == Grant.volunteer_id)
        .where(
            Station.organization_id.in_(subtree_ids(organization_id)),
            Grant.scope_type == ScopeType.STATION,
            Grant.role == Role.STATION_MANAGER,
            Grant.revoked_at.is_(None),
        )
        .order_by(Grant.id)
    )


def photos_of(station_id: UUID) -> Select[StoredFile]:
    """A station's photos in their order."""
    return (
        select(StoredFile)
        .join(StationPhoto, StationPhoto.file_id == StoredFile.id)
        .where(StationPhoto.station_id == station_id)
        .order_by(StationPhoto.position)
    )


def managers_of(station_id: UUID) -> Select[UUID, str, str | None]:
    """Id, name and whole phone of the people who manage a station now, by the order of their grants."""
    return (
        select(Volunteer.id, Volunteer.name, Volunteer.phone)
        .join(Grant, Grant.volunteer_id == Volunteer.id)
        .where(
            Grant.scope_type == ScopeType.STATION,
            Grant.scope_id == station_id,
            Grant.role == Role.STATION_MANAGER,
            Grant.revoked_at.is_(None),
        )
        .order_by(Grant.id)
        .limit(100)
    )


def status_changes(station_id: UUID) -> Select[*tuple[Any, ...]]:
    """StationStatusChange with id, name and whole phone of who made it."""
    return (
        select(StationStatusChange, Volunteer.id.label("person_id"), Volunteer.name, Volunteer.phone)
        .outerjoin(Volunteer, Volunteer.id == StationStatusChange.changed_by)
        .where(StationStatusChange.station_id == station_id)
    )


def was_open(first: date, last: date) -> ColumnElement[bool]:
    """Whether a station was open at some moment of the local days; what it is now says nothing of that.

    Of a station that is older than the history of its status, the first change tells what it was before.
    """
    begin, end = clock.days_between(first, last)
    change = StationStatusChange
    of_station = select(change.to_status).where(change.station_id == Station.id)
    at_begin = (
        of_station.where(change.created_at <= begin).order_by(change.created_at.desc(), change.id.desc()).limit(1)
    ).scalar_subquery()
    before_it = (
        of_station.with_only_columns(change.from_status)
        .where(change.created_at > begin)
        .order_by(change.created_at, change.id)
        .limit(1)
    ).scalar_subquery()
    older = case((Station.created_at <= begin, func.coalesce(before_it, Station.status)))
    opened = of_station.where(
        change.to_status == StationStatus.OPEN, change.created_at > begin, change.created_at < end
    ).exists()
    return or_(func.coalesce(at_begin, older) == StationStatus.OPEN, opened)


def _named_like(q: str) -> ColumnElement[bool]:
    fields = (Station.name, Station.address, Station.code)
    # Chinese has no cases: comparing without them would cost a copy of every text.
    cased = q.lower() != q.upper()
    found = [(field.icontains if cased else field.contains)(q, autoescape=True) for field in fields]
    return or_(*found, spelled_like(Station, q)) if is_typed(q) else or_(*found)


def _is_open(moment: datetime) -> ColumnElement[bool]:
    """`opening.outlook(…).is_open` in SQL: by the day's own hours, or by those of the night before."""
    local = moment.astimezone(settings().zone)
    minute = local.hour * 60 + local.minute
    today = _Begun(local.date(), minute)
    yesterday = _Begun(today.day - timedelta(days=1), minute + MINUTES_A_DAY)
    return and_(
        Station.status == StationStatus.OPEN,
        # At night nearly all stations fall here, before their hours are looked at.
        or_(
            and_(Station.first_minute <= today.minute, Station.last_minute > today.minute),
            Station.last_minute > yesterday.minute,
        ),
        or_(today.reaches(), yesterday.reaches()),
    )


@dataclass(frozen=True)
class _Begun:
    """The hours that begin on a day, and a minute counted from that day's midnight."""

    day: date
    minute: int

    def reaches(self) -> ColumnElement[bool]:
        """Whether they reach over the minute."""
        weekly = [
            and_(
                Station.holiday_rule.in_(rules) if len(rules) < len(HolidayRule) else true(),
                _any_hours(and_(StationHours.weekday == weekday, self._spans())),
            )
            for weekday, rules in self._weekdays().items()
        ]
        return or_(_any_hours(and_(self._excepts(), self._spans())), and_(or_(*weekly), ~_any_hours(self._excepts())))

    def _weekdays(self) -> dict[int, list[HolidayRule]]:
        found: dict[int, list[HolidayRule]] = {}
        for rule in HolidayRule:
            weekday = weekday_of(rule, self.day)
            if weekday is not None:
                found.setdefault(weekday, []).append(rule)
        return found

    def _excepts(self) -> ColumnElement[bool]:
        return and_(StationHours.first_on <= self.day, StationHours.last_on >= self.day)

    def _spans(self) -> ColumnElement[bool]:
        return and_(StationHours.opens_minute <= self.minute, StationHours.closes_minute > self.minute)


def _any_hours(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a station has such hours. Not EXISTS, of which PostgreSQL would make a hash of all stations' hours."""
    own = select(StationHours.position).where(StationHours.station_id == Station.id, condition).limit(1)
    return own.correlate(Station).scalar_subquery().is_not(None)


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
