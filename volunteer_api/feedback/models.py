"""Tables of feedback: stars and words of who was there, what was reported of them, and who was asked."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock, ids
from volunteer_api.core.database import Base, Identified, Versioned, one_of


class WordsState(StrEnum):
    """Whether everybody may read the words: not before an organizer has approved them."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class Feedback(Identified, Versioned, Base):
    """What one volunteer says of one activity that she attended: 1 to 5 stars, and words where she has any.

    The stars count at once. `given_on` is the local day, and all that others learn of when it was. `words_state` is
    None exactly where there are no words. `anonymous` hides who it was from everybody but herself. `kept_back`
    is what an earlier release took among too few: others see it only once it is signed. Nobody moderates or answers
    her own.
    """

    __tablename__ = "feedback"
    __table_args__ = (
        CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),
        CheckConstraint(one_of("words_state", WordsState), name="words_state"),
        CheckConstraint("(words IS NULL) = (words_state IS NULL)", name="words_have_a_state"),
        CheckConstraint("words_state <> 'rejected' OR moderation_reason IS NOT NULL", name="rejected_with_reason"),
        CheckConstraint("words_state = 'pending' OR words IS NULL OR moderated_by IS NOT NULL", name="moderated"),
        CheckConstraint("moderated_by <> volunteer_id", name="moderated_by_another"),
        CheckConstraint("replied_by <> volunteer_id", name="answered_by_another"),
        CheckConstraint("reply IS NULL OR replied_at IS NOT NULL AND replied_by IS NOT NULL", name="reply_has_author"),
        UniqueConstraint("activity_id", "volunteer_id"),
        Index("ix_feedback_volunteer_id_id", "volunteer_id", "id"),
        Index("ix_feedback_moderated_by", "moderated_by"),
        Index("ix_feedback_replied_by", "replied_by"),
        Index(
            "ix_feedback_pending",
            "id",
            sqlite_where=text("words_state = 'pending'"),
            postgresql_where=text("words_state = 'pending'"),
        ),
    )

    # Who was seen to write at a moment would be told by an id that has it.
    id: Mapped[UUID] = mapped_column(primary_key=True, default=ids.timeless_id)
    given_on: Mapped[date] = mapped_column(default=clock.today, server_default=text("CURRENT_DATE"))
    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"))
    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    stars: Mapped[int]
    words: Mapped[str | None]
    words_state: Mapped[str | None]
    anonymous: Mapped[bool] = mapped_column(default=False)
    kept_back: Mapped[bool] = mapped_column(default=False, server_default=false())
    moderated_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    moderated_at: Mapped[datetime | None]
    moderation_reason: Mapped[str | None]
    reply: Mapped[str | None]
    replied_by: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    replied_at: Mapped[datetime | None]


class FeedbackReport(Identified, Base):
    """Somebody finds that words should not stand there. `settled_at` is when an organizer looked, or the words went."""

    __tablename__ = "feedback_reports"
    __table_args__ = (
        UniqueConstraint("feedback_id", "reported_by"),
        Index("ix_feedback_reports_reported_by", "reported_by"),
    )

    feedback_id: Mapped[UUID] = mapped_column(ForeignKey("feedback.id"))
    reported_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    reason: Mapped[str]
    settled_at: Mapped[datetime | None]


class FeedbackAsking(Base):
    """That a volunteer was asked, once, for her feedback of an activity."""

    __tablename__ = "feedback_askings"
    __table_args__ = (Index("ix_feedback_askings_volunteer_id", "volunteer_id"),)

    activity_id: Mapped[UUID] = mapped_column(ForeignKey("activities.id"), primary_key=True)
    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(default=clock.now)
