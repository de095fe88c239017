"""Longer names: of what is kept of the growth of volunteers in a part, and of a category in a campaign

The first fold makes all anew: with sums of each category in each campaign, with how many volunteers are named, and of what
was kept of growth with what each has beside it.

Revision ID: 2026_12_01_1_grown_in_part
Revises: 2026_11_30_9_members
Create Date: 2026-12-01 01:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_01_1_grown_in_part"
down_revision = "2026_11_30_9_members"
branch_labels = None
depends_on = None

LENGTHS = (
    # Table, column, how long it was and is; whether SQLite keeps it in the order of its key.
    ("ranking_sums", "slice", 50, 100, True),
    ("ranking_headcounts", "kind", 50, 100, True),
    ("ranking_kept", "key", 150, 200, False),
)


def upgrade() -> None:
    for table, column, before, after, by_key in LENGTHS:
        _alter(table, column, before, after, by_key)


def downgrade() -> None:
    # Without a rule nothing is read of what is folded, and the next fold makes it anew, in the form of its release.
    op.execute("DELETE FROM ranking_rules")
    op.execute("DELETE FROM ranking_kept WHERE before_first IS NOT NULL")
    for table, column, before, after, by_key in LENGTHS:
        op.execute(f"DELETE FROM {table} WHERE length({column}) > {before}")
        _alter(table, column, after, before, by_key)


def _alter(table: str, column: str, before: int, after: int, by_key: bool) -> None:
    with op.batch_alter_table(table, table_kwargs={"sqlite_with_rowid": False} if by_key else {}) as batch:
        batch.alter_column(column, existing_type=sa.String(before), type_=sa.String(after))
