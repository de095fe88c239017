"""Notifications: rows of somebody's inbox, and of the outbox until they are sent."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock
from volunteer_api.core.database import JSON_TYPE, Base, Identified, one_of
from volunteer_api.notifications.providers.base import ProviderName


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
    GUARDIAN_NEEDED = "guardian_needed"
    SIGNED_IN_ELSEWHERE = "signed_in_elsewhere"


class Notification(Identified, Base):
    """One thing that one volunteer should hear of.

    `values` fill the kind's template in the reader's language. `happens_at` is when what it tells of begins, where it
    is of something to come. `next_attempt_at` is when it is to be handed to the reader's devices, None once it was or
    need not be; `sent_at` when it was.
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
    # Counted by the release before, which wants a number; nobody reads it now.
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    happens_at: Mapped[datetime | None]


class PushSubscription(Base):
    """Where the device of a session is reached, in the language in which it asked for it.

    It ends with its session; `ends_at` is when it does so at last where the session was ended by what its owner is to
    hear of there: nothing else is pushed any more. `sealed` is the address (a token, or an endpoint and keys), by the
    key ring for "push addresses"; `digest` finds it again, for a phone that changed hands tells the news of one owner
    alone. What shares a `service` may fail together.
    """

    __tablename__ = "push_subscriptions"
    __table_args__ = (
        UniqueConstraint("digest", name="uq_push_subscriptions_digest"),
        CheckConstraint(one_of("provider", ProviderName), name="provider"),
    )

    session_id: Mapped[UUID] = mapped_column(ForeignKey("device_sessions.id", ondelete="CASCADE"), primary_key=True)
    provider: Mapped[str]
    service: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    language: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=clock.now)
    ends_at: Mapped[datetime | None]


class PushService(Base):
    """A service that failed, and until when no worker asks anything of it."""

    __tablename__ = "push_services"

    service: Mapped[str] = mapped_column(primary_key=True)
    rests_until: Mapped[datetime]


class Push(Base):
    """A notification on its way to one device; the row is deleted once the device's service has it, or it is given up.

    So what one device got is not sent again because another of the same reader did not.
    """

    __tablename__ = "pushes"
    __table_args__ = (
        CheckConstraint("attempts >= 0", name="attempts"),
        Index("ix_pushes_next_attempt_at", "next_attempt_at", "notification_id", "session_id"),
        Index("ix_pushes_session_id", "session_id"),
    )

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(
        ForeignKey("push_subscriptions.session_id", ondelete="CASCADE"), primary_key=True
    )
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime]


class NotificationPreference(Base):
    """What somebody wants on her phones; who never said anything has no row.

    `muted` are groups of kinds. Quiet hours are minutes of the local day, from one until the other; both or neither.
    """

    __tablename__ = "notification_preferences"
    __table_args__ = (
        CheckConstraint("(quiet_from_minute IS NULL) = (quiet_to_minute IS NULL)", name="quiet_hours"),
        CheckConstraint("quiet_from_minute BETWEEN 0 AND 1439", name="quiet_from_minute"),
        CheckConstraint("quiet_to_minute BETWEEN 0 AND 1439", name="quiet_to_minute"),
    )

    volunteer_id: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"), primary_key=True)
    muted: Mapped[list[Any]] = mapped_column(default=list)
    quiet_from_minute: Mapped[int | None]
    quiet_to_minute: Mapped[int | None]
