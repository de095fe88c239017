"""The hours ledger: what is written into it, and its sums."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import audit, clock, events
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.periods import Period
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import settings
from volunteer_api.hours import queries, tallies
from volunteer_api.hours.days import spread, whole_minutes
from volunteer_api.hours.events import RecordReversed, RecordWritten
from volunteer_api.hours.models import ServiceRecord, Source, SubjectKind
from volunteer_api.hours.notices import HOURS_CREDITED, HOURS_REVERSED
from volunteer_api.hours.problems import HoursAlreadyReversed, OwnHours, ReversalStays
from volunteer_api.hours.tallies import HeldChange, Part
from volunteer_api.notifications import service as notifications
from volunteer_api.notifications.service import Notice
from volunteer_api.sign_ups.queries import lock_volunteer
from volunteer_api.stations.models import Station

DUTY_CONTENT = "{station}值守"
# A reversal is its record again but for these.
KEPT_BY_REVERSAL = tuple(
    column.key
    for column in ServiceRecord.__table__.columns
    if column.key
    not in {
        "id",
        "created_at",
        "recorded_at",
        "minutes",
        "reverses_id",
        "follows_id",
        "recorder_id",
        "approver_id",
        "reason",
    }
)


@dataclass(frozen=True)
class Tally:
    """The sum of a volunteer's ledger over a period with what waits for review, and its parts, which add up to it."""

    credited_minutes: int
    held_minutes: int
    activity_count: int
    by_period: list[Part]


@dataclass(frozen=True)
class Credited:
    """An interval of service that the ledger already holds, with what is left of its minutes."""

    starts_at: datetime
    ends_at: datetime
    minutes: int


@dataclass(frozen=True)
class Recorded:
    """The interval and the signed minutes of one row of the ledger, and the attendance that it is of, if any."""

    starts_at: datetime
    ends_at: datetime
    minutes: int
    attendance_id: UUID | None


@dataclass(frozen=True)
class Entries:
    """First credits and held minutes of several attendances, gathered to be written at once."""

    credits: list[ServiceRecord] = field(default_factory=list)
    held: list[HeldChange] = field(default_factory=list)

    def write(self) -> None:
        """Write them, with what follows from them."""
        _write(self.credits, told=HOURS_CREDITED)
        tallies.count_held(self.held)


def credit(
    *,
    volunteer_id: UUID,
    minutes: int,
    activity: Activity | None,
    shift: Shift | None,
    station: Station | None = None,
    starts_at: datetime,
    ends_at: datetime,
    attendance_id: UUID | None = None,
    team_id: UUID | None = None,
    leader_id: UUID | None = None,
    recorder_id: UUID | None = None,
    approver_id: UUID | None = None,
    reason: str | None = None,
    gathered: Entries | None = None,
) -> ServiceRecord | None:
    """Write attended minutes into the ledger, with the attribution as it is now, and tell the volunteer.

    Of a shift with its activity, or of a duty at a station. `starts_at` and `ends_at` bound the minutes; `team_id` is
    the team that the volunteer served for. An attendance that has a credit that stands takes no second one: the
    database refuses it; take the first back before (`take_back`). Zero minutes write nothing and answer None: a record
    of no service is none. `recorder_id` and `approver_id` are other people than the volunteer, and than each other.
    With `gathered`, which is for an attendance of which the ledger has nothing yet, it is written with the others.
    """
    if minutes == 0:
        return None
    record = ServiceRecord(
        volunteer_id=volunteer_id,
        minutes=minutes,
        source=Source.ATTENDED,
        attendance_id=attendance_id,
        starts_at=starts_at,
        ends_at=ends_at,
        recorder_id=recorder_id,
        approver_id=approver_id,
        reason=reason,
        **described(activity, shift, station, starts_at, team_id, leader_id),
    )
    if gathered is not None:
        gathered.credits.append(record)
        return record
    if attendance_id is not None:
        # One statement with the INSERT: a look of its own would cost every check-out for the few that are corrected.
        record.follows_id = queries.reversal_to_follow(attendance_id)
    write(record, told=HOURS_CREDITED)
    return record


def write(record: ServiceRecord, *, told: str | None) -> None:
    """Write a credit into the ledger with what follows from it.

    `told` is the kind of notification that tells of it, None where the decision that it is of tells of it already.
    """
    _write([record], told=told)


