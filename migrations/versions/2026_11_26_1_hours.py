"""Hours: backfill, reversals, tallies

Revision ID: 2026_11_26_1_hours
Revises: 2026_11_25_12_finding
Create Date: 2026-11-26 00:00:00+00:00
"""

revision = "2026_11_26_1_hours"
down_revision = "2026_11_25_12_finding"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by the part that needs it."""


def downgrade() -> None:
    """Filled in by the part that needs it."""
