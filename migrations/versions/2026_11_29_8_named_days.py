"""Have what named volunteers have in days and weeks folded too: all that is folded is made anew once

Revision ID: 2026_11_29_8_named_days
Revises: 2026_11_29_6_own_end
Create Date: 2026-11-29 08:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_8_named_days"
down_revision = "2026_11_29_6_own_end"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without a form, what is folded is of an earlier release: till a fold has made it anew, the named are counted.
    op.add_column("ranking_rules", sa.Column("form", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("ranking_rules", "form")
