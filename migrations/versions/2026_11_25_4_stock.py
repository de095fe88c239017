"""Stock: portions of lots, what is counted beside the shelf, counterparties and witnesses; months that close, recalls
and what a replay finds; open kinds of notifications

Revision ID: 2026_11_25_4_stock
Revises: 2026_11_25_3_catalog
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_25_4_stock"
down_revision = "2026_11_25_3_catalog"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
KINDS_BEFORE = (
    "kind IN ('receipt', 'issue', 'write_off', 'quarantine', 'transfer_out', 'transfer_in', 'stocktake', 'loan_out', "
    "'loan_return', 'reversal')"
)
KINDS = KINDS_BEFORE.replace("'reversal'", "'unsealing', 'reversal'")
REASONS_BEFORE = (
    "reason IN ('donation', 'purchase', 'handed_out', 'used', 'expired', 'damaged', 'lost', 'mistake', 'opening', "
    "'other')"
)
REASONS = REASONS_BEFORE.replace("'other'", "'other', 'recalled', 'handed_over'")
NOTIFICATIONS_BEFORE = (
    "kind IN ('sign_up_confirmed', 'sign_up_waitlisted', 'sign_up_promoted', 'activity_canceled', "
    "'activity_returned', 'hours_credited', 'membership_accepted', 'grant_given', 'grant_revoked', "
    "'membership_invited', 'leadership_changed', 'erasure_requested', 'erasure_near', 'membership_requested', "
    "'phone_changed', 'phone_released', 'password_changed', 'guardian_withdrew')"
)


def upgrade() -> None:
    op.add_column("movements", sa.Column("counterparty", sa.String(), nullable=True))
    op.add_column("movements", sa.Column("witness", sa.String(), nullable=True))
    allow(KINDS, REASONS)
    op.add_column("stock_entries", sa.Column("portion", sa.String(), server_default="", nullable=False))
    with op.batch_alter_table("stock_balances") as table:
        table.add_column(sa.Column("portion", sa.String(), server_default="", nullable=False))
        table.add_column(sa.Column("on_loan", sa.BigInteger(), server_default="0", nullable=False))
        table.add_column(sa.Column("in_transit", sa.BigInteger(), server_default="0", nullable=False))
        table.create_check_constraint(op.f("ck_stock_balances_on_loan_not_negative"), "on_loan >= 0")
        table.create_check_constraint(op.f("ck_stock_balances_in_transit_not_negative"), "in_transit >= 0")
        table.drop_constraint(op.f("pk_stock_balances"), type_="primary")
        table.create_primary_key(op.f("pk_stock_balances"), ["station_id", "item_id", "lot_number", "portion"])
    # Each feature knows its own kinds; `notify` refuses the others.
    with op.batch_alter_table("notifications") as table:
        table.drop_constraint(op.f("ck_notifications_kind"), type_="check")
    # One index for both: its first column is the foreign key.
    op.create_index("ix_stock_entries_item_id_lot_number", "stock_entries", ["item_id", "lot_number"])
    op.drop_index("ix_stock_entries_item_id", "stock_entries")
    by_day = ["station_id", "occurred_at", "item_id"]
    op.create_index("ix_stock_entries_station_id_occurred_at_item_id", "stock_entries", by_day)
    op.drop_index("ix_stock_entries_station_id_occurred_at", "stock_entries")
    op.add_column("document_counters", sa.Column("closed_at", MOMENT, nullable=True))
    create_months()
    create_recalls()
    create_faults()


def create_months() -> None:
    op.create_table(
        "stock_months",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("closed_at", MOMENT, nullable=False),
        sa.Column("closed_by", sa.Uuid(), nullable=False),
        sa.Column("station_count", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["closed_by"], ["volunteers.id"], name=op.f("fk_stock_months_closed_by")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_stock_months_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_months")),
        sa.UniqueConstraint("organization_id", "month", name=op.f("uq_stock_months_organization_id_month")),
    )
    op.create_index("ix_stock_months_closed_by", "stock_months", ["closed_by"])
    op.create_table(
        "month_balances",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.String(), nullable=False),
        sa.Column("portion", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_month_balances_quantity")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_month_balances_item_id")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_month_balances_station_id")),
        sa.PrimaryKeyConstraint(
            "station_id", "month", "item_id", "lot_number", "portion", name=op.f("pk_month_balances")
        ),
    )
    op.create_table(
        "last_counts",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("counted_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_last_counts_item_id")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_last_counts_station_id")),
        sa.PrimaryKeyConstraint("station_id", "item_id", name=op.f("pk_last_counts")),
    )


def create_recalls() -> None:
    op.create_table(
        "recalls",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("recalled_by", sa.Uuid(), nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name=op.f("ck_recalls_ended_by_somebody")),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_recalls_ended_with_reason")),
        sa.ForeignKeyConstraint(["ended_by"], ["volunteers.id"], name=op.f("fk_recalls_ended_by")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_recalls_item_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_recalls_organization_id")),
        sa.ForeignKeyConstraint(["recalled_by"], ["volunteers.id"], name=op.f("fk_recalls_recalled_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recalls")),
    )
    op.create_index("ix_recalls_item_id_lot_number", "recalls", ["item_id", "lot_number"])
    op.create_index("ix_recalls_organization_id", "recalls", ["organization_id", "created_at"])
    op.create_index("ix_recalls_recalled_by", "recalls", ["recalled_by"])
    op.create_index("ix_recalls_ended_by", "recalls", ["ended_by"])
    create_open_index("uq_recalls_open", "recalls", ["organization_id", "item_id", "lot_number"])


def create_faults() -> None:
    op.create_table(
        "ledger_faults",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column(
            "details",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("last_seen_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_ledger_faults_station_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_faults")),
    )
    create_open_index("uq_ledger_faults_open", "ledger_faults", ["station_id", "kind", "subject"])


def create_open_index(name: str, table: str, columns: list[str]) -> None:
    """Unique among what has not ended."""
    condition = sa.text("ended_at IS NULL")
    op.create_index(name, table, columns, unique=True, sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    for table in ("ledger_faults", "recalls", "last_counts", "month_balances", "stock_months"):
        op.drop_table(table)
    op.execute("ALTER TABLE document_counters DROP COLUMN closed_at")
    op.create_index("ix_stock_entries_item_id", "stock_entries", ["item_id"])
    op.drop_index("ix_stock_entries_item_id_lot_number", "stock_entries")
    op.create_index("ix_stock_entries_station_id_occurred_at", "stock_entries", ["station_id", "occurred_at"])
    op.drop_index("ix_stock_entries_station_id_occurred_at_item_id", "stock_entries")
    op.execute("DELETE FROM notifications WHERE NOT (" + NOTIFICATIONS_BEFORE + ")")
    with op.batch_alter_table("notifications") as table:
        table.create_check_constraint(op.f("ck_notifications_kind"), NOTIFICATIONS_BEFORE)
    # What is in portions can't be told apart any more: a lot's balance is the sum of them.
    op.execute(
        "CREATE TEMPORARY TABLE whole_lots AS SELECT station_id, item_id, lot_number, sum(quantity) AS quantity, "
        "max(expires_on) AS expires_on FROM stock_balances GROUP BY station_id, item_id, lot_number"
    )
    op.execute("DELETE FROM stock_balances")
    with op.batch_alter_table("stock_balances") as table:
        table.drop_constraint(op.f("ck_stock_balances_on_loan_not_negative"), type_="check")
        table.drop_constraint(op.f("ck_stock_balances_in_transit_not_negative"), type_="check")
        table.drop_constraint(op.f("pk_stock_balances"), type_="primary")
        table.create_primary_key(op.f("pk_stock_balances"), ["station_id", "item_id", "lot_number"])
        table.drop_column("in_transit")
        table.drop_column("on_loan")
        table.drop_column("portion")
    op.execute(
        "INSERT INTO stock_balances (station_id, item_id, lot_number, quantity, expires_on) "
        "SELECT station_id, item_id, lot_number, quantity, expires_on FROM whole_lots"
    )
    op.execute("DROP TABLE whole_lots")
    op.execute("ALTER TABLE stock_entries DROP COLUMN portion")
    forget_words()
    allow(KINDS_BEFORE, REASONS_BEFORE)
    op.execute("ALTER TABLE movements DROP COLUMN witness")
    op.execute("ALTER TABLE movements DROP COLUMN counterparty")


def allow(kinds: str, reasons: str) -> None:
    """Let movements have these kinds and reasons. SQLite's batch makes the table anew, without its triggers."""
    connection = op.get_bind()
    made = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'movements' ORDER BY name"
    triggers = connection.exec_driver_sql(made).scalars().all() if connection.dialect.name == "sqlite" else []
    with op.batch_alter_table("movements") as table:
        table.drop_constraint(op.f("ck_movements_kind_known"), type_="check")
        table.create_check_constraint(op.f("ck_movements_kind_known"), kinds)
        table.drop_constraint(op.f("ck_movements_reason_known"), type_="check")
        table.create_check_constraint(op.f("ck_movements_reason_known"), reasons)
    for trigger in triggers:
        op.execute(trigger)


def forget_words() -> None:
    """The release before knows no unsealing (to it, a movement inside of a lot is a quarantine) and fewer reasons."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    refuses = (
        "CREATE TRIGGER movements_refuse_update BEFORE UPDATE ON movements "
        "BEGIN SELECT RAISE(ABORT, 'movements is append-only'); END"
    )
    op.execute("DROP TRIGGER movements_refuse_update" if sqlite else "ALTER TABLE movements DISABLE TRIGGER USER")
    op.execute("UPDATE movements SET kind = 'quarantine' WHERE kind = 'unsealing'")
    op.execute("UPDATE movements SET reason = 'other' WHERE reason IN ('recalled', 'handed_over')")
    op.execute(refuses if sqlite else "ALTER TABLE movements ENABLE TRIGGER USER")
