"""Finding activities: text search, places, calendar feeds

Revision ID: 2026_11_25_12_finding
Revises: 2026_11_25_11_activities
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_12_finding"
down_revision = "2026_11_25_11_activities"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
