"""Why minutes are not written into the ledger, or not taken out of it."""

from typing import ClassVar
from uuid import UUID

from volunteer_api.core.problems import Conflict, Forbidden

# Where one administrator and one organizer are all there are, each may be one of the two.
ANOTHER_DECIDES = "Where nobody else may decide, an administrator gives one more person the organizer's role."


class OwnHours(Forbidden):
    title = "Nobody records, approves or takes back hours of their own."
    details: ClassVar = {"decision": f"{title} {ANOTHER_DECIDES}"}


class HoursAlreadyReversed(Conflict):
    title = "This record has been taken back already."


class ReversalStays(Conflict):
    title = "This row takes another one back, and stays; write the hours anew where they are due."


class OwnBackfill(Forbidden):
    title = "Whoever recorded the hours does not decide on them: a second person does."
    detail = f"{title} {ANOTHER_DECIDES}"


class _OfWhomWasLookedUp(Conflict):
    """What is refused of a person: if she was named by phone, the look-up stays counted.

    Each comes before anything else is written.
    """

    keeps_writes = True


class TooManyStrangers(Conflict):
    """More than are left of this hour, in a list that is too long for any."""

    title = "More phones are named of people who neither signed up nor are of the team than may be looked up now."
    detail = "At most %(most)s of them in an hour: send the list in parts, or later."
    is_outcome = False


class PhoneUnknown(_OfWhomWasLookedUp):
    title = "No volunteer is registered with this phone number."


class ShiftNotHeld(Conflict):
    title = "The shift was canceled, or its activity is not published: there is no service to record."


class ServiceNotOver(Conflict):
    title = "Hours are recorded once the service has ended."


class BackfillTooLate(Conflict):
    title = "This service is too long ago to be recorded now."
    detail = "Service can be recorded for %(days)s days after its end."


class BackfillOutsideShift(Conflict):
    title = "The time lies outside of the shift, or is longer than it."


class DutyTooLong(Conflict):
    title = "A duty is not that long."
    detail = "A duty has at most %(minutes)s minutes."


class TeamNotServed(_OfWhomWasLookedUp):
    title = "The volunteer was not in this team on that day."


class HoursOverlap(_OfWhomWasLookedUp):
    """`service_record_id` in the body is the record that is in the way, or the backfill that waits."""

    title = "Service at the same time is recorded already."

    def __init__(self, service_record_id: UUID) -> None:
        super().__init__(members={"service_record_id": str(service_record_id)})


class OverDailyLimit(Conflict):
    """`minutes` and `limit_minutes` in the body: what the day would have, and from where on it needs a reason."""

    title = "That is more than a day's hours: say in the approval why it is right."

    def __init__(self, minutes: int, limit_minutes: int) -> None:
        super().__init__(members={"minutes": minutes, "limit_minutes": limit_minutes})


class OverDailyMaximum(_OfWhomWasLookedUp):
    """`minutes` and `limit_minutes` in the body: what the day would have, and what only two organizers may pass."""

    title = "So many hours on one day are recorded by one organizer and approved by another one."

    def __init__(self, minutes: int, limit_minutes: int) -> None:
        super().__init__(members={"minutes": minutes, "limit_minutes": limit_minutes})


class BackfillDecided(Conflict):
    """`state` in the body is what was decided."""

    title = "This has been decided already."

    def __init__(self, state: str) -> None:
        super().__init__(members={"state": state})
