"""Drafts say when and why they came back; roles of a shift keep the order in which they were given

Revision ID: 2026_11_28_6_returned_drafts
Revises: 2026_11_28_5_taps
Create Date: 2026-11-28 06:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_28_6_returned_drafts"
down_revision = "2026_11_28_5_taps"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("activities", sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("activities", sa.Column("return_reason", sa.String(), nullable=True))
    op.add_column("shift_roles", sa.Column("position", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("shift_roles", "position")
    op.drop_column("activities", "return_reason")
    op.drop_column("activities", "returned_at")
