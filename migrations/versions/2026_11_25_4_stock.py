"""Stock: portions of lots, what is counted beside the shelf, counterparties and witnesses; open kinds of notifications

Revision ID: 2026_11_25_4_stock
Revises: 2026_11_25_3_catalog
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_4_stock"
down_revision = "2026_11_25_3_catalog"
branch_labels = None
depends_on = None

KINDS_BEFORE = (
    "kind IN ('receipt', 'issue', 'write_off', 'quarantine', 'transfer_out', 'transfer_in', 'stocktake', 'loan_out', "
    "'loan_return', 'reversal')"
)
KINDS = KINDS_BEFORE.replace("'reversal'", "'unsealing', 'reversal'")
NOTIFICATIONS_BEFORE = (
    "kind IN ('sign_up_confirmed', 'sign_up_waitlisted', 'sign_up_promoted', 'activity_canceled', "
    "'activity_returned', 'hours_credited', 'membership_accepted', 'grant_given', 'grant_revoked', "
    "'membership_invited', 'leadership_changed', 'erasure_requested', 'erasure_near')"
)


def upgrade() -> None:
    op.add_column("movements", sa.Column("counterparty", sa.String(), nullable=True))
    op.add_column("movements", sa.Column("witness", sa.String(), nullable=True))
    allow_kinds(KINDS)
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


def downgrade() -> None:
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
    forget_unsealings()
    allow_kinds(KINDS_BEFORE)
    op.execute("ALTER TABLE movements DROP COLUMN witness")
    op.execute("ALTER TABLE movements DROP COLUMN counterparty")


def allow_kinds(condition: str) -> None:
    """Let movements have these kinds. SQLite's batch makes the table anew, without its triggers."""
    with op.batch_alter_table("movements") as table:
        table.drop_constraint(op.f("ck_movements_kind_known"), type_="check")
        table.create_check_constraint(op.f("ck_movements_kind_known"), condition)
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER movements_refuse_{verb.lower()} BEFORE {verb} ON movements "
                "BEGIN SELECT RAISE(ABORT, 'movements is append-only'); END"
            )


def forget_unsealings() -> None:
    """The release before knows no unsealing; to it, a movement inside of a lot is a quarantine."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute("DROP TRIGGER movements_refuse_update" if sqlite else "ALTER TABLE movements DISABLE TRIGGER USER")
    op.execute("UPDATE movements SET kind = 'quarantine' WHERE kind = 'unsealing'")
    if not sqlite:
        op.execute("ALTER TABLE movements ENABLE TRIGGER USER")
