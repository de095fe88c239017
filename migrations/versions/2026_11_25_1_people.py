"""People: what the review of rights and privacy asked for

Revision ID: 2026_11_25_1_people
Revises: 2026_11_24_7_erasure
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_1_people"
down_revision = "2026_11_24_7_erasure"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
