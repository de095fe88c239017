"""What feedback hears of erasure, and holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select, update

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.activities.models import Activity
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.feedback.models import Feedback, FeedbackAsking, FeedbackReport


@on(VolunteerErased)
def forget_words(event: VolunteerErased) -> None:
    """Delete the person's words, what was answered to them and what they reported; the stars stay, for the sums."""
    db.session.execute(
        update(Feedback)
        .where(Feedback.volunteer_id == event.volunteer_id)
        .values(
            words=None,
            words_state=None,
            moderation_reason=None,
            reply=None,
            version=Feedback.version + 1,
        )
        .execution_options(synchronize_session=False)
    )
    # Nobody can look any more at what others reported of her.
    said = select(Feedback.id).where(Feedback.volunteer_id == event.volunteer_id)
    db.session.execute(
        update(FeedbackReport)
        .where(FeedbackReport.feedback_id.in_(said), FeedbackReport.settled_at.is_(None))
        .values(settled_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    for table, column in ((FeedbackReport, FeedbackReport.reported_by), (FeedbackAsking, FeedbackAsking.volunteer_id)):
        db.session.execute(
            delete(table).where(column == event.volunteer_id).execution_options(synchronize_session=False)
        )


@exported("feedback")
def feedback(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person said of activities, the latest first."""
    return rows(
        select(
            Feedback.id,
            Activity.title,
            Feedback.stars,
            Feedback.words,
            Feedback.words_state,
            Feedback.anonymous,
            Feedback.created_at,
            Feedback.moderation_reason,
            Feedback.reply,
            Feedback.replied_at,
        )
        .join(Activity, Activity.id == Feedback.activity_id)
        .where(Feedback.volunteer_id == volunteer_id)
        .order_by(Feedback.created_at.desc(), Feedback.id.desc())
    )


@exported("feedback_handled")
def feedback_handled(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Others' feedback that the person approved, rejected or answered. What was said in it is another's data."""
    answered = Feedback.replied_by == volunteer_id
    return rows(
        select(Feedback.id, Activity.title, Feedback.moderated_at, Feedback.replied_at)
        .join(Activity, Activity.id == Feedback.activity_id)
        .where(or_(Feedback.moderated_by == volunteer_id, answered))
        .order_by(Feedback.given_on.desc(), Feedback.id.desc())
    )


@exported("feedback_reports")
def feedback_reports(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person reported, the latest first."""
    return rows(
        select(FeedbackReport.id, Activity.title, FeedbackReport.reason, FeedbackReport.created_at)
        .join(Feedback, Feedback.id == FeedbackReport.feedback_id)
        .join(Activity, Activity.id == Feedback.activity_id)
        .where(FeedbackReport.reported_by == volunteer_id)
        .order_by(FeedbackReport.id.desc())
    )
