"""Activities: campaigns with goals, recurrence, templates, co-organizers, photos, sums of outcomes

Revision ID: 2026_11_25_11_activities
Revises: 2026_11_25_10_sign_ups
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_25_11_activities"
down_revision = "2026_11_25_10_sign_ups"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
GOALS = "goal_activities > 0 AND goal_attendances > 0 AND goal_minutes > 0"


def upgrade() -> None:
    with op.batch_alter_table("campaigns") as table:
        table.add_column(sa.Column("goal_activities", sa.Integer(), nullable=True))
        table.add_column(sa.Column("goal_attendances", sa.Integer(), nullable=True))
        table.add_column(sa.Column("goal_minutes", sa.BigInteger(), nullable=True))
        table.create_check_constraint(op.f("ck_campaigns_goals_positive"), GOALS)
    with op.batch_alter_table("activities") as table:
        table.add_column(sa.Column("recipients", JSON, server_default="[]", nullable=False))
        table.add_column(sa.Column("recurrence", JSON, nullable=True))
        table.add_column(sa.Column("copied_from_id", sa.Uuid(), nullable=True))
        table.create_foreign_key(op.f("fk_activities_copied_from_id"), "activities", ["copied_from_id"], ["id"])
    op.create_index(op.f("ix_activities_copied_from_id"), "activities", ["copied_from_id"])
    op.add_column("shifts", sa.Column("from_recurrence", sa.DateTime(timezone=True), nullable=True))
    op.add_column("shifts", sa.Column("risk_told_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "activity_co_organizers",
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_activity_co_organizers_activity_id")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_activity_co_organizers_organization_id")
        ),
        sa.PrimaryKeyConstraint("activity_id", "organization_id", name=op.f("pk_activity_co_organizers")),
    )
    op.create_index(op.f("ix_activity_co_organizers_organization_id"), "activity_co_organizers", ["organization_id"])
    op.create_table(
        "activity_photos",
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("shows", sa.String(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint("shows IN ('plan', 'outcome')", name=op.f("ck_activity_photos_shows")),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_activity_photos_activity_id")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_activity_photos_file_id")),
        sa.PrimaryKeyConstraint("activity_id", "shows", "position", name=op.f("pk_activity_photos")),
    )
    op.create_index(op.f("ix_activity_photos_file_id"), "activity_photos", ["file_id"])
    op.create_table(
        "activity_outcomes",
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_activity_outcomes_quantity_not_negative")),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_activity_outcomes_activity_id")),
        sa.PrimaryKeyConstraint("activity_id", "kind", "unit", name=op.f("pk_activity_outcomes")),
    )
    op.create_table(
        "activity_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("plan", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_activity_templates_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activity_templates")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_activity_templates_organization_id_name")),
    )
    add_up_what_came_before()


def downgrade() -> None:
    for table in ("activity_templates", "activity_outcomes", "activity_photos", "activity_co_organizers"):
        op.drop_table(table)
    op.execute("ALTER TABLE shifts DROP COLUMN risk_told_at")
    op.execute("ALTER TABLE shifts DROP COLUMN from_recurrence")
    op.drop_index(op.f("ix_activities_copied_from_id"), "activities")
    with op.batch_alter_table("activities") as table:
        table.drop_constraint(op.f("fk_activities_copied_from_id"), type_="foreignkey")
        table.drop_column("copied_from_id")
        table.drop_column("recurrence")
        table.drop_column("recipients")
    with op.batch_alter_table("campaigns") as table:
        table.drop_constraint(op.f("ck_campaigns_goals_positive"), type_="check")
        table.drop_column("goal_minutes")
        table.drop_column("goal_attendances")
        table.drop_column("goal_activities")


def add_up_what_came_before() -> None:
    """Write the sums of activities that were completed by an earlier release, which kept the outcomes alone."""
    connection = op.get_bind()
    activities = sa.table("activities", sa.column("id", sa.Uuid()), sa.column("outcomes", JSON))
    sums = sa.table("activity_outcomes", *(sa.column(name) for name in ("activity_id", "kind", "unit", "quantity")))
    sums.c.activity_id.type = sa.Uuid()
    found: dict[tuple[object, str, str], int] = {}
    for activity_id, outcomes in connection.execute(sa.select(activities.c.id, activities.c.outcomes)):
        for outcome in outcomes or ():
            key = (activity_id, outcome["kind"], outcome["unit"])
            found[key] = found.get(key, 0) + round(outcome["quantity"] * 1000)
    rows = [
        {"activity_id": activity_id, "kind": kind, "unit": unit, "quantity": quantity}
        for (activity_id, kind, unit), quantity in found.items()
    ]
    if rows:
        connection.execute(sums.insert(), rows)
