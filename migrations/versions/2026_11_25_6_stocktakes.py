"""Stocktakes

Revision ID: 2026_11_25_6_stocktakes
Revises: 2026_11_25_5_loans
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_6_stocktakes"
down_revision = "2026_11_25_5_loans"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
