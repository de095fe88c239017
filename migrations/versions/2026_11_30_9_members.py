"""How many active members each team has, and triggers that note what changes of it

Revision ID: 2026_11_30_9_members
Revises: 2026_11_30_8_growth
Create Date: 2026-11-30 09:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_9_members"
down_revision = "2026_11_30_8_growth"
branch_labels = None
depends_on = None

OTHER = "OLD.team_id <> NEW.team_id OR (OLD.state = 'active') <> (NEW.state = 'active')"
UPDATED = "UPDATE OF team_id, state ON memberships"
INTO = "INSERT INTO member_changes (team_id, change)"
GONE = f"{INTO} SELECT OLD.team_id, -1 WHERE OLD.state = 'active'"
COME = f"{INTO} SELECT NEW.team_id, 1 WHERE NEW.state = 'active'"
TRIGGERS = ("memberships_members_insert", "memberships_members_update", "memberships_members_delete")


def upgrade() -> None:
    op.create_table(
        "member_changes",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_changes")),
    )
    op.create_table(
        "member_counts",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_member_counts")),
        sqlite_with_rowid=False,
    )
    # The triggers first: on PostgreSQL whoever still writes memberships is waited for, and then counted.
    if op.get_bind().dialect.name == "sqlite":
        _note_on_sqlite()
    else:
        _note_on_postgresql()
    op.execute(
        "INSERT INTO member_counts (team_id, count)"
        " SELECT team_id, count(*) FROM memberships WHERE state = 'active' GROUP BY team_id"
    )


def downgrade() -> None:
    for trigger in TRIGGERS:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        else:
            op.execute(f"DROP TRIGGER {trigger} ON memberships")
            op.execute(f"DROP FUNCTION {trigger}()")
    op.drop_table("member_counts")
    op.drop_table("member_changes")


def _note_on_sqlite() -> None:
    for name, event, condition, body in (
        (TRIGGERS[0], "INSERT ON memberships", "NEW.state = 'active'", COME),
        (TRIGGERS[1], UPDATED, OTHER, f"{GONE}; {COME}"),
        (TRIGGERS[2], "DELETE ON memberships", "OLD.state = 'active'", GONE),
    ):
        op.execute(f"CREATE TRIGGER {name} AFTER {event} WHEN {condition} BEGIN {body}; END")


def _note_on_postgresql() -> None:
    """Inserts are noted by the statement, each team once: a bulk load makes few rows, however many it loads."""
    written = f"{INTO} SELECT team_id, count(*) FROM written WHERE state = 'active' GROUP BY team_id"
    for name, event, each, body in (
        (TRIGGERS[0], "INSERT ON memberships", "REFERENCING NEW TABLE AS written FOR EACH STATEMENT", written),
        (TRIGGERS[1], UPDATED, f"FOR EACH ROW WHEN ({OTHER})", f"{GONE}; {COME}"),
        (TRIGGERS[2], "DELETE ON memberships", "FOR EACH ROW WHEN (OLD.state = 'active')", GONE),
    ):
        op.execute(f"CREATE FUNCTION {name}() RETURNS trigger AS $$ BEGIN {body}; RETURN NULL; END $$ LANGUAGE plpgsql")
        op.execute(f"CREATE TRIGGER {name} AFTER {event} {each} EXECUTE FUNCTION {name}()")
