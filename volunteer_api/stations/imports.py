"""Stations from a table: all of a district's at once, and changes to those that are there."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from marshmallow import ValidationError
from sqlalchemy import text

from volunteer_api.core import audit
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.bodies import Upload
from volunteer_api.core.codes import folded
from volunteer_api.core.database import db
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.limits import spend
from volunteer_api.core.problems import Conflict
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.core.tables import CellError, Column, Outcome, Record, Table, outcome, receive, refusal, template_of
from volunteer_api.organizations import grants
from volunteer_api.organizations.access import require_all_open
from volunteer_api.organizations.grants_at_once import Appointment, grant_all, lacking
from volunteer_api.organizations.held_roles import Scope
from volunteer_api.organizations.models import Organization, Role, ScopeType
from volunteer_api.organizations.problems import OrganizationClosed
from volunteer_api.stations import offers, queries, schemas, service, sheet, written_hours
from volunteer_api.stations.models import Station, StationStatus
from volunteer_api.stations.problems import StationCodeInUse, StationCodeTaken
from volunteer_api.stations.schemas import RowOutcome
from volunteer_api.stations.sheet import CODE, MANAGERS, NAME, ORGANIZATION, REASON, STATUS, Places

# Whose phone stands at a station already tells a manager's phone to who tries long enough.
DRY_RUNS = "30/day"
CREATE, UPDATE = schemas.StationCreate(), schemas.StationUpdate()


@dataclass(frozen=True)
class ImportedStation:
    """What became of a row, or would: `id`, and a `code` that is made up, are None where that is still to be made.

    `status` is what the station is or would be: one that is closed is found too, by its code, or by its name where no
    other has it. `changed` are the columns of an update, `new_managers` is how many get the station's role, or an offer
    of it.
    """

    row: int
    outcome: RowOutcome
    id: UUID | None
    code: str | None
    name: str
    status: str
    organization_id: UUID
    organization_name: str
    changed: Sequence[str]
    new_managers: int


@dataclass(kw_only=True)
class Imported(Outcome):
    """What an import of stations led to, or would lead to."""

    created: int
    updated: int
    unchanged: int
    new_managers: int
    stations: Sequence[ImportedStation]


@dataclass
class _Row:
    """A good row: the members of a station to set up, or what changes of `station`; and its managers' phones."""

    record: Record
    organization_id: UUID
    station: Station | None
    members: Mapping[str, Any] = field(default_factory=dict)
    changed: Sequence[str] = ()
    phones: Sequence[str] = ()

    @property
    def station_id(self) -> UUID | None:
        """The id of the station that is there already."""
        return self.station.id if self.station is not None else None


def receive_stations(principal: Principal, upload: Upload) -> Table:
    """The table of an upload; see `core.tables.receive`."""
    return receive(principal, upload, sheet.COLUMNS, max_rows=schemas.MAX_IMPORTED)


def template() -> Download:
    """An empty workbook with the columns that `import_stations` reads."""
    columns = [Column(column.name, column.words, required=column in sheet.NEEDED) for column in sheet.COLUMNS]
    return Download(template_of("服务站点导入", sheet.HINTS, columns), XLSX, "服务站点导入模板.xlsx")


