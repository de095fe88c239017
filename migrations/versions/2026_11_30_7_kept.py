"""Questions of rankings that take long to count, and for which sums are kept as for a span of the calendar

Revision ID: 2026_11_30_7_kept
Revises: 2026_11_30_6_books_when_counted
Create Date: 2026-11-30 07:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_7_kept"
down_revision = "2026_11_30_6_books_when_counted"
branch_labels = None
depends_on = None

CALENDAR = "('day', 'week', 'month', 'quarter', 'year', 'all')"


def upgrade() -> None:
    op.create_table(
        "ranking_kept",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), primary_key=True, nullable=False
        ),
        sa.Column("key", sa.String(150), nullable=False),
        sa.Column("counts", sa.String(10), nullable=False),
        sa.Column("first", sa.Date(), nullable=True),
        sa.Column("last", sa.Date(), nullable=True),
        sa.Column("scope", sa.Uuid(), nullable=True),
        sa.Column("category", sa.String(30), nullable=True),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("key", name=op.f("uq_ranking_kept_key")),
    )


def downgrade() -> None:
    # What is kept stands among the sums, and the release before knows no such spans.
    for table in ("ranking_named", "ranking_histograms", "ranking_headcounts"):
        op.execute(f"DELETE FROM {table} WHERE unit NOT IN {CALENDAR}")
    op.drop_table("ranking_kept")
