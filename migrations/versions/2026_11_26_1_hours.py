"""Hours: corrections that follow a reversal, the campaign of a record, tallies, backfills

Revision ID: 2026_11_26_1_hours
Revises: 2026_11_25_12_finding
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_1_hours"
down_revision = "2026_11_25_12_finding"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
FIRST_BEFORE = "attendance_id IS NOT NULL AND reverses_id IS NULL"
FIRST = "attendance_id IS NOT NULL AND reverses_id IS NULL AND follows_id IS NULL"
CORRECTIONS = "attendance_id IS NOT NULL AND (reverses_id IS NOT NULL OR follows_id IS NOT NULL)"
DUAL_CONTROL = (
    "recorder_id <> volunteer_id AND approver_id <> volunteer_id AND recorder_id <> approver_id AND "
    "(source <> 'backfilled' OR reverses_id IS NOT NULL OR (recorder_id IS NOT NULL AND approver_id IS NOT NULL))"
)
ATTRIBUTION = ("volunteer_id", "organization_id", "organization_path_id")
SUBJECTS = "('volunteer', 'team', 'station', 'campaign', 'organization', 'organization_own')"


def upgrade() -> None:
    widen_ledger()
    name_campaigns()
    create_tallies()
    fill_totals()
    create_backfills()


def downgrade() -> None:
    for table in ("backfills", "tally_faults", "held_attributions", "tally_changes", "tally_totals"):
        op.drop_table(table)
    # The release before knows one credit of an attendance: those that followed a reversal keep their minutes alone.
    change_ledger("UPDATE service_records SET attendance_id = NULL WHERE follows_id IS NOT NULL")
    op.drop_index("ix_service_records_on_id", "service_records")
    op.drop_index("uq_service_records_follows_id", "service_records")
    op.drop_index("ix_service_records_attendance_id_corrections", "service_records")
    unique_attendance(FIRST_BEFORE)
    if not is_sqlite():
        op.drop_constraint(op.f("ck_service_records_dual_control"), "service_records", type_="check")
    # As a plain ALTER: SQLite's batch would make the ledger anew without its triggers.
    op.execute("ALTER TABLE service_records DROP COLUMN campaign_id")
    op.execute("ALTER TABLE service_records DROP COLUMN follows_id")


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def widen_ledger() -> None:
    """Two columns and a check. Plain ALTERs: SQLite's batch would make the ledger anew without its triggers."""
    kind = "CHAR(32)" if is_sqlite() else "UUID"
    check = f"CONSTRAINT ck_service_records_dual_control CHECK ({DUAL_CONTROL})"
    op.execute(
        f"ALTER TABLE service_records ADD COLUMN follows_id {kind} "
        "CONSTRAINT fk_service_records_follows_id REFERENCES service_records (id)"
        + (f" {check}" if is_sqlite() else "")
    )
    op.execute(
        f"ALTER TABLE service_records ADD COLUMN campaign_id {kind} "
        "CONSTRAINT fk_service_records_campaign_id REFERENCES campaigns (id)"
    )
    if not is_sqlite():
        op.execute(f"ALTER TABLE service_records ADD {check}")
    unique_attendance(FIRST)
    op.create_index("ix_service_records_on_id", "service_records", ["on", "id"])
    op.create_index("uq_service_records_follows_id", "service_records", ["follows_id"], unique=True)
    op.create_index(
        "ix_service_records_attendance_id_corrections",
        "service_records",
        ["attendance_id"],
        sqlite_where=sa.text(CORRECTIONS),
        postgresql_where=sa.text(CORRECTIONS),
    )


def unique_attendance(condition: str) -> None:
    """Let the attendance be unique among the records that the condition chooses."""
    op.drop_index("uq_service_records_attendance_id", "service_records")
    op.create_index(
        "uq_service_records_attendance_id",
        "service_records",
        ["attendance_id"],
        unique=True,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )


