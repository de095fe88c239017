"""Minutes of activities, folded by day

Revision ID: 2026_11_26_14_minutes
Revises: 2026_11_26_13_registered
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_14_minutes"
down_revision = "2026_11_26_13_registered"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ranking_minutes",
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("path_id", sa.Uuid(), nullable=False),
        sa.Column("credited_minutes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("on", "activity_id", "path_id", name=op.f("pk_ranking_minutes")),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        # Nothing is folded meanwhile.
        op.execute("LOCK TABLE ranking_rules IN EXCLUSIVE MODE")
    op.execute(
        'INSERT INTO ranking_minutes ("on", activity_id, path_id, credited_minutes)'
        ' SELECT "on", activity_id, organization_path_id, sum(minutes) FROM service_records'
        " WHERE activity_id IS NOT NULL AND id NOT IN (SELECT record_id FROM ranking_record_marks)"
        ' GROUP BY "on", activity_id, organization_path_id'
    )


def downgrade() -> None:
    op.drop_table("ranking_minutes")
