"""How many residents an organization's area has

Revision ID: 2026_11_26_10_residents
Revises: 2026_11_26_9_ranking_facts
Create Date: 2026-11-26 00:00:00+00:00
"""

from alembic import op

revision = "2026_11_26_10_residents"
down_revision = "2026_11_26_9_ranking_facts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The check stands with its column, so that SQLite can add and drop both without making the table anew.
    op.execute(
        "ALTER TABLE organizations ADD COLUMN resident_count INTEGER "
        "CONSTRAINT ck_organizations_resident_count CHECK (resident_count >= 0)"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE organizations DROP COLUMN resident_count")
