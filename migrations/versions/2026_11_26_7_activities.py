"""Activities: how often a sign-up got or lost a place, who was asked by her team, and what was renamed

Revision ID: 2026_11_26_7_activities
Revises: 2026_11_26_6_voices
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_7_activities"
down_revision = "2026_11_26_6_voices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count a place that somebody has: a calendar must hear of it when it is lost. Note what is renamed."""
    op.add_column("sign_ups", sa.Column("place_changes", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("sign_ups", sa.Column("asked_by_team", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "activity_renames",
        sa.Column("renamed_id", sa.Uuid(), nullable=False),
        sa.Column("renamed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("renamed_id", name=op.f("pk_activity_renames")),
    )
    op.execute(sa.text("UPDATE sign_ups SET place_changes = 1 WHERE state = 'confirmed'"))


def downgrade() -> None:
    """Forget it."""
    op.drop_table("activity_renames")
    op.drop_column("sign_ups", "asked_by_team")
    op.drop_column("sign_ups", "place_changes")
