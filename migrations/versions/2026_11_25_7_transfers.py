"""Transfers between stations

Revision ID: 2026_11_25_7_transfers
Revises: 2026_11_25_6_stocktakes
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_7_transfers"
down_revision = "2026_11_25_6_stocktakes"
branch_labels = None
depends_on = None

LEDGERS = ("transfer_steps", "transfer_shortfalls")
STATES = "state IN ('requested', 'approved', 'shipped', 'received', 'rejected', 'canceled')"
KINDS = "kind IN ('requested', 'approved', 'shipped', 'received', 'rejected', 'canceled')"
REASONS = "reason IN ('lost', 'damaged', 'returned', 'other')"


def identity() -> list[sa.Column]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    ]


def reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))


def count(name: str) -> sa.Column:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def upgrade() -> None:
    op.create_table(
        "transfers",
        sa.Column("from_station_id", sa.Uuid(), nullable=False),
        sa.Column("to_station_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("needs_organizer", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("returns_id", sa.Uuid(), nullable=True),
        *identity(),
        sa.CheckConstraint(STATES, name=op.f("ck_transfers_state_known")),
        sa.CheckConstraint("from_station_id <> to_station_id", name=op.f("ck_transfers_two_stations")),
        reference("transfers", "from_station_id", "stations"),
        reference("transfers", "to_station_id", "stations"),
        reference("transfers", "returns_id", "transfers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfers")),
    )
    op.create_index("ix_transfers_from_station_id_id", "transfers", ["from_station_id", "id"])
    op.create_index("ix_transfers_to_station_id_id", "transfers", ["to_station_id", "id"])
    op.create_index("ix_transfers_returns_id", "transfers", ["returns_id"])
    op.create_table(
        "transfer_lines",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.String(), server_default="", nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("requested", sa.BigInteger(), nullable=False),
        sa.Column("approved", sa.BigInteger(), nullable=True),
        *identity(),
        sa.CheckConstraint("requested > 0", name=op.f("ck_transfer_lines_requested_positive")),
        sa.CheckConstraint("approved BETWEEN 0 AND requested", name=op.f("ck_transfer_lines_approved_not_more")),
        reference("transfer_lines", "transfer_id", "transfers"),
        reference("transfer_lines", "item_id", "items"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_lines")),
        sa.UniqueConstraint(
            "transfer_id", "item_id", "lot_number", name=op.f("uq_transfer_lines_transfer_id_item_id_lot_number")
        ),
        sa.UniqueConstraint("transfer_id", "position", name=op.f("uq_transfer_lines_transfer_id_position")),
    )
    op.create_index("ix_transfer_lines_item_id", "transfer_lines", ["item_id"])
    op.create_table(
        "transfer_lots",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.String(), server_default="", nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("shipped", sa.BigInteger(), nullable=False),
        count("received"),
        count("short"),
        count("returned"),
        sa.Column("expired_on_arrival", sa.Boolean(), server_default=sa.false(), nullable=False),
        *identity(),
        sa.CheckConstraint("shipped > 0", name=op.f("ck_transfer_lots_shipped_positive")),
        sa.CheckConstraint(
            "received >= 0 AND short >= 0 AND returned >= 0", name=op.f("ck_transfer_lots_not_negative")
        ),
        sa.CheckConstraint(
            "received + short + returned <= shipped", name=op.f("ck_transfer_lots_not_more_than_shipped")
        ),
        reference("transfer_lots", "transfer_id", "transfers"),
        reference("transfer_lots", "item_id", "items"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_lots")),
        sa.UniqueConstraint(
            "transfer_id", "item_id", "lot_number", name=op.f("uq_transfer_lots_transfer_id_item_id_lot_number")
        ),
    )
    op.create_index("ix_transfer_lots_item_id", "transfer_lots", ["item_id"])
    op.create_table(
        "transfer_steps",
        sa.Column("transfer_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("movement_id", sa.Uuid(), nullable=True),
        *identity(),
        sa.CheckConstraint(KINDS, name=op.f("ck_transfer_steps_kind_known")),
        reference("transfer_steps", "transfer_id", "transfers"),
        reference("transfer_steps", "actor_id", "volunteers"),
        reference("transfer_steps", "movement_id", "movements"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_steps")),
        sa.UniqueConstraint("transfer_id", "sequence", name=op.f("uq_transfer_steps_transfer_id_sequence")),
    )
    op.create_index("ix_transfer_steps_actor_id", "transfer_steps", ["actor_id"])
    op.create_index("ix_transfer_steps_movement_id", "transfer_steps", ["movement_id"])
    op.create_table(
        "transfer_shortfalls",
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("movement_id", sa.Uuid(), nullable=True),
        sa.Column("return_id", sa.Uuid(), nullable=True),
        *identity(),
        sa.CheckConstraint(REASONS, name=op.f("ck_transfer_shortfalls_reason_known")),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_transfer_shortfalls_quantity_positive")),
        sa.CheckConstraint(
            "(reason = 'returned') = (return_id IS NOT NULL) AND (return_id IS NULL) = (movement_id IS NOT NULL)",
            name=op.f("ck_transfer_shortfalls_goes_somewhere"),
        ),
        reference("transfer_shortfalls", "step_id", "transfer_steps"),
        reference("transfer_shortfalls", "lot_id", "transfer_lots"),
        reference("transfer_shortfalls", "movement_id", "movements"),
        reference("transfer_shortfalls", "return_id", "transfers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transfer_shortfalls")),
    )
    for column in ("step_id", "lot_id", "movement_id", "return_id"):
        op.create_index(f"ix_transfer_shortfalls_{column}", "transfer_shortfalls", [column])
    refuse_changes()


def downgrade() -> None:
    # Nobody could receive it any more, and the release before counts nothing as under way.
    op.execute("UPDATE stock_balances SET in_transit = 0 WHERE in_transit <> 0")
    for table in ("transfer_shortfalls", "transfer_steps", "transfer_lots", "transfer_lines", "transfers"):
        # With its triggers and indexes, on either database.
        op.drop_table(table)


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
