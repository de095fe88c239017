"""Why a check-in or a check-out is refused. Never for its evidence: that is graded and, if weak, held for review."""

from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.schemas import AttendanceRead
from volunteer_api.core.problems import Conflict, Forbidden


class _KnownAttendance(Conflict):
    """A refusal whose body has the `attendance` that stands in the way."""

    def __init__(self, attendance: Attendance) -> None:
        super().__init__(members={"attendance": AttendanceRead().dump(attendance)})
        self.attendance = attendance


class AlreadyCheckedIn(_KnownAttendance):
    """Of two check-ins the earlier tap counts: told late, it moves the attendance that it is refused for."""

    title = "You have already checked in to this shift."
    keeps_writes = True


class AlreadyCheckedOut(_KnownAttendance):
    """Of two check-outs the earlier tap counts: told late, it moves the attendance that it is refused for."""

    title = "You have already checked out."
    keeps_writes = True


class CheckInRefused(Conflict):
    title = "The check-in of this check-out was refused."


class TooManyWaiting(Conflict):
    title = "Too many check-outs wait for their check-ins; send those first."
    is_outcome = False


class NotCheckedIn(Conflict):
    title = "The volunteer has not checked in here; keep the scan and check her in first."


class PersonalCodeInvalid(Conflict):
    title = "This is no volunteer's own code, or it was not shown at that time; let the phone show the present one."


class OwnScan(Forbidden):
    title = "Nobody checks in or out by scanning their own code."
