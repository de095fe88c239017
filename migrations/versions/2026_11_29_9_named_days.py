"""Have what named volunteers have in days and weeks folded too: all that is folded is made anew once

Revision ID: 2026_11_29_9_named_days
Revises: 2026_11_29_6_own_end
Create Date: 2026-11-29 09:00:00+00:00
"""

from alembic import op

revision = "2026_11_29_9_named_days"
down_revision = "2026_11_29_6_own_end"
branch_labels = None
depends_on = None

# Until a fold has made them anew, volunteers are counted.
NOT_FOLDED = "UPDATE ranking_rules SET adults_born_by = NULL"


def upgrade() -> None:
    op.execute(NOT_FOLDED)


def downgrade() -> None:
    op.execute(NOT_FOLDED)
