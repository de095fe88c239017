"""What named volunteers have in months and longer, and triggers that note who may be named and who no more

Revision ID: 2026_11_27_1_named_volunteers
Revises: 2026_11_26_14_minutes
Create Date: 2026-11-27 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_1_named_volunteers"
down_revision = "2026_11_26_14_minutes"
branch_labels = None
depends_on = None

METRICS = ("activity_count", "attendance_count", "credited_minutes")
# What of a volunteer and of her consents decides whether she is named. Her age comes by itself.
OTHER_VOLUNTEER = (
    "OLD.birth_date IS {other} NEW.birth_date OR (OLD.erases_at IS NULL) <> (NEW.erases_at IS NULL)"
    " OR (OLD.erased_at IS NULL) <> (NEW.erased_at IS NULL)"
)
UPDATED = "UPDATE OF birth_date, erases_at, erased_at ON volunteers"
INTO = "INSERT INTO ranking_name_marks (volunteer_id)"
TRIGGERS = (
    ("consents_name_insert", "consents"),
    ("consents_name_update", "consents"),
    ("consents_name_delete", "consents"),
    ("volunteers_name_update", "volunteers"),
)
NAMED_BEFORE, NAMED_NOW = "OLD.kind = 'ranking_name'", "NEW.kind = 'ranking_name'"


def upgrade() -> None:
    # None until a fold has made the table: till then volunteers are counted as before.
    op.add_column("ranking_rules", sa.Column("adults_born_by", sa.Date(), nullable=True))
    op.add_column(
        "ranking_histograms", sa.Column("named_count", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.create_table(
        "ranking_named",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("unit", sa.String(length=10), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        *(sa.Column(metric, sa.BigInteger(), nullable=False) for metric in METRICS),
        sa.PrimaryKeyConstraint("volunteer_id", "unit", "starts_on", name=op.f("pk_ranking_named")),
        sqlite_with_rowid=False,
    )
    for metric in METRICS:
        order = ["unit", "starts_on", sa.text(f"{metric} DESC"), "volunteer_id"]
        op.create_index(f"ix_ranking_named_{metric}", "ranking_named", order)
    everybody = sa.text("unit = 'all'")
    op.create_index(
        "ix_ranking_named_everybody",
        "ranking_named",
        ["volunteer_id"],
        postgresql_where=everybody,
        sqlite_where=everybody,
    )
    op.create_table(
        "ranking_name_marks",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranking_name_marks")),
    )
    op.create_index("ix_volunteers_birth_date", "volunteers", ["birth_date"])
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
    op.drop_index("ix_volunteers_birth_date", "volunteers")
    op.drop_table("ranking_name_marks")
    op.drop_table("ranking_named")
    op.drop_column("ranking_histograms", "named_count")
    op.drop_column("ranking_rules", "adults_born_by")


def _mark_on_sqlite() -> None:
    other = OTHER_VOLUNTEER.format(other="NOT")
    for name, event, condition, row in (
        ("consents_name_insert", "INSERT ON consents", NAMED_NOW, "NEW.volunteer_id"),
        ("consents_name_update", "UPDATE ON consents", f"{NAMED_BEFORE} OR {NAMED_NOW}", "NEW.volunteer_id"),
        ("consents_name_delete", "DELETE ON consents", NAMED_BEFORE, "OLD.volunteer_id"),
        ("volunteers_name_update", UPDATED, other, "NEW.id"),
    ):
        op.execute(f"CREATE TRIGGER {name} AFTER {event} WHEN {condition} BEGIN {INTO} VALUES ({row}); END")


def _mark_on_postgresql() -> None:
    """Inserts are marked by the statement: a bulk load of consents makes one more statement, not one for each."""
    other = OTHER_VOLUNTEER.format(other="DISTINCT FROM")
    written = f"{INTO} SELECT DISTINCT volunteer_id FROM written WHERE kind = 'ranking_name'"
    for name, event, each, body in (
        ("consents_name_insert", "INSERT ON consents", "REFERENCING NEW TABLE AS written FOR EACH STATEMENT", written),
        ("consents_name_update", "UPDATE ON consents", f"FOR EACH ROW WHEN ({NAMED_BEFORE} OR {NAMED_NOW})",
         f"{INTO} VALUES (NEW.volunteer_id)"),
        ("consents_name_delete", "DELETE ON consents", f"FOR EACH ROW WHEN ({NAMED_BEFORE})",
         f"{INTO} VALUES (OLD.volunteer_id)"),
        ("volunteers_name_update", UPDATED, f"FOR EACH ROW WHEN ({other})", f"{INTO} VALUES (NEW.id)"),
    ):
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger AS $$ BEGIN {body}; RETURN NULL; END $$ LANGUAGE plpgsql")
        op.execute(f"CREATE TRIGGER {name} AFTER {event} {each} EXECUTE FUNCTION {name}()")
