"""Who led an activity and leads it no more, and since when those lead who do; the end that a rule gave a shift

Revision ID: 2026_11_30_5_party
Revises: 2026_11_30_2_facets
Create Date: 2026-11-30 05:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_5_party"
down_revision = "2026_11_30_2_facets"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.add_column("activity_leaders", sa.Column("named_at", MOMENT, nullable=True))
    op.add_column("shifts", sa.Column("until_recurrence", MOMENT, nullable=True))
    op.add_column("memberships", sa.Column("leads_since", MOMENT, nullable=True))
    op.add_column("memberships", sa.Column("led_until", MOMENT, nullable=True))
    _create("former_leaders", sa.Column("named_at", MOMENT, nullable=True), sa.Column("left_at", MOMENT, nullable=False))
    # Whoever led when something was said leads ever after.
    op.execute(
        "INSERT INTO former_leaders (activity_id, volunteer_id, left_at)"
        " SELECT activity_id, volunteer_id, CURRENT_TIMESTAMP FROM feedback_leaders"
    )
    op.drop_table("feedback_leaders")


def downgrade() -> None:
    _create("feedback_leaders")
    op.execute(
        "INSERT INTO feedback_leaders (activity_id, volunteer_id) SELECT activity_id, volunteer_id FROM former_leaders"
    )
    op.drop_table("former_leaders")
    op.drop_column("memberships", "led_until")
    op.drop_column("memberships", "leads_since")
    op.drop_column("shifts", "until_recurrence")
    op.drop_column("activity_leaders", "named_at")


def _create(name: str, *columns: sa.Column[object]) -> None:
    op.create_table(
        name,
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f(f"fk_{name}_activity_id")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f(f"fk_{name}_volunteer_id")),
        sa.PrimaryKeyConstraint("activity_id", "volunteer_id", name=op.f(f"pk_{name}")),
    )
    op.create_index(f"ix_{name}_volunteer_id", name, ["volunteer_id"])
