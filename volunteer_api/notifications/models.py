"""Notifications: rows of somebody's inbox, and of the outbox until they are sent."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import JSON_TYPE, Base, Identified


class NotificationKind(StrEnum):
    """What somebody can hear of; features to the right add kinds of their own (see templates.py)."""

    SIGN_UP_CONFIRMED = "sign_up_confirmed"
    SIGN_UP_WAITLISTED = "sign_up_waitlisted"
    SIGN_UP_PROMOTED = "sign_up_promoted"
    ACTIVITY_CANCELED = "activity_canceled"
    ACTIVITY_RETURNED = "activity_returned"
    HOURS_CREDITED = "hours_credited"
    MEMBERSHIP_ACCEPTED = "membership_accepted"
    MEMBERSHIP_INVITED = "membership_invited"
    MEMBERSHIP_REQUESTED = "membership_requested"
    LEADERSHIP_CHANGED = "leadership_changed"
    GRANT_GIVEN = "grant_given"
    GRANT_REVOKED = "grant_revoked"
    ERASURE_REQUESTED = "erasure_requested"
    ERASURE_NEAR = "erasure_near"
    ERASURE_TAKEN_BACK = "erasure_taken_back"
    TOKEN_REUSED = "token_reused"  # noqa: S105  # a word, not a secret
    PHONE_CHANGED = "phone_changed"
    PHONE_RELEASED = "phone_released"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a word, not a secret
    GUARDIAN_WITHDREW = "guardian_withdrew"


class Notification(Identified, Base):
    """One thing that one volunteer should hear of.

    `values` fill the kind's template in the reader's language. `next_attempt_at` is None once it is sent or given up.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        UniqueConstraint("dedup_key", name="uq_notifications_dedup_key"),
        CheckConstraint("attempts >= 0", name="attempts"),
        Index("ix_notifications_inbox", "volunteer_id", "created_at", "id"),
        Index(
            "ix_notifications_unread",
            "volunteer_id",
            "created_at",
            "id",
            postgresql_where=text("read_at IS NULL"),
            sqlite_where=text("read_at IS NULL"),
        ),
        Index(
            "ix_notifications_outbox",
            "next_attempt_at",
            "id",
            postgresql_where=text("next_attempt_at IS NOT NULL"),
            sqlite_where=text("next_attempt_at IS NOT NULL"),
        ),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))
    kind: Mapped[str]
    values: Mapped[dict[str, str]] = mapped_column(JSON_TYPE)
    dedup_key: Mapped[str]
    read_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