def _write(records: Sequence[ServiceRecord], *, told: str | None) -> None:
    if not records:
        return
    for record in records:
        db.session.add(record)
        tallies.credited(record)
    db.session.flush()
    notifications.notify_all(
        [
            Notice(
                volunteer_id=record.volunteer_id,
                kind=told,
                values={
                    "minutes": str(record.minutes),
                    "activity": record.content,
                    "service_record_id": str(record.id),
                },
                dedup_key=f"{told}:{record.id}",
            )
            for record in records
            if told is not None
        ]
    )
    for record in records:
        events.publish(RecordWritten(record.id, record.volunteer_id))


def described(
    activity: Activity | None,
    shift: Shift | None,
    station: Station | None,
    starts_at: datetime,
    team_id: UUID | None,
    leader_id: UUID | None,
) -> dict[str, Any]:
    """What a record says of the service and whom it belongs to, as it is now."""
    if activity is not None and shift is not None:
        told = {
            "activity_id": activity.id,
            "shift_id": shift.id,
            "on": clock.local_date(shift.starts_at),
            "place_name": activity.place_name,
            "content": activity.title,
            "leader_id": leader_id or activity.created_by,
        }
    elif station is not None:
        told = {
            "on": clock.local_date(starts_at),
            "place_name": station.address,
            # What the ledger keeps is in the language of the records, which order 67 asks for.
            "content": DUTY_CONTENT.format(station=station.name),
            "leader_id": leader_id,
        }
    else:
        raise ValueError("minutes are of a shift with its activity, or of a duty at a station")
    return told | tallies.place_of(activity, station, team_id)


def reverse(
    *, record_id: UUID, reason: str, actor_id: UUID, minutes_to_follow: int = 0, tell: bool = True
) -> ServiceRecord:
    """Take a record back by a row of the opposite minutes, on its own day and with its attribution; tell the volunteer.

    That is left out without `tell`: where a decision in her favor tells of it, it would say the opposite.
    An attendance that it credited hears of it. `minutes_to_follow` are credited in its place in the same unit: who only
    has her hours corrected is not treated as if they were gone.

    Raises NotFound (404), OwnHours (403), ReversalStays and HoursAlreadyReversed (409).
    """
    record = db.session.get(ServiceRecord, record_id)
    if record is None:
        raise NotFound()
    # Before the attendance, as whoever changes that does it.
    lock_volunteer(record.volunteer_id)
    return _reverse(record, reason, actor_id, minutes_to_follow, attendance_id=record.attendance_id, tell=tell)


def _reverse(
    record: ServiceRecord,
    reason: str,
    actor_id: UUID | None,
    minutes_to_follow: int,
    *,
    attendance_id: UUID | None,
    tell: bool = True,
) -> ServiceRecord:
    """Take a record back whose volunteer is held; `attendance_id` is who must hear of it."""
    if actor_id == record.volunteer_id:
        raise OwnHours()
    if record.reverses_id is not None:
        raise ReversalStays()
    if db.session.scalar(queries.reversal_of(record.id)) is not None:
        raise HoursAlreadyReversed()
    kept = {name: getattr(record, name) for name in KEPT_BY_REVERSAL}
    reversal = ServiceRecord(
        **kept, minutes=-record.minutes, reverses_id=record.id, recorder_id=actor_id, approver_id=None, reason=reason
    )
    db.session.add(reversal)
    tallies.credited(reversal)
    db.session.flush()
    if tell:
        notifications.notify(
            volunteer_id=record.volunteer_id,
            kind=HOURS_REVERSED,
            values={
                "minutes": str(record.minutes),
                "activity": record.content,
                "reason": reason,
                "service_record_id": str(record.id),
            },
            dedup_key=f"{HOURS_REVERSED}:{record.id}",
        )
    # Where no person decided it, the order of her own taps did.
    if actor_id is not None:
        audit.record(
            AuditAction.HOURS_REVERSED,
            actor_id=actor_id,
            subject_id=record.volunteer_id,
            organization_id=record.organization_id,
            service_record_id=str(record.id),
            minutes=record.minutes,
        )
    events.publish(RecordReversed(record.id, reversal.id, record.volunteer_id, minutes_to_follow, attendance_id))
    return reversal


