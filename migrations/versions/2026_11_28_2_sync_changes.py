"""What changed of the rows that people see of their own, noted by triggers for their phones to ask

Revision ID: 2026_11_28_2_sync_changes
Revises: 2026_11_28_1_push_subscriptions
Create Date: 2026-11-28 02:00:00+00:00
"""

import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from alembic import op

revision = "2026_11_28_2_sync_changes"
down_revision = "2026_11_28_1_push_subscriptions"
branch_labels = None
depends_on = None

PROFILE, SIGN_UPS, ATTENDANCES, NOTIFICATIONS, MEMBERSHIPS, GRANTS, LOANS, SERVICE_RECORDS = range(1, 9)


@dataclass(frozen=True)
class Own:
    """A table whose rows belong to a volunteer, and what is noted of them.

    `shown` are the columns whose change she sees; of None, that of any. `moves`: a row may come to another owner.
    """

    table: str
    type: int
    shown: tuple[str, ...] | None = None
    row: str = "id"
    owner: str = "volunteer_id"
    moves: bool = False
    events: tuple[str, ...] = ("insert", "update", "delete")


OWN = (
    Own(
        "volunteers",
        PROFILE,
        (
            "volunteer_number", "name", "phone", "birth_date", "home_division", "skills", "service_categories",
            "photo_id", "emergency_contact", "guardian_contact", "erases_at",
        ),
        owner="id",
        events=("update",),
    ),
    Own("guardians", PROFILE, ("phone_digest", "withdrawn_at"), row="volunteer_id"),
    Own("resident_ids", PROFILE, ("digest",), row="volunteer_id"),
    Own("sign_ups", SIGN_UPS),
    Own("attendances", ATTENDANCES),
    # Not that it was sent: that is the outbox's.
    Own("notifications", NOTIFICATIONS, ("read_at",)),
    Own("memberships", MEMBERSHIPS, moves=True),
    Own("grants", GRANTS),
    Own("loans", LOANS, moves=True),
    Own("service_records", SERVICE_RECORDS, events=("insert",)),
)
OTHER_LINE = (
    "(OLD.state = 'waitlisted') <> (NEW.state = 'waitlisted')"
    " OR (NEW.state = 'waitlisted' AND OLD.position <> NEW.position)"
)
# Of what people's rows show: the trigger, the type of those rows, when, under what condition, and what it is.
SHOWN = (
    ("shifts_sync_shown", SIGN_UPS, "UPDATE OF starts_at, ends_at, canceled_at ON shifts", None, "SELECT NEW.id AS id"),
    ("shift_roles_sync_shown", SIGN_UPS, "UPDATE OF name ON shift_roles", None, "SELECT NEW.shift_id AS id"),
    (
        "activities_sync_shown",
        SIGN_UPS,
        "UPDATE OF title, state, latitude, longitude, place_name ON activities",
        None,
        "SELECT id FROM shifts WHERE activity_id = NEW.id",
    ),
    # Whoever waits behind moves up.
    ("sign_ups_sync_shown", SIGN_UPS, "UPDATE ON sign_ups", OTHER_LINE, "SELECT NEW.shift_id AS id"),
    (
        "teams_sync_shown",
        MEMBERSHIPS,
        "UPDATE OF name, organization_id, closed_at ON teams",
        None,
        "SELECT NEW.id AS id",
    ),
    ("organizations_sync_shown", GRANTS, "UPDATE OF name ON organizations", None, "SELECT NEW.id AS id"),
    ("stations_sync_shown", GRANTS, "UPDATE OF name ON stations", None, "SELECT NEW.id AS id"),
)


