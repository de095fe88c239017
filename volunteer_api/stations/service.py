"""The verbs of stations: set up, change, open, pause, close, open again."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm.attributes import flag_modified

from volunteer_api.accounts.problems import PhotoNotFound
from volunteer_api.core import audit, clock, events, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.files.service import load_own_files
from volunteer_api.files.uses import register_use
from volunteer_api.organizations.access import require_open
from volunteer_api.stations import offers
from volunteer_api.stations.events import StationClosing, StationCodeChanging
from volunteer_api.stations.models import (
    HolidayRule,
    Station,
    StationHours,
    StationKind,
    StationPhoto,
    StationStatus,
    StationStatusChange,
)
from volunteer_api.stations.opening import span_of
from volunteer_api.stations.problems import (
    StationClosed,
    StationCodeInUse,
    StationCodeTaken,
    StationPaused,
    StationStatusConflict,
)

CODE_LENGTH = 6
# What a station may become. One that never opened is closed, not paused; one that was closed opens again or stays.
NEXT: Mapping[str, frozenset[str]] = {
    StationStatus.PLANNED: frozenset({StationStatus.OPEN, StationStatus.CLOSED}),
    StationStatus.OPEN: frozenset({StationStatus.PAUSED, StationStatus.CLOSED}),
    StationStatus.PAUSED: frozenset({StationStatus.OPEN, StationStatus.CLOSED}),
    StationStatus.CLOSED: frozenset({StationStatus.OPEN}),
}
HOURS = ("opening_hours", "hour_exceptions")

register_use("stations.photos", lambda: select(StationPhoto.file_id))


def hold(station_id: UUID) -> str:
    """Lock a station that is not closed until this unit ends, and return its code.

    For whoever is about to record something that keeps a station from closing: see `events` for the order of locks.
    Others may go on to refer to the row. Raises NotFound (404), StationClosed (409).
    """
    row = db.session.execute(
        select(Station.code, Station.name, Station.status)
        .where(Station.id == station_id)
        .with_for_update(key_share=True)
    ).one_or_none()
    if row is None:
        raise NotFound()
    if row.status == StationStatus.CLOSED:
        raise StationClosed(name=row.name)
    return str(row.code)


def require_not_paused(station_id: UUID) -> None:
    """For whoever is about to lend; the caller holds the station. Raises StationPaused (409)."""
    row = db.session.execute(select(Station.name, Station.status).where(Station.id == station_id)).one()
    if row.status == StationStatus.PAUSED:
        raise StationPaused(name=row.name)


def create_station(
    *,
    organization_id: UUID,
    code: str | None = None,
    photo_ids: Sequence[UUID] = (),
    by: Principal | None = None,
    **members: Any,
) -> Station:
    """Set up a station, of which `planned_station` takes the other members.

    Raises NotFound for an unknown organization, OrganizationClosed, StationCodeTaken, PhotoNotFound.
    """
    require_open(organization_id)
    if code is not None:
        _check_code(code)
    station = planned_station(organization_id=organization_id, code=code, **members)
    add_stations([station], by=by)
    if photo_ids:
        _set_photos(station, photo_ids, by)
        db.session.flush()
    return station


def planned_station(
    *,
    name: str,
    kind: StationKind,
    organization_id: UUID,
    place: Mapping[str, float],
    address: str,
    code: str | None = None,
    status: StationStatus = StationStatus.OPEN,
    opening_hours: Sequence[Mapping[str, Any]] = (),
    hour_exceptions: Sequence[Mapping[str, Any]] = (),
    holiday_rule: HolidayRule = HolidayRule.REGULAR,
    services: Sequence[str] = (),
    contact: Mapping[str, str | None] | None = None,
) -> Station:
    """A station at a place in WGS-84 degrees that is not written yet; a code is made up where none is given."""
    station = Station(
        id=ids.new_id(),
        code=code or ids.readable(CODE_LENGTH),
        kind=kind,
        organization_id=organization_id,
        status=status,
        address=address,
        holiday_rule=holiday_rule,
        services=offers.normalized(services),
    )
    station.rename(name)
    station.stand_at((place["lat"], place["lng"]))
    _set_contact(station, contact)
    _keep_hours(station, opening_hours, hour_exceptions)
    return station


def add_stations(stations: Sequence[Station], *, by: Principal | None = None) -> None:
    """Write planned stations, in a number of statements that does not grow with them.

    That their organizations stay open and their codes are free is for the caller to see to.
    """
    db.session.add_all(stations)
    db.session.flush()
    _index_hours(stations)
    for station in stations:
        _note_status(station, None, None, by)
    db.session.flush()


def change_station(station: Station, *, by: Principal | None = None, **changes: Any) -> Station:
    """Change what is given. Who may change what is judged by `access.require_members`.

    Raises NotFound, OrganizationClosed, StationCodeTaken, StationCodeInUse, StationStatusConflict, PhotoNotFound, and
    what features to the right say to a station's closing.
    """
    change_stations([(station, changes)], by=by)
    return station


def change_stations(changes: Sequence[tuple[Station, Mapping[str, Any]]], *, by: Principal | None = None) -> None:
    """The same of several. Each has an UPDATE of its own, which names its version; no others are needed for each but
    for another code, status or organization.
    """
    for station, given in changes:
        _change(station, dict(given), by)
    db.session.flush()
    _index_hours([station for station, given in changes if any(name in given for name in HOURS)])


def require_possible(station: Station, *, code: str | None = None, status: str | None = None) -> None:
    """Raise what `change_station` would say to another code or status, and change nothing."""
    if code is not None and code != station.code:
        _require_code_change(station, code)
    if status is not None and status != station.status:
        _require_next(station, status)


def _change(station: Station, changes: dict[str, Any], by: Principal | None) -> None:
    organization_id = changes.pop("organization_id", station.organization_id)
    status, reason = changes.pop("status", station.status), changes.pop("status_reason", None)
    reopens = station.status == StationStatus.CLOSED and status != StationStatus.CLOSED
    if reopens or organization_id != station.organization_id:
        # Before the station itself: organizations are locked first.
        require_open(organization_id)
        station.organization_id = organization_id
    if status != station.status or changes.get("code", station.code) != station.code:
        _hold(station)
    code = changes.pop("code", station.code)
    if code != station.code:
        _require_code_change(station, code)
        station.code = code
    if status != station.status:
        _become(station, status, reason, by)
    elif reason is not None and reason != station.status_reason:
        station.status_reason = reason
        _note_status(station, station.status, reason, by)
    _change_members(station, changes, by)


def _change_members(station: Station, changes: dict[str, Any], by: Principal | None) -> None:
    if "name" in changes:
        station.rename(changes.pop("name"))
    if "place" in changes:
        place = changes.pop("place")
        station.stand_at((place["lat"], place["lng"]))
    if "contact" in changes:
        _set_contact(station, changes.pop("contact"))
    if "services" in changes:
        station.services = offers.normalized(changes.pop("services"))
    if "photo_ids" in changes:
        _set_photos(station, changes.pop("photo_ids"), by)
    if any(name in changes for name in HOURS):
        _keep_hours(station, *(changes.pop(name, getattr(station, name)) for name in HOURS))
    for name, value in changes.items():
        setattr(station, name, value)


def _become(station: Station, status: str, reason: str | None, by: Principal | None) -> None:
    """Let a locked station change its status."""
    _require_next(station, status)
    former = station.status
    station.status, station.status_reason, station.status_since = status, reason, clock.now()
    _note_status(station, former, reason, by)
    audit.record(
        AuditAction.STATION_STATUS_CHANGED,
        actor_id=by.volunteer_id if by is not None else None,
        organization_id=station.organization_id,
        station_id=str(station.id),
        from_status=str(former),
        to_status=str(status),
    )


def _require_next(station: Station, status: str) -> None:
    if status not in NEXT[station.status]:
        raise StationStatusConflict(members={"from_status": str(station.status), "to_status": str(status)})
    if status == StationStatus.CLOSED:
        events.publish(StationClosing(station_id=station.id))


def _note_status(station: Station, former: str | None, reason: str | None, by: Principal | None) -> None:
    db.session.add(
        StationStatusChange(
            station_id=station.id,
            from_status=former,
            to_status=station.status,
            reason=reason,
            changed_by=by.volunteer_id if by is not None else None,
        )
    )


def _hold(station: Station) -> None:
    """Lock a station that is about to be changed.

    It is not read anew: its UPDATE must go on to name the version that its editor knows, and fails where that is old.
    """
    db.session.execute(select(Station.id).where(Station.id == station.id).with_for_update(key_share=True))


def _check_code(code: str) -> None:
    if db.session.scalar(select(Station.id).where(Station.code == code)) is not None:
        raise StationCodeTaken(code=code)


def _require_code_change(station: Station, code: str) -> None:
    """Documents carry the code, and another station may get it next: only one that never opened can change it."""
    if station.status != StationStatus.PLANNED:
        raise StationCodeInUse(code=station.code)
    _check_code(code)
    events.publish(StationCodeChanging(station_id=station.id, code=station.code))


def _set_contact(station: Station, contact: Mapping[str, str | None] | None) -> None:
    found = contact or {}
    station.contact_name, station.contact_phone = found.get("name"), found.get("phone")


def _keep_hours(
    station: Station, opening_hours: Sequence[Mapping[str, Any]], hour_exceptions: Sequence[Mapping[str, Any]]
) -> None:
    station.opening_hours = [dict(hours) for hours in opening_hours]
    station.hour_exceptions = [
        {**one, "first_on": _text(one["first_on"]), "last_on": _text(one["last_on"])} for one in hour_exceptions
    ]
    spans = [span_of(hours) for hours in opening_hours]
    spans += [span_of(hours) for one in hour_exceptions for hours in one["hours"]]
    station.first_minute = min((opens for opens, _ in spans), default=0)
    station.last_minute = max((closes for _, closes in spans), default=0)


def _index_hours(stations: Sequence[Station]) -> None:
    """Write the rows that the filter by time reads, of stations that are flushed already. Two statements at most."""
    if not stations:
        return
    db.session.execute(delete(StationHours).where(StationHours.station_id.in_([station.id for station in stations])))
    rows = [
        {"station_id": station.id, "position": position, **row}
        for station in stations
        for position, row in enumerate(_hours_rows(station))
    ]
    if rows:
        db.session.execute(insert(StationHours), rows)


def _hours_rows(station: Station) -> Iterator[dict[str, Any]]:
    for hours in station.opening_hours:
        yield _hours_row(span_of(hours), weekday=hours["weekday"])
    for one in station.hour_exceptions:
        days = {name: date.fromisoformat(one[name]) for name in ("first_on", "last_on")}
        for span in [span_of(hours) for hours in one["hours"]] or [(0, 0)]:
            yield _hours_row(span, **days)


def _hours_row(span: tuple[int, int], **members: Any) -> dict[str, Any]:
    nothing = {"weekday": None, "first_on": None, "last_on": None}
    return nothing | members | {"opens_minute": span[0], "closes_minute": span[1]}


def _set_photos(station: Station, photo_ids: Sequence[UUID], by: Principal | None) -> None:
    """Show these, in this order: the caller's own, and those that are here already."""
    present = set(db.session.scalars(select(StationPhoto.file_id).where(StationPhoto.station_id == station.id)))
    added = [photo_id for photo_id in photo_ids if photo_id not in present]
    if added:
        try:
            if by is None:
                raise NotFound()
            load_own_files(by, added)
        except NotFound as error:
            raise PhotoNotFound() from error
    db.session.execute(delete(StationPhoto).where(StationPhoto.station_id == station.id))
    if photo_ids:
        db.session.execute(
            insert(StationPhoto),
            [
                {"station_id": station.id, "position": position, "file_id": photo_id}
                for position, photo_id in enumerate(photo_ids)
            ],
        )
    # They stand in a table of their own; the station's version must still move.
    flag_modified(station, "name")


def _text(day: date | str) -> str:
    return day if isinstance(day, str) else day.isoformat()
