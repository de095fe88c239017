"""Published snapshots of rankings

Revision ID: 2026_11_26_8_snapshots
Revises: 2026_11_26_7_activities
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_8_snapshots"
down_revision = "2026_11_26_7_activities"
branch_labels = None
depends_on = None

LEDGERS = ("ranking_snapshots", "ranking_snapshot_rows")


def upgrade() -> None:
    op.create_table(
        "ranking_snapshots",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("first_on", sa.Date(), nullable=False),
        sa.Column("last_on", sa.Date(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("final_after", sa.Date(), nullable=False),
        sa.Column("attendances_for_held_shift", sa.Integer(), nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["organizations.id"], name=op.f("fk_ranking_snapshots_scope_id")),
        sa.ForeignKeyConstraint(["closed_by"], ["volunteers.id"], name=op.f("fk_ranking_snapshots_closed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranking_snapshots")),
        sa.UniqueConstraint(
            "scope_id", "period", "provisional", name=op.f("uq_ranking_snapshots_scope_id_period_provisional")
        ),
    )
    op.create_table(
        "ranking_snapshot_rows",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("snapshot_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=20), nullable=False),
        sa.Column("metric", sa.String(length=20), nullable=False),
        sa.Column("ranked_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.String(length=20), nullable=True),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("own", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["snapshot_id"], ["ranking_snapshots.id"], name=op.f("fk_ranking_snapshot_rows_snapshot_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranking_snapshot_rows")),
        sa.UniqueConstraint(
            "snapshot_id", "subject", "metric", "ranked_id",
            name=op.f("uq_ranking_snapshot_rows_snapshot_id_subject_metric_ranked_id"),
        ),
    )
    for ledger in LEDGERS:
        keep_append_only(ledger)


def downgrade() -> None:
    for ledger in reversed(LEDGERS):
        # With its triggers, on either database.
        op.drop_table(ledger)


def keep_append_only(ledger: str) -> None:
    """Refuse UPDATE and DELETE: what was published does not move. The function is the foundation's."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {ledger}_refuse_{verb.lower()} BEFORE {verb} ON {ledger} "
                f"BEGIN SELECT RAISE(ABORT, '{ledger} is append-only'); END"
            )
        # INSERT OR REPLACE deletes without asking, where recursive_triggers is off.
        op.execute(
            f"CREATE TRIGGER {ledger}_refuse_replace BEFORE INSERT ON {ledger} "
            f"WHEN EXISTS (SELECT 1 FROM {ledger} WHERE id = NEW.id) "
            f"OR EXISTS (SELECT 1 FROM {ledger} WHERE rowid = NEW.rowid) "
            f"BEGIN SELECT RAISE(ABORT, '{ledger} is append-only'); END"
        )
        return
    op.execute(
        f"CREATE TRIGGER {ledger}_refuse_change BEFORE UPDATE OR DELETE ON {ledger} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"CREATE TRIGGER {ledger}_refuse_truncate BEFORE TRUNCATE ON {ledger} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
