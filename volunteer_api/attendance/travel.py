"""Whether somebody can have traveled from one attendance to another. Pure arithmetic, but for the rows it reads."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from volunteer_api.attendance.models import Attendance
from volunteer_api.core.geo import Place, meters_between

Point = tuple[datetime, Place]
"""When somebody was where."""


def points(attendance: Attendance) -> Iterator[Point]:
    """The moments of an attendance at which the place of the volunteer is known."""
    came, left = attendance.counts_from_at or attendance.checked_in_at, attendance.checked_out_at
    if left is not None and attendance.counts_until_at is not None:
        # The place is that of the check-out which proves the end, and not of a later one.
        left = min(left, attendance.counts_until_at)
    if attendance.check_in_latitude is not None and attendance.check_in_longitude is not None:
        yield came, (attendance.check_in_latitude, attendance.check_in_longitude)
    if left is not None and attendance.check_out_latitude is not None and attendance.check_out_longitude is not None:
        yield left, (attendance.check_out_latitude, attendance.check_out_longitude)


def is_possible(first: Point, second: Point, *, fastest_kmh: float, slack_m: float) -> bool:
    """Whether one can be at both, no faster than that; `slack_m` of the way a phone's error may have made."""
    hours = abs(first[0] - second[0]) / timedelta(hours=1)
    return meters_between(first[1], second[1]) - slack_m <= fastest_kmh * 1000 * hours


def impossible_beside(
    attendance: Attendance, others: Sequence[Attendance], *, fastest_kmh: float, slack_m: float
) -> list[Attendance]:
    """Those of the others that can't be true beside this one."""
    here = list(points(attendance))
    return [
        other
        for other in others
        if any(
            not is_possible(one, two, fastest_kmh=fastest_kmh, slack_m=slack_m) for one in here for two in points(other)
        )
    ]
