"""The audit log, append-only, and the keyring

Revision ID: 2026_11_24_1_audit_and_keys
Revises: 2026_11_23_foundation
Create Date: 2026-11-24 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_24_1_audit_and_keys"
down_revision = "2026_11_23_foundation"
branch_labels = None
depends_on = None

LEDGERS = ("audit_entries",)
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


# The law asks for six months of logs at least [Cybersecurity Law, art. 21]; what is older may be deleted.
KEPT_DAYS = 180


def upgrade() -> None:
    op.create_table(
        "audit_entries",
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("subject_id", sa.Uuid(), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=True),
        sa.Column("network", sa.String(), nullable=True),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("details", JSON, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_entries")),
    )
    op.create_index("ix_audit_entries_created_at_id", "audit_entries", ["created_at", "id"])
    op.create_index("ix_audit_entries_actor_id_id", "audit_entries", ["actor_id", "id"])
    op.create_index("ix_audit_entries_subject_id_id", "audit_entries", ["subject_id", "id"])
    op.create_index("ix_audit_entries_organization_id_id", "audit_entries", ["organization_id", "id"])
    keep_append_only()
    op.create_table(
        "keyring_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("active_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keyring_keys")),
        sa.UniqueConstraint("purpose", "number", name=op.f("uq_keyring_keys_purpose_number")),
    )


def downgrade() -> None:
    op.drop_table("keyring_keys")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP TRIGGER audit_entries_refuse_change ON audit_entries")
        op.execute("DROP TRIGGER audit_entries_refuse_truncate ON audit_entries")
        op.execute("DROP FUNCTION refuse_young()")
    op.drop_table("audit_entries")


def keep_append_only() -> None:
    """Refuse UPDATE of the audit log, and DELETE of what is younger than the law's six months."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_entries_refuse_update BEFORE UPDATE ON audit_entries "
            "BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END"
        )
        op.execute(
            "CREATE TRIGGER audit_entries_refuse_delete BEFORE DELETE ON audit_entries "
            f"WHEN datetime(OLD.created_at) > datetime('now', '-{KEPT_DAYS} days') "
            "BEGIN SELECT RAISE(ABORT, 'audit_entries is append-only'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION refuse_young() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF TG_OP = 'DELETE' AND OLD.created_at < now() - interval '{KEPT_DAYS} days' "
        "THEN RETURN OLD; END IF; "
        "RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_entries_refuse_change BEFORE UPDATE OR DELETE ON audit_entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_young()"
    )
    op.execute(
        "CREATE TRIGGER audit_entries_refuse_truncate BEFORE TRUNCATE ON audit_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
