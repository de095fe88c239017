"""The catalogue: barcodes, pinyin, kit standards

Revision ID: 2026_11_25_3_catalog
Revises: 2026_11_25_2_stations
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_3_catalog"
down_revision = "2026_11_25_2_stations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
