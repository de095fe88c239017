"""When an activity is over, noted beside where it is: a look around reads nothing but one index

Revision ID: 2026_11_29_9_over_at
Revises: 2026_11_29_8_named_days
Create Date: 2026-11-29 09:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_9_over_at"
down_revision = "2026_11_29_8_named_days"
branch_labels = None
depends_on = None

NEARBY = "ix_activities_state_cell"
# Whatever changes a shift holds its activity, so that no other change of its shifts comes between.
NOTE = (
    "UPDATE activities SET over_at ="
    " (SELECT max(ends_at) FROM shifts WHERE shifts.activity_id = activities.id AND shifts.canceled_at IS NULL)"
)
TRIGGERS = ("shifts_over_at_insert", "shifts_over_at_update", "shifts_over_at_delete")
CHANGE = "UPDATE OF ends_at, canceled_at, activity_id ON shifts"


def upgrade() -> None:
    op.add_column("activities", sa.Column("over_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(NOTE)
    op.drop_index(NEARBY, table_name="activities")
    op.create_index(NEARBY, "activities", ["state", "cell", "over_at", "latitude", "longitude", "id"])
    if op.get_bind().dialect.name == "sqlite":
        _note_on_sqlite()
    else:
        _note_on_postgresql()


def downgrade() -> None:
    for trigger in TRIGGERS:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        else:
            op.execute(f"DROP TRIGGER {trigger} ON shifts")
            op.execute(f"DROP FUNCTION {trigger}()")
    op.drop_index(NEARBY, table_name="activities")
    op.create_index(NEARBY, "activities", ["state", "cell"])
    op.drop_column("activities", "over_at")


def _note_on_sqlite() -> None:
    for trigger, event, of in zip(
        TRIGGERS,
        ("INSERT ON shifts", CHANGE, "DELETE ON shifts"),
        ("= NEW.activity_id", "IN (OLD.activity_id, NEW.activity_id)", "= OLD.activity_id"),
        strict=True,
    ):
        op.execute(f"CREATE TRIGGER {trigger} AFTER {event} BEGIN {NOTE} WHERE id {of}; END")


def _note_on_postgresql() -> None:
    """Inserts are noted by the statement: of a year of shifts that are made at once, the activity once."""
    for trigger, event, each, of in zip(
        TRIGGERS,
        ("INSERT ON shifts", CHANGE, "DELETE ON shifts"),
        ("REFERENCING NEW TABLE AS written FOR EACH STATEMENT", "FOR EACH ROW", "FOR EACH ROW"),
        ("IN (SELECT activity_id FROM written)", "IN (OLD.activity_id, NEW.activity_id)", "= OLD.activity_id"),
        strict=True,
    ):
        op.execute(
            f"CREATE FUNCTION {trigger}() RETURNS trigger AS $$ BEGIN {NOTE} WHERE id {of}; RETURN NULL; END $$"
            " LANGUAGE plpgsql"
        )
        op.execute(f"CREATE TRIGGER {trigger} AFTER {event} {each} EXECUTE FUNCTION {trigger}()")
