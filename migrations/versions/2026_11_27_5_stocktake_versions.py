"""Versions of counts: what is approved is what was seen

Revision ID: 2026_11_27_5_stocktake_versions
Revises: 2026_11_27_4_item_names
Create Date: 2026-11-27 05:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_5_stocktake_versions"
down_revision = "2026_11_27_4_item_names"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stocktakes", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("stocktakes", sa.Column("told_version", sa.Integer(), nullable=True))
    # Of counts that wait, those who approve have heard.
    op.execute("UPDATE stocktakes SET told_version = 1 WHERE state = 'counting'")


def downgrade() -> None:
    op.drop_column("stocktakes", "told_version")
    op.drop_column("stocktakes", "version")
