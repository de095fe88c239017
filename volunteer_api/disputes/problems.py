"""Why a dispute, or a step of it, is refused."""

from volunteer_api.core.problems import Conflict, Forbidden


class DisputeTooLate(Conflict):
    title = "It is too late to dispute this."
    detail = "A dispute is filed within %(days)s days."


class DisputeOpen(Conflict):
    """Its body names the `dispute_id` that is open."""

    title = "You have an open dispute about this already."


class DisputeOver(Conflict):
    """Its body names the `state` that stands."""

    title = "This dispute is over."


class NotOverYet(Conflict):
    title = "This is not over yet; dispute it when it is."


class AttendanceKnown(Conflict):
    """Its body names the `attendance_id`."""

    title = "There is an attendance of yours at this shift; dispute that."


class RecordKnown(Conflict):
    """Its body names the `service_record_id`."""

    title = "There is a service record of yours for this shift; dispute that."


class RecordTakenBack(Conflict):
    """Its body names the `service_record_id` of the row that took it back."""

    title = "This record was taken back; dispute the row that took it back."


class OwnDispute(Forbidden):
    title = "Nobody decides on her own dispute."


class Involved(Forbidden):
    title = "Whoever recorded, approved or led what is disputed does not decide on it."


class NotYourAnswer(Forbidden):
    title = "Only who filed the dispute answers for it or takes it back."


class NeedsConfirmation(Conflict):
    title = "Nobody recorded so much service: first somebody else who leads the activity must confirm it."


class NothingToConfirm(Conflict):
    title = "Only service that is not recorded, or not all of it, is confirmed, and once."


class TooManySteps(Conflict):
    title = "Enough was said to this dispute; only a decision or a withdrawal is left."
    detail = "After %(most)s steps only a decision or a withdrawal is left."


class LessThanCounts(Conflict):
    """Its body names the `least` minutes."""

    title = "A dispute takes no minutes away."
    detail = "%(least)s minutes count now. Reject the dispute, and take the record back with a reason of its own."


class BeyondService(Conflict):
    """Its body names the `most` minutes."""

    title = "That is more than the service can count."
    detail = "It can count for %(most)s minutes at most. Uphold it partly, with as many as are right."

    def __init__(self, most: int) -> None:
        super().__init__(most=most, members={"most": most})
