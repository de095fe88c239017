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
        "UPDATE insured_people SET own_end = TRUE WHERE id IN (SELECT one.id FROM insured_people AS one "
        "JOIN (SELECT policy_id, max(ends_on) AS last_on FROM insured_people GROUP BY policy_id) AS listed "
        "ON listed.policy_id = one.policy_id JOIN insurance_policies AS policy ON policy.id = one.policy_id "
        "WHERE one.ends_on < listed.last_on OR one.ends_on < policy.ends_on)"
    )


def downgrade() -> None:
    op.drop_column("insured_people", "own_end")
