"""Ten working days by the Chinese calendar, and what is said of a year that it does not know."""

from datetime import date, timedelta

import pytest

from volunteer_api.core import holidays
from volunteer_api.hours.deadlines import due_on, is_working_day, last_day_overdue


@pytest.mark.parametrize(
    ("ended", "due"),
    [
        # Two plain weeks.
        (date(2025, 11, 10), date(2025, 11, 24)),
        # A Saturday: Monday is the first working day.
        (date(2025, 11, 8), date(2025, 11, 21)),
        # National day and mid-autumn of 2025 were 1 to 8 October; Sunday the 28th and Saturday the 11th were worked.
        (date(2025, 9, 26), date(2025, 10, 16)),
        (date(2025, 9, 30), date(2025, 10, 21)),
        # Spring festival of 2025: 28 January to 4 February; Sunday 26 January and Saturday 8 February were worked.
        (date(2025, 1, 24), date(2025, 2, 13)),
    ],
)
def test_ten_working_days_after_the_end(ended: date, due: date) -> None:
    deadline = due_on(ended)
    assert (deadline.on, deadline.is_certain) == (due, True)
    assert not deadline.is_past(due)
    assert deadline.is_past(due + timedelta(days=1))


def test_moved_weekends_are_worked_and_holidays_are_not() -> None:
    assert is_working_day(date(2025, 9, 28))
    assert not is_working_day(date(2025, 10, 6))
    assert not is_working_day(date(2025, 11, 15))


def test_a_year_that_is_not_announced_is_said_to_be_uncertain() -> None:
    after = date(holidays.LAST_YEAR + 1, 9, 28)
    deadline = due_on(after)
    assert not deadline.is_certain
    # The law's own days of national day are left out all the same.
    assert not is_working_day(date(after.year, 10, 1))
    assert (
        sum(is_working_day(after + timedelta(days=ahead)) for ahead in range(1, (deadline.on - after).days + 1)) == 10
    )
    # The turn of the years: the days up to 31 December are known, the others are not.
    assert not due_on(date(holidays.LAST_YEAR, 12, 25)).is_certain
    assert due_on(date(holidays.LAST_YEAR, 12, 1)).is_certain
    # The next year's announcement moves workdays of December too, as that of 2019 did.
    assert is_working_day(date(2018, 12, 29))
    last = due_on(date(holidays.LAST_YEAR, 12, 15))
    assert (last.on.year, last.is_certain) == (holidays.LAST_YEAR, False)


@pytest.mark.parametrize("start", [date(2025, 1, 20), date(2025, 9, 25), date(2026, 12, 20)])
def test_the_last_day_overdue_is_where_lateness_begins(start: date) -> None:
    for ahead in range(30):
        today = start + timedelta(days=ahead)
        last = last_day_overdue(today)
        assert due_on(last).is_past(today)
        assert not due_on(last + timedelta(days=1)).is_past(today)