def import_stations(
    organization: Organization, table: Table, *, by: Principal, dry_run: bool, update: bool
) -> Imported:
    """Set up the stations of a table in the organization and below it, all or none, with their managers.

    A row whose code, or whose name in its organization, is there already changes nothing; with `update` its filled
    cells change the station, and its managers are added to those that it has. A dry run writes nothing and answers
    with each bad cell and with what would be made. The statements do not grow with the rows but for the stations that
    change, see `service.change_stations`. Raises OrganizationClosed (409), TableRefused (422) where it is no dry
    run, what `grants.require_above` raises where managers are named, TooManyRequests.
    """
    if organization.closed_at is not None:
        raise OrganizationClosed(name=organization.name)
    if not dry_run:
        _take_turn()
    places = Places(organization.id)
    rows, errors = _Judge(organization.id, places, table.records, update=update).judged()
    if any(row.phones for row in rows):
        # Whoever may appoint managers over it all may do so at each station below.
        grants.require_above(by.volunteer_id, Role.STATION_MANAGER, ScopeType.ORGANIZATION, organization.id)
    lacked = _lacked(organization, rows, by=by, dry_run=dry_run)
    in_closed = [row for row in rows if row.organization_id in places.closed and row.station_id in lacked]
    if in_closed:
        rows = [row for row in rows if row not in in_closed]
        errors = sorted([*errors, *(_closed(row, places) for row in in_closed)], key=lambda error: error.row)
    if errors and not dry_run:
        raise refusal(errors)
    made = _planned(rows, lacked) if dry_run else _written(rows, lacked, by=by)
    stations = [_imported(row, places, station, appointed) for row, station, appointed in made]
    counts = {kind: sum(one.outcome == kind for one in stations) for kind in RowOutcome}
    imported = Imported(
        created=counts[RowOutcome.CREATED],
        updated=counts[RowOutcome.UPDATED],
        unchanged=counts[RowOutcome.UNCHANGED],
        new_managers=sum(one.new_managers for one in stations),
        stations=stations,
        **outcome(table, errors, dry_run=dry_run),
    )
    if not dry_run:
        audit.record(
            AuditAction.STATIONS_IMPORTED,
            actor_id=by.volunteer_id,
            organization_id=organization.id,
            created=imported.created,
            updated=imported.updated,
            new_managers=imported.new_managers,
        )
    return imported


class _Judge:
    """What the rows of a table mean and what is wrong with them; writes nothing."""

    def __init__(self, home_id: UUID, places: Places, records: Sequence[Record], *, update: bool) -> None:
        """One statement."""
        self._home_id, self._places, self._records, self._update = home_id, places, records, update
        self._found = {record.row: self._organization(record) for record in records}
        self._by_code: dict[str, Station] = {}
        self._by_name: dict[tuple[UUID, str], Station] = {}
        codes = {_code(record) for record in records} - {""}
        within = {found for found in self._found.values() if isinstance(found, UUID)}
        stations = db.session.scalars(queries.coded_or_in(codes, within))
        for station in sorted(stations, key=lambda one: one.status == StationStatus.CLOSED):
            self._by_code[station.code] = station
            # Of two with one name, one that is not closed, and the one that was there first.
            self._by_name.setdefault((station.organization_id, folded(station.name)), station)
        self._rows_of: dict[Any, int] = {}

    def judged(self) -> tuple[list[_Row], list[CellError]]:
        """The good rows, and the faults of the others in the order of the rows."""
        rows: list[_Row] = []
        errors: list[CellError] = []
        for record in self._records:
            row, faults = self._row(record)
            errors += faults
            if row is not None and not faults:
                rows.append(row)
        return rows, errors

    def _organization(self, record: Record) -> UUID | Fault:
        written = record.values.get(ORGANIZATION.name, "")
        return self._places.find(written) if written else self._home_id

    def _row(self, record: Record) -> tuple[_Row | None, list[CellError]]:
        code, found = _code(record), self._found[record.row]
        station = self._by_code.get(code)
        if station is not None and station.organization_id not in self._places.names:
            taken = StationCodeTaken(code=code)
            return None, [record.error(CODE.name, taken.code, taken.sentence())]
        if station is None and isinstance(found, Fault) and self._update:
            # It may be there already, and then lacks nothing.
            return None, [record.fault(ORGANIZATION.name, found)]
        name = folded(record.values[NAME.name])
        if station is None and isinstance(found, UUID):
            station = self._by_name.get((found, name))
        is_placed = station is not None and not record.values.get(ORGANIZATION.name)
        place = station.organization_id if station is not None and is_placed else found
        keys: Iterable[Any] = [code, (place, name) if name else None, station and station.id]
        first = min((self._rows_of.setdefault(key, record.row) for key in keys if key), default=record.row)
        if first != record.row:
            return None, [record.fault(NAME.name, Fault("repeated", "This stands in row %(row)s already.", row=first))]
        if station is not None:
            return self._change(record, station, found)
        return self._creation(record, found)

    def _creation(self, record: Record, found: UUID | Fault) -> tuple[_Row | None, list[CellError]]:
        columns = {column.name for column in sheet.COLUMNS} - {REASON.name}
        payload, faults = sheet.payload_of(record.values, columns)
        phones = _phones(record, faults)
        if isinstance(found, Fault):
            faults[ORGANIZATION.name] = found
        organization_id = self._home_id if isinstance(found, Fault) else found
        members, errors = _loaded(CREATE, record, payload | {"organization_id": str(organization_id)}, faults)
        return _Row(record, organization_id, None, members, phones=phones), errors

    def _change(self, record: Record, station: Station, found: UUID | Fault) -> tuple[_Row | None, list[CellError]]:
        if not self._update:
            return _Row(record, station.organization_id, station), []
        columns = sheet.differing(record.values, sheet.cells_of(station, self._places))
        payload, faults = sheet.payload_of(record.values, columns)
        if ORGANIZATION.name in columns:
            if isinstance(found, Fault):
                faults[ORGANIZATION.name] = found
            else:
                payload["organization_id"] = str(found)
        phones = _phones(record, faults)
        if "contact" in payload:
            payload["contact"]["name"] = station.contact_name
        _with_reason(payload, record, station)
        loaded, errors = _loaded(UPDATE, record, payload, faults)
        changes = {name: value for name, value in loaded.items() if value != _present(station, name)}
        if "status" in changes and "status_reason" in loaded:
            changes["status_reason"] = loaded["status_reason"]
        if not errors:
            errors = list(self._refused(record, station, changes))
        organization_id = changes.get("organization_id", station.organization_id)
        changed = [column.name for column in sheet.COLUMNS if sheet.member_of(column) in changes]
        return _Row(record, organization_id, station, changes, changed, phones), errors

    def _refused(self, record: Record, station: Station, changes: Mapping[str, Any]) -> Iterator[CellError]:
        """What the state of the world says to changes that are well formed."""
        organization_id = changes.get("organization_id", station.organization_id)
        namesake = self._by_name.get((organization_id, folded(changes.get("name", station.name))))
        if not changes.keys().isdisjoint(("name", "organization_id")) and namesake not in (None, station):
            taken = Fault("name_taken", "Another station of this organization has this name.")
            yield record.fault(NAME.name, taken)
        reopens = station.status == StationStatus.CLOSED and "status" in changes
        try:
            if reopens and organization_id in self._places.closed:
                raise OrganizationClosed(name=self._places.names[organization_id])
            service.require_possible(station, code=changes.get("code"), status=changes.get("status"))
        except Conflict as problem:
            column = CODE if isinstance(problem, StationCodeInUse | StationCodeTaken) else STATUS
            yield record.error(column.name, problem.code, problem.sentence())


