"""Several taps of one end of an attendance

Revision ID: 2026_11_28_5_taps
Revises: 2026_11_28_4_reversals
Create Date: 2026-11-28 05:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_28_5_taps"
down_revision = "2026_11_28_4_reversals"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    # Without batch: attendances keeps its indexes and is not copied.
    op.add_column("attendances", sa.Column("counts_from_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("attendances", sa.Column("counts_until_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("attendances", sa.Column("taps", JSON, nullable=True))
    # When the list was written that says so; of those of before it is not known, they were all of their moment.
    op.add_column("roll_call_marks", sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("roll_call_marks", "taken_at")
    op.drop_column("attendances", "taps")
    op.drop_column("attendances", "counts_until_at")
    op.drop_column("attendances", "counts_from_at")
