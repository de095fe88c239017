"""Activities: campaigns, recurrence, templates, feedback

Revision ID: 2026_11_25_11_activities
Revises: 2026_11_25_10_sign_ups
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_11_activities"
down_revision = "2026_11_25_10_sign_ups"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
