"""Why a sign-up is refused. The codes are part of the contract."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from volunteer_api.core.problems import Conflict, Problem, Unauthorized
from volunteer_api.core.schema import Fault
from volunteer_api.sign_ups.models import SignUpState


class SignInRequired(Unauthorized):
    title = "Sign in to sign up."


class NotPublished(Conflict):
    title = "The activity is not published yet."


class Canceled(Conflict):
    title = "This shift has been canceled."


class Ended(Conflict):
    title = "This shift is over."


class ShiftBegun(Conflict):
    title = "This shift has begun: your sign-up can no longer be withdrawn."


class SignUpClosed(Conflict):
    title = "Sign-ups for this shift are closed."


class AlreadySignedUp(Conflict):
    """Its body names the `sign_up_id` that stands and its `sign_up_state`, where the caller may know of it."""

    title = "A sign-up for this shift stands already."
    details: ClassVar[Mapping[str, str]] = {
        SignUpState.PENDING: "The sign-up for this shift waits for a leader's approval.",
        SignUpState.INVITED: "There is an invitation to this shift already; it waits for a yes or a no.",
        SignUpState.WAITLISTED: "The sign-up for this shift is on the waitlist already.",
    }

    def __init__(self, sign_up_id: UUID | None = None, state: str = "") -> None:
        known = {"sign_up_id": str(sign_up_id), "sign_up_state": str(state)} if sign_up_id is not None else {}
        super().__init__(case=state, members=known)


class _Explained(Conflict):
    """A refusal whose detail is the first of the reasons that it was given."""

    def __init__(self, reasons: Sequence[Fault] = (), **options: Any) -> None:
        super().__init__(**options)
        self.reasons = reasons

    def sentence(self) -> str:
        return self.reasons[0].sentence() if self.reasons else super().sentence()


class NotEligible(_Explained):
    """Its body names the `reasons`: [{code, detail}], all of them; see `eligibility.faults`.

    Whom the reasons are not for (another volunteer who asks) is not told any.
    """

    title = "Not everything that this shift asks for is there."

    def __init__(self, reasons: Sequence[Fault] = ()) -> None:
        told = [{"code": one.code, "detail": one.sentence()} for one in reasons]
        super().__init__(reasons, members={"reasons": told})


class OverlappingShift(_Explained):
    """Its body names the `shift_id` that stands in the way: at the same time, or with too little rest between."""

    title = "There is another shift at the same time, with a place in it."


class ShiftFull(Conflict):
    """All places of the shift, or of the role that was asked for, are taken, or `kept` for those who wait.

    Of somebody who waits, and whom a leader would let in (`waits`): none is free for her now.
    """

    title = "There is no place in this shift now."
    detail = "This shift is full, and its waitlist is closed."
    details: ClassVar[Mapping[str, str]] = {
        "kept": "The places that are left are kept for those on the waitlist.",
        "waits": "No place is free; who waits keeps her place on the waitlist.",
    }


class StandInGone(Conflict):
    """Who offered the place has it no more, or gave it to somebody else."""

    title = "The place that you were offered is no longer there."


class OwnPlace(Conflict):
    title = "You can't stand in for yourself."


class TooManySignUps(Problem):
    status = 422
    title = "These are more sign-ups than a file may have."
    detail = "At most %(most)s go into one file; ask for one shift or one state."
