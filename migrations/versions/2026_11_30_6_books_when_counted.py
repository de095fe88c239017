"""What the books said as something was counted, beside what they say of that moment now

Revision ID: 2026_11_30_6_books_when_counted
Revises: 2026_11_30_5_party
Create Date: 2026-11-30 06:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_6_books_when_counted"
down_revision = "2026_11_30_5_party"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("stocktake_lines", sa.Column("book_when_counted", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("stocktake_lines", "book_when_counted")
