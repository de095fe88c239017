"""The hours ledger: what is written into it, and its sums."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.periods import Period
from volunteer_api.core.settings import settings
from volunteer_api.hours import queries
from volunteer_api.hours.days import spread
from volunteer_api.hours.models import ServiceRecord, Source
from volunteer_api.notifications import service as notifications


@dataclass(frozen=True)
class PeriodMinutes:
    """What was credited on one local day (`2026-11-23`) or in one local month (`2026-11`)."""

    period: str
    credited_minutes: int


@dataclass(frozen=True)
class Tally:
    """The sum of a volunteer's ledger over a period, and its parts; the parts add up to it."""

    credited_minutes: int
    activity_count: int
    by_period: list[PeriodMinutes]


@dataclass(frozen=True)
class Credited:
    """An interval of service that the ledger already holds, with what is left of its minutes."""

    starts_at: datetime
    ends_at: datetime
    minutes: int


def credit(
    *,
    volunteer_id: UUID,
    minutes: int,
    activity: Activity,
    shift: Shift,
    starts_at: datetime,
    ends_at: datetime,
    attendance_id: UUID | None = None,
    team_id: UUID | None = None,
    leader_id: UUID | None = None,
) -> ServiceRecord | None:
    """Write attended minutes into the ledger, with the attribution as it is now, and tell the volunteer.

    `starts_at` and `ends_at` bound the minutes; `team_id` is the team that the volunteer served for. Zero
    minutes write nothing and answer None: a record of no service is none.
    """
    if minutes == 0:
        return None
    record = ServiceRecord(
        volunteer_id=volunteer_id,
        minutes=minutes,
        source=Source.ATTENDED,
        attendance_id=attendance_id,
        activity_id=activity.id,
        shift_id=shift.id,
        station_id=activity.station_id,
        team_id=team_id or activity.team_id,
        organization_id=activity.organization_id,
        organization_path_id=activity.organization_path_id,
        on=clock.local_date(shift.starts_at),
        starts_at=starts_at,
        ends_at=ends_at,
        place_name=activity.place_name,
        content=activity.title,
        leader_id=leader_id or activity.created_by,
    )
    db.session.add(record)
    db.session.flush()
    notifications.notify(
        volunteer_id=volunteer_id,
        kind="hours_credited",
        values={"minutes": str(minutes), "activity": activity.title},
        dedup_key=f"hours_credited:{record.id}",
    )
    return record


def records_of(volunteer_id: UUID, query: dict[str, Any]) -> Page:
    """A volunteer's records, the latest day of service first."""
    keys = [
        Key(ServiceRecord.on, read=lambda row: row.on, descending=True),
        Key(ServiceRecord.id, read=lambda row: row.id, descending=True),
    ]
    return page(queries.records_of(volunteer_id), keys, query, scope=str(volunteer_id))


def tally(volunteer_id: UUID, period: Period) -> Tally:
    """The sum of the ledger: by day where the period has at most 31 days, else by month."""
    sums: defaultdict[str, int] = defaultdict(int)
    for day, minutes in db.session.execute(queries.minutes_by_day(volunteer_id, period)):
        sums[day.isoformat() if period.by_day else f"{day:%Y-%m}"] += int(minutes)
    return Tally(
        credited_minutes=sum(sums.values()),
        activity_count=db.session.scalars(queries.activity_count(volunteer_id, period)).one(),
        by_period=[PeriodMinutes(period=name, credited_minutes=minutes) for name, minutes in sums.items()],
    )


def credited_on(volunteer_id: UUID, first: date, last: date) -> list[Credited]:
    """What the ledger holds of a volunteer's time on the local days `first` to `last`, both included."""
    rows = db.session.execute(queries.minutes_between(volunteer_id, *clock.days_between(first, last)))
    return [Credited(row.starts_at, row.ends_at, int(row.minutes)) for row in rows]


def minutes_by_day(records: Sequence[Credited]) -> dict[date, int]:
    """The minutes of records on each local day that they touch."""
    days: defaultdict[date, int] = defaultdict(int)
    for record in records:
        for day, minutes in spread(record.minutes, record.starts_at, record.ends_at, settings().zone).items():
            days[day] += minutes
    return dict(days)
