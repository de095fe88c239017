"""Review, roll-call, claims

Revision ID: 2026_11_26_5_review
Revises: 2026_11_26_4_batches
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_5_review"
down_revision = "2026_11_26_4_batches"
branch_labels = None
depends_on = None

HELD = sa.text("state = 'held'")
REVIEWED = sa.text("reviewed_by IS NOT NULL")
PEOPLE = ("check_in_recorder_id", "check_out_recorder_id", "reviewed_by")
MOMENTS = ("closed_at", "claimed_at", "claimed_left_at", "reviewed_at")
TEXTS = ("claim_reason", "decision_reason")
REASONS = ("forgotten_check_out", "claimed", "marked_absent")
CHECKS = {
    "own_review": "reviewed_by <> volunteer_id",
    "own_roll_call": "check_in_recorder_id <> volunteer_id AND check_out_recorder_id <> volunteer_id",
    "second_person": (
        "state <> 'credited' OR (reviewed_by <> check_in_recorder_id AND reviewed_by <> check_out_recorder_id)"
    ),
}


def upgrade() -> None:
    op.create_table(
        "roll_call_marks",
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("marked_by", sa.Uuid(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('present', 'absent', 'excused')", name=op.f("ck_roll_call_marks_status")),
        sa.CheckConstraint("marked_by <> volunteer_id", name=op.f("ck_roll_call_marks_own_mark")),
        sa.ForeignKeyConstraint(["shift_id"], ["shifts.id"], name=op.f("fk_roll_call_marks_shift_id")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_roll_call_marks_volunteer_id")),
        sa.ForeignKeyConstraint(["marked_by"], ["volunteers.id"], name=op.f("fk_roll_call_marks_marked_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roll_call_marks")),
        sa.UniqueConstraint("shift_id", "volunteer_id", name=op.f("uq_roll_call_marks_shift_id_volunteer_id")),
    )
    with op.batch_alter_table("roll_call_marks", schema=None) as batch_op:
        batch_op.create_index("ix_roll_call_marks_volunteer_id", ["volunteer_id"])
        batch_op.create_index("ix_roll_call_marks_marked_by", ["marked_by"])

    with op.batch_alter_table("attendances", schema=None) as batch_op:
        for name in PEOPLE:
            batch_op.add_column(sa.Column(name, sa.Uuid(), nullable=True))
        for name in MOMENTS:
            batch_op.add_column(sa.Column(name, sa.DateTime(timezone=True), nullable=True))
        for name in TEXTS:
            batch_op.add_column(sa.Column(name, sa.String(), nullable=True))
        for name in PEOPLE:
            batch_op.create_foreign_key(op.f(f"fk_attendances_{name}"), "volunteers", [name], ["id"])
        for name, condition in CHECKS.items():
            batch_op.create_check_constraint(op.f(f"ck_attendances_{name}"), condition)
        batch_op.create_index("ix_attendances_held", ["shift_id"], sqlite_where=HELD, postgresql_where=HELD)
        batch_op.create_index(
            "ix_attendances_reviewed_by", ["reviewed_by"], sqlite_where=REVIEWED, postgresql_where=REVIEWED
        )


def downgrade() -> None:
    # The release before can't name these reasons; that somebody has to look is all that it knows of them.
    as_json = "CAST(%s AS jsonb)" if op.get_bind().dialect.name == "postgresql" else "%s"
    replaced = as_json % "replace(CAST(reasons AS text), :code, :known)"
    for code in REASONS:
        op.execute(
            sa.text(f"UPDATE attendances SET reasons = {replaced} WHERE CAST(reasons AS text) LIKE :found").bindparams(  # noqa: S608  # of constants
                code=f'"{code}"', known='"weak_evidence"', found=f'%"{code}"%'
            )
        )
    with op.batch_alter_table("attendances", schema=None) as batch_op:
        batch_op.drop_index("ix_attendances_reviewed_by", sqlite_where=REVIEWED, postgresql_where=REVIEWED)
        batch_op.drop_index("ix_attendances_held", sqlite_where=HELD, postgresql_where=HELD)
        for name in CHECKS:
            batch_op.drop_constraint(op.f(f"ck_attendances_{name}"), type_="check")
        for name in PEOPLE:
            batch_op.drop_constraint(op.f(f"fk_attendances_{name}"), type_="foreignkey")
        for name in (*TEXTS, *MOMENTS, *PEOPLE):
            batch_op.drop_column(name)
    op.drop_table("roll_call_marks")
