"""What is read of disputes, and of what is disputed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.access import led_by
from volunteer_api.activities.leaders import who_hears_of
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance, RollCallMark
from volunteer_api.attendance.review_queries import managed_stations, managers_of
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import rules
from volunteer_api.disputes.models import Dispute, DisputeState, DisputeStep, DisputeWords
from volunteer_api.hours.models import Backfill, ServiceRecord
from volunteer_api.organizations.access import Permission, permitted_organization_ids
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.stations.models import Station

REMINDED_AT_ONCE = 100
MOST_STEPS = 200
IS_CLOSED: ColumnElement[int] = case((Dispute.state == DisputeState.OPEN, 0), else_=1)
# One row of several columns, whose types the caller knows.
Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Matter:
    """What a dispute is about: the rows that are there, and nothing where there are none."""

    record: ServiceRecord | None
    attendance: Attendance | None
    shift: Shift | None
    activity: Activity | None
    station: Station | None

    @property
    def frame(self) -> tuple[datetime, datetime] | None:
        """Inside which somebody may vouch for service, as far as it is over: the shift; the frame of a duty with an
        attendance; of a recorded one, as long as one may last from its beginning on."""
        now = clock.now()
        starts_at: datetime | None = None
        ends_at: datetime | None = None
        if self.shift is not None:
            starts_at, ends_at = self.shift.starts_at, self.shift.ends_at
        elif self.attendance is not None:
            starts_at, ends_at = self.attendance.frame_starts_at, self.attendance.frame_ends_at
        if starts_at is not None and ends_at is not None:
            return starts_at, max(starts_at, min(ends_at, now))
        if self.record is None:
            return None
        longest = self.record.starts_at + timedelta(minutes=rules().duty_minutes)
        return self.record.starts_at, max(self.record.ends_at, min(longest, now))


def matter(
    *, service_record_id: UUID | None = None, attendance_id: UUID | None = None, shift_id: UUID | None = None
) -> Matter:
    """The record with its attendance, the attendance, or the shift; with the activity or the station of each."""
    record = db.session.get(ServiceRecord, service_record_id) if service_record_id is not None else None
    if record is not None:
        attendance_id, shift_id = record.attendance_id, record.shift_id
    attendance = _fresh_attendance(attendance_id) if attendance_id is not None else None
    if attendance is not None:
        shift_id = attendance.shift_id
    shift = db.session.get(Shift, shift_id) if shift_id is not None else None
    activity = db.session.get(Activity, shift.activity_id) if shift is not None else None
    station_id = attendance.station_id if attendance is not None else record.station_id if record is not None else None
    station = db.session.get(Station, station_id) if station_id is not None else None
    return Matter(record, attendance, shift, activity, station)


def subject_of(dispute: Dispute) -> Matter:
    """What a dispute is about."""
    return matter(
        service_record_id=dispute.service_record_id, attendance_id=dispute.attendance_id, shift_id=dispute.shift_id
    )


def reversal_of(record_id: UUID) -> UUID | None:
    """The row that takes a record back."""
    return db.session.scalar(select(ServiceRecord.id).where(ServiceRecord.reverses_id == record_id))


def standing_at(volunteer_id: UUID, shift_id: UUID) -> UUID | None:
    """A record of the volunteer's at the shift that nothing takes back."""
    reversal = aliased(ServiceRecord)
    return db.session.scalar(
        select(ServiceRecord.id)
        .where(
            ServiceRecord.volunteer_id == volunteer_id,
            ServiceRecord.shift_id == shift_id,
            ServiceRecord.reverses_id.is_(None),
            ~exists().where(reversal.reverses_id == ServiceRecord.id),
        )
        .order_by(ServiceRecord.id)
        .limit(1)
    )


def attendance_at(volunteer_id: UUID, shift_id: UUID) -> UUID | None:
    """The volunteer's latest attendance at the shift, whatever became of it."""
    return db.session.scalar(
        select(Attendance.id)
        .where(Attendance.volunteer_id == volunteer_id, Attendance.shift_id == shift_id)
        .order_by(Attendance.id.desc())
        .limit(1)
    )


