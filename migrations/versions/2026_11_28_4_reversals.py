"""What returns of loans and receipts of transfers took, of which line and lot: so that they can be reversed

Revision ID: 2026_11_28_4_reversals
Revises: 2026_11_28_2_sync_changes
Create Date: 2026-11-28 04:00:00+00:00
"""

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "2026_11_28_4_reversals"
down_revision = "2026_11_28_2_sync_changes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("loan_returns", sa.Column("condition_before", sa.String(), nullable=True))
    op.add_column("loan_returns", sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "loan_return_lines",
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_loan_return_lines_quantity")),
        sa.ForeignKeyConstraint(["return_id"], ["loan_returns.id"], name=op.f("fk_loan_return_lines_return_id")),
        sa.PrimaryKeyConstraint("return_id", "lot_number", name=op.f("pk_loan_return_lines")),
    )
    op.create_table(
        "loan_return_documents",
        sa.Column("movement_id", sa.Uuid(), nullable=False),
        sa.Column("return_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["movement_id"], ["movements.id"], name=op.f("fk_loan_return_documents_movement_id")),
        sa.ForeignKeyConstraint(["return_id"], ["loan_returns.id"], name=op.f("fk_loan_return_documents_return_id")),
        sa.PrimaryKeyConstraint("movement_id", name=op.f("pk_loan_return_documents")),
    )
    op.create_index("ix_loan_return_documents_return_id", "loan_return_documents", ["return_id"])
    op.execute(DOCUMENTS)
    op.execute(LINES)
    op.create_table(
        "transfer_arrivals",
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_transfer_arrivals_quantity_positive")),
        sa.ForeignKeyConstraint(["step_id"], ["transfer_steps.id"], name=op.f("fk_transfer_arrivals_step_id")),
        sa.ForeignKeyConstraint(["lot_id"], ["transfer_lots.id"], name=op.f("fk_transfer_arrivals_lot_id")),
        sa.PrimaryKeyConstraint("step_id", "lot_id", name=op.f("pk_transfer_arrivals")),
    )
    op.create_index("ix_transfer_arrivals_lot_id", "transfer_arrivals", ["lot_id"])
    op.create_table(
        "receipt_reversals",
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("reversed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["step_id"], ["transfer_steps.id"], name=op.f("fk_receipt_reversals_step_id")),
        sa.ForeignKeyConstraint(["actor_id"], ["volunteers.id"], name=op.f("fk_receipt_reversals_actor_id")),
        sa.PrimaryKeyConstraint("step_id", name=op.f("pk_receipt_reversals")),
    )
    op.create_index("ix_receipt_reversals_actor_id", "receipt_reversals", ["actor_id"])
    op.execute(REVERSED)
    _find_arrivals(op.get_bind())


def _find_arrivals(connection: sa.Connection) -> None:
    """Deal out to the lots of each transfer what its receipts put on the shelf, less what they wrote off at once.

    A lot may have come under another name: what no entry has the number of is dealt out to its item's lots in order.
    """
    lots: dict[Any, list[Any]] = defaultdict(list)
    left: dict[Any, int] = {}
    for lot in connection.execute(sa.text(LOTS)):
        lots[lot.transfer_id, lot.item_id].append(lot)
        left[lot.id] = lot.received
    entries: dict[Any, dict[str, int]] = defaultdict(dict)
    for entry in connection.execute(sa.text(ENTRIES)):
        entries[entry.transfer_id, entry.item_id, entry.step_id][entry.lot_number] = int(entry.quantity)
    short = {(row.step_id, row.lot_id): int(row.quantity) for row in connection.execute(sa.text(SHORT))}
    arrivals: dict[tuple[Any, Any], int] = defaultdict(int)
    for (transfer_id, item_id, step_id), came in entries.items():
        of_item = lots[transfer_id, item_id]
        total = sum(came.values()) - sum(short.get((step_id, lot.id), 0) for lot in of_item)
        named = [came.get(lot.lot_number, 0) - short.get((step_id, lot.id), 0) for lot in of_item]
        for lot, most in [*zip(of_item, named, strict=True), *((lot, total) for lot in of_item)]:
            part = min(most, total, left[lot.id])
            if part > 0:
                arrivals[step_id, lot.id] += part
                left[lot.id] -= part
                total -= part
    if arrivals:
        rows = [{"step_id": key[0], "lot_id": key[1], "quantity": quantity} for key, quantity in arrivals.items()]
        connection.execute(sa.text("INSERT INTO transfer_arrivals VALUES (:step_id, :lot_id, :quantity)"), rows)


def downgrade() -> None:
    # Receipts that were reversed count no more in the lots: the release before reads them as steps without effect.
    op.drop_table("receipt_reversals")
    op.drop_table("transfer_arrivals")
    # To the release before, what was reversed never came back.
    op.drop_table("loan_return_documents")
    op.drop_table("loan_return_lines")
    op.execute("DELETE FROM loan_returns WHERE reversed_at IS NOT NULL")
    op.drop_column("loan_returns", "reversed_at")
    op.drop_column("loan_returns", "condition_before")


# A return and its documents were recorded at one moment, behind the station's lock.
DOCUMENTS = """
INSERT INTO loan_return_documents (movement_id, return_id)
SELECT movements.id, loan_returns.id FROM loan_returns
JOIN lending_documents ON lending_documents.loan_id = loan_returns.loan_id
JOIN movements ON movements.id = lending_documents.movement_id AND movements.station_id = loan_returns.station_id
AND movements.recorded_at = loan_returns.returned_at AND movements.kind IN ('loan_return', 'write_off')
"""
# Each return took from the lines in their order what the ones before it had left: where both are laid on one line, from
# 0 on, what a return took of a line is where they overlap.
LINES = """
INSERT INTO loan_return_lines (return_id, lot_number, quantity)
SELECT taken.id, lent.lot_number,
CASE WHEN taken.ending < lent.ending THEN taken.ending ELSE lent.ending END
- CASE WHEN taken.ending - taken.quantity > lent.ending - lent.quantity
THEN taken.ending - taken.quantity ELSE lent.ending - lent.quantity END
FROM (SELECT id, loan_id, quantity, SUM(quantity) OVER (PARTITION BY loan_id ORDER BY id) AS ending FROM loan_returns)
AS taken
JOIN (SELECT loan_id, lot_number, quantity, SUM(quantity) OVER (PARTITION BY loan_id ORDER BY lot_number) AS ending
FROM loan_lines) AS lent
ON lent.loan_id = taken.loan_id AND lent.ending > taken.ending - taken.quantity
AND taken.ending > lent.ending - lent.quantity
"""
# None, but where this version was taken back before.
REVERSED = """
INSERT INTO receipt_reversals (step_id, actor_id, note, reversed_at)
SELECT transfer_steps.id, movements.actor_id, movements.note, movements.recorded_at
FROM transfer_steps JOIN movements ON movements.reverses_id = transfer_steps.movement_id
WHERE transfer_steps.kind = 'received'
"""
LOTS = """
SELECT id, transfer_id, item_id, lot_number, received FROM transfer_lots WHERE received > 0 OR short > 0
ORDER BY transfer_id, item_id, lot_number
"""
ENTRIES = """
SELECT transfer_steps.transfer_id, stock_entries.item_id, transfer_steps.id AS step_id, stock_entries.lot_number,
SUM(stock_entries.quantity) AS quantity
FROM transfer_steps JOIN stock_entries ON stock_entries.movement_id = transfer_steps.movement_id
WHERE transfer_steps.kind = 'received' AND transfer_steps.id NOT IN (SELECT step_id FROM receipt_reversals)
GROUP BY transfer_steps.transfer_id, stock_entries.item_id, transfer_steps.id, transfer_steps.sequence,
stock_entries.lot_number
ORDER BY transfer_steps.transfer_id, transfer_steps.sequence, stock_entries.item_id, stock_entries.lot_number
"""
SHORT = """
SELECT step_id, lot_id, SUM(quantity) AS quantity FROM transfer_shortfalls WHERE reason <> 'returned'
GROUP BY step_id, lot_id
"""
