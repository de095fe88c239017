"""Trainings and insurance policies

Revision ID: 2026_11_25_9_qualifications
Revises: 2026_11_25_8_compliance
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_9_qualifications"
down_revision = "2026_11_25_8_compliance"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
