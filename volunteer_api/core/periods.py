"""Periods of local days: `2026-11-23`, `2026-W47`, `2026-11`, `2026-Q4`, `2026`, `all`."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import marshmallow

from volunteer_api.core import clock
from volunteer_api.core.schema import Fault, Form, Text

MONTH = r"\d{4}-(0[1-9]|1[0-2])"
PATTERN = (
    rf"all|\d{{4}}|{MONTH}"
    r"|\d{4}-Q[1-4]|\d{4}-W(0[1-9]|[1-4]\d|5[0-3])|\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
)
FORM = re.compile(PATTERN, re.ASCII)
FIRST_YEAR, LAST_YEAR = 1900, 9000


@dataclass(frozen=True)
class Period:
    """The local days `first` to `last`, both included; both None for all time. `text` is how it was asked for."""

    first: date | None
    last: date | None
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def by_day(self) -> bool:
        """Whether it is short enough to be shown day by day; a longer one is shown by month."""
        return self.first is not None and self.last is not None and (self.last - self.first).days < 31


ALL_TIME = Period(None, None, "all")


def parse_period(text: str) -> Period:
    """The period that a text names. Raises ValueError where it names none."""
    if not FORM.fullmatch(text):
        raise ValueError(text)
    if text == "all":
        return ALL_TIME
    year = int(text[:4])
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError(text)
    first, last = _days(year, text[5:])
    return Period(first, last, text)


def _days(year: int, rest: str) -> tuple[date, date]:
    if not rest:
        return date(year, 1, 1), date(year, 12, 31)
    if rest.startswith("Q"):
        month = int(rest[1:]) * 3
        return date(year, month - 2, 1), _end_of_month(year, month)
    if rest.startswith("W"):
        monday = date.fromisocalendar(year, int(rest[1:]), 1)
        return monday, monday + timedelta(days=6)
    if len(rest) == 2:
        return date(year, int(rest), 1), _end_of_month(year, int(rest))
    day = date(year, int(rest[:2]), int(rest[3:]))
    return day, day


def _end_of_month(year: int, month: int) -> date:
    return date(year, month, monthrange(year, month)[1])


class PeriodField(Text):
    """A period in a query string, loaded as a Period."""

    pattern = PATTERN
    shortest, longest = 3, 10
    refusal = Fault("not_period", "This is not a period, like 2026-11-23, 2026-W47, 2026-11, 2026-Q4, 2026 or all.")

    def __init__(self, **options: Any) -> None:
        super().__init__(
            min_length=self.shortest, max_length=self.longest, form=Form(self.pattern, "2026-11"), **options
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        try:
            return parse_period(value if isinstance(value, str) and re.fullmatch(self.pattern, value, re.ASCII) else "")
        except ValueError as error:
            raise marshmallow.ValidationError(self.refusal) from error

    def _validate(self, value: Any) -> None:
        """Already judged by _deserialize."""


class RunningPeriodField(PeriodField):
    """A period in a query string, or the present day, week, month, quarter or year; loaded as the Period that it is."""

    pattern = rf"day|week|month|quarter|year|{PATTERN}"
    refusal = Fault("not_period", "This is not a period, like month, week or year, or like 2026-11, 2026-W47 or all.")

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        today = clock.today()
        year, week, _ = today.isocalendar()
        present = {
            "day": f"{today:%Y-%m-%d}",
            "week": f"{year}-W{week:02d}",
            "month": f"{today:%Y-%m}",
            "quarter": f"{today:%Y}-Q{(today.month + 2) // 3}",
            "year": f"{today:%Y}",
        }
        return super()._deserialize(present.get(value, value), attr, data, **kwargs)


class MonthField(PeriodField):
    """A month in a query string, loaded as the Period that it is."""

    pattern = MONTH
    shortest = longest = 7
    refusal = Fault("not_month", "This is not a month, like 2026-11.")
