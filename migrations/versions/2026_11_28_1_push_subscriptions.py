"""Push subscriptions, pushes on their way, and what people want to be pushed

Revision ID: 2026_11_28_1_push_subscriptions
Revises: 2026_11_27_5_stocktake_versions
Create Date: 2026-11-28 01:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_28_1_push_subscriptions"
down_revision = "2026_11_27_5_stocktake_versions"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
JSON_TYPE = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)


def upgrade() -> None:
    op.add_column("notifications", sa.Column("happens_at", MOMENT, nullable=True))
    op.create_table(
        "push_subscriptions",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("language", sa.String(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.CheckConstraint("provider IN ('webpush', 'jpush', 'console')", name=op.f("ck_push_subscriptions_provider")),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["device_sessions.id"],
            name=op.f("fk_push_subscriptions_session_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_push_subscriptions")),
        sa.UniqueConstraint("digest", name="uq_push_subscriptions_digest"),
    )
    op.create_table(
        "pushes",
        sa.Column("notification_id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", MOMENT, nullable=False),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_pushes_attempts")),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name=op.f("fk_pushes_notification_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["push_subscriptions.session_id"],
            name=op.f("fk_pushes_session_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("notification_id", "session_id", name=op.f("pk_pushes")),
    )
    op.create_index("ix_pushes_next_attempt_at", "pushes", ["next_attempt_at", "notification_id", "session_id"])
    op.create_index("ix_pushes_session_id", "pushes", ["session_id"])
    op.create_table(
        "push_services",
        sa.Column("service", sa.String(), nullable=False),
        sa.Column("rests_until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("service", name=op.f("pk_push_services")),
    )
    op.create_table(
        "notification_preferences",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("muted", JSON_TYPE, nullable=False),
        sa.Column("quiet_from_minute", sa.Integer(), nullable=True),
        sa.Column("quiet_to_minute", sa.Integer(), nullable=True),
        sa.CheckConstraint(
            "(quiet_from_minute IS NULL) = (quiet_to_minute IS NULL)",
            name=op.f("ck_notification_preferences_quiet_hours"),
        ),
        sa.CheckConstraint(
            "quiet_from_minute BETWEEN 0 AND 1439", name=op.f("ck_notification_preferences_quiet_from_minute")
        ),
        sa.CheckConstraint(
            "quiet_to_minute BETWEEN 0 AND 1439", name=op.f("ck_notification_preferences_quiet_to_minute")
        ),
        sa.ForeignKeyConstraint(
            ["volunteer_id"], ["volunteers.id"], name=op.f("fk_notification_preferences_volunteer_id")
        ),
        sa.PrimaryKeyConstraint("volunteer_id", name=op.f("pk_notification_preferences")),
    )


def downgrade() -> None:
    op.drop_table("notification_preferences")
    op.drop_table("push_services")
    op.drop_index("ix_pushes_session_id", table_name="pushes")
    op.drop_index("ix_pushes_next_attempt_at", table_name="pushes")
    op.drop_table("pushes")
    op.drop_table("push_subscriptions")
    op.drop_column("notifications", "happens_at")
