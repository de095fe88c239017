"""Stock: what a sheet said when the count began; what comes out of quarantine; who added an item

Revision ID: 2026_11_28_7_stock
Revises: 2026_11_28_6_returned_drafts
Create Date: 2026-11-28 07:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_28_7_stock"
down_revision = "2026_11_28_6_returned_drafts"
branch_labels = None
depends_on = None

KINDS_BEFORE = (
    "kind IN ('receipt', 'issue', 'write_off', 'quarantine', 'transfer_out', 'transfer_in', 'stocktake', 'loan_out', "
    "'loan_return', 'unsealing', 'reversal')"
)
KINDS = KINDS_BEFORE.replace("'reversal'", "'release', 'reversal'")


def upgrade() -> None:
    allow(KINDS)
    # A column with its reference: SQLite can't add the constraint alone, and no trigger hangs on this table.
    with op.batch_alter_table("items") as table:
        table.add_column(sa.Column("added_by", sa.Uuid(), nullable=True))
        table.create_foreign_key(op.f("fk_items_added_by"), "volunteers", ["added_by"], ["id"])
    op.create_index("ix_items_added_by", "items", ["added_by"])
    op.add_column("stocktake_lines", sa.Column("book_at_start", sa.BigInteger(), nullable=True))
    # Of what is counted the book is that of another moment already.
    op.execute("UPDATE stocktake_lines SET book_at_start = book WHERE counted IS NULL")
    op.execute("UPDATE stocktake_lines SET book_at_start = 0 WHERE NOT listed")


def downgrade() -> None:
    op.drop_column("stocktake_lines", "book_at_start")
    op.drop_index("ix_items_added_by", "items")
    with op.batch_alter_table("items") as table:
        table.drop_constraint(op.f("fk_items_added_by"), type_="foreignkey")
        table.drop_column("added_by")
    forget_release()
    allow(KINDS_BEFORE)


def allow(kinds: str) -> None:
    """Let movements have these kinds. SQLite's batch makes the table anew, without its triggers."""
    connection = op.get_bind()
    made = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'movements' ORDER BY name"
    triggers = connection.exec_driver_sql(made).scalars().all() if connection.dialect.name == "sqlite" else []
    with op.batch_alter_table("movements") as table:
        table.drop_constraint(op.f("ck_movements_kind_known"), type_="check")
        table.create_check_constraint(op.f("ck_movements_kind_known"), kinds)
    for trigger in triggers:
        op.execute(trigger)


def forget_release() -> None:
    """The release before knows no release from quarantine: to it, what leaves one is a quarantine with its signs."""
    connection = op.get_bind()
    change = "UPDATE movements SET kind = 'quarantine' WHERE kind = 'release'"
    if connection.dialect.name != "sqlite":
        op.execute("ALTER TABLE movements DISABLE TRIGGER USER")
        op.execute(change)
        op.execute("ALTER TABLE movements ENABLE TRIGGER USER")
        return
    made = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'movements' ORDER BY name"
    triggers = connection.exec_driver_sql(made).all()
    for trigger in triggers:
        op.execute(f"DROP TRIGGER {trigger.name}")
    op.execute(change)
    for trigger in triggers:
        op.execute(trigger.sql)
