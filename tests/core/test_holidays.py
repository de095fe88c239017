"""Public holidays: those that are known, and what the law alone says of years that are not."""

from datetime import date

import pytest

from volunteer_api.core import holidays
from volunteer_api.core.holidays import DayKind


@pytest.mark.parametrize(
    ("day", "kind"),
    [
        ("2026-02-16", DayKind.HOLIDAY),
        ("2026-02-14", DayKind.MOVED_WORKDAY),
        ("2026-10-01", DayKind.HOLIDAY),
        ("2026-10-10", DayKind.MOVED_WORKDAY),
        ("2026-11-28", DayKind.ORDINARY),
        ("2026-11-25", DayKind.ORDINARY),
    ],
)
def test_what_the_state_council_announced(day: str, kind: DayKind) -> None:
    assert holidays.day_kind(date.fromisoformat(day)) is kind
    assert holidays.is_known(date.fromisoformat(day))


@pytest.mark.parametrize("year", [holidays.FIRST_YEAR - 1, holidays.LAST_YEAR + 1, 1900, 9000])
def test_of_an_unknown_year_the_fixed_dates_alone_are_certain(year: int) -> None:
    assert not holidays.is_known(date(year, 6, 1))
    found = {
        (month, day)
        for month in range(1, 13)
        for day in range(1, 29)
        if holidays.day_kind(date(year, month, day)) is not DayKind.ORDINARY
    }
    assert found == {(1, 1), (5, 1), (5, 2), (10, 1), (10, 2), (10, 3)}


def test_it_is_said_through_when_they_are_known() -> None:
    last = holidays.known_through()
    assert holidays.is_known(last)
    assert (last.month, last.day) == (12, 31)
    assert not holidays.is_known(date(last.year + 1, 1, 1))
