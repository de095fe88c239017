"""The growth of volunteers in a part is kept too: beside it what each has, and how many have a place

Revision ID: 2026_12_01_1_grown_in_part
Revises: 2026_11_30_8_growth
Create Date: 2026-12-01 01:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_01_1_grown_in_part"
down_revision = "2026_11_30_8_growth"
branch_labels = None
depends_on = None

TABLES = ("ranking_named", "ranking_histograms", "ranking_headcounts")


def upgrade() -> None:
    # What was kept by the release before lacks what is beside it now. Whoever asks has it kept again.
    _forget_growth()
    with op.batch_alter_table("ranking_kept") as table:
        table.alter_column("key", existing_type=sa.String(150), type_=sa.String(200), existing_nullable=False)
    op.execute(
        "INSERT INTO ranking_headcounts (kind, unit, starts_on, ranked_id, volunteer_count)"
        " SELECT 'named', 'all', '0001-01-01', '00000000000000000000000000000000', count(*) FROM ranking_named"
        " WHERE unit = 'all' HAVING count(*) > 0"
    )


def downgrade() -> None:
    _forget_growth()
    op.execute("DELETE FROM ranking_headcounts WHERE kind = 'named'")
    with op.batch_alter_table("ranking_kept") as table:
        table.alter_column("key", existing_type=sa.String(200), type_=sa.String(150), existing_nullable=False)


def _forget_growth() -> None:
    for table in TABLES:
        for unit in ("'k' || id", "'k' || id || 'r'"):
            growth = f"SELECT {unit} FROM ranking_kept WHERE before_first IS NOT NULL"
            op.execute(f"DELETE FROM {table} WHERE unit IN ({growth})")
    op.execute("DELETE FROM ranking_kept WHERE before_first IS NOT NULL")