def standing_of(attendance_id: UUID) -> ServiceRecord | None:
    """The record of an attendance that nothing takes back."""
    standing = db.session.scalar(queries.standing_of_attendance(attendance_id))
    return db.session.get(ServiceRecord, standing) if standing is not None else None


def was_taken_back_by(person_id: UUID, attendance_id: UUID) -> bool:
    """Whether this person let the ledger take minutes of the attendance back."""
    return db.session.scalar(queries.taken_back_by(person_id, attendance_id)) is not None


def take_back(
    *, attendance_id: UUID, reason: str, actor_id: UUID | None, minutes_to_follow: int = 0, tell: bool = True
) -> ServiceRecord | None:
    """Reverse what stands in the ledger for an attendance, None if nothing does; a new credit of it may follow.

    For the attendance itself, which holds the volunteer and changes what it says of its minutes. `actor_id` is None
    where no person decides it but the order of the volunteer's own taps. Raises as `reverse`.
    """
    standing = standing_of(attendance_id)
    if standing is None:
        return None
    return _reverse(standing, reason, actor_id, minutes_to_follow, attendance_id=None, tell=tell)


def tally(volunteer_id: UUID, period: Period) -> Tally:
    """A volunteer's tally: by day where the period has at most 31 days, else by month."""
    sums = tallies.tally(SubjectKind.VOLUNTEER, volunteer_id, period)
    return Tally(
        credited_minutes=sums.credited_minutes,
        held_minutes=sums.held_minutes,
        activity_count=db.session.scalars(queries.activity_count(volunteer_id, period)).one(),
        by_period=sums.by_period,
    )


def credited_on(volunteer_id: UUID, first: date, last: date, *, besides: Collection[UUID] = ()) -> list[Credited]:
    """What the ledger holds of a volunteer's time on the local days `first` to `last`, both included.

    `besides` are attendances whose records are left out.
    """
    return credited_among(recorded_on(volunteer_id, first, last), first, last, besides=besides)


def recorded_on(volunteer_id: UUID, first: date, last: date) -> list[Recorded]:
    """The rows of the ledger of a volunteer's time on the local days `first` to `last`, both included."""
    return recorded_of([volunteer_id], first, last)[volunteer_id]


def recorded_of(volunteer_ids: Collection[UUID], first: date, last: date) -> dict[UUID, list[Recorded]]:
    """The same for several volunteers at once."""
    rows: dict[UUID, list[Recorded]] = {volunteer_id: [] for volunteer_id in volunteer_ids}
    for row in db.session.execute(queries.records_between(volunteer_ids, *clock.days_between(first, last))):
        rows[row.volunteer_id].append(Recorded(row.starts_at, row.ends_at, row.minutes, row.attendance_id))
    return rows


def credited_among(
    rows: Iterable[Recorded | ServiceRecord], first: date, last: date, *, besides: Collection[UUID] = ()
) -> list[Credited]:
    """The same as `credited_on` from rows of one volunteer that are known, those of other days among them."""
    begins, ends = clock.days_between(first, last)
    sums: defaultdict[tuple[datetime, datetime], int] = defaultdict(int)
    for row in rows:
        if row.starts_at < ends and row.ends_at > begins and row.attendance_id not in besides:
            sums[row.starts_at, row.ends_at] += row.minutes
    return [Credited(*interval, minutes) for interval, minutes in sums.items() if minutes > 0]


def room_beside(records: Sequence[Credited], starts_at: datetime, ends_at: datetime) -> int:
    """How many minutes of an interval these records leave free."""
    taken = sum(
        min(one.minutes, whole_minutes(max(one.starts_at, starts_at), min(one.ends_at, ends_at))) for one in records
    )
    return max(0, whole_minutes(starts_at, ends_at) - taken)


def minutes_by_day(records: Sequence[Credited]) -> dict[date, int]:
    """The minutes of records on each local day that they touch."""
    days: defaultdict[date, int] = defaultdict(int)
    for record in records:
        for day, minutes in spread(record.minutes, record.starts_at, record.ends_at, settings().zone).items():
            days[day] += minutes
    return dict(days)
