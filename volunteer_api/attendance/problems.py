"""Why a check-in or a check-out is refused. Never for its evidence: that is graded and, if weak, held for review."""

from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.schemas import AttendanceRead
from volunteer_api.core import texts
from volunteer_api.core.problems import Conflict, Forbidden

READ = AttendanceRead()


class _KnownAttendance(Conflict):
    """A refusal whose body has the `attendance` that stands in the way."""

    def __init__(self, attendance: Attendance) -> None:
        super().__init__(members={"attendance": READ.dump(attendance)})
        self.attendance = attendance


class TappedAgain(_KnownAttendance):
    """What is said to the volunteer, and to a desk that reads her code.

    `counts`: the tap changed the attendance that it is refused for, which is shown as it is by now.
    """

    keeps_writes = True

    def __init__(self, attendance: Attendance, *, counts: bool = False) -> None:
        super().__init__(attendance)
        self.members["counts"] = counts

    def sentence(self) -> str:
        if not self.members["counts"]:
            return super().sentence()
        return texts.translate("This tap counts too: the attendance is as it shows now.")


class AlreadyCheckedIn(TappedAgain):
    """Of two check-ins the one that is proven better counts, of equal ones the earlier, whichever came first."""

    title = "There is a check-in here already."


class AlreadyCheckedOut(TappedAgain):
    """A check-out that tells nothing new, or an earlier one that was told late."""

    title = "There is a check-out already."


class CheckInRefused(Conflict):
    title = "The check-in of this check-out was refused."


class TooManyWaiting(Conflict):
    title = "Too many check-outs wait for their check-ins; send those first."
    is_outcome = False


class TooManyAttendances(Conflict):
    title = "You have too many attendances in these days; somebody has to look at them first."
    is_outcome = False


class TooManyUnsigned(Conflict):
    title = "Without a sign-up you come to four shifts of a day; sign up for more, or let a desk read your code."


class OwnReview(Forbidden):
    title = "Nobody reviews her own attendance."


class OwnRollCall(Forbidden):
    title = "Nobody marks herself at a roll-call."


class RecordedByYou(Forbidden):
    title = "It rests on your own roll-call or scan; somebody else has to credit it."


class NeedsOrganizer(Forbidden):
    """More than the day's most, a change of what was decided, or a credit that is to be taken away."""

    title = "Only an organizer can decide this."


class StillOpen(_KnownAttendance):
    title = "The volunteer has not checked out yet."


class AlreadyReviewed(_KnownAttendance):
    """Its body has the attendance as it was decided; an organizer may correct that."""

    title = "This attendance has been reviewed already."


class AlreadyCredited(_KnownAttendance):
    """A roll-call names other times than those of an attendance that counts, wholly or in part."""

    title = "This attendance counts already."
    detail = (
        "A roll-call changes no minutes that count already. An organizer corrects them by a review; or the volunteer "
        "disputes them, who leads confirms it, and somebody else decides."
    )


class MinutesMissing(Conflict):
    title = "Nobody knows how long the volunteer was there; say how many minutes count."


class BeyondAttendance(Conflict):
    """More minutes than the attendance has inside its shift that nothing else was credited for: `most_minutes`.

    Service that its ends do not show is given by a dispute, on the word of who leads.
    """

    title = "That is more than the attendance can count for."
    detail = (
        "At most %(minutes)s minutes of this attendance can count. Was the volunteer there for longer, she disputes it "
        "and who leads confirms it."
    )

    def __init__(self, minutes: int) -> None:
        super().__init__(members={"most_minutes": minutes}, minutes=minutes)


class NothingToClaim(_KnownAttendance):
    title = "There is no forgotten check-out that a claim could make up for."
    detail = "As long as the shift or the duty goes on, check out; a claim is for who has not, once it is over."


class LeftBeforeArrival(Conflict):
    title = "Nobody leaves before she came."


class NotYet(Conflict):
    title = "That time has not come yet."


class RollCallAhead(Conflict):
    title = "This roll-call says that it was taken later than now; set the phone's clock, or leave taken_at out."


class TimeIsOver(Conflict):
    title = "The time for this is over; who leads can record the hours afterwards, and an organizer approves them."


class NotDuringShift(Conflict):
    title = "That time lies outside the shift."


class UnknownPhone(Conflict):
    title = "Nobody is registered with this phone."


class UnknownVolunteer(Conflict):
    title = "There is no such volunteer."


class NotExpected(Conflict):
    title = "This volunteer has no confirmed sign-up for the shift."


class Attended(_KnownAttendance):
    title = "There is an attendance that says that the volunteer came."


class NotCheckedIn(Conflict):
    title = "The volunteer has not checked in here; keep the scan and check her in first."


class PersonalCodeInvalid(Conflict):
    title = "This is no volunteer's own code, or it was not shown at that time; let the phone show the present one."


class OwnScan(Forbidden):
    title = "Nobody checks in or out by scanning their own code."
