"""Profiles, resident IDs, guardians

Revision ID: 2026_11_24_4_profile
Revises: 2026_11_24_3_credentials
Create Date: 2026-11-24 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_24_4_profile"
down_revision = "2026_11_24_3_credentials"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
