"""Values as lines of the bulk load have them."""

from datetime import date, timedelta
from enum import StrEnum

EPOCH = date(1970, 1, 1)
SECONDS_A_DAY = 86_400


class Moments:
    """Seconds since 1970 as text in UTC, as columns have it; what is asked for ten million times is made once.

    `days` has the days from number `first` on (counted from 1970), `times` the seconds of a day: loops that make
    millions of rows put the two together themselves.
    """

    def __init__(self, first_on: date, last_on: date) -> None:
        self.first = (first_on - EPOCH).days
        count = (last_on - first_on).days + 1
        self.days = [(first_on + timedelta(days=number)).isoformat() + " " for number in range(count)]
        self.times = [
            f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000000" for second in range(SECONDS_A_DAY)
        ]

    @property
    def last_second(self) -> int:
        """The last one that has a text."""
        return (self.first + len(self.days)) * SECONDS_A_DAY - 1

    def stored(self, second: int) -> str:
        """One moment's text."""
        return self.days[second // SECONDS_A_DAY - self.first] + self.times[second % SECONDS_A_DAY]


class Kind(StrEnum):
    """The middle of identifiers: version 7 and variant of a UUID, with a number for each table."""

    VOLUNTEER = "70018"
    CONSENT = "70028"
    MEMBERSHIP = "70038"
    ACTIVITY = "70048"
    SHIFT = "70058"
    SIGN_UP = "70068"
    ATTENDANCE = "70078"
    RECORD = "70088"


def id_text(second: int, kind: Kind, number: int) -> str:
    """A UUIDv7 of a moment, in hexadecimal: the number within its kind tells it from all others."""
    return f"{second * 1000:012x}{kind}{number:015x}"