def upgrade() -> None:
    op.create_table(
        "sync_changes",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("xid", sa.BigInteger(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(), nullable=True),
        sa.Column("shown_id", sa.Uuid(), nullable=True),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("row_id", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(volunteer_id IS NULL) <> (shown_id IS NULL) AND (volunteer_id IS NULL) = (row_id IS NULL)",
            name=op.f("ck_sync_changes_whose"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_changes")),
        # An id that was given is never given again, or a phone would take a new row for one that it knows.
        sqlite_autoincrement=True,
    )
    for column in ("volunteer_id", "shown_id"):
        given = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_sync_changes_{column}_xid",
            "sync_changes",
            [column, "xid"],
            sqlite_where=given,
            postgresql_where=given,
        )
    epochs = op.create_table(
        "sync_epochs",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("floor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_sync_epochs_only")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_epochs")),
    )
    op.bulk_insert(epochs, [{"id": 1, "name": secrets.token_hex(8), "floor": 0}])
    if op.get_bind().dialect.name == "sqlite":
        _note_on_sqlite()
    else:
        _note_on_postgresql()


def downgrade() -> None:
    triggers = [(f"{own.table}_sync_{event}", own.table) for own in OWN for event in own.events]
    triggers += [(name, event.rpartition(" ")[2]) for name, _, event, _, _ in SHOWN]
    for trigger, table in triggers:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER IF EXISTS {trigger}")
        else:
            op.execute(f"DROP TRIGGER {trigger} ON {table}")
            op.execute(f"DROP FUNCTION {trigger}()")
    op.drop_table("sync_epochs")
    op.drop_table("sync_changes")


def _note(own: Own, version: str) -> str:
    """The SELECT of whose row changed, and which."""
    if own.moves and version == "NEW":
        return f"SELECT OLD.{own.owner} AS whose, NEW.{own.row} AS id UNION SELECT NEW.{own.owner}, NEW.{own.row}"
    return f"SELECT {version}.{own.owner} AS whose, {version}.{own.row} AS id"


def _updated(own: Own) -> str:
    columns = f" OF {', '.join(own.shown)}" if own.shown else ""
    return f"UPDATE{columns} ON {own.table}"


def _note_on_sqlite() -> None:
    into = "INSERT INTO sync_changes (xid, {whose}, type, changed_at) SELECT 0, {values}, CURRENT_TIMESTAMP FROM ({of})"
    for own in OWN:
        inserted = f"SELECT NEW.{own.owner} AS whose, NEW.{own.row} AS id"
        notes = {
            "insert": (f"INSERT ON {own.table}", inserted),
            "update": (_updated(own), _note(own, "NEW")),
            "delete": (f"DELETE ON {own.table}", _note(own, "OLD")),
        }
        for event in own.events:
            when, of = notes[event]
            if own.table == "service_records":
                # What is taken back is no longer what it was.
                of += " UNION ALL SELECT NEW.volunteer_id, NEW.reverses_id WHERE NEW.reverses_id IS NOT NULL"
            body = into.format(whose="volunteer_id, row_id", values=f"whose, id, {own.type}", of=of)
            op.execute(
                f"CREATE TRIGGER {own.table}_sync_{event} AFTER {when} BEGIN {body} WHERE whose IS NOT NULL; END"
            )
    for name, type_, event, condition, shown in SHOWN:
        when = f" WHEN {condition}" if condition else ""
        body = into.format(whose="shown_id", values=f"id, {type_}", of=shown)
        op.execute(f"CREATE TRIGGER {name} AFTER {event}{when} BEGIN {body}; END")


def _note_on_postgresql() -> None:
    """Inserts are noted by the statement: a notice to a thousand people makes one more, not one for each."""
    into = (
        "INSERT INTO sync_changes (xid, {whose}, type, changed_at)"
        " SELECT pg_current_xact_id()::text::bigint, {values}, now()"
    )
    for own in OWN:
        mine = into.format(whose="volunteer_id, row_id", values=f"whose, id, {own.type}")
        inserted = f"SELECT {own.owner} AS whose, {own.row} AS id FROM written"
        if own.table == "service_records":
            # What is taken back is no longer what it was.
            inserted += " UNION ALL SELECT volunteer_id, reverses_id FROM written WHERE reverses_id IS NOT NULL"
        notes = {
            "insert": (
                f"INSERT ON {own.table}", "REFERENCING NEW TABLE AS written FOR EACH STATEMENT", inserted
            ),
            "update": (_updated(own), "FOR EACH ROW", _note(own, "NEW")),
            "delete": (f"DELETE ON {own.table}", "FOR EACH ROW", _note(own, "OLD")),
        }
        for event in own.events:
            when, each, of = notes[event]
            _trigger(f"{own.table}_sync_{event}", when, each, f"{mine} FROM ({of}) AS noted WHERE whose IS NOT NULL")
    for name, type_, event, condition, shown in SHOWN:
        each = f"FOR EACH ROW WHEN ({condition})" if condition else "FOR EACH ROW"
        body = into.format(whose="shown_id", values=f"id, {type_}")
        _trigger(name, event, each, f"{body} FROM ({shown}) AS changed")


def _trigger(name: str, event: str, each: str, body: str) -> None:
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger AS $$ BEGIN {body}; RETURN NULL; END $$ LANGUAGE plpgsql")
    op.execute(f"CREATE TRIGGER {name} AFTER {event} {each} EXECUTE FUNCTION {name}()")
