"""The catalogue: how long things are good once opened

Revision ID: 2026_11_25_3_catalog
Revises: 2026_11_25_2_stations
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_3_catalog"
down_revision = "2026_11_25_2_stations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("items") as table:
        table.add_column(sa.Column("days_once_opened", sa.Integer(), nullable=True))
        table.create_check_constraint(op.f("ck_items_days_once_opened"), "days_once_opened > 0")


def downgrade() -> None:
    with op.batch_alter_table("items") as table:
        table.drop_constraint(op.f("ck_items_days_once_opened"), type_="check")
        table.drop_column("days_once_opened")
