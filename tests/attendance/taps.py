"""Taps as phones send them, good and bad, and what docs/attendance.md says of each: an oracle beside the product's.

A tap names itself in its evidence (`tag`), whose unknown members are kept: so what stands in an attendance tells which
tap made it, and that can be judged again by what was really done.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.attendance.factories import evidence
from volunteer_api.attendance import presence_code
from volunteer_api.attendance.presence_code import CodeKind

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TWO_YEARS = timedelta(days=730)
# Degrees of latitude north of the middle of a fence of 300 m, about 111 m for each thousandth.
NEAR, FAR, TWO_KM = 0.001, 0.01, 0.018
OPENS_BEFORE, CLOSES_AFTER, OLDEST = timedelta(minutes=30), timedelta(minutes=120), timedelta(hours=72)
SLIP = timedelta(minutes=5)

# What a phone shows: how many minutes off the code's time is (or what it is of), how far north the place is.
SHOWS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "the code": (0, None, {}),
    "the code and the place": (0, NEAR, {"accuracy_m": 10}),
    "the place": (None, NEAR, {"accuracy_m": 10}),
    "the place without accuracy": (None, NEAR, {}),
    "a place far away": (None, FAR, {"accuracy_m": 10}),
    "0,0": (None, "0,0", {"accuracy_m": 10}),
    "the code and 0,0": (0, "0,0", {}),
    "the code, two kilometers away": (0, TWO_KM, {"accuracy_m": 10}),
    "the code of yesterday": (-24 * 60, None, {}),
    "the code of in ten minutes": (10, None, {}),
    "the code of another shift": ("another", None, {}),
    "a wrong code": ("wrong", None, {}),
    "nothing": (None, None, {}),
}
GOOD = ["the code", "the code and the place", "the place"]
# How the phone tells the time of its tap: how far its clock is off, and the delay that it says ("" for the true one).
CLOCKS: dict[str, tuple[timedelta, Any]] = {
    "right": (timedelta(), None),
    "an hour behind, with the delay": (-HOUR, ""),
    "an hour behind": (-HOUR, None),
    "two years ahead, with the delay": (TWO_YEARS, ""),
    "two years ahead": (TWO_YEARS, None),
    "right, with a delay that is none": (timedelta(), "soon"),
}


@dataclass(frozen=True)
class Target:
    """A shift, or a station on one of its days: where it is, and when it is on."""

    name: str
    id: UUID
    place: dict[str, float]
    starts_at: datetime
    ends_at: datetime

    @property
    def is_shift(self) -> bool:
        return self.name.startswith("shift")

    @property
    def member(self) -> dict[str, str]:
        """As a check-in names it."""
        return {"shift_id" if self.is_shift else "station_id": str(self.id)}

    def code(self, moment: datetime) -> str:
        """The whole text of its presence code at a moment; needs an application context."""
        kind = CodeKind.SHIFT if self.is_shift else CodeKind.STATION
        return presence_code.qr_text(self.id, presence_code.code_at(self.id, moment, kind).code, kind)

    def frame(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """In which time the minutes of who came at a moment count; None at a station that is closed then."""
        if self.is_shift:
            return self.starts_at, self.ends_at
        days = timedelta(days=(moment - self.starts_at + OPENS_BEFORE).days)
        starts_at, ends_at = self.starts_at + days, self.ends_at + days
        if not starts_at - OPENS_BEFORE <= moment <= ends_at:
            return None
        begins_at = max(moment, starts_at)
        return begins_at, min(ends_at, begins_at + 8 * HOUR)


@dataclass(frozen=True)
class Tap:
    """A tap at an end of an attendance, made at `made_at` whatever the phone says of that.

    `sees_codes`: she leads there. `expected`: a place proves something of her. `signed_up`: for the shift.
    """

    person: str
    target: Target
    end: str
    made_at: datetime
    shows: str
    clock: str
    sees_codes: bool
    expected: bool
    signed_up: bool
    # Somebody at a desk read the volunteer's own code.
    scanned: bool = False

    @property
    def client_time(self) -> datetime:
        return self.made_at + CLOCKS[self.clock][0]

    def evidence(self, sent_at: datetime, tag: str, another: Target) -> dict[str, Any]:
        """As it is sent at a moment; needs an application context."""
        code, north, members = SHOWS[self.shows]
        sent: dict[str, Any] = {"tag": tag, **members}
        delay = CLOCKS[self.clock][1]
        if delay is not None:
            sent["delay_ms"] = delay or (sent_at - self.made_at) // timedelta(milliseconds=1)
        if north is not None:
            sent["place"] = self.place
        if code is not None:
            sent["code"] = self._code(code, another)
        return evidence(self.client_time, **sent)

    @property
    def place(self) -> dict[str, float]:
        north = SHOWS[self.shows][1]
        if north == "0,0":
            return {"lat": 0.0, "lng": 0.0}
        return {"lat": self.target.place["lat"] + north, "lng": self.target.place["lng"]}

    def _code(self, code: Any, another: Target) -> str:
        if code == "wrong":
            return "00000000"
        return another.code(self.made_at) if code == "another" else self.target.code(self.made_at + code * MINUTE)


@dataclass(frozen=True)
class Sent:
    """A tap that a server had at a moment: when it counts from, and what there is to doubt."""

    tap: Tap
    sent_at: datetime

    @property
    def said_at(self) -> datetime:
        """When the tap was, by the phone's word."""
        delay = CLOCKS[self.tap.clock][1]
        return self.tap.made_at if delay == "" else self.tap.client_time

    @property
    def is_odd(self) -> bool:
        late = self.sent_at - self.said_at
        return CLOCKS[self.tap.clock][1] == "soon" or late > OLDEST or -late > 5 * MINUTE

    @property
    def moment(self) -> datetime:
        """The effective time."""
        return self.sent_at if self.is_odd else self.said_at

    def doubts(self, came_at: datetime) -> set[str]:
        """Why an attendance that began at `came_at` may not be credited by this end alone."""
        tap, target = self.tap, self.tap.target
        north = SHOWS[tap.shows][1]
        valid = self._code_is_valid()
        is_strong = tap.scanned or (valid and not tap.sees_codes)
        frame = target.frame(came_at)
        found = {
            "weak": not is_strong and not (north == NEAR and tap.expected),
            "elsewhere": is_strong and north == TWO_KM,
            "odd clock": self.is_odd,
            "not signed up": target.is_shift and not tap.signed_up,
            "closed": frame is None,
        }
        if frame is not None and tap.end == "in":
            found["early or late"] = not frame[0] - OPENS_BEFORE <= self.moment <= frame[1]
        elif frame is not None:
            found["long after"] = self.moment > frame[1] + CLOSES_AFTER or self.moment < came_at
        return {doubt for doubt, applies in found.items() if applies}

    def _code_is_valid(self) -> bool:
        code = SHOWS[self.tap.shows][0]
        if not isinstance(code, int):
            return False
        shown_at = self.tap.made_at + code * MINUTE
        asked = [self.said_at, self.sent_at] if self.is_odd else [self.said_at]
        return any(abs(shown_at - moment) < 2 * MINUTE for moment in asked)
