"""Seals, certificates, star levels, the national export

Revision ID: 2026_11_26_2_trust
Revises: 2026_11_26_1_hours
Create Date: 2026-11-26 00:00:00+00:00
"""

revision = "2026_11_26_2_trust"
down_revision = "2026_11_26_1_hours"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Filled in by the part that needs it."""


def downgrade() -> None:
    """Filled in by the part that needs it."""
