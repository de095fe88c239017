"""Activities: holidays in recurrences, changeable roles

Revision ID: 2026_11_26_7_activities
Revises: 2026_11_26_6_voices
Create Date: 2026-11-26 00:00:00+00:00
"""

revision = "2026_11_26_7_activities"
down_revision = "2026_11_26_6_voices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by the part that needs it."""


def downgrade() -> None:
    """Filled in by the part that needs it."""
