"""Which attendances are looked at though nothing speaks against them.

A keyed digest of the attendance's id decides, so that nobody can tell beforehand or try again until it misses.
"""

from volunteer_api.attendance.evidence import usable
from volunteer_api.attendance.models import Attendance, Grade, Remark
from volunteer_api.core import keys

# What a place is worth nothing with.
NOT_THERE = frozenset({Remark.PLACE_OUTSIDE, Remark.PLACE_OF_ANOTHER_DATUM})


def is_sampled(attendance: Attendance, percent: int) -> bool:
    """Whether this attendance is one of the `percent` of a hundred of those that are drawn from."""
    drawn = int.from_bytes(keys.sign("sampled attendance", attendance.id)[:8], "big")
    return drawn % 100 < percent and _is_drawn_from(attendance)


def _is_drawn_from(attendance: Attendance) -> bool:
    """What no code proves at one end; and codes told late by a phone that at neither end said that it was there.

    Such codes may have been photographed by somebody else.
    """
    if attendance.grade == Grade.MEDIUM:
        return True
    ends = (attendance.check_in_remarks, attendance.check_out_remarks)
    if not any(Remark.TOLD_LATE in remarks and Remark.SCANNED not in remarks for remarks in ends):
        return False
    sent = (attendance.check_in_evidence, attendance.check_out_evidence)
    return not any(
        evidence and usable(evidence).place is not None and NOT_THERE.isdisjoint(remarks)
        for evidence, remarks in zip(sent, ends, strict=True)
    )
