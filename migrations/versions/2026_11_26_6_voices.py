"""Disputes and feedback

Revision ID: 2026_11_26_6_voices
Revises: 2026_11_26_5_review
Create Date: 2026-11-26 00:00:00+00:00
"""

revision = "2026_11_26_6_voices"
down_revision = "2026_11_26_5_review"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by the part that needs it."""


def downgrade() -> None:
    """Filled in by the part that needs it."""
