"""Service records as they are read: one's own, and those that leaders and organizers answer for.

What waits or was turned down stands in `backfills`, all else in the ledger; both give the same members.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, func, literal, null, or_, select, true
from sqlalchemy.orm import Bundle, aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.service import masked_name
from volunteer_api.activities.models import Activity
from volunteer_api.core import audit, clock
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.hours import queries, remarks
from volunteer_api.hours.deadlines import due_on, last_day_overdue
from volunteer_api.hours.models import Backfill, RecordState, ServiceRecord, Source
from volunteer_api.hours.service import DUTY_CONTENT
from volunteer_api.organizations.access import Permission, permitted_organization_ids
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.queries import path_ids_under, subtree_ids
from volunteer_api.stations.models import Station
from volunteer_api.teams.models import Team
from volunteer_api.teams.queries import team_ids_led_by

# States of which the ledger holds nothing.
OUTSIDE_OF_THE_LEDGER = (RecordState.PENDING, RecordState.REJECTED)
Rows = Select[*tuple[Any, ...]]
Table = type[ServiceRecord] | type[Backfill]

_reversal = aliased(ServiceRecord)
_recorder, _approver, _leader = aliased(Volunteer), aliased(Volunteer), aliased(Volunteer)


def records_of(volunteer_id: UUID, query: Mapping[str, Any]) -> Page:
    """A volunteer's records, the latest day of service first; of what waits for a decision, the earliest."""
    return _shown(_chosen({**query, "volunteer_id": volunteer_id}, volunteer_id, of_reader=lambda rows, _model: rows))


def own_records(volunteer_id: UUID, *those: ColumnElement[bool], limit: int) -> list[Mapping[str, Any]]:
    """The first of a volunteer's rows in the ledger, by their ids, that meet conditions on ServiceRecord."""
    statement = _records().where(ServiceRecord.volunteer_id == volunteer_id, *those)
    return [_view(row) for row in db.session.execute(statement.order_by(ServiceRecord.id).limit(limit))]


def records(query: Mapping[str, Any], *, reader_id: UUID) -> Page:
    """The records that the filters choose, of what `access.require_reading` let the reader see.

    The latest day of service comes first; of what waits, the earliest, which is due first. That hours of others were
    read with their names is kept in the audit log.
    """
    found = _chosen(query, reader_id, of_reader=lambda rows, model: _of_reader(rows, model, query, reader_id))
    if found.items:
        audit.record(
            AuditAction.DATA_READ,
            actor_id=reader_id,
            subject_id=query.get("volunteer_id"),
            organization_id=query.get("organization_id"),
            what="service_records",
            service_record_ids=",".join(str(row.id) for row in found.items),
        )
    return _shown(found)


def read_record(record_id: UUID, *, reader_id: UUID) -> Mapping[str, Any]:
    """One record as the lists show it, wherever it stands."""
    # What was just written must be read from the database, not from what the session remembers.
    row = db.session.execute(_records().where(ServiceRecord.id == record_id)).one_or_none()
    if row is None:
        row = db.session.execute(_backfills(reader_id).where(Backfill.id == record_id)).one()
    return _viewed([row])[0]


def _chosen(query: Mapping[str, Any], reader_id: UUID, *, of_reader: Callable[[Rows, Table], Rows]) -> Page:
    """The records that the filters choose, of those that `of_reader` leaves."""
    state = query.get("state")
    if state in OUTSIDE_OF_THE_LEDGER or query.get("late"):
        chosen = _backfills(reader_id).where(
            Backfill.state == (state or RecordState.PENDING), *_filters(Backfill, query)
        )
        is_queue = state != RecordState.REJECTED
        keys = [
            Key(Backfill.on, read=lambda row: row.on, descending=not is_queue),
            Key(Backfill.id, read=lambda row: row.id, descending=not is_queue),
        ]
        return page(of_reader(chosen, Backfill), keys, query, scope=str(reader_id))
    chosen = _records().where(*_filters(ServiceRecord, query))
    if state is not None:
        chosen = chosen.where(_has_state(state))
    keys = [
        Key(ServiceRecord.on, read=lambda row: row.on, descending=True),
        Key(ServiceRecord.id, read=lambda row: row.id, descending=True),
    ]
    return page(of_reader(chosen, ServiceRecord), keys, query, scope=str(reader_id))


def _records() -> Rows:
    return (
        select(
            *ServiceRecord.__table__.columns,
            case(
                (ServiceRecord.reverses_id.is_not(None), RecordState.REVERSAL.value),
                (_reversal.id.is_not(None), RecordState.REVERSED.value),
                else_=RecordState.RECORDED.value,
            ).label("state"),
            Backfill.decision_reason,
            true().label("is_named"),
            *_names(),
        )
        .join(Volunteer, Volunteer.id == ServiceRecord.volunteer_id)
        .join(Organization, Organization.id == ServiceRecord.organization_id)
        .outerjoin(Team, Team.id == ServiceRecord.team_id)
        .outerjoin(_leader, _leader.id == ServiceRecord.leader_id)
        .outerjoin(_recorder, _recorder.id == ServiceRecord.recorder_id)
        .outerjoin(_approver, _approver.id == ServiceRecord.approver_id)
        .outerjoin(_reversal, _reversal.reverses_id == ServiceRecord.id)
        .outerjoin(Backfill, Backfill.id == ServiceRecord.id)
    )


