"""Assets and loans

Revision ID: 2026_11_25_5_loans
Revises: 2026_11_25_4_stock
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_5_loans"
down_revision = "2026_11_25_4_stock"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