def _lacked(
    organization: Organization, rows: Sequence[_Row], *, by: Principal, dry_run: bool
) -> Mapping[UUID, Sequence[Appointment]]:
    """Which appointments are new at stations that are there already, by station. A dry run that asks is counted."""
    asked = [one for row in rows if row.station is not None for one in _appointments(row, row.station)]
    if asked and dry_run:
        spend(DRY_RUNS, "station imports tried", who=str(by.volunteer_id))
        audit.record(
            AuditAction.DATA_READ,
            actor_id=by.volunteer_id,
            organization_id=organization.id,
            what="managers_by_phone",
            rows=len(asked),
        )
    found: dict[UUID, list[Appointment]] = {}
    for one in lacking(asked, role=Role.STATION_MANAGER, scope_type=ScopeType.STATION):
        found.setdefault(one.scope.id, []).append(one)
    return found


def _closed(row: _Row, places: Places) -> CellError:
    """That a closed organization gets no new managers; those that it has may stand in the table."""
    problem = OrganizationClosed(name=places.names[row.organization_id])
    return row.record.error(MANAGERS.name, problem.code, problem.sentence())


def _planned(
    rows: Sequence[_Row], lacked: Mapping[UUID, Sequence[Appointment]]
) -> list[tuple[_Row, Station | None, int]]:
    """The rows, each with how many managers it would get."""
    return [(row, row.station, len(lacked.get(row.station.id, ())) if row.station else len(row.phones)) for row in rows]


def _written(
    rows: Sequence[_Row], lacked: Mapping[UUID, Sequence[Appointment]], *, by: Principal
) -> list[tuple[_Row, Station, int]]:
    """Write them; the rows, each with its station and how many managers it got."""
    # Organizations are locked before stations: those that get one or a manager, and those in which one opens again.
    require_all_open(
        {row.organization_id for row in rows if row.station is None or row.station.id in lacked or _moves(row)}
    )
    stations = [(row, row.station or service.planned_station(**row.members)) for row in rows]
    service.add_stations([station for row, station in stations if row.station is None], by=by)
    service.change_stations([(row.station, row.members) for row in rows if row.station and row.members], by=by)
    wanted = [
        one
        for row, station in stations
        for one in (lacked.get(station.id, ()) if row.station is not None else _appointments(row, station))
    ]
    new = _counted(grant_all(wanted, role=Role.STATION_MANAGER, scope_type=ScopeType.STATION, by=by))
    return [(row, station, new.get(station.id, 0)) for row, station in stations]


