"""Numbered pieces of durables, and loans

Revision ID: 2026_11_25_5_loans
Revises: 2026_11_25_4_stock
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_5_loans"
down_revision = "2026_11_25_4_stock"
branch_labels = None
depends_on = None

OPEN = sa.text("closed_at IS NULL")
REMINDING = sa.text("remind_at IS NOT NULL")
KNOWN = sa.text("forgotten_at IS NULL")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "assets",
        *identity(),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('in_stock', 'on_loan', 'repair', 'retired', 'lost')", name=op.f("ck_assets_state_known")
        ),
        sa.CheckConstraint("condition IN ('good', 'worn', 'damaged')", name=op.f("ck_assets_condition_known")),
        refers("assets", "item_id", "items"),
        refers("assets", "station_id", "stations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assets")),
        sa.UniqueConstraint("code", name=op.f("uq_assets_code")),
    )
    op.create_index(op.f("ix_assets_station_id_item_id"), "assets", ["station_id", "item_id", "state"])
    op.create_index(op.f("ix_assets_item_id"), "assets", ["item_id"])
    op.create_table(
        "loans",
        *identity(),
        sa.Column("slip_number", sa.String(), nullable=False),
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("outstanding", sa.BigInteger(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(), nullable=True),
        sa.Column("borrower", sa.LargeBinary(), nullable=True),
        sa.Column("phone_digest", sa.LargeBinary(), nullable=True),
        sa.Column("forgotten_at", MOMENT, nullable=True),
        sa.Column("lent_by", sa.Uuid(), nullable=False),
        sa.Column("lent_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("extended_count", sa.Integer(), nullable=False),
        sa.Column("remind_at", MOMENT, nullable=True),
        sa.Column("closed_at", MOMENT, nullable=True),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_loans_quantity")),
        sa.CheckConstraint("outstanding BETWEEN 0 AND quantity", name=op.f("ck_loans_outstanding")),
        sa.CheckConstraint("(outstanding = 0) = (closed_at IS NOT NULL)", name=op.f("ck_loans_closed_when_settled")),
        sa.CheckConstraint("asset_id IS NULL OR quantity = 1", name=op.f("ck_loans_one_numbered_piece")),
        sa.CheckConstraint("lent_at < due_at", name=op.f("ck_loans_due_after_lending")),
        sa.CheckConstraint("volunteer_id IS NULL OR borrower IS NULL", name=op.f("ck_loans_one_borrower")),
        sa.CheckConstraint(
            "(forgotten_at IS NOT NULL) = (volunteer_id IS NULL AND borrower IS NULL)",
            name=op.f("ck_loans_borrower_known"),
        ),
        refers("loans", "station_id", "stations"),
        refers("loans", "item_id", "items"),
        refers("loans", "asset_id", "assets"),
        refers("loans", "volunteer_id", "volunteers"),
        refers("loans", "lent_by", "volunteers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loans")),
        sa.UniqueConstraint("slip_number", name=op.f("uq_loans_slip_number")),
    )
    op.create_index(
        op.f("uq_loans_asset_id_open"), "loans", ["asset_id"], unique=True, sqlite_where=OPEN, postgresql_where=OPEN
    )
    op.create_index(op.f("ix_loans_asset_id"), "loans", ["asset_id"])
    op.create_index(op.f("ix_loans_item_id"), "loans", ["item_id"])
    op.create_index(op.f("ix_loans_station_id"), "loans", ["station_id", "id"])
    op.create_index(op.f("ix_loans_volunteer_id"), "loans", ["volunteer_id", "id"])
    op.create_index(op.f("ix_loans_phone_digest"), "loans", ["phone_digest"])
    op.create_index(op.f("ix_loans_lent_by"), "loans", ["lent_by"])
    for name, columns, condition in (
        ("ix_loans_due_at_open", ["due_at", "id"], OPEN),
        ("ix_loans_remind_at", ["remind_at", "id"], REMINDING),
        ("ix_loans_closed_at_known", ["closed_at"], KNOWN),
    ):
        op.create_index(op.f(name), "loans", columns, sqlite_where=condition, postgresql_where=condition)
    op.create_table(
        "loan_lines",
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.String(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("outstanding", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_loan_lines_quantity")),
        sa.CheckConstraint("outstanding BETWEEN 0 AND quantity", name=op.f("ck_loan_lines_outstanding")),
        refers("loan_lines", "loan_id", "loans"),
        sa.PrimaryKeyConstraint("loan_id", "lot_number", name=op.f("pk_loan_lines")),
    )
    op.create_table(
        "loan_returns",
        *identity(),
        sa.Column("loan_id", sa.Uuid(), nullable=False),
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("condition", sa.String(), nullable=False),
        sa.Column("written_off", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("received_by", sa.Uuid(), nullable=False),
        sa.Column("returned_at", MOMENT, nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_loan_returns_quantity")),
        sa.CheckConstraint("condition IN ('good', 'damaged', 'lost')", name=op.f("ck_loan_returns_condition_known")),
        refers("loan_returns", "loan_id", "loans"),
        refers("loan_returns", "station_id", "stations"),
        refers("loan_returns", "received_by", "volunteers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loan_returns")),
    )
    op.create_index(op.f("ix_loan_returns_loan_id"), "loan_returns", ["loan_id", "id"])
    op.create_index(op.f("ix_loan_returns_received_by"), "loan_returns", ["received_by"])
    op.create_index(op.f("ix_loan_returns_station_id"), "loan_returns", ["station_id"])
    op.create_table(
        "lending_documents",
        sa.Column("movement_id", sa.Uuid(), nullable=False),
        sa.Column("loan_id", sa.Uuid(), nullable=True),
        sa.Column("asset_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "loan_id IS NOT NULL OR asset_id IS NOT NULL", name=op.f("ck_lending_documents_of_something")
        ),
        refers("lending_documents", "movement_id", "movements"),
        refers("lending_documents", "loan_id", "loans"),
        refers("lending_documents", "asset_id", "assets"),
        sa.PrimaryKeyConstraint("movement_id", name=op.f("pk_lending_documents")),
    )
    op.create_index(op.f("ix_lending_documents_loan_id"), "lending_documents", ["loan_id"])
    op.create_index(op.f("ix_lending_documents_asset_id"), "lending_documents", ["asset_id"])


def downgrade() -> None:
    # Nobody can take anything back any more: what is out is not counted by anything.
    op.execute("UPDATE stock_balances SET on_loan = 0")
    for table in ("lending_documents", "loan_returns", "loan_lines", "loans", "assets"):
        op.drop_table(table)


def identity() -> list[sa.Column]:
    """The columns of every row."""
    return [sa.Column("id", sa.Uuid(), nullable=False), sa.Column("created_at", MOMENT, nullable=False)]


def refers(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    """The column holds an id of the other table."""
    return sa.ForeignKeyConstraint([column], [f"{target}.id"], name=op.f(f"fk_{table}_{column}"))
