"""Why a check-in or a check-out is refused. Never for its evidence: that is graded and, if weak, held for review."""

from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.schemas import AttendanceRead
from volunteer_api.core.problems import Conflict, Forbidden


class _KnownAttendance(Conflict):
    """A refusal whose body has the `attendance` that stands in the way."""

    def __init__(self, attendance: Attendance) -> None:
        super().__init__(members={"attendance": AttendanceRead().dump(attendance)})


class AlreadyCheckedIn(_KnownAttendance):
    title = "You have already checked in to this shift."


class AlreadyCheckedOut(_KnownAttendance):
    title = "You have already checked out."


class NotCheckedIn(Conflict):
    title = "The volunteer has not checked in here; keep the scan and check her in first."


class PersonalCodeInvalid(Conflict):
    title = "This is no volunteer's own code, or it was not shown at that time; let the phone show the present one."


class OwnScan(Forbidden):
    title = "Nobody checks in or out by scanning their own code."
