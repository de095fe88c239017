"""How large a simulated district is, in which days it lies, and what can't be simulated."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate

TWO_YEARS = 730
FEWEST_DAYS = 30
FEWEST_VOLUNTEERS = 500
# Each registers in a second of their own, and all before the first day.
MOST_VOLUNTEERS = 4_000_000
# Ids of before 1970 are none, and who serves was born and registered long before.
EARLIEST = date(2000, 1, 1)
# In two years: the regulars come so often that more than this would have them come twice a day.
MOST_RECORDS_EACH = 20
# SQLite has one writer and no COPY: beyond this nobody would wait for it.
MOST_ON_SQLITE = 300_000
# Saturdays and Sundays have more, and the second year has more than the first.
WEEKEND = 1.6
GROWTH = 0.6


class SimulationRefused(Exception):
    """The district can't be simulated, and why; nothing was written."""


@dataclass(frozen=True)
class Plan:
    """A district of so many volunteers and rows of the hours ledger, over `length` days that end with `last_on`."""

    volunteers: int
    records: int
    last_on: date
    seed: int = 1
    length: int = TWO_YEARS

    def __post_init__(self) -> None:
        if self.volunteers < FEWEST_VOLUNTEERS:
            raise SimulationRefused(f"A district has at least {FEWEST_VOLUNTEERS} volunteers.")
        if self.volunteers > MOST_VOLUNTEERS:
            raise SimulationRefused(f"A district has at most {MOST_VOLUNTEERS:,} volunteers.")
        if self.last_on < EARLIEST:
            raise SimulationRefused(f"The last day is {EARLIEST} or later.")
        most = MOST_RECORDS_EACH * self.volunteers * self.length // TWO_YEARS
        if not 0 <= self.records <= most:
            raise SimulationRefused(
                f"In {self.length} days, {self.volunteers:,} volunteers have at most {most:,} records."
            )
        if self.length < FEWEST_DAYS:
            raise SimulationRefused(f"A district is made for at least {FEWEST_DAYS} days.")

    @property
    def first_on(self) -> date:
        """The first day with activities."""
        return self.last_on - timedelta(days=self.length - 1)

    def days(self) -> Iterator[tuple[date, int]]:
        """Each day, and how many records there are by its end."""
        days = [self.first_on + timedelta(days=number) for number in range(self.length)]
        weights = [
            (WEEKEND if day.weekday() >= 5 else 1.0) * (1 + GROWTH * number / self.length)
            for number, day in enumerate(days)
        ]
        whole = sum(weights)
        for day, so_far in zip(days, accumulate(weights), strict=True):
            yield day, self.records if day == self.last_on else int(self.records * so_far / whole)
