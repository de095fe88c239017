"""People: what the review of rights and privacy asked for

When a number was last proven by a code; codes for a whole export; what people hear of their own account and of requests
to their teams; team names that a closed team gives free; and on SQLite no INSERT that takes a ledger row's place.

Revision ID: 2026_11_25_1_people
Revises: 2026_11_24_7_erasure
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_1_people"
down_revision = "2026_11_24_7_erasure"
branch_labels = None
depends_on = None

LEDGERS = ("movements", "stock_entries", "service_records", "audit_entries")
PURPOSES_BEFORE = "purpose IN ('access', 'reset', 'change_phone', 'erase', 'guardian')"
PURPOSES = PURPOSES_BEFORE.removesuffix(")") + ", 'export')"
KINDS_BEFORE = (
    "kind IN ('sign_up_confirmed', 'sign_up_waitlisted', 'sign_up_promoted', 'activity_canceled', "
    "'activity_returned', 'hours_credited', 'membership_accepted', 'grant_given', 'grant_revoked', "
    "'membership_invited', 'leadership_changed', 'erasure_requested', 'erasure_near')"
)
NEW_KINDS = "'membership_requested', 'phone_changed', 'phone_released', 'password_changed', 'guardian_withdrew'"
KINDS = f"{KINDS_BEFORE.removesuffix(')')}, {NEW_KINDS})"
OPEN_TEAM = sa.text("closed_at IS NULL")


def upgrade() -> None:
    op.add_column("volunteers", sa.Column("phone_proven_at", sa.DateTime(timezone=True), nullable=True))
    remember_proofs()
    allow("sign_in_codes", "purpose", PURPOSES)
    allow("notifications", "kind", KINDS)
    with op.batch_alter_table("teams") as table:
        table.drop_constraint(op.f("uq_teams_organization_id_name"), type_="unique")
    op.create_index(
        "uq_teams_open_name",
        "teams",
        ["organization_id", "name"],
        unique=True,
        sqlite_where=OPEN_TEAM,
        postgresql_where=OPEN_TEAM,
    )
    if op.get_bind().dialect.name == "sqlite":
        refuse_replacing()


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table in LEDGERS:
            op.execute(f"DROP TRIGGER {table}_refuse_replace")
    op.drop_index("uq_teams_open_name", "teams")
    # The version before takes no name twice, whether its team is closed or not.
    op.execute(
        "UPDATE teams SET name = substr(name, 1, 63) || ' ' || id WHERE closed_at IS NOT NULL AND EXISTS "
        "(SELECT 1 FROM teams AS other WHERE other.organization_id = teams.organization_id "
        "AND other.name = teams.name AND other.id <> teams.id)"
    )
    with op.batch_alter_table("teams") as table:
        table.create_unique_constraint(op.f("uq_teams_organization_id_name"), ["organization_id", "name"])
    op.execute(f"DELETE FROM notifications WHERE kind IN ({NEW_KINDS})")
    allow("notifications", "kind", KINDS_BEFORE)
    op.execute("DELETE FROM sign_in_codes WHERE purpose = 'export'")
    allow("sign_in_codes", "purpose", PURPOSES_BEFORE)
    with op.batch_alter_table("volunteers") as table:
        table.drop_column("phone_proven_at")


def remember_proofs() -> None:
    """When a code last reached each number, as far as the audit log tells; else when the account was made."""
    way = "json_extract(details, '$.by')" if op.get_bind().dialect.name == "sqlite" else "details ->> 'by'"
    op.execute(
        "UPDATE volunteers SET phone_proven_at = coalesce((SELECT max(created_at) FROM audit_entries "
        "WHERE subject_id = volunteers.id AND (action = 'registered' "
        f"OR (action = 'signed_in' AND {way} = 'code') OR (action = 'phone_changed' AND {way} = 'owner'))), "
        "created_at) WHERE phone IS NOT NULL"
    )


def allow(table_name: str, column: str, condition: str) -> None:
    """Let a column have these values."""
    name = op.f(f"ck_{table_name}_{column}")
    with op.batch_alter_table(table_name) as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, sa.text(condition))


def refuse_replacing() -> None:
    """INSERT OR REPLACE deletes the row in its place: past a DELETE trigger that lets old rows go, and past any with
    recursive_triggers off. A trigger before the INSERT sees the row that stands there still."""
    for table in LEDGERS:
        op.execute(
            f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
            f"OR EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
