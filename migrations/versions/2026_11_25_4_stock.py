"""Stock: portions of lots, closed months, lot recalls

Revision ID: 2026_11_25_4_stock
Revises: 2026_11_25_3_catalog
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_4_stock"
down_revision = "2026_11_25_3_catalog"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