def _moves(row: _Row) -> bool:
    return not row.members.keys().isdisjoint(("organization_id", "status"))


def _imported(row: _Row, places: Places, station: Station | None, new_managers: int) -> ImportedStation:
    is_there = row.station is not None
    is_changed = bool(row.members or new_managers)
    return ImportedStation(
        row=row.record.row,
        outcome=RowOutcome.CREATED if not is_there else RowOutcome.UPDATED if is_changed else RowOutcome.UNCHANGED,
        id=station.id if station is not None else None,
        code=row.members.get("code") or (station.code if station is not None else None),
        name=row.members.get("name") or (station.name if station is not None else ""),
        status=row.members.get("status") or (station.status if station is not None else StationStatus.OPEN),
        organization_id=row.organization_id,
        organization_name=places.names[row.organization_id],
        changed=[*row.changed, *([MANAGERS.name] if is_there and new_managers else [])],
        new_managers=new_managers,
    )


def _take_turn() -> None:
    """Names are in no constraint: of two equal imports, the second must find what the first made."""
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("SELECT pg_advisory_xact_lock(hashtext('stations.import'))"))


def _code(record: Record) -> str:
    return schemas.CODE.folded(record.values.get(CODE.name, ""))


def _phones(record: Record, faults: dict[str, Fault]) -> list[str]:
    written = record.values.get(MANAGERS.name, "")
    phones = sheet.phones_of(written) if written else []
    if isinstance(phones, Fault):
        faults[MANAGERS.name] = phones
        return []
    return phones


def _with_reason(payload: dict[str, Any], record: Record, station: Station) -> None:
    """A reason belongs to a status: to the present one where that stays, and one for pausing not to the opening."""
    if payload.get("status") == station.status:
        del payload["status"]
    reason = record.values.get(REASON.name, "")
    if "status" in payload and reason and payload["status"] in schemas.NEEDS_REASON:
        payload["status_reason"] = reason
    elif "status_reason" in payload and "status" not in payload:
        payload["status"] = station.status


def _loaded(
    schema: schemas.StationCreate | schemas.StationUpdate,
    record: Record,
    payload: Mapping[str, Any],
    faults: Mapping[str, Fault],
) -> tuple[dict[str, Any], list[CellError]]:
    """What the schema makes of a row, and its faults by cell: one of each, those of the cells before the schema's."""
    errors = {column: record.fault(column, fault) for column, fault in faults.items()}
    loaded: dict[str, Any] = {}
    try:
        loaded = dict(schema.load(payload))
    except ValidationError as error:
        for one in error_list(error.messages):
            column = sheet.column_of(one["pointer"])
            # Of a place that can't be read, one of its three cells has been named.
            if one["pointer"] != "/place" or not sheet.in_place(errors):
                errors.setdefault(column, record.error(column, one["code"], one["detail"]))
    if "services" in loaded:
        loaded["services"] = offers.normalized(loaded["services"])
    order = [column.name for column in sheet.COLUMNS]
    return loaded, sorted(errors.values(), key=lambda error: order.index(error.column))


def _present(station: Station, member: str) -> Any:
    """What a station is now, as its schema loads it."""
    match member:
        case "contact":
            return {"name": station.contact_name, "phone": station.contact_phone}
        case "opening_hours":
            return written_hours.ordered(station.opening_hours)
    return getattr(station, member)


def _appointments(row: _Row, station: Station) -> list[Appointment]:
    scope = Scope(type=ScopeType.STATION, id=station.id, name=station.name)
    return [Appointment(phone, scope, row.organization_id) for phone in row.phones]


def _counted(appointments: Iterable[Appointment]) -> dict[UUID, int]:
    counts: dict[UUID, int] = {}
    for one in appointments:
        counts[one.scope.id] = counts.get(one.scope.id, 0) + 1
    return counts
