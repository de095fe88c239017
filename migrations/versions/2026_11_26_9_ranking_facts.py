"""Folded sums of the rankings, and triggers that mark what is not in them yet

Revision ID: 2026_11_26_9_ranking_facts
Revises: 2026_11_26_8_snapshots
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_9_ranking_facts"
down_revision = "2026_11_26_8_snapshots"
branch_labels = None
depends_on = None

FOLDED = (
    "ranking_rules",
    "ranking_marks",
    "ranking_record_marks",
    "ranking_shifts",
    "ranking_presences",
    "ranking_sums",
    "ranking_headcounts",
    "ranking_histograms",
)
# What of an attendance, a shift and an activity rankings count. A check-out changes nothing of it.
OTHER_ATTENDANCE = (
    "{old}.shift_id IS {other} {new}.shift_id OR {old}.volunteer_id <> {new}.volunteer_id"
    " OR ({old}.state = 'rejected') <> ({new}.state = 'rejected')"
)
OTHER_SHIFT = (
    "OLD.activity_id <> NEW.activity_id OR OLD.starts_at <> NEW.starts_at OR OLD.ends_at <> NEW.ends_at"
    " OR (OLD.canceled_at IS NULL) <> (NEW.canceled_at IS NULL)"
)
OTHER_ACTIVITY = (
    "(OLD.state = 'completed') <> (NEW.state = 'completed') OR OLD.category <> NEW.category"
    " OR OLD.organization_path_id <> NEW.organization_path_id OR OLD.team_id IS {other} NEW.team_id"
    " OR OLD.station_id IS {other} NEW.station_id OR OLD.campaign_id IS {other} NEW.campaign_id"
)
# Attended or not: who checks in while this is not committed yet is not seen from here, nor is this seen from there.
MARK_SHIFT = "INSERT INTO ranking_marks (shift_id) VALUES (NEW.id)"
MARK_ACTIVITY = "INSERT INTO ranking_marks (shift_id) SELECT id FROM shifts WHERE activity_id = NEW.id"
TRIGGERS = (
    ("attendances_mark_insert", "attendances"),
    ("attendances_mark_update", "attendances"),
    ("attendances_mark_delete", "attendances"),
    ("shifts_mark_update", "shifts"),
    ("activities_mark_update", "activities"),
    ("service_records_mark_insert", "service_records"),
)


def upgrade() -> None:
    op.create_table(
        "ranking_rules",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("attendances_for_held_shift", sa.Integer(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("folded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_ranking_rules_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranking_rules")),
    )
    op.create_table(
        "ranking_marks",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranking_marks")),
    )
    op.create_index("ix_ranking_marks_shift_id_id", "ranking_marks", ["shift_id", "id"])
    op.create_table(
        "ranking_record_marks",
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_ranking_record_marks")),
    )
    op.create_table(
        "ranking_shifts",
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("path_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("station_id", sa.Uuid(), nullable=True),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("attended", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("shift_id", name=op.f("pk_ranking_shifts")),
    )
    op.create_index("ix_ranking_shifts_activity_id_on", "ranking_shifts", ["activity_id", "on"])
    op.create_index("ix_ranking_shifts_on", "ranking_shifts", ["on"])
    op.create_index("ix_ranking_shifts_path_id_on", "ranking_shifts", ["path_id", "on"])
    op.create_table(
        "ranking_presences",
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("shift_id", "volunteer_id", name=op.f("pk_ranking_presences")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_ranking_presences_volunteer_id", "ranking_presences", ["volunteer_id", "shift_id"])
    op.create_table(
        "ranking_sums",
        sa.Column("slice", sa.String(length=10), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ranked_id", sa.Uuid(), nullable=False),
        sa.Column("path_id", sa.Uuid(), nullable=False),
        sa.Column("activity_count", sa.BigInteger(), nullable=False),
        sa.Column("attendance_count", sa.BigInteger(), nullable=False),
        sa.Column("credited_minutes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("slice IN ('path', 'team', 'station')", name=op.f("ck_ranking_sums_slice")),
        sa.PrimaryKeyConstraint(
            "slice", "unit", "starts_on", "ranked_id", "path_id", name=op.f("pk_ranking_sums")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ranking_headcounts",
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ranked_id", sa.Uuid(), nullable=False),
        sa.Column("volunteer_count", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('organization', 'organization_own', 'team', 'station')", name=op.f("ck_ranking_headcounts_kind")
        ),
        sa.PrimaryKeyConstraint("kind", "unit", "starts_on", "ranked_id", name=op.f("pk_ranking_headcounts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ranking_histograms",
        sa.Column("metric", sa.String(length=20), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("volunteer_count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("metric", "unit", "starts_on", "value", name=op.f("pk_ranking_histograms")),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":
        _mark_on_sqlite()
    else:
        _mark_on_postgresql()


def downgrade() -> None:
    for trigger, table in TRIGGERS:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        else:
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
            op.execute(f"DROP FUNCTION {trigger}()")
    for table in reversed(FOLDED):
        op.drop_table(table)


def _mark_on_sqlite() -> None:
    other = OTHER_ATTENDANCE.format(old="OLD", new="NEW", other="NOT")
    for name, event, condition, *statements in (
        ("attendances_mark_insert", "INSERT ON attendances", "NEW.shift_id IS NOT NULL AND NEW.state <> 'rejected'",
         "INSERT INTO ranking_marks (shift_id) VALUES (NEW.shift_id)"),
        ("attendances_mark_update", "UPDATE ON attendances", other,
         "INSERT INTO ranking_marks (shift_id) SELECT OLD.shift_id WHERE OLD.shift_id IS NOT NULL",
         "INSERT INTO ranking_marks (shift_id) SELECT NEW.shift_id WHERE NEW.shift_id IS NOT NULL"),
        ("attendances_mark_delete", "DELETE ON attendances", "OLD.shift_id IS NOT NULL",
         "INSERT INTO ranking_marks (shift_id) VALUES (OLD.shift_id)"),
        ("shifts_mark_update", "UPDATE ON shifts", OTHER_SHIFT, MARK_SHIFT),
        ("activities_mark_update", "UPDATE ON activities", OTHER_ACTIVITY.format(other="NOT"), MARK_ACTIVITY),
        ("service_records_mark_insert", "INSERT ON service_records", "1",
         "INSERT INTO ranking_record_marks (record_id) VALUES (NEW.id)"),
    ):
        body = "; ".join(statements)
        op.execute(f"CREATE TRIGGER {name} AFTER {event} WHEN {condition} BEGIN {body}; END")


def _mark_on_postgresql() -> None:
    """Inserts are marked by the statement, each shift once: a bulk load marks a shift, not each who attended it."""
    other = OTHER_ATTENDANCE.format(old="OLD", new="NEW", other="DISTINCT FROM")
    whole = "REFERENCING NEW TABLE AS written FOR EACH STATEMENT"
    for name, event, each, statement in (
        ("attendances_mark_insert", "INSERT ON attendances", whole,
         "INSERT INTO ranking_marks (shift_id) SELECT DISTINCT shift_id FROM written"
         " WHERE shift_id IS NOT NULL AND state <> 'rejected'"),
        ("attendances_mark_update", "UPDATE ON attendances", f"FOR EACH ROW WHEN ({other})",
         "INSERT INTO ranking_marks (shift_id) SELECT DISTINCT marked FROM (VALUES (OLD.shift_id), (NEW.shift_id))"
         " AS shifts_of (marked) WHERE marked IS NOT NULL"),
        ("attendances_mark_delete", "DELETE ON attendances", "FOR EACH ROW WHEN (OLD.shift_id IS NOT NULL)",
         "INSERT INTO ranking_marks (shift_id) VALUES (OLD.shift_id)"),
        ("shifts_mark_update", "UPDATE ON shifts", f"FOR EACH ROW WHEN ({OTHER_SHIFT})", MARK_SHIFT),
        ("activities_mark_update", "UPDATE ON activities",
         f"FOR EACH ROW WHEN ({OTHER_ACTIVITY.format(other='DISTINCT FROM')})", MARK_ACTIVITY),
        ("service_records_mark_insert", "INSERT ON service_records", whole,
         "INSERT INTO ranking_record_marks (record_id) SELECT id FROM written"),
    ):
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger AS $$ BEGIN {statement}; RETURN NULL; END $$ LANGUAGE plpgsql"
        )
        op.execute(f"CREATE TRIGGER {name} AFTER {event} {each} EXECUTE FUNCTION {name}()")
