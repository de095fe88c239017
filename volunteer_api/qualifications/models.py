"""Trainings that somebody completed, and insurance policies with the people whom they cover."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core.database import Base, Identified, Versioned


class Training(Identified, Versioned, Base):
    """A training that an organization gives. `valid_days` is how long it counts once completed, None for ever."""

    __tablename__ = "trainings"
    __table_args__ = (
        CheckConstraint("valid_days > 0", name="valid_days"),
        UniqueConstraint("organization_id", "name"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    valid_days: Mapped[int | None]


class Policy(Identified, Versioned, Base):
    """A volunteers' insurance that an organization took out: it covers whom it lists, on its days, both included."""

    __tablename__ = "insurance_policies"
    __table_args__ = (
        CheckConstraint("starts_on <= ends_on", name="days_in_order"),
        UniqueConstraint("insurer", "policy_number"),
        Index("ix_insurance_policies_organization_id", "organization_id"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"))
    insurer: Mapped[str]
    policy_number: Mapped[str]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    note: Mapped[str | None]


class Listed:
    """Somebody who was named by phone: by its digest until the owner proves the number, then by the account too.

    By the account alone once the number is not hers any more: the digest is then one of no phone.
    The phone itself is not kept; the masked one is for whoever keeps the list.
    """

    volunteer_id: Mapped[UUID | None] = mapped_column(ForeignKey("volunteers.id"))
    phone_digest: Mapped[bytes]
    masked_phone: Mapped[str]
    recorded_by: Mapped[UUID] = mapped_column(ForeignKey("volunteers.id"))


class TrainingRecord(Identified, Listed, Base):
    """That somebody completed a training. A wrong one is revoked, with a reason, and stays."""

    __tablename__ = "training_records"
    __table_args__ = (
        CheckConstraint("(revoked_at IS NULL) = (revocation_reason IS NULL)", name="revoked_with_reason"),
        # The same completion is recorded once; one more year's is another.
        Index(
            "uq_training_records_completion",
            "training_id",
            "phone_digest",
            "completed_on",
            unique=True,
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
        Index("ix_training_records_volunteer_id", "volunteer_id"),
        Index("ix_training_records_phone_digest", "phone_digest"),
        Index("ix_training_records_recorded_by", "recorded_by"),
    )

    training_id: Mapped[UUID] = mapped_column(ForeignKey("trainings.id"))
    completed_on: Mapped[date]
    # The last day on which it counts; None for ever.
    valid_until: Mapped[date | None]
    revoked_at: Mapped[datetime | None]
    revocation_reason: Mapped[str | None]


class Insured(Identified, Listed, Base):
    """Somebody whom a policy covers on these days, both included, which lie in the policy's own.

    With an `own_end` the cover ends on a day that somebody named; else with the policy, wherever its end goes.
    """

    __tablename__ = "insured_people"
    __table_args__ = (
        CheckConstraint("starts_on <= ends_on", name="days_in_order"),
        UniqueConstraint("policy_id", "phone_digest"),
        Index("ix_insured_people_volunteer_id", "volunteer_id"),
        Index("ix_insured_people_phone_digest", "phone_digest"),
        Index("ix_insured_people_recorded_by", "recorded_by"),
    )

    policy_id: Mapped[UUID] = mapped_column(ForeignKey("insurance_policies.id"))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    own_end: Mapped[bool] = mapped_column(default=False, server_default=false())
