"""Covers that end on a day of their own

Revision ID: 2026_11_29_6_own_end
Revises: 2026_11_29_5_teams
Create Date: 2026-11-29 06:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_6_own_end"
down_revision = "2026_11_29_5_teams"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("own_end", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("insured_people", column)
    # Of those that are there, who is listed to the last day of all goes with the policy, as before.
    op.execute(
        "UPDATE insured_people SET own_end = TRUE WHERE ends_on < (SELECT max(other.ends_on) FROM insured_people AS other "
        "WHERE other.policy_id = insured_people.policy_id) OR ends_on < (SELECT policy.ends_on FROM insurance_policies "
        "AS policy WHERE policy.id = insured_people.policy_id)"
    )


def downgrade() -> None:
    op.drop_column("insured_people", "own_end")
