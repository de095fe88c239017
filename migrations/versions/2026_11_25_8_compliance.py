"""Stock alerts

Revision ID: 2026_11_25_8_compliance
Revises: 2026_11_25_7_transfers
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_8_compliance"
down_revision = "2026_11_25_7_transfers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
