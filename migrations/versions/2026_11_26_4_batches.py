"""Check-outs that came before their check-in

Revision ID: 2026_11_26_4_batches
Revises: 2026_11_26_3_attendance
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_26_4_batches"
down_revision = "2026_11_26_3_attendance"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    # Without batch: attendances keeps its indexes and is not copied.
    op.add_column("attendances", sa.Column("check_in_reasons", JSON, nullable=False, server_default=sa.text("'[]'")))
    op.add_column("attendances", sa.Column("check_out_reasons", JSON, nullable=True))
    op.add_column("attendances", sa.Column("check_out_tapped_at", sa.DateTime(timezone=True), nullable=True))
    # Which end a reason came from was not written down: of what is known, each end may be the one.
    op.execute("UPDATE attendances SET check_in_reasons = reasons")
    op.execute("UPDATE attendances SET check_out_tapped_at = checked_out_at WHERE check_out_grade IS NOT NULL")
    op.create_table(
        "waiting_check_outs",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("check_in_key", sa.String(), nullable=False),
        sa.Column("evidence", JSON, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["volunteer_id"], ["volunteers.id"], name=op.f("fk_waiting_check_outs_volunteer_id")
        ),
        sa.PrimaryKeyConstraint("volunteer_id", "key", name=op.f("pk_waiting_check_outs")),
    )
    op.create_index(
        "ix_waiting_check_outs_volunteer_id_check_in_key", "waiting_check_outs", ["volunteer_id", "check_in_key"]
    )
    op.create_index("ix_waiting_check_outs_received_at", "waiting_check_outs", ["received_at"])


def downgrade() -> None:
    op.drop_table("waiting_check_outs")
    op.drop_column("attendances", "check_out_tapped_at")
    op.drop_column("attendances", "check_out_reasons")
    op.drop_column("attendances", "check_in_reasons")
