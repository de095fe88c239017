"""Values as lines of the bulk load have them."""

from datetime import UTC, date, datetime, timedelta

EPOCH = date(1970, 1, 1)
SECONDS_A_DAY = 86_400


class Moments:
    """Seconds since 1970 as text in UTC; what is asked for ten million times is made once."""

    def __init__(self, first_on: date, last_on: date) -> None:
        self._first = (first_on - EPOCH).days
        self._days = [(first_on + timedelta(days=number)).isoformat() for number in range((last_on - first_on).days + 1)]
        self._times = [
            f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}" for second in range(SECONDS_A_DAY)
        ]

    @property
    def last_second(self) -> int:
        """The last one that has a text."""
        return (self._first + len(self._days)) * SECONDS_A_DAY - 1

    def stored(self, second: int) -> str:
        """As a column has it on both databases."""
        day, second_of_day = divmod(second, SECONDS_A_DAY)
        return f"{self._days[day - self._first]} {self._times[second_of_day]}.000000"

    def sent(self, second: int) -> str:
        """As a phone says it."""
        day, second_of_day = divmod(second, SECONDS_A_DAY)
        return f"{self._days[day - self._first]}T{self._times[second_of_day]}+00:00"


def id_text(second: int, kind: int, number: int) -> str:
    """A UUIDv7 of a moment, in hexadecimal: the number within its kind tells it from all others."""
    return f"{second * 1000:012x}7{kind:03x}8{number:015x}"


def moment_text(moment: datetime) -> str:
    """A moment as a column has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.000000")
