"""Attendance: duty, travel, kiosk

Revision ID: 2026_11_26_3_attendance
Revises: 2026_11_26_2_trust
Create Date: 2026-11-26 00:00:00+00:00
"""

revision = "2026_11_26_3_attendance"
down_revision = "2026_11_26_2_trust"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by the part that needs it."""


def downgrade() -> None:
    """Filled in by the part that needs it."""
