"""How many volunteers are registered in each division, and triggers that note what changes of it

Revision ID: 2026_11_26_13_registered
Revises: 2026_11_26_12_one_attendance
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_13_registered"
down_revision = "2026_11_26_12_one_attendance"
branch_labels = None
depends_on = None

COUNTED = "{row}.home_division IS NOT NULL AND {row}.erased_at IS NULL"
OTHER = "OLD.home_division IS {other} NEW.home_division OR (OLD.erased_at IS NULL) <> (NEW.erased_at IS NULL)"
UPDATED = "UPDATE OF home_division, erased_at ON volunteers"
INTO = "INSERT INTO registered_changes (division_code, change)"
GONE = f"{INTO} SELECT OLD.home_division, -1 WHERE {COUNTED.format(row='OLD')}"
COME = f"{INTO} SELECT NEW.home_division, 1 WHERE {COUNTED.format(row='NEW')}"
TRIGGERS = ("volunteers_registered_insert", "volunteers_registered_update", "volunteers_registered_delete")


def upgrade() -> None:
    op.create_table(
        "registered_changes",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("division_code", sa.String(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registered_changes")),
    )
    op.create_index("ix_registered_changes_division_code", "registered_changes", ["division_code"])
    op.create_table(
        "registered_counts",
        sa.Column("division_code", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("division_code", name=op.f("pk_registered_counts")),
        sqlite_with_rowid=False,
    )
    # The triggers first: on PostgreSQL whoever still writes volunteers is waited for, and then counted.
    if op.get_bind().dialect.name == "sqlite":
        _note_on_sqlite()
    else:
        _note_on_postgresql()
    op.execute(
        "INSERT INTO registered_counts (division_code, count) SELECT home_division, count(*) FROM volunteers"
        f" WHERE {COUNTED.format(row='volunteers')} GROUP BY home_division"
    )


def downgrade() -> None:
    for trigger in TRIGGERS:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        else:
            op.execute(f"DROP TRIGGER {trigger} ON volunteers")
            op.execute(f"DROP FUNCTION {trigger}()")
    op.drop_table("registered_counts")
    op.drop_index("ix_registered_changes_division_code", "registered_changes")
    op.drop_table("registered_changes")


def _note_on_sqlite() -> None:
    for name, event, condition, body in (
        (TRIGGERS[0], "INSERT ON volunteers", COUNTED.format(row="NEW"), COME),
        (TRIGGERS[1], UPDATED, OTHER.format(other="NOT"), f"{GONE}; {COME}"),
        (TRIGGERS[2], "DELETE ON volunteers", COUNTED.format(row="OLD"), GONE),
    ):
        op.execute(f"CREATE TRIGGER {name} AFTER {event} WHEN {condition} BEGIN {body}; END")


def _note_on_postgresql() -> None:
    """Inserts are noted by the statement, each division once: a bulk load makes few rows, however many it loads."""
    written = f"{INTO} SELECT home_division, count(*) FROM written WHERE {COUNTED.format(row='written')}"
    for name, event, each, body in (
        (TRIGGERS[0], "INSERT ON volunteers", "REFERENCING NEW TABLE AS written FOR EACH STATEMENT",
         f"{written} GROUP BY home_division"),
        (TRIGGERS[1], UPDATED, f"FOR EACH ROW WHEN ({OTHER.format(other='DISTINCT FROM')})", f"{GONE}; {COME}"),
        (TRIGGERS[2], "DELETE ON volunteers", f"FOR EACH ROW WHEN ({COUNTED.format(row='OLD')})", GONE),
    ):
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger AS $$ BEGIN {body}; RETURN NULL; END $$ LANGUAGE plpgsql")
        op.execute(f"CREATE TRIGGER {name} AFTER {event} {each} EXECUTE FUNCTION {name}()")
