"""Erasure requests, and the names that stay in stock documents

Revision ID: 2026_11_24_7_erasure
Revises: 2026_11_24_6_teams
Create Date: 2026-11-24 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_7_erasure"
down_revision = "2026_11_24_6_teams"
branch_labels = None
depends_on = None

KINDS_BEFORE = (
    "kind IN ('sign_up_confirmed', 'sign_up_waitlisted', 'sign_up_promoted', 'activity_canceled', "
    "'activity_returned', 'hours_credited', 'membership_accepted', 'grant_given', 'grant_revoked', "
    "'membership_invited', 'leadership_changed')"
)
KINDS = KINDS_BEFORE.removesuffix(")") + ", 'erasure_requested', 'erasure_near')"
PENDING = sa.text("erases_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("volunteers", sa.Column("erases_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("volunteers", sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        op.f("ix_volunteers_erases_at"),
        "volunteers",
        ["erases_at"],
        postgresql_where=PENDING,
        sqlite_where=PENDING,
    )
    op.create_table(
        "retained_names",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["volunteer_id"], ["volunteers.id"], name=op.f("fk_retained_names_volunteer_id")
        ),
        sa.PrimaryKeyConstraint("volunteer_id", name=op.f("pk_retained_names")),
    )
    op.create_index(op.f("ix_retained_names_kept_until"), "retained_names", ["kept_until"])
    allow_kinds(KINDS)


def downgrade() -> None:
    op.execute("DELETE FROM notifications WHERE kind IN ('erasure_requested', 'erasure_near')")
    allow_kinds(KINDS_BEFORE)
    op.drop_table("retained_names")
    op.drop_index(op.f("ix_volunteers_erases_at"), "volunteers")
    with op.batch_alter_table("volunteers") as table:
        table.drop_column("erased_at")
        table.drop_column("erases_at")


def allow_kinds(condition: str) -> None:
    """Let notifications have these kinds."""
    with op.batch_alter_table("notifications") as table:
        table.drop_constraint(op.f("ck_notifications_kind"), type_="check")
        table.create_check_constraint(op.f("ck_notifications_kind"), condition)
