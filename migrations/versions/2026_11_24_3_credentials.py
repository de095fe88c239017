"""Passwords, and codes for more purposes

Revision ID: 2026_11_24_3_credentials
Revises: 2026_11_24_2_files
Create Date: 2026-11-24 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_3_credentials"
down_revision = "2026_11_24_2_files"
branch_labels = None
depends_on = None

OLD_PURPOSES = "purpose IN ('access')"
NEW_PURPOSES = "purpose IN ('access', 'reset', 'change_phone', 'erase', 'guardian')"


def upgrade() -> None:
    _allow_purposes(NEW_PURPOSES)
    with op.batch_alter_table("volunteers", schema=None) as batch_op:
        batch_op.alter_column("phone", existing_type=sa.String(), nullable=True)

    op.create_table(
        "passwords",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_passwords_volunteer_id")),
        sa.PrimaryKeyConstraint("volunteer_id", name=op.f("pk_passwords")),
    )
    op.create_table(
        "code_allowances",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("last_sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("day_ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("sent > 0", name=op.f("ck_code_allowances_sent")),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_code_allowances")),
    )
    op.create_index("ix_code_allowances_day_ends_at", "code_allowances", ["day_ends_at"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_code_allowances_day_ends_at", table_name="code_allowances")
    op.drop_table("code_allowances")
    op.drop_table("passwords")
    # The version before has no account without a number; this one can't be dialed.
    op.execute("UPDATE volunteers SET phone = 'none ' || id WHERE phone IS NULL")
    with op.batch_alter_table("volunteers", schema=None) as batch_op:
        batch_op.alter_column("phone", existing_type=sa.String(), nullable=False)
    op.execute("DELETE FROM sign_in_codes WHERE purpose <> 'access'")
    _allow_purposes(OLD_PURPOSES)


def _allow_purposes(condition: str) -> None:
    name = op.f("ck_sign_in_codes_purpose")
    with op.batch_alter_table("sign_in_codes", schema=None) as batch_op:
        batch_op.drop_constraint(name, type_="check")
        batch_op.create_check_constraint(name, sa.text(condition))
