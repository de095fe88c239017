"""Check-outs that came before their check-in

Revision ID: 2026_11_26_4_batches
Revises: 2026_11_26_3_attendance
Create Date: 2026-11-26 00:00:00+00:00
"""

revision = "2026_11_26_4_batches"
down_revision = "2026_11_26_3_attendance"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by the part that needs it."""


def downgrade() -> None:
    """Filled in by the part that needs it."""
