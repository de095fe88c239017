"""What a return took of a loan's lines, and its documents: so that a return can be reversed

Revision ID: 2026_11_28_4_reversals
Revises: 2026_11_27_5_stocktake_versions
Create Date: 2026-11-28 04:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_28_4_reversals"
down_revision = "2026_11_27_5_stocktake_versions"
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


def downgrade() -> None:
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
