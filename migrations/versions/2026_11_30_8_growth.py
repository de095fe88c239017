"""The growth of volunteers is kept like other questions: with the days that it is set against

Revision ID: 2026_11_30_8_growth
Revises: 2026_11_30_7_kept
Create Date: 2026-11-30 08:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_8_growth"
down_revision = "2026_11_30_7_kept"
branch_labels = None
depends_on = None

COLUMNS = ("before_first", "before_last")
TABLES = ("ranking_named", "ranking_histograms")


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("ranking_kept", sa.Column(name, sa.Date(), nullable=True))


def downgrade() -> None:
    # The release before would take what each has more for what she has.
    for table in TABLES:
        op.execute(
            f"DELETE FROM {table} WHERE unit IN (SELECT 'k' || id FROM ranking_kept WHERE before_first IS NOT NULL)"
        )
    op.execute("DELETE FROM ranking_kept WHERE before_first IS NOT NULL")
    with op.batch_alter_table("ranking_kept") as table:
        for name in COLUMNS:
            table.drop_column(name)
