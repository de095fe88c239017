"""A request to join, or an invitation, that was turned down says why

Revision ID: 2026_11_29_5_rejections
Revises: 2026_11_28_7_stock
Create Date: 2026-11-29 05:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_5_rejections"
down_revision = "2026_11_28_7_stock"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memberships", sa.Column("rejection_reason", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("memberships", "rejection_reason")
