"""By when service must be recorded: within ten working days after its end [order 67, article 11].

Working days are those of the Chinese working calendar: Monday to Friday without the public holidays, and the weekend
days that are worked instead. The State Council announces them each November for the next year; for a year that
`core.holidays` does not know yet, only the holidays that the law fixes to a date are left out, and no weekend is
worked. The deadline then says `is_certain = False`: more holidays put it off, a weekend that is worked brings it
nearer. Once the announcement is known, the same call gives the certain day. The days before New Year belong to the
next year's announcement: for 2019 the Saturday 29 December 2018 was worked, and the Monday after it free.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from volunteer_api.core import clock
from volunteer_api.core.holidays import DayKind, day_kind, is_known

WORKING_DAYS = 10
# How many days before a deadline people are reminded of it.
REMINDED_BEFORE = 3
SATURDAY = 6
# So many days before New Year its holiday moves workdays at most.
NEW_YEARS_REACH = timedelta(days=7)


@dataclass(frozen=True)
class Deadline:
    """The last local day on which it is in time, and whether the calendar of all days up to it is known."""

    on: date
    is_certain: bool

    def is_past(self, today: date | None = None) -> bool:
        """Whether it is over, today or on the local day given."""
        return (today or clock.today()) > self.on

    def is_surely_past(self, today: date) -> bool:
        """Whether it is over on a local day, and no holiday that is still to be announced can put it off."""
        return self.is_certain and self.is_past(today)


def is_working_day(day: date) -> bool:
    """Whether the day is worked; see above for the years that are not known."""
    kind = day_kind(day)
    return kind is DayKind.MOVED_WORKDAY or (kind is DayKind.ORDINARY and day.isoweekday() < SATURDAY)


def due_on(day: date, working_days: int = WORKING_DAYS) -> Deadline:
    """The deadline for service that ended on a local day: its last working day, the day after `day` counted first."""
    is_certain, left = True, working_days
    while left:
        day += timedelta(days=1)
        left -= is_working_day(day)
        is_certain = is_certain and is_known(day) and is_known(day + NEW_YEARS_REACH)
    return Deadline(day, is_certain)


def falling_due(days: int) -> Iterator[tuple[date, date, date]]:
    """The deadlines of today and so many days after it: each with the first and last local day of what falls due then.

    Nothing falls due on a day of rest, and after one what ended on several days.
    """
    for ahead in range(days + 1):
        on = clock.today() + timedelta(days=ahead)
        first, last = last_day_overdue(on) + timedelta(days=1), last_day_overdue(on + timedelta(days=1))
        if first <= last:
            yield on, first, last


def last_day_overdue(today: date | None = None) -> date:
    """The latest local day whose deadline is past: what ended on it or before and is not recorded yet is late."""
    today = today or clock.today()
    day = today - timedelta(days=WORKING_DAYS)
    while not due_on(day).is_past(today):
        day -= timedelta(days=1)
    return day
