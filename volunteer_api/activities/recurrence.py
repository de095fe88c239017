"""Shifts that come again: a rule of RFC 5545, expanded in the deployment's local time."""

import calendar
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any

from dateutil.relativedelta import relativedelta
from dateutil.rrule import DAILY, rrule, rrulestr

from volunteer_api.core import clock, holidays
from volunteer_api.core.holidays import DayKind
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.core.schema import Fault, error_list
from volunteer_api.core.settings import settings

MOST_OCCURRENCES = 366
LONGEST_REACH = relativedelta(years=3)
PART = re.compile(r"(FREQ|UNTIL|COUNT|INTERVAL|BYDAY|BYMONTHDAY|BYMONTH|BYSETPOS|BYWEEKNO|BYYEARDAY|WKST)=[A-Z0-9,+-]+")
NOT_A_RULE = Fault("not_a_rule", "This is no RRULE like FREQ=WEEKLY;BYDAY=SA;COUNT=10.")
UNTIL = re.compile(r"UNTIL=(\d{8})(T\d{6}Z?)?")
# What dateutil takes without a word and then never comes back from, or fails of.
BOUNDS = {"INTERVAL": (1, 1000), "BYMONTH": (1, 12), "BYMONTHDAY": (1, 31), "BYYEARDAY": (1, 366), "BYWEEKNO": (1, 53)}
ONLY_POSITIVE = ("INTERVAL", "BYMONTH")
# The last year with five whole ones behind it.
LAST_YEAR = 9994

# Which members of a recurrence leave out which days.
SKIPS = {"skip_holidays": DayKind.HOLIDAY, "skip_moved_workdays": DayKind.MOVED_WORKDAY}

Shift = dict[str, Any]


def expand(recurrence: Mapping[str, Any], *, pointer: str = "recurrence") -> list[Shift]:
    """The shifts that {rrule, starts_at, ends_at, capacity?, minimum?, roles?, except_on?, skip_holidays?,
    skip_moved_workdays?} gives, the first at `starts_at`.

    Each begins at the same local time and is as long on the wall clock, whatever the zone's clocks do in between; where
    they leave nothing of it, it is as long as the first. Days in `except_on` are left out, and those that the skips
    name. Each has its local start in `from_recurrence`, by which it is known again, and in `until_recurrence` its end.
    Raises InvalidPayload (422): not_a_rule, too_often, without_end, too_many_shifts, too_far, no_shift.
    """
    _require_one_end(recurrence["rrule"], pointer)
    first = _local(recurrence["starts_at"])
    lasts = _local(recurrence["ends_at"]) - first
    left_out = set(recurrence.get("except_on") or ())
    shifts = []
    for local_start in _starts(recurrence["rrule"], first, pointer):
        if local_start.date() in left_out or is_skipped(local_start.date(), recurrence):
            continue
        starts_at, ends_at = _moments(local_start, lasts)
        shifts.append(
            {
                "starts_at": starts_at,
                "ends_at": ends_at,
                "capacity": recurrence.get("capacity"),
                "minimum": recurrence.get("minimum"),
                "roles": recurrence.get("roles") or [],
                "from_recurrence": starts_at,
                "until_recurrence": ends_at,
            }
        )
    if not shifts:
        raise _refusal(pointer, Fault("no_shift", "The rule gives no shift."))
    return shifts


def stored(recurrence: Mapping[str, Any]) -> dict[str, Any]:
    """The recurrence as JSON keeps it, with what the calendar of holidays made of it where it was asked to.

    That is `skipped_on`, the local days left out by it, and `holidays_known_through` (see core.holidays).
    """
    kept = {name: _plain(value) for name, value in recurrence.items()}
    if not any(recurrence.get(name) for name in SKIPS):
        return kept
    days = {start.date() for start in _starts(recurrence["rrule"], _local(recurrence["starts_at"]))}
    skipped = sorted(day for day in days if is_skipped(day, recurrence))
    return kept | {"skipped_on": _plain(skipped), "holidays_known_through": _plain(holidays.known_through())}


