"""Moves, merges and closing of organizations; grants that wait for a phone

Revision ID: 2026_11_24_5_organizations
Revises: 2026_11_24_4_profile
Create Date: 2026-11-24 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_24_5_organizations"
down_revision = "2026_11_24_4_profile"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
