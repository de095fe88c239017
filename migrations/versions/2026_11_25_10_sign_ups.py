"""Sign-ups: modes, roles, stand-ins

Revision ID: 2026_11_25_10_sign_ups
Revises: 2026_11_25_9_qualifications
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_10_sign_ups"
down_revision = "2026_11_25_9_qualifications"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
