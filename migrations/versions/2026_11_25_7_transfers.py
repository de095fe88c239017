"""Transfers between stations

Revision ID: 2026_11_25_7_transfers
Revises: 2026_11_25_6_stocktakes
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_7_transfers"
down_revision = "2026_11_25_6_stocktakes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