def loaded(kept: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What `stored` stored."""
    if kept is None:
        return None
    moments = {name: datetime.fromisoformat(kept[name]) for name in ("starts_at", "ends_at")}
    days: dict[str, Any] = {"except_on": [date.fromisoformat(day) for day in kept.get("except_on") or ()]}
    if "holidays_known_through" in kept:
        days["skipped_on"] = [date.fromisoformat(day) for day in kept["skipped_on"]]
        days["holidays_known_through"] = date.fromisoformat(kept["holidays_known_through"])
    return {**kept, **moments, **days}


def gave(kept: Mapping[str, Any] | None) -> dict[datetime, datetime]:
    """When the shifts begin that a stored rule gave, by the holidays that were known then, each with its end.

    It may be none at all.
    """
    recurrence = loaded(kept)
    if recurrence is None:
        return {}
    left_out = {*recurrence["except_on"], *recurrence.get("skipped_on", ())}
    first = _local(recurrence["starts_at"])
    lasts = _local(recurrence["ends_at"]) - first
    starts = _starts(recurrence["rrule"], first)
    return dict(_moments(start, lasts) for start in starts if start.date() not in left_out)


def is_skipped(day: date, recurrence: Mapping[str, Any]) -> bool:
    """Whether the calendar of holidays leaves the day out, as far as the recurrence asks it."""
    return any(recurrence.get(name) and holidays.day_kind(day) == kind for name, kind in SKIPS.items())


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return clock.stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _moments(local_start: datetime, lasts: timedelta) -> tuple[datetime, datetime]:
    zone = settings().zone
    starts_at = local_start.replace(tzinfo=zone).astimezone(UTC)
    ends_at = (local_start + lasts).replace(tzinfo=zone).astimezone(UTC)
    return starts_at, ends_at if ends_at > starts_at else starts_at + lasts


def _local(moment: datetime) -> datetime:
    return moment.astimezone(settings().zone).replace(tzinfo=None)


def _starts(text: str, first: datetime, pointer: str = "recurrence") -> list[datetime]:
    rule = _rule(text, first, pointer)
    count, until = rule._count, rule._until
    if count is None and until is None:
        fault = Fault(
            "without_end", "Say by COUNT or UNTIL when it ends: at most %(most)s times.", most=MOST_OCCURRENCES
        )
        raise _refusal(pointer, fault)
    # Three years are looked at, and no more.
    horizon = first + LONGEST_REACH
    last = min(until, horizon) if until is not None else horizon
    found = _listed(rule, first, last, MOST_OCCURRENCES + 1 if count is None else min(count, MOST_OCCURRENCES + 1))
    if len(found) > MOST_OCCURRENCES:
        fault = Fault("too_many_shifts", "The rule gives more than %(most)s shifts.", most=MOST_OCCURRENCES)
        raise _refusal(pointer, fault)
    # What the horizon cut off must not be missed only when the day has come.
    if found and (len(found) < count if count is not None else until > horizon):
        fault = Fault("too_far", "The rule reaches further than three years; give it again for the years after them.")
        raise _refusal(pointer, fault)
    return found


def _listed(rule: rrule, first: datetime, last: datetime, most: int) -> list[datetime]:
    """The first `most` moments that the rule gives from `first` to `last`, at most three years later.

    dateutil looks at `until` only when a rule comes true: one that never does is looked for to the end of its calendar,
    the year 9999. So it is asked in years of the same form that stand near that end.
    """
    if last < first:
        return []
    years = _like(first.year) - first.year
    there = rule.replace(dtstart=_moved(first, years), until=_moved(last, years), count=None)
    found: list[datetime] = []
    # The week that crosses the end of the calendar ends in an error: what came before it stands.
    with suppress(ValueError, OverflowError):
        found.extend(_moved(moment, -years) for moment in islice(there, most))
    return found


def _like(year: int) -> int:
    """The latest year around which the years begin with the same weekdays and have the same leap days."""
    return next(one for one in range(LAST_YEAR, LAST_YEAR - 400, -1) if _form(one) == _form(year))


def _form(year: int) -> tuple[int, list[bool]]:
    return date(year - 1, 1, 1).weekday(), [calendar.isleap(one) for one in range(year - 1, year + 5)]


def _moved(moment: datetime, years: int) -> datetime:
    return moment.replace(year=moment.year + years)


def _is_within_bounds(parts: list[str]) -> bool:
    """Whether no part stands twice, and each number can be one of its kind."""
    values = dict(part.split("=") for part in parts)
    numbers = {name: [int(one) for one in values[name].split(",")] for name in BOUNDS if name in values}
    count = int(values.get("COUNT", 0))
    # The fifth Saturday of a month is the last that there can be; of a year, the 53rd.
    ordinals = [int(one) for one in re.findall(r"[+-]?\d+", values.get("BYDAY", ""))]
    most = 53 if values.get("FREQ") == "YEARLY" and "BYMONTH" not in values else 5
    return (
        len(values) == len(parts)
        and count >= 0
        and all(1 <= abs(one) <= most for one in ordinals)
        and all(
            BOUNDS[name][0] <= (one if name in ONLY_POSITIVE else abs(one)) <= BOUNDS[name][1]
            for name, found in numbers.items()
            for one in found
        )
    )


def _rule(text: str, first: datetime, pointer: str) -> rrule:
    parts = text.upper().removeprefix("RRULE:").split(";")
    if not all(PART.fullmatch(part) for part in parts):
        raise _refusal(pointer, NOT_A_RULE)
    try:
        if not _is_within_bounds(parts):
            raise _refusal(pointer, NOT_A_RULE)
        rule = rrulestr(UNTIL.sub(_local_until, ";".join(parts)), dtstart=first)
    except (ValueError, TypeError, OverflowError) as error:
        raise _refusal(pointer, NOT_A_RULE) from error
    if not isinstance(rule, rrule) or rule._freq > DAILY:
        raise _refusal(pointer, Fault("too_often", "A shift comes again at most once a day."))
    return rule


def _require_one_end(text: str, pointer: str) -> None:
    """Let pass a rule with one end, written as RFC 5545 has it: dateutil reads "2026-12-05", and even "5", in its way.

    Only of a rule that is given: what an earlier release took goes on meaning what it gave.
    """
    parts = text.upper().removeprefix("RRULE:").split(";")
    ends = [part for part in parts if part.startswith(("UNTIL=", "COUNT="))]
    if len(ends) > 1 or any(part.startswith("UNTIL=") and not UNTIL.fullmatch(part) for part in ends):
        raise _refusal(pointer, NOT_A_RULE)


def _local_until(found: re.Match[str]) -> str:
    """The last moment in local time: a day is meant with its evening, a moment in UTC is turned to the local one."""
    day, moment = found[1], found[2]
    if moment is None:
        return f"UNTIL={day}T235959"
    if not moment.endswith("Z"):
        return found[0]
    try:
        at = datetime.strptime(day + moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return found[0]
    return f"UNTIL={at.astimezone(settings().zone):%Y%m%dT%H%M%S}"


def _refusal(pointer: str, fault: Fault) -> InvalidPayload:
    return InvalidPayload(error_list({pointer: {"rrule": [fault]}}))


def first_local_day(shifts: list[Shift]) -> date:
    """The local day on which the first of the shifts begins."""
    return min(clock.local_date(shift["starts_at"]) for shift in shifts)


def on_day(day: date, at: time, lasts: timedelta) -> tuple[datetime, datetime]:
    """The moments at which something begins at a local time of a day, and ends so much later on the wall clock."""
    begins = datetime.combine(day, at)
    zone = settings().zone
    return begins.replace(tzinfo=zone).astimezone(UTC), (begins + lasts).replace(tzinfo=zone).astimezone(UTC)