def name_campaigns() -> None:
    """Freeze the campaign that the activity of a record has now; it was not written down before."""
    change_ledger(
        "UPDATE service_records SET campaign_id = "
        "(SELECT campaign_id FROM activities WHERE activities.id = service_records.activity_id) "
        "WHERE activity_id IN (SELECT id FROM activities WHERE campaign_id IS NOT NULL)"
    )


def change_ledger(statement: str) -> None:
    """Run a statement that the ledger's trigger refuses to everybody else."""
    refuses = (
        "CREATE TRIGGER service_records_refuse_update BEFORE UPDATE ON service_records "
        "BEGIN SELECT RAISE(ABORT, 'service_records is append-only'); END"
    )
    if is_sqlite():
        op.execute("DROP TRIGGER service_records_refuse_update")
        op.execute(statement)
        op.execute(refuses)
    else:
        # What the rows refer to must be checked before the table may change again.
        op.execute("SET CONSTRAINTS ALL IMMEDIATE")
        op.execute("ALTER TABLE service_records DISABLE TRIGGER service_records_refuse_change")
        op.execute(statement)
        op.execute("ALTER TABLE service_records ENABLE TRIGGER service_records_refuse_change")


def create_tallies() -> None:
    op.create_table(
        "tally_totals",
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("credited_minutes", sa.BigInteger(), nullable=False),
        sa.Column("held_minutes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(f"subject_kind IN {SUBJECTS}", name=op.f("ck_tally_totals_subject_kind")),
        sa.CheckConstraint("unit IN ('day', 'month', 'year', 'all')", name=op.f("ck_tally_totals_unit")),
        sa.PrimaryKeyConstraint("subject_kind", "subject_id", "unit", "starts_on", name=op.f("pk_tally_totals")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tally_changes",
        sa.Column("credited_minutes", sa.Integer(), nullable=False),
        sa.Column("held_minutes", sa.Integer(), nullable=False),
        *attribution(),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tally_changes")),
    )
    op.create_index("ix_tally_changes_volunteer_id", "tally_changes", ["volunteer_id"])
    op.create_table(
        "tally_faults",
        sa.Column("subject_kind", sa.String(length=20), nullable=False),
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("credited_minutes", sa.BigInteger(), nullable=False),
        sa.Column("held_minutes", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tally_faults")),
    )
    op.create_table(
        "held_attributions",
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        *attribution(),
        sa.PrimaryKeyConstraint("attendance_id", name=op.f("pk_held_attributions")),
    )


def create_backfills() -> None:
    references = {
        "volunteer_id": "volunteers",
        "activity_id": "activities",
        "shift_id": "shifts",
        "station_id": "stations",
        "team_id": "teams",
        "organization_id": "organizations",
        "recorder_id": "volunteers",
        "decided_by": "volunteers",
    }
    needed = {"volunteer_id", "organization_id", "recorder_id"}
    checks = {
        "state": "state IN ('pending', 'approved', 'rejected')",
        "minutes": "minutes > 0",
        "interval": "starts_at < ends_at",
        "shift_of_activity": "(shift_id IS NULL) = (activity_id IS NULL)",
        "target": "shift_id IS NOT NULL OR station_id IS NOT NULL",
        "dual_control": "recorder_id <> volunteer_id AND decided_by <> volunteer_id AND decided_by <> recorder_id",
        "decided": "(state = 'pending') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)",
        "rejected_with_reason": "state <> 'rejected' OR decision_reason IS NOT NULL",
    }
    op.create_table(
        "backfills",
        *(sa.Column(name, sa.Uuid(), nullable=name not in needed) for name in references),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("starts_at", MOMENT, nullable=False),
        sa.Column("ends_at", MOMENT, nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decision_reason", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        *(sa.CheckConstraint(check, name=op.f(f"ck_backfills_{name}")) for name, check in checks.items()),
        *(
            sa.ForeignKeyConstraint([name], [f"{table}.id"], name=op.f(f"fk_backfills_{name}"))
            for name, table in references.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backfills")),
    )
    pending = sa.text("state = 'pending'")
    op.create_index(
        "uq_backfills_pending",
        "backfills",
        ["volunteer_id", "starts_at"],
        unique=True,
        sqlite_where=pending,
        postgresql_where=pending,
    )
    for columns in (
        ["volunteer_id", "id"],
        ["organization_id", "state", "id"],
        ["activity_id"],
        ["station_id"],
        ["recorder_id"],
        ["decided_by"],
    ):
        op.create_index(f"ix_backfills_{'_'.join(columns)}", "backfills", columns)


def attribution() -> list[sa.Column]:
    return [
        *(sa.Column(name, sa.Uuid(), nullable=False) for name in ATTRIBUTION),
        *(sa.Column(name, sa.Uuid(), nullable=True) for name in ("team_id", "station_id", "campaign_id")),
        sa.Column("on", sa.Date(), nullable=False),
    ]


def fill_totals() -> None:
    """Sum what the ledger has, and what attendances hold, for every subject and span."""
    names = (*ATTRIBUTION, "team_id", "station_id", "campaign_id", '"on"')
    op.execute(
        f"INSERT INTO held_attributions (attendance_id, {', '.join(names)}) "  # noqa: S608
        "SELECT attendances.id, attendances.volunteer_id, activities.organization_id, activities.organization_path_id, "
        "coalesce(sign_ups.team_id, activities.team_id), activities.station_id, activities.campaign_id, "
        f"{local_day('shifts.starts_at')} FROM attendances JOIN shifts ON shifts.id = attendances.shift_id "
        "JOIN activities ON activities.id = shifts.activity_id "
        "LEFT JOIN sign_ups ON sign_ups.shift_id = shifts.id AND sign_ups.volunteer_id = attendances.volunteer_id "
        "AND sign_ups.state = 'confirmed' WHERE attendances.state = 'held' AND attendances.held_minutes > 0"
    )
    op.execute(
        f"CREATE TEMPORARY TABLE written_minutes AS SELECT {', '.join(names)}, minutes AS credited, 0 AS held "  # noqa: S608
        f"FROM service_records UNION ALL SELECT {', '.join(f'first.{name}' for name in names)}, 0, "
        "attendances.held_minutes FROM held_attributions AS first "
        "JOIN attendances ON attendances.id = first.attendance_id"
    )
    for kind in ("volunteer", "team", "station", "campaign", "organization", "organization_own"):
        for unit in ("day", "month", "year", "all"):
            fill(kind, unit)
    op.execute("DROP TABLE written_minutes")


def fill(kind: str, unit: str) -> None:
    source, column = "written_minutes", f"written_minutes.{kind.removesuffix('_own')}_id"
    if kind == "organization":
        source += " JOIN path_members ON path_members.path_id = written_minutes.organization_path_id"
        column = "path_members.ancestor_id"
    op.execute(
        "INSERT INTO tally_totals (subject_kind, subject_id, unit, starts_on, credited_minutes, held_minutes) "  # noqa: S608
        f"SELECT '{kind}', {column}, '{unit}', {start_of(unit)} AS starts_on, sum(credited), sum(held) FROM {source} "
        f"WHERE {column} IS NOT NULL GROUP BY {column}, starts_on"
    )


def start_of(unit: str) -> str:
    """The first day of the span that a row's day is in."""
    if is_sqlite():
        return {
            "day": '"on"',
            "month": "date(\"on\", 'start of month')",
            "year": "date(\"on\", 'start of year')",
            "all": "'0001-01-01'",
        }[unit]
    return "DATE '0001-01-01'" if unit == "all" else f"date_trunc('{unit}', \"on\")::date"


def local_day(column: str) -> str:
    """The local day of a moment. No deployment has another zone than the default yet, and China has no summer time."""
    return f"date({column}, '+8 hours')" if is_sqlite() else f"({column} AT TIME ZONE 'Asia/Shanghai')::date"