def _backfills(reader_id: UUID) -> Rows:
    """What the ledger does not hold. Whom nobody knows there is named only to those who decide, or who lead the team
    that it is for: a leader who has a stranger's number must not learn by it who she is."""
    leads = Backfill.team_id.in_(team_ids_led_by(reader_id))
    decides = Backfill.organization_id.in_(permitted_organization_ids(reader_id, Permission.HOURS_REVIEW))
    missing = ("attendance_id", "leader_id", "reverses_id", "follows_id", "recorded_at")
    return (
        select(
            *Backfill.__table__.columns,
            literal(Source.BACKFILLED.value).label("source"),
            func.coalesce(Activity.title, Station.name + DUTY_CONTENT.format(station="")).label("content"),
            func.coalesce(Activity.place_name, Station.address).label("place_name"),
            Backfill.decided_by.label("approver_id"),
            *(null().label(name) for name in missing),
            or_(queries.is_known_of_backfill(), leads, decides & (Backfill.recorder_id != reader_id)).label("is_named"),
            *_names(leader=False),
        )
        .join(Volunteer, Volunteer.id == Backfill.volunteer_id)
        .join(Organization, Organization.id == Backfill.organization_id)
        .outerjoin(Activity, Activity.id == Backfill.activity_id)
        .outerjoin(Station, Station.id == Backfill.station_id)
        .outerjoin(Team, Team.id == Backfill.team_id)
        .outerjoin(_recorder, _recorder.id == Backfill.recorder_id)
        .outerjoin(_approver, _approver.id == Backfill.decided_by)
    )


def _names(*, leader: bool = True) -> list[Any]:
    """The names that a person reads."""
    return [
        Bundle("volunteer", Volunteer.id, Volunteer.name),
        Bundle("organization", Organization.id, Organization.name),
        Team.name.label("team_name"),
        _recorder.name.label("recorder_name"),
        _approver.name.label("approver_name"),
        (_leader.name if leader else null()).label("leader_name"),
    ]


def _filters(model: Table, query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [
        getattr(model, name) == query[name]
        for name in ("volunteer_id", "activity_id", "station_id", "team_id", "recorder_id")
        if name in query
    ]
    if "source" in query and model is ServiceRecord:
        chosen.append(ServiceRecord.source == query["source"])
    if "first_day" in query:
        chosen.append(model.on >= query["first_day"])
    if "last_day" in query:
        chosen.append(model.on <= query["last_day"])
    if "recorded_first" in query:
        chosen.append(ServiceRecord.recorded_at >= clock.start_of(query["recorded_first"]))
    if "recorded_last" in query:
        day = query["recorded_last"]
        chosen.append(ServiceRecord.recorded_at < clock.days_between(day, day)[1])
    if query.get("late"):
        chosen.append(Backfill.ends_at < clock.days_between(last_day_overdue(), last_day_overdue())[1])
    return chosen


def _of_reader(statement: Rows, model: Table, query: Mapping[str, Any], reader_id: UUID) -> Rows:
    """Of the organization that is asked for with all below it, as records keep it; or of all that the reader reads."""
    if "organization_id" in query:
        organization_id = query["organization_id"]
        if model is ServiceRecord:
            return statement.where(ServiceRecord.organization_path_id.in_(path_ids_under(organization_id)))
        return statement.where(Backfill.organization_id.in_(subtree_ids(organization_id)))
    if not {"activity_id", "station_id", "team_id"}.isdisjoint(query):
        return statement
    return statement.where(model.organization_id.in_(permitted_organization_ids(reader_id, Permission.ATTENDANCE_READ)))


def _has_state(state: RecordState) -> ColumnElement[bool]:
    if state is RecordState.REVERSAL:
        return ServiceRecord.reverses_id.is_not(None)
    if state is RecordState.REVERSED:
        # From the few reversals to what they reverse: as a condition on the join, every record would be looked at.
        other = aliased(ServiceRecord)
        return ServiceRecord.id.in_(select(other.reverses_id).where(other.reverses_id.is_not(None)))
    return ServiceRecord.reverses_id.is_(None) & _reversal.id.is_(None)


def _shown(found: Page) -> Page:
    return replace(found, items=_viewed(found.items))


def _viewed(rows: Sequence[Any]) -> list[Mapping[str, Any]]:
    """Rows with what else is on record of those that wait, for who decides on them."""
    waiting = [row.id for row in rows if row.state == RecordState.PENDING and row.is_named]
    beside = remarks.beside(waiting)
    return [{**_view(row), "remarks": beside.get(row.id, [])} for row in rows]


def _view(row: Any) -> Mapping[str, Any]:
    """A row with whose it is, and by when it must be decided, where it waits."""
    waits = row.state == RecordState.PENDING
    deadline = due_on(clock.local_date(row.ends_at)) if waits else None
    return {
        **row._mapping,
        "volunteer": row.volunteer if row.is_named else {"id": None, "name": masked_name(row.volunteer.name)},
        "due_on": deadline.on if deadline is not None else None,
        "due_on_is_certain": deadline.is_certain if deadline is not None else None,
        "late": deadline is not None and deadline.is_past(),
    }
