"""Sign-ups: modes, roles, stand-ins

Revision ID: 2026_11_25_10_sign_ups
Revises: 2026_11_25_9_qualifications
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_25_10_sign_ups"
down_revision = "2026_11_25_9_qualifications"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
ASKED = sa.text("state IN ('pending', 'invited') AND stands_in_for_id IS NOT NULL")
DECIDED = sa.text("decided_by IS NOT NULL")

activities = sa.table("activities", sa.column("sign_up_mode"))
sign_ups = sa.table("sign_ups", sa.column("state"))


def upgrade() -> None:
    with op.batch_alter_table("activities", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_activities_sign_up_mode"), type_="check")
        batch_op.create_check_constraint(
            op.f("ck_activities_sign_up_mode"), "sign_up_mode IN ('open', 'approval', 'invitation')"
        )
        batch_op.add_column(sa.Column("hazardous", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("members_only", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("minimum_age", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("maximum_age", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("required_skills", JSON, nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("required_training_ids", JSON, nullable=False, server_default="[]"))
        batch_op.create_check_constraint(
            op.f("ck_activities_ages_in_order"), "minimum_age >= 0 AND maximum_age >= 0 AND minimum_age <= maximum_age"
        )
    with op.batch_alter_table("activities", schema=None) as batch_op:
        for name in ("hazardous", "members_only"):
            batch_op.alter_column(name, existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
        for name in ("required_skills", "required_training_ids"):
            batch_op.alter_column(name, existing_type=JSON, existing_nullable=False, server_default=None)

    op.create_table(
        "shift_roles",
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("confirmed_count", sa.Integer(), nullable=False),
        sa.Column("waitlisted_count", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("capacity >= 1", name=op.f("ck_shift_roles_capacity_positive")),
        sa.CheckConstraint("confirmed_count <= capacity", name=op.f("ck_shift_roles_capacity_holds")),
        sa.CheckConstraint(
            "confirmed_count >= 0 AND waitlisted_count >= 0", name=op.f("ck_shift_roles_counts_not_negative")
        ),
        sa.ForeignKeyConstraint(["shift_id"], ["shifts.id"], name=op.f("fk_shift_roles_shift_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift_roles")),
        sa.UniqueConstraint("shift_id", "name", name=op.f("uq_shift_roles_shift_id_name")),
    )

    with op.batch_alter_table("sign_ups", schema=None) as batch_op:
        batch_op.add_column(sa.Column("role_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("stands_in_for_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("absent_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("decided_by", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("decision_reason", sa.String(), nullable=True))
        batch_op.create_foreign_key(op.f("fk_sign_ups_role_id"), "shift_roles", ["role_id"], ["id"])
        batch_op.create_foreign_key(op.f("fk_sign_ups_stands_in_for_id"), "sign_ups", ["stands_in_for_id"], ["id"])
        batch_op.create_foreign_key(op.f("fk_sign_ups_decided_by"), "volunteers", ["decided_by"], ["id"])
        batch_op.create_index(
            "uq_sign_ups_stand_in", ["stands_in_for_id"], unique=True, sqlite_where=ASKED, postgresql_where=ASKED
        )
        batch_op.create_index("ix_sign_ups_decided_by", ["decided_by"], sqlite_where=DECIDED, postgresql_where=DECIDED)


def downgrade() -> None:
    connection = op.get_bind()
    with op.batch_alter_table("sign_ups", schema=None) as batch_op:
        batch_op.drop_index("ix_sign_ups_decided_by", sqlite_where=DECIDED, postgresql_where=DECIDED)
        batch_op.drop_index("uq_sign_ups_stand_in", sqlite_where=ASKED, postgresql_where=ASKED)
        batch_op.drop_constraint(op.f("fk_sign_ups_decided_by"), type_="foreignkey")
        batch_op.drop_constraint(op.f("fk_sign_ups_stands_in_for_id"), type_="foreignkey")
        batch_op.drop_constraint(op.f("fk_sign_ups_role_id"), type_="foreignkey")
        for name in ("decision_reason", "decided_by", "absent_at", "asked_at", "stands_in_for_id", "role_id"):
            batch_op.drop_column(name)
    # The release before can neither answer nor decide these.
    connection.execute(
        sa.update(sign_ups).where(sign_ups.c.state.in_(["pending", "invited"])).values(state="withdrawn")
    )
    op.drop_table("shift_roles")
    connection.execute(sa.update(activities).values(sign_up_mode="open"))
    with op.batch_alter_table("activities", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_activities_ages_in_order"), type_="check")
        for name in (
            "required_training_ids",
            "required_skills",
            "maximum_age",
            "minimum_age",
            "members_only",
            "hazardous",
        ):
            batch_op.drop_column(name)
        batch_op.drop_constraint(op.f("ck_activities_sign_up_mode"), type_="check")
        batch_op.create_check_constraint(op.f("ck_activities_sign_up_mode"), "sign_up_mode IN ('open')")
