"""Attendances, presence codes and tallies as they are shown."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Shift
from volunteer_api.attendance import presence_code, queries
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.presence_code import CodeKind, PresenceCode
from volunteer_api.certificates.queries import star_level_held
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.periods import Period
from volunteer_api.core.settings import rules, settings
from volunteer_api.hours import service as hours
from volunteer_api.hours.tallies import Part
from volunteer_api.stations.models import Station
from volunteer_api.stations.opening import spell_at
from volunteer_api.stations.views import schedule_of

# How long after its end people still stand in line with a phone to check out.
LEAVING = timedelta(minutes=30)


@dataclass(frozen=True)
class ShownCodes:
    """What a phone shows: the present code, and those to show later without network."""

    code: str
    qr: str
    valid_from: datetime
    valid_until: datetime
    codes: list[PresenceCode]


@dataclass(frozen=True)
class FullTally:
    """The sum of the ledger over a period, with what still waits for review beside it."""

    credited_minutes: int
    held_minutes: int
    activity_count: int
    by_period: list[Part]
    # The star level held now, whatever the period; 0: none.
    star_level: int


def codes_of_shift(shift: Shift) -> ShownCodes:
    """The presence codes of a shift from now, or from when check-in opens, until all who queue have checked out."""
    opens_at = shift.starts_at - timedelta(minutes=rules().check_in_opens_minutes)
    return _codes_to_show(shift.id, CodeKind.SHIFT, opens_at, shift.ends_at + LEAVING)


def codes_of_station(station: Station) -> ShownCodes:
    """The presence codes of a station from now to the end of the local day, or of a night that it is open for."""
    now = clock.now()
    spell = spell_at(schedule_of(station), now, settings().zone, early=timedelta())
    midnight = clock.days_between(clock.today(), clock.today())[1]
    return _codes_to_show(station.id, CodeKind.STATION, now, midnight if spell is None else max(midnight, spell[1]))


def own_codes(volunteer: Volunteer) -> ShownCodes:
    """A volunteer's own codes for a day from now, for a desk to read when her phone has no network."""
    now = clock.now()
    return _codes_to_show(volunteer.volunteer_number, CodeKind.VOLUNTEER, now, now + timedelta(days=1))


def _codes_to_show(target_id: object, kind: CodeKind, opens_at: datetime, ends_at: datetime) -> ShownCodes:
    now = clock.now()
    present = presence_code.code_at(target_id, now, kind)
    return ShownCodes(
        code=present.code,
        qr=presence_code.qr_text(target_id, present.code, kind),
        valid_from=present.valid_from,
        valid_until=present.valid_until,
        codes=list(presence_code.codes_between(target_id, max(now, opens_at), ends_at, kind)),
    )


def attendances_of(volunteer_id: UUID, query: dict[str, Any]) -> Page:
    """A volunteer's attendances, newest first."""
    keys = [Key(Attendance.id, read=lambda item: item.id, descending=True)]
    return page(queries.of_volunteer(volunteer_id), keys, query, scope=str(volunteer_id))


def attendances_at(shift: Shift, query: dict[str, Any]) -> Page:
    """A shift's attendances in the order in which they were received."""
    return page(queries.of_shift(shift.id), [Key(Attendance.id, read=lambda row: row.id)], query, scope=str(shift.id))


def tally(volunteer_id: UUID, period: Period) -> FullTally:
    """The sum of a volunteer's ledger over a period, and the minutes of its shifts that wait for review."""
    credited = hours.tally(volunteer_id, period)
    return FullTally(
        credited_minutes=credited.credited_minutes,
        held_minutes=credited.held_minutes,
        activity_count=credited.activity_count,
        by_period=credited.by_period,
        star_level=db.session.scalars(star_level_held(volunteer_id)).one(),
    )
