"""When a station is open: its weekly hours, the dates with others, and public holidays. Pure: no database, no clock.

Local time of the deployment throughout. Hours belong to the day on which they open: a night from 20:00 to 02:00 is the
earlier day's, and runs to its end whatever the next day is. An exception replaces all hours of its days, also on a
public holiday; without one, the holiday rule says which weekly hours a day has.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from volunteer_api.core.holidays import DayKind, day_kind
from volunteer_api.stations.models import HolidayRule

MINUTES_A_DAY = 1440
MONDAY, SUNDAY = 1, 7
# How far ahead an opening is looked for: past the longest holiday and a month's repairs.
DAYS_AHEAD = 62
# Who is open for longer than this at a stretch never closes, as far as a passer-by is concerned.
LONGEST_STRETCH = timedelta(days=8)
ONE_DAY = timedelta(days=1)

Span = tuple[int, int]
"""Minutes from a day's local midnight: opens, closes (past 1440 on the next day), the end not included."""


@dataclass(frozen=True)
class Schedule:
    """What a station's hours depend on, as the model keeps it."""

    opening_hours: Sequence[Mapping[str, Any]]
    hour_exceptions: Sequence[Mapping[str, Any]]
    holiday_rule: str


@dataclass(frozen=True)
class Outlook:
    """How it stands at a moment: where it is open, when it closes (None: not in the next eight days), else when it
    opens (None: not in the next two months).
    """

    is_open: bool
    closes_at: datetime | None
    opens_at: datetime | None


def span_of(hours: Mapping[str, str]) -> Span:
    """`{"opens", "closes"}` in minutes; "20:00" to "02:00" is (1200, 1560)."""
    opens, closes = _minutes(hours["opens"]), _minutes(hours["closes"])
    return opens, closes if closes > opens else closes + MINUTES_A_DAY


def weekday_of(rule: str, day: date) -> int | None:
    """Whose weekly hours a day without an exception has: 1 (Monday) to 7, None where it has none."""
    kind = day_kind(day)
    if kind is DayKind.HOLIDAY and rule != HolidayRule.REGULAR:
        return SUNDAY if rule == HolidayRule.SUNDAY else None
    if kind is DayKind.MOVED_WORKDAY and rule in (HolidayRule.OFFICE, HolidayRule.SUNDAY):
        return MONDAY
    return day.isoweekday()


def exception_on(schedule: Schedule, day: date) -> Mapping[str, Any] | None:
    """The exception that counts on a day; at most one does."""
    text = day.isoformat()
    return next((one for one in schedule.hour_exceptions if one["first_on"] <= text <= one["last_on"]), None)


def spans_on(schedule: Schedule, day: date) -> list[Span]:
    """The hours that begin on a day, in order."""
    exception = exception_on(schedule, day)
    if exception is not None:
        return sorted(span_of(hours) for hours in exception["hours"])
    weekday = weekday_of(schedule.holiday_rule, day)
    return sorted(span_of(hours) for hours in schedule.opening_hours if hours["weekday"] == weekday)


def outlook(schedule: Schedule, moment: datetime, zone: ZoneInfo) -> Outlook:
    """Whether it is open at a moment, and what comes next."""
    if not schedule.opening_hours and not schedule.hour_exceptions:
        return Outlook(is_open=False, closes_at=None, opens_at=None)
    now = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    end: datetime | None = None
    for opens, closes in _spells(schedule, now.date()):
        if end is None and closes <= now:
            continue
        if end is None and opens > now:
            return Outlook(is_open=False, closes_at=None, opens_at=opens.replace(tzinfo=zone))
        if end is not None and opens > end:
            break
        end = closes if end is None else max(end, closes)
        if end - now > LONGEST_STRETCH:
            return Outlook(is_open=True, closes_at=None, opens_at=None)
    return Outlook(is_open=end is not None, closes_at=end.replace(tzinfo=zone) if end else None, opens_at=None)


def spell_at(
    schedule: Schedule, moment: datetime, zone: ZoneInfo, *, early: timedelta
) -> tuple[datetime, datetime] | None:
    """From when to when it is open without a break, at a moment or at most `early` after it; None where it is closed.

    Hours that touch or overlap are one. Without end, the end lies more than eight days ahead.
    """
    now = moment.astimezone(zone).replace(tzinfo=None, fold=0)
    found: tuple[datetime, datetime] | None = None
    for opens, closes in _spells(schedule, now.date()):
        if found is None:
            if closes <= now or (opens > now and opens - now > early):
                continue
            found = opens, closes
        elif opens > found[1] or found[1] - now > LONGEST_STRETCH:
            break
        else:
            found = found[0], max(found[1], closes)
    if found is None:
        return None
    return found[0].replace(tzinfo=zone), found[1].replace(tzinfo=zone)


def _spells(schedule: Schedule, today: date) -> Iterator[tuple[datetime, datetime]]:
    """Local beginnings and ends from yesterday's hours on, by their beginning."""
    for number in range(-1, DAYS_AHEAD):
        midnight = datetime.combine(today + number * ONE_DAY, time.min)
        for opens, closes in spans_on(schedule, midnight.date()):
            yield midnight + timedelta(minutes=opens), midnight + timedelta(minutes=closes)


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)
