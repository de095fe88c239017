"""Moves, merges and closing of organizations; grants that wait for a phone

Revision ID: 2026_11_24_5_organizations
Revises: 2026_11_24_4_profile
Create Date: 2026-11-24 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_5_organizations"
down_revision = "2026_11_24_4_profile"
branch_labels = None
depends_on = None

KINDS_BEFORE = (
    "kind IN ('sign_up_confirmed', 'sign_up_waitlisted', 'sign_up_promoted', 'activity_canceled', "
    "'activity_returned', 'hours_credited', 'membership_accepted')"
)
KINDS = KINDS_BEFORE.removesuffix(")") + ", 'grant_given', 'grant_revoked')"
ROLES = "role IN ('administrator', 'organizer', 'inspector', 'auditor', 'station_manager')"

notifications = sa.table("notifications", sa.column("kind"))


def upgrade() -> None:
    for name in ("divisions", "organizations"):
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.add_column(sa.Column("initials", sa.String(), nullable=True))
            batch_op.add_column(sa.Column("pinyin", sa.String(), nullable=True))
    spell("divisions", "code", sa.String())
    spell("organizations", "id", sa.Uuid())
    with op.batch_alter_table("divisions", schema=None) as batch_op:
        batch_op.alter_column("initials", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("pinyin", existing_type=sa.String(), nullable=False)
        batch_op.create_index("ix_divisions_initials", ["initials"], unique=False)
        batch_op.create_index("ix_divisions_pinyin", ["pinyin"], unique=False)
    with op.batch_alter_table("organizations", schema=None) as batch_op:
        batch_op.alter_column("initials", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("pinyin", existing_type=sa.String(), nullable=False)
        batch_op.add_column(sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("closing_reason", sa.String(length=500), nullable=True))
        batch_op.add_column(sa.Column("merged_into_id", sa.Uuid(), nullable=True))
        batch_op.create_foreign_key(
            op.f("fk_organizations_merged_into_id"), "organizations", ["merged_into_id"], ["id"]
        )
        batch_op.create_check_constraint(
            op.f("ck_organizations_merged_is_closed"), "merged_into_id IS NULL OR closed_at IS NOT NULL"
        )
        batch_op.create_index("ix_organizations_initials", ["initials"], unique=False)
        batch_op.create_index("ix_organizations_pinyin", ["pinyin"], unique=False)

    op.create_table(
        "pending_grants",
        sa.Column("phone_digest", sa.LargeBinary(), nullable=False),
        sa.Column("masked_phone", sa.String(length=20), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("scope_type", sa.String(length=20), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(ROLES, name=op.f("ck_pending_grants_role")),
        sa.CheckConstraint("scope_type IN ('organization', 'station')", name=op.f("ck_pending_grants_scope_type")),
        sa.CheckConstraint(
            "(role = 'station_manager') = (scope_type = 'station')", name=op.f("ck_pending_grants_role_fits_scope_type")
        ),
        sa.ForeignKeyConstraint(["granted_by"], ["volunteers.id"], name=op.f("fk_pending_grants_granted_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pending_grants")),
        sa.UniqueConstraint(
            "phone_digest",
            "scope_type",
            "scope_id",
            "role",
            name=op.f("uq_pending_grants_phone_digest_scope_type_scope_id_role"),
        ),
    )
    op.create_index("ix_pending_grants_scope_id", "pending_grants", ["scope_id"])
    op.create_index("ix_pending_grants_granted_by", "pending_grants", ["granted_by"])
    op.create_index("ix_pending_grants_expires_at", "pending_grants", ["expires_at"])
    allow_kinds(KINDS)


def downgrade() -> None:
    op.get_bind().execute(sa.delete(notifications).where(notifications.c.kind.in_(["grant_given", "grant_revoked"])))
    allow_kinds(KINDS_BEFORE)
    op.drop_table("pending_grants")
    with op.batch_alter_table("organizations", schema=None) as batch_op:
        batch_op.drop_index("ix_organizations_pinyin")
        batch_op.drop_index("ix_organizations_initials")
        batch_op.drop_constraint(op.f("ck_organizations_merged_is_closed"), type_="check")
        batch_op.drop_constraint(op.f("fk_organizations_merged_into_id"), type_="foreignkey")
        batch_op.drop_column("merged_into_id")
        batch_op.drop_column("closing_reason")
        batch_op.drop_column("closed_at")
        batch_op.drop_column("pinyin")
        batch_op.drop_column("initials")
    with op.batch_alter_table("divisions", schema=None) as batch_op:
        batch_op.drop_index("ix_divisions_pinyin")
        batch_op.drop_index("ix_divisions_initials")
        batch_op.drop_column("pinyin")
        batch_op.drop_column("initials")


def allow_kinds(condition: str) -> None:
    """Let notifications have these kinds."""
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_notifications_kind"), type_="check")
        batch_op.create_check_constraint(op.f("ck_notifications_kind"), condition)


def spell(table_name: str, key: str, key_type: sa.types.TypeEngine[object]) -> None:
    """Fill the initials and the pinyin of every name that is there, as the application does from now on."""
    # Its dictionaries are 50 MB, and every start reads the versions, to know which is the last.
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415

    table = sa.table(
        table_name, sa.column(key, key_type), sa.column("name"), sa.column("initials"), sa.column("pinyin")
    )
    connection = op.get_bind()
    rows = connection.execute(sa.select(table.c[key], table.c.name)).all()
    if rows:
        connection.execute(
            sa.update(table)
            .where(table.c[key] == sa.bindparam("row_key"))
            .values(initials=sa.bindparam("row_initials"), pinyin=sa.bindparam("row_pinyin")),
            [
                {
                    "row_key": row[0],
                    "row_initials": compact(lazy_pinyin(row.name, style=Style.FIRST_LETTER)),
                    "row_pinyin": compact(lazy_pinyin(row.name)),
                }
                for row in rows
            ],
        )


def compact(syllables: list[str]) -> str:
    """Lower case, without spaces."""
    return "".join("".join(syllables).split()).lower()