def marked_by(volunteer_id: UUID, shift_id: UUID) -> UUID | None:
    """Whose roll-call of the shift named the volunteer, the last one."""
    return db.session.scalar(
        select(RollCallMark.marked_by)
        .where(RollCallMark.shift_id == shift_id, RollCallMark.volunteer_id == volunteer_id)
        .order_by(RollCallMark.id)
        .limit(1)
    )


def open_about(volunteer_id: UUID, subject: Mapping[str, UUID], shift_id: UUID | None) -> UUID | None:
    """The volunteer's open dispute about the same record or attendance, or about the same shift."""
    same = [getattr(Dispute, name) == value for name, value in subject.items()]
    if shift_id is not None:
        same.append(Dispute.matter_shift_id == shift_id)
    mine = (Dispute.volunteer_id == volunteer_id) & (Dispute.state == DisputeState.OPEN)
    return db.session.scalar(select(Dispute.id).where(mine, or_(*same)).order_by(Dispute.id).limit(1))


def backfilled_by(volunteer_id: UUID, shift_id: UUID) -> list[tuple[UUID, UUID | None]]:
    """Who recorded service of the volunteer at the shift by hand, and who decided on that, whatever came of it."""
    found = (
        select(Backfill.recorder_id, Backfill.decided_by)
        .where(Backfill.volunteer_id == volunteer_id, Backfill.shift_id == shift_id)
        .order_by(Backfill.id.desc())
        .limit(MOST_STEPS)
    )
    return [(row.recorder_id, row.decided_by) for row in db.session.execute(found)]


def witnesses_of(matter: Matter) -> list[UUID]:
    """Who can say whether somebody served: who leads the activity, or who manages the station of a duty."""
    if matter.activity is not None:
        return who_hears_of(matter.activity)
    return managers_of([matter.station.id])[matter.station.id] if matter.station is not None else []


def witnessed_by(volunteer_id: UUID) -> ColumnElement[bool]:
    """The disputes about shifts of activities that the volunteer leads, and about duty at stations that she manages."""
    shift = exists().where(Shift.id == Dispute.matter_shift_id, Activity.id == Shift.activity_id, led_by(volunteer_id))
    duty = exists().where(
        ServiceRecord.id == Dispute.service_record_id,
        ServiceRecord.shift_id.is_(None),
        ServiceRecord.station_id.in_(managed_stations(volunteer_id)),
    )
    tapped = exists().where(
        Attendance.id == Dispute.attendance_id, Attendance.station_id.in_(managed_stations(volunteer_id))
    )
    return or_(shift, duty, tapped)


