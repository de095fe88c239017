"""Disputes and feedback

Revision ID: 2026_11_26_6_voices
Revises: 2026_11_26_5_review
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_6_voices"
down_revision = "2026_11_26_5_review"
branch_labels = None
depends_on = None

PENDING = sa.text("words_state = 'pending'")


def upgrade() -> None:
    create_feedback()


def downgrade() -> None:
    for table in ("feedback_askings", "feedback_reports", "feedback"):
        op.drop_table(table)


def create_feedback() -> None:
    op.create_table(
        "feedback",
        *identity(),
        sa.Column("version", sa.Integer(), nullable=False),
        *references("feedback", activity_id="activities", volunteer_id="volunteers"),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("words", sa.String(), nullable=True),
        sa.Column("words_state", sa.String(), nullable=True),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        *references("feedback", nullable=True, moderated_by="volunteers"),
        sa.Column("moderated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moderation_reason", sa.String(), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        *references("feedback", nullable=True, replied_by="volunteers"),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        *checks(
            "feedback",
            stars="stars BETWEEN 1 AND 5",
            words_state="words_state IN ('pending', 'approved', 'rejected')",
            words_have_a_state="(words IS NULL) = (words_state IS NULL)",
            rejected_with_reason="words_state <> 'rejected' OR moderation_reason IS NOT NULL",
            moderated="words_state = 'pending' OR words IS NULL OR moderated_by IS NOT NULL",
            moderated_by_another="moderated_by <> volunteer_id",
            answered_by_another="replied_by <> volunteer_id",
            reply_has_author="reply IS NULL OR replied_at IS NOT NULL AND replied_by IS NOT NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("activity_id", "volunteer_id", name=op.f("uq_feedback_activity_id_volunteer_id")),
    )
    op.create_index(op.f("ix_feedback_volunteer_id_id"), "feedback", ["volunteer_id", "id"])
    op.create_index(op.f("ix_feedback_moderated_by"), "feedback", ["moderated_by"])
    op.create_index(op.f("ix_feedback_replied_by"), "feedback", ["replied_by"])
    op.create_index(
        op.f("ix_feedback_pending"), "feedback", ["id"], sqlite_where=PENDING, postgresql_where=PENDING
    )
    op.create_table(
        "feedback_reports",
        *identity(),
        *references("feedback_reports", feedback_id="feedback", reported_by="volunteers"),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback_reports")),
        sa.UniqueConstraint("feedback_id", "reported_by", name=op.f("uq_feedback_reports_feedback_id_reported_by")),
    )
    op.create_index(op.f("ix_feedback_reports_reported_by"), "feedback_reports", ["reported_by"])
    op.create_table(
        "feedback_askings",
        *references("feedback_askings", activity_id="activities", volunteer_id="volunteers"),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("activity_id", "volunteer_id", name=op.f("pk_feedback_askings")),
    )
    op.create_index(op.f("ix_feedback_askings_volunteer_id"), "feedback_askings", ["volunteer_id"])


def identity() -> list[sa.Column]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    ]


def references(table: str, *, nullable: bool = False, **targets: str) -> list:
    """Columns that refer to the ids of other tables, with their constraints."""
    columns = [sa.Column(name, sa.Uuid(), nullable=nullable) for name in targets]
    return columns + [
        sa.ForeignKeyConstraint([name], [f"{target}.id"], name=op.f(f"fk_{table}_{name}"))
        for name, target in targets.items()
    ]


def checks(table: str, **conditions: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}")) for name, condition in conditions.items()
    ]
