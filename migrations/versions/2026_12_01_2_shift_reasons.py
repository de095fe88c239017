"""Why a shift was canceled

Of those that were canceled before, nobody kept it.

Revision ID: 2026_12_01_2_shift_reasons
Revises: 2026_12_01_1_grown_in_part
Create Date: 2026-12-01 02:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_01_2_shift_reasons"
down_revision = "2026_12_01_1_grown_in_part"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shifts", sa.Column("cancellation_reason", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("shifts", "cancellation_reason")
