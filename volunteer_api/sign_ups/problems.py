"""Why a sign-up is refused. The codes are part of the contract."""

from volunteer_api.core.problems import Conflict, Unauthorized


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
    """Its body names the `sign_up_id` that stands."""

    title = "You have already signed up for this shift."


class NotEligible(Conflict):
    title = "You can't sign up for this team: you are not one of its active members."


class OverlappingShift(Conflict):
    """Its body names the `shift_id` that stands in the way."""

    title = "You have signed up for another shift at the same time."


class ShiftFull(Conflict):
    title = "This shift is full, and its waitlist is closed."
