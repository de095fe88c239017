"""Files that people send

Revision ID: 2026_11_24_2_files
Revises: 2026_11_24_1_audit_and_keys
Create Date: 2026-11-24 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_24_2_files"
down_revision = "2026_11_24_1_audit_and_keys"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
