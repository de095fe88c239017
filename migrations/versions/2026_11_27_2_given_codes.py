"""Whom presence codes were given to

Revision ID: 2026_11_27_2_given_codes
Revises: 2026_11_27_1_named_volunteers
Create Date: 2026-11-27 01:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_2_given_codes"
down_revision = "2026_11_27_1_named_volunteers"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "given_codes",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=False),
        sa.Column("good_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_given_codes_volunteer_id")),
        sa.PrimaryKeyConstraint("volunteer_id", "target_id", name=op.f("pk_given_codes")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_given_codes_good_until", "given_codes", ["good_until"])


def downgrade() -> None:
    op.drop_table("given_codes")
