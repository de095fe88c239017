"""Why an activity, a shift or a sign-up refuses something. The codes of sign-up refusals are part of the contract."""

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


class WrongState(Conflict):
    """Its body names the `state` that stands."""

    title = "The present state does not allow this."
    detail = "This is not possible while the state is %(state)s."


class NotBegun(Conflict):
    title = "An activity is completed only after one of its shifts has begun."


class FrozenAtPublication(Conflict):
    """Its body names the `fields`: rankings count an activity for whom it was published."""

    title = "The team, the station and the category stay as they were published."


class TooManyShifts(Conflict):
    title = "The activity has too many shifts."
    detail = "An activity has at most %(maximum)s shifts."
