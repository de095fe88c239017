"""The periods that tallies and rankings are asked for."""

from datetime import date

import pytest
from marshmallow import ValidationError

from volunteer_api.core.periods import ALL_TIME, Period, PeriodField, parse_period


@pytest.mark.parametrize(
    ("text", "first", "last", "by_day"),
    [
        ("2026-11-23", date(2026, 11, 23), date(2026, 11, 23), True),
        ("2026-W47", date(2026, 11, 16), date(2026, 11, 22), True),
        ("2026-W53", date(2026, 12, 28), date(2027, 1, 3), True),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29), True),
        ("2026-12", date(2026, 12, 1), date(2026, 12, 31), True),
        ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31), False),
        ("2026-Q1", date(2026, 1, 1), date(2026, 3, 31), False),
        ("2026", date(2026, 1, 1), date(2026, 12, 31), False),
    ],
)
def test_a_period_has_its_days(text: str, first: date, last: date, by_day: bool) -> None:
    assert parse_period(text) == Period(first, last, text)
    assert parse_period(text).by_day is by_day


def test_all_time_has_no_bounds() -> None:
    assert parse_period("all") is ALL_TIME
    assert not ALL_TIME.by_day


@pytest.mark.parametrize(
    "text",
    [
        *("", "ALL", "26", "2026-13", "2026-00", "2026-Q5", "2026-W00", "2025-W53", "2026-W54", "2026-02-30"),
        *(
            "2026-2-3",
            "0000",
            "1899",
            "9001",
            "2026-11-23T00",
            "\uff12\uff10\uff12\uff16",
            "2026-11-23\n",
            "2026-w47",
            " 2026",
        ),
    ],
)
def test_nothing_else_is_a_period(text: str) -> None:
    with pytest.raises(ValueError, match=r"^"):
        parse_period(text)
    with pytest.raises(ValidationError):
        PeriodField().deserialize(text)
