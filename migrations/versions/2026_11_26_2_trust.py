"""Seals, certificates, star levels, the national export

Revision ID: 2026_11_26_2_trust
Revises: 2026_11_26_1_hours
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_2_trust"
down_revision = "2026_11_26_1_hours"
branch_labels = None
depends_on = None

LEDGERS = ("day_seals", "seal_leaves")
CONSENTS_BEFORE = ("terms", "privacy", "location", "ranking_name", "resident_id", "guardian")
CONSENTS_ADDED = ("national_system",)
PENDING, GRANTED = sa.text("state = 'pending'"), sa.text("state = 'granted'")
UNSEALED = sa.text("root IS NULL")


def upgrade() -> None:
    op.create_index("ix_service_records_recorded_at_id", "service_records", ["recorded_at", "id"])
    make_seals()
    make_certificates()
    make_star_levels()
    make_national_exports()
    allow_consents(CONSENTS_BEFORE + CONSENTS_ADDED)


def downgrade() -> None:
    kind = sa.column("kind")
    op.execute(sa.delete(sa.table("consents", kind)).where(kind.in_(CONSENTS_ADDED)))
    allow_consents(CONSENTS_BEFORE)
    for table in (
        "national_export_records",
        "national_exports",
        "star_levels",
        "certificate_records",
        "certificates",
        "seal_leaves",
        "day_seals",
    ):
        # With its triggers and indexes, on either database.
        op.drop_table(table)
    op.drop_index("ix_service_records_recorded_at_id", "service_records")


def identity() -> list[sa.Column]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    ]


def reference(table: str, column: str, target: str, **options: object) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"), **options)


def check(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def unique(table: str, *columns: str) -> sa.UniqueConstraint:
    return sa.UniqueConstraint(*columns, name=op.f(f"uq_{table}_{'_'.join(columns)}"))


def make_seals() -> None:
    op.create_table(
        "day_seals",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("form", sa.Integer(), nullable=False),
        sa.Column("record_count", sa.Integer(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("previous_root", sa.LargeBinary(), nullable=True),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        check("day_seals", "numbered", "id > 0"),
        check("day_seals", "chained", "(id = 1) = (previous_root IS NULL)"),
        check("day_seals", "record_count", "record_count >= 0"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_day_seals")),
        unique("day_seals", "on"),
        unique("day_seals", "previous_root"),
    )
    op.create_table(
        "seal_leaves",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seal_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        check("seal_leaves", "position", "position >= 0"),
        reference("seal_leaves", "id", "service_records"),
        reference("seal_leaves", "seal_id", "day_seals", deferrable=True, initially="DEFERRED"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seal_leaves")),
        unique("seal_leaves", "seal_id", "position"),
    )
    refuse_changes()


def make_certificates() -> None:
    op.create_table(
        "certificates",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("volunteer_number", sa.String(), nullable=True),
        sa.Column("masked_resident_id", sa.String(), nullable=True),
        sa.Column("organization_name", sa.String(), nullable=False),
        sa.Column("successor_name", sa.String(), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_on", sa.Date(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revocation", sa.String(length=20), nullable=True),
        *identity(),
        check("certificates", "period", "starts_on <= ends_on"),
        check("certificates", "minutes", "minutes > 0"),
        check("certificates", "sealed", "(root IS NULL) = (sealed_on IS NULL)"),
        check("certificates", "revoked", "(revoked_at IS NULL) = (revocation IS NULL)"),
        check("certificates", "revocation", "revocation IN ('reversed', 'erased')"),
        check("certificates", "named", "name IS NOT NULL OR revoked_at IS NOT NULL"),
        reference("certificates", "volunteer_id", "volunteers"),
        reference("certificates", "organization_id", "organizations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificates")),
        unique("certificates", "number"),
    )
    op.create_index("ix_certificates_volunteer_id_id", "certificates", ["volunteer_id", "id"])
    op.create_index(
        "ix_certificates_unsealed", "certificates", ["id"], postgresql_where=UNSEALED, sqlite_where=UNSEALED
    )
    op.create_table(
        "certificate_records",
        sa.Column("certificate_id", sa.Uuid(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        reference("certificate_records", "certificate_id", "certificates"),
        reference("certificate_records", "record_id", "service_records"),
        sa.PrimaryKeyConstraint("certificate_id", "record_id", name=op.f("pk_certificate_records")),
    )
    op.create_index("ix_certificate_records_record_id", "certificate_records", ["record_id"])


def make_star_levels() -> None:
    op.create_table(
        "star_levels",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_minutes", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        *identity(),
        check("star_levels", "level", "level BETWEEN 1 AND 5"),
        check("star_levels", "state", "state IN ('pending', 'granted', 'rejected', 'withdrawn')"),
        check("star_levels", "dual_control", "decided_by <> volunteer_id"),
        check("star_levels", "decided", "(state = 'pending') = (decided_at IS NULL)"),
        check("star_levels", "decided_by_somebody", "(decided_at IS NULL) = (decided_by IS NULL)"),
        check("star_levels", "withdrawn", "(state = 'withdrawn') = (withdrawn_at IS NOT NULL)"),
        reference("star_levels", "volunteer_id", "volunteers"),
        reference("star_levels", "organization_id", "organizations"),
        reference("star_levels", "decided_by", "volunteers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_star_levels")),
    )
    op.create_index(
        "uq_star_levels_pending",
        "star_levels",
        ["volunteer_id"],
        unique=True,
        postgresql_where=PENDING,
        sqlite_where=PENDING,
    )
    op.create_index(
        "uq_star_levels_granted",
        "star_levels",
        ["volunteer_id", "level"],
        unique=True,
        postgresql_where=GRANTED,
        sqlite_where=GRANTED,
    )
    op.create_index("ix_star_levels_organization_id_state_id", "star_levels", ["organization_id", "state", "id"])
    op.create_index("ix_star_levels_volunteer_id_id", "star_levels", ["volunteer_id", "id"])


def make_national_exports() -> None:
    op.create_table(
        "national_exports",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("record_count", sa.Integer(), nullable=False),
        sa.Column("with_resident_ids", sa.Boolean(), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("synced_by", sa.Uuid(), nullable=True),
        *identity(),
        check("national_exports", "record_count", "record_count > 0"),
        check("national_exports", "synced_by_somebody", "(synced_at IS NULL) = (synced_by IS NULL)"),
        reference("national_exports", "organization_id", "organizations"),
        reference("national_exports", "created_by", "volunteers"),
        reference("national_exports", "synced_by", "volunteers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_national_exports")),
    )
    op.create_index("ix_national_exports_organization_id_id", "national_exports", ["organization_id", "id"])
    op.create_table(
        "national_export_records",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("export_id", sa.Uuid(), nullable=False),
        reference("national_export_records", "record_id", "service_records"),
        reference("national_export_records", "export_id", "national_exports"),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_national_export_records")),
    )
    op.create_index("ix_national_export_records_export_id", "national_export_records", ["export_id"])


def allow_consents(kinds: tuple[str, ...]) -> None:
    """Let a consent be of these kinds and no others."""
    condition = f"kind IN ({', '.join(repr(kind) for kind in kinds)})"
    with op.batch_alter_table("consents") as batch_op:
        batch_op.drop_constraint(op.f("ck_consents_kind"), type_="check")
        batch_op.create_check_constraint(op.f("ck_consents_kind"), condition)


def refuse_changes() -> None:
    """Shut the ledgers; the function is the foundation's."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in LEDGERS:
        if sqlite:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
            # INSERT OR REPLACE deletes without asking, where recursive_triggers is off.
            op.execute(
                f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} "
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
                f"OR EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid) "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
            continue
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
