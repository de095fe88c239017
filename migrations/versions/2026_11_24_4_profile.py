"""Profiles, resident IDs, guardians

Revision ID: 2026_11_24_4_profile
Revises: 2026_11_24_3_credentials
Create Date: 2026-11-24 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_24_4_profile"
down_revision = "2026_11_24_3_credentials"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


BEFORE = ("terms", "privacy", "location", "ranking_name")
ADDED = ("resident_id", "guardian")


def upgrade() -> None:
    with op.batch_alter_table("volunteers") as batch_op:
        # The rows that are there get an empty list.
        batch_op.add_column(sa.Column("skills", JSON, server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("service_categories", JSON, server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("photo_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("emergency_contact", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("guardian_contact", sa.LargeBinary(), nullable=True))
        batch_op.create_foreign_key(op.f("fk_volunteers_photo_id"), "files", ["photo_id"], ["id"])
        batch_op.create_index("ix_volunteers_photo_id", ["photo_id"])
    with op.batch_alter_table("volunteers") as batch_op:
        batch_op.alter_column("skills", existing_type=JSON, existing_nullable=False, server_default=None)
        batch_op.alter_column("service_categories", existing_type=JSON, existing_nullable=False, server_default=None)
    op.create_table(
        "resident_ids",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_resident_ids_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resident_ids")),
        sa.UniqueConstraint("volunteer_id", name="uq_resident_ids_volunteer_id"),
        sa.UniqueConstraint("digest", name="uq_resident_ids_digest"),
    )
    op.create_table(
        "guardians",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("contact", sa.LargeBinary(), nullable=False),
        sa.Column("phone_digest", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("consented_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_guardians_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guardians")),
    )
    op.create_index("ix_guardians_volunteer_id_consented_at", "guardians", ["volunteer_id", "consented_at"])
    op.create_index("ix_guardians_phone_digest", "guardians", ["phone_digest"])
    op.create_index(
        "uq_guardians_live",
        "guardians",
        ["volunteer_id"],
        unique=True,
        postgresql_where=sa.text("withdrawn_at IS NULL"),
        sqlite_where=sa.text("withdrawn_at IS NULL"),
    )
    allow_kinds(BEFORE + ADDED)


def downgrade() -> None:
    kind = sa.column("kind")
    op.execute(sa.delete(sa.table("consents", kind)).where(kind.in_(ADDED)))
    allow_kinds(BEFORE)
    op.drop_table("guardians")
    op.drop_table("resident_ids")
    with op.batch_alter_table("volunteers") as batch_op:
        batch_op.drop_index("ix_volunteers_photo_id")
        batch_op.drop_constraint(op.f("fk_volunteers_photo_id"), type_="foreignkey")
        for name in ("guardian_contact", "emergency_contact", "photo_id", "service_categories", "skills"):
            batch_op.drop_column(name)


def allow_kinds(kinds: tuple[str, ...]) -> None:
    """Let a consent be of these kinds and no others."""
    with op.batch_alter_table("consents") as batch_op:
        batch_op.drop_constraint(op.f("ck_consents_kind"), type_="check")
        batch_op.create_check_constraint(op.f("ck_consents_kind"), among(kinds))


def among(kinds: tuple[str, ...]) -> str:
    """The condition that a consent is of one of these kinds."""
    return f"kind IN ({', '.join(repr(kind) for kind in kinds)})"
