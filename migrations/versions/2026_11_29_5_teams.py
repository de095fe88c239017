"""Teams: why somebody was turned down, and their records by day

Revision ID: 2026_11_29_5_teams
Revises: 2026_11_29_3_trust
Create Date: 2026-11-29 05:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_5_teams"
down_revision = "2026_11_29_3_trust"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("memberships", sa.Column("rejection_reason", sa.String(), nullable=True))
    op.create_index(
        "ix_service_records_team_id_on_id",
        "service_records",
        ["team_id", "on", "id"],
        sqlite_where=sa.text("team_id IS NOT NULL"),
        postgresql_where=sa.text("team_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_service_records_team_id_on_id", "service_records")
    op.drop_column("memberships", "rejection_reason")
