"""The mainland's public holidays and the weekends that are worked instead, as the State Council announces them.

The announcement for a year comes in November before it, and the library `chinese_calendar` has it in its next release.
For a year that it does not know, only what the law fixes to a date of the sun's calendar is certain
[全国年节及纪念日放假办法, 2024: 1 January, 1 and 2 May, 1 to 3 October]; the moon's festivals and the moved workdays
are not known then.
"""

from datetime import date
from enum import Enum

import chinese_calendar

_HOLIDAYS = chinese_calendar.constants.holidays
_MOVED_WORKDAYS = chinese_calendar.constants.workdays
_FIXED = {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}
FIRST_YEAR: int = min(_HOLIDAYS).year
LAST_YEAR: int = max(_HOLIDAYS).year


class DayKind(Enum):
    """What a calendar day is. An ordinary weekend is an ordinary day: a holiday's days off are those announced."""

    ORDINARY = "ordinary"
    HOLIDAY = "holiday"
    MOVED_WORKDAY = "moved_workday"


def day_kind(day: date) -> DayKind:
    """What the day is; see above for the years that are not known."""
    if not is_known(day):
        return DayKind.HOLIDAY if (day.month, day.day) in _FIXED else DayKind.ORDINARY
    if day in _HOLIDAYS:
        return DayKind.HOLIDAY
    return DayKind.MOVED_WORKDAY if day in _MOVED_WORKDAYS else DayKind.ORDINARY


def is_known(day: date) -> bool:
    """Whether the whole announcement of the day's year is known."""
    return FIRST_YEAR <= day.year <= LAST_YEAR


def known_through() -> date:
    """The last day of the last year whose announcement is known."""
    return date(LAST_YEAR, 12, 31)
