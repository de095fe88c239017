"""Why feedback is refused."""

from volunteer_api.core.problems import Conflict, Forbidden


class NotAttended(Forbidden):
    title = "Only who was there gives feedback."


class LeadsActivity(Forbidden):
    title = "Those who lead an activity do not rate it, nor decide what is shown of its feedback."


class FeedbackNotOpen(Conflict):
    title = "Feedback opens when the shift has ended."


class FeedbackClosed(Conflict):
    title = "The time for feedback is over."
    detail = "Feedback is taken for %(days)s days after the shift."


class FeedbackGiven(Conflict):
    """Its body names the `feedback_id` that stands."""

    title = "You have already given feedback for this activity."


class FeedbackFrozen(Conflict):
    title = "This feedback can no longer be changed."
    detail = "Feedback can be changed for %(days)s days."


class TooFewToBeAnonymous(Conflict):
    title = "Too few people are left for feedback to be anonymous."
    detail = "Where fewer than %(minimum)s people attended who have not signed theirs, yours would tell who you are."


class NameWouldTell(Conflict):
    """Somebody has said something without her name, and hides among those who have not signed."""

    title = "Your name would tell who gave feedback without one."
    detail = "Where fewer than %(minimum)s others would be left without a name, give yours without a name too."


class NoWords(Conflict):
    title = "There are no words to decide on."


class WordsChanged(Conflict):
    """Its body names the `version` that stands."""

    title = "The feedback is not as you read it; read it again."


class AlreadyReplied(Conflict):
    title = "This feedback has been answered already."


class AlreadyReported(Conflict):
    title = "You have already reported these words."