def locked(dispute_id: UUID) -> Dispute:
    """The dispute, held until the unit ends, as it is now; the volunteer must be held before."""
    return db.session.scalars(
        select(Dispute)
        .where(Dispute.id == dispute_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def next_sequence(dispute_id: UUID) -> int:
    """The number of the next step of a held dispute."""
    last = select(func.max(DisputeStep.sequence)).where(DisputeStep.dispute_id == dispute_id)
    return (db.session.scalar(last) or 0) + 1


def to_remind(today: date) -> list[Dispute]:
    """Open disputes that are due soon and were not reminded of, those due first first; held, at most a hundred."""
    return list(
        db.session.scalars(
            select(Dispute)
            .where(
                Dispute.state == DisputeState.OPEN,
                Dispute.reminded_at.is_(None),
                Dispute.due_on <= today + timedelta(days=rules().dispute_reminder_days),
            )
            .order_by(Dispute.due_on, Dispute.id)
            .limit(REMINDED_AT_ONCE)
            .with_for_update(skip_locked=True, key_share=True)
        )
    )


def open_below(organization_id: UUID) -> list[Dispute]:
    """The open disputes of an organization and those below it, those due first first, at most a hundred."""
    found = (
        select(Dispute)
        .where(Dispute.state == DisputeState.OPEN, Dispute.organization_id.in_(subtree_ids(organization_id)))
        .order_by(Dispute.due_on, Dispute.id)
        .limit(REMINDED_AT_ONCE)
    )
    return list(db.session.scalars(found))


def page_of_disputes(query: Mapping[str, Any], caller_id: UUID) -> Page:
    """One's own disputes, and those that one may decide on or confirm: the open ones first, by the day they are due."""
    to_answer = or_(
        Dispute.organization_id.in_(permitted_organization_ids(caller_id, Permission.HOURS_REVIEW)),
        witnessed_by(caller_id),
    )
    own = Dispute.volunteer_id == caller_id
    whose = {None: or_(own, to_answer), True: own, False: to_answer & ~own}
    today = clock.today()
    statement = _rows().where(whose[query.get("mine")])
    if "state" in query:
        statement = statement.where(Dispute.state == query["state"])
    if "unconfirmed" in query:
        unconfirmed = _is_unconfirmed() & ~own
        statement = statement.where(unconfirmed if query["unconfirmed"] else ~unconfirmed)
    if "overdue" in query:
        overdue = (Dispute.state == DisputeState.OPEN) & (Dispute.due_on < today)
        statement = statement.where(overdue if query["overdue"] else ~overdue)
    if "organization_id" in query:
        statement = statement.where(Dispute.organization_id.in_(subtree_ids(query["organization_id"])))
    keys = [
        Key(IS_CLOSED, read=lambda row: row.is_closed),
        Key(Dispute.due_on, read=lambda row: row.due_on),
        Key(Dispute.id, read=lambda row: row.id),
    ]
    found = page(statement, keys, query, scope=str(caller_id))
    return Page([_view(row, today) for row in found.items], found.next_cursor)


def read(dispute_id: UUID) -> dict[str, Any]:
    """A dispute with its trail. Two statements."""
    row = db.session.execute(_rows().where(Dispute.id == dispute_id)).one()
    steps = (
        select(DisputeStep.kind, DisputeStep.created_at, DisputeStep.actor_id, Volunteer.name, DisputeWords.words)
        .join(Volunteer, Volunteer.id == DisputeStep.actor_id)
        .outerjoin(DisputeWords, DisputeWords.step_id == DisputeStep.id)
        .where(DisputeStep.dispute_id == dispute_id)
        .order_by(DisputeStep.sequence)
        .limit(MOST_STEPS)
    )
    trail = [
        {
            "kind": step.kind,
            "at": step.created_at,
            "actor": {"id": step.actor_id, "name": step.name},
            "text": step.words,
        }
        for step in db.session.execute(steps)
    ]
    return _view(row, clock.today()) | {"steps": trail}


def _is_unconfirmed() -> ColumnElement[bool]:
    """An open dispute for whose service nobody has vouched: no person, and no attendance that has so much."""
    recorded = select(ServiceRecord.attendance_id).where(ServiceRecord.id == Dispute.service_record_id)
    attended = exists().where(
        Attendance.id == func.coalesce(Dispute.attendance_id, recorded.scalar_subquery()),
        Attendance.credited_minutes + Attendance.held_minutes >= func.coalesce(Dispute.claimed_minutes, 0),
    )
    return and_(Dispute.state == DisputeState.OPEN, Dispute.confirmed_by.is_(None), ~attended)


def _rows() -> Rows:
    return select(*Dispute.__table__.columns, Volunteer.name, IS_CLOSED.label("is_closed")).join(
        Volunteer, Volunteer.id == Dispute.volunteer_id
    )


def _view(row: Any, today: date) -> dict[str, Any]:
    return dict(row._mapping) | {
        "volunteer": {"id": row.volunteer_id, "name": row.name},
        "overdue": row.state == DisputeState.OPEN and row.due_on < today,
    }


def _fresh_attendance(attendance_id: UUID) -> Attendance | None:
    return db.session.get(Attendance, attendance_id, populate_existing=True)
