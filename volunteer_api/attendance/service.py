"""The verbs of attendance: nobody is turned away for weak evidence, and nothing weak is credited unseen."""

from volunteer_api.attendance.check_ins import check_in, check_in_at_once
from volunteer_api.attendance.check_outs import check_out

__all__ = ["check_in", "check_in_at_once", "check_out"]
