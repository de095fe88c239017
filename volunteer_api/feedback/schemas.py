"""What feedback takes and answers."""

from typing import Any

from marshmallow import fields, validates_schema

from volunteer_api.core.schema import Choice, Count, Day, Flag, Id, Moment, Nested, PageQuery, Schema, Text, fault
from volunteer_api.feedback.models import WordsState

LONGEST_WORDS = 1000
LONGEST_REASON = 500


class FeedbackCreate(Schema):
    stars = Count(minimum=1, maximum=5, required=True)
    words = Text(max_length=LONGEST_WORDS)
    anonymous = Flag()


class FeedbackUpdate(Schema):
    """What is given is changed; `words: null` takes them back."""

    stars = Count(minimum=1, maximum=5)
    words = Text(max_length=LONGEST_WORDS, allow_none=True)
    anonymous = Flag()

    @validates_schema
    def something(self, data: dict[str, Any], **_options: Any) -> None:
        if not data:
            raise fault("required", "Say what is to be changed.")


class FeedbackApproval(Schema):
    """`version` is that of the feedback as it was read: nobody approves words that she has not seen."""

    version = Count(minimum=1, required=True)


class FeedbackRejection(FeedbackApproval):
    reason = Text(max_length=LONGEST_REASON, required=True)


class FeedbackReply(Schema):
    text = Text(max_length=LONGEST_WORDS, required=True)


class FeedbackReportCreate(Schema):
    reason = Text(max_length=LONGEST_REASON, required=True)


class FeedbackFilter(PageQuery):
    activity_id = Id()
    state = Choice(WordsState, metadata={"description": "Of the words; `pending` is the queue of the organizers."})


class FeedbackGiver(Schema):
    id = Id(required=True)
    name = Text(required=True)


class FeedbackActivity(Schema):
    id = Id(required=True)
    title = Text(required=True)


class FeedbackRead(Schema):
    """One feedback as its giver and those who lead the activity see it.

    `volunteer` is null where it is anonymous, of a minor or of nobody any more, but for the giver herself.
    `on` is the local day on which it was given. `report_count` counts reports that no organizer has
    looked at yet; 0 for the giver.
    """

    id = Id(required=True)
    version = Count(required=True)
    activity = Nested(FeedbackActivity, required=True)
    volunteer = Nested(FeedbackGiver, required=True, allow_none=True)
    mine = Flag(required=True)
    anonymous = Flag(required=True)
    on = Day(required=True)
    stars = Count(required=True)
    words = Text(required=True, allow_none=True, max_length=LONGEST_WORDS)
    words_state = Choice(WordsState, required=True, allow_none=True)
    moderation_reason = Text(required=True, allow_none=True, max_length=LONGEST_REASON)
    reply = Text(required=True, allow_none=True, max_length=LONGEST_WORDS)
    replied_at = Moment(required=True, allow_none=True)
    report_count = Count(required=True)


class PublicFeedbackRead(Schema):
    """Approved words. `name` is masked, like 王*, and null where it is anonymous, of a minor or of nobody any more."""

    id = Id(required=True)
    on = Day(required=True)
    stars = Count(required=True)
    words = Text(required=True, max_length=LONGEST_WORDS)
    name = Text(required=True, allow_none=True)
    reply = Text(required=True, allow_none=True, max_length=LONGEST_WORDS)


class FeedbackStarsRead(Schema):
    """How many gave so many stars."""

    stars = Count(required=True)
    count = Count(required=True)


class FeedbackSummaryRead(Schema):
    """`average`, `distribution` and words only where at least `minimum_count` people answered: fewer would be told.

    Whose attendance was rejected afterwards is in none of the numbers, and what others said stays shown all the same.
    """

    count = Count(required=True)
    minimum_count = Count(required=True)
    average = fields.Float(required=True, allow_none=True)
    distribution = fields.List(fields.Nested(FeedbackStarsRead), required=True)
    items = fields.List(fields.Nested(PublicFeedbackRead), required=True)
    next_cursor = fields.String(required=True, allow_none=True)
