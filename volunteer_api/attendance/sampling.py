"""Which attendances are looked at though nothing speaks against them.

A keyed digest of the attendance's id decides, so that nobody can tell beforehand or try again until it misses.
"""

from collections.abc import Sequence
from typing import Any

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
    """What no code proves at one end; and codes from a phone that at neither end said that it was there.

    Somebody else may have sent such a code on, at once or photographed. A desk's scan or a leader's word is none.
    """
    if attendance.grade == Grade.MEDIUM:
        return True
    ends = (
        (attendance.check_in_evidence, attendance.check_in_remarks, attendance.check_in_recorder_id),
        (attendance.check_out_evidence, attendance.check_out_remarks, attendance.check_out_recorder_id),
    )
    if all(recorder_id is not None or Remark.SCANNED in remarks for _, remarks, recorder_id in ends):
        return False
    return not any(
        evidence and _told_place(evidence, remarks) and NOT_THERE.isdisjoint(remarks) for evidence, remarks, _ in ends
    )


def _told_place(evidence: dict[str, Any], remarks: Sequence[str]) -> bool:
    return Remark.PLACE_NOT_KEPT in remarks or usable(evidence).place is not None
