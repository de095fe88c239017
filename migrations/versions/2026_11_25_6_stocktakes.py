"""Stocktakes

Revision ID: 2026_11_25_6_stocktakes
Revises: 2026_11_25_5_loans
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_6_stocktakes"
down_revision = "2026_11_25_5_loans"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
PEOPLE = ("started_by", "from_volunteer_id", "to_volunteer_id", "decided_by")


def upgrade() -> None:
    op.create_table(
        "stocktakes",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("started_by", sa.Uuid(), nullable=False),
        sa.Column("from_volunteer_id", sa.Uuid(), nullable=True),
        sa.Column("to_volunteer_id", sa.Uuid(), nullable=True),
        sa.Column("decided_at", MOMENT, nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decision_note", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("kind IN ('count', 'handover')", name=op.f("ck_stocktakes_kind_known")),
        sa.CheckConstraint("scope IN ('all', 'items')", name=op.f("ck_stocktakes_scope_known")),
        sa.CheckConstraint("state IN ('counting', 'approved', 'canceled')", name=op.f("ck_stocktakes_state_known")),
        sa.CheckConstraint("(state = 'counting') = (decided_at IS NULL)", name=op.f("ck_stocktakes_decided")),
        sa.CheckConstraint(
            "(kind = 'handover') = (to_volunteer_id IS NOT NULL)", name=op.f("ck_stocktakes_handover_names_people")
        ),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_stocktakes_station_id")),
        *(
            sa.ForeignKeyConstraint([person], ["volunteers.id"], name=op.f(f"fk_stocktakes_{person}"))
            for person in PEOPLE
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stocktakes")),
    )
    op.create_index("ix_stocktakes_station_id", "stocktakes", ["station_id", "created_at"])
    for person in PEOPLE:
        op.create_index(f"ix_stocktakes_{person}", "stocktakes", [person])
    op.create_table(
        "stocktake_lines",
        sa.Column("stocktake_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.String(), nullable=False),
        sa.Column("portion", sa.String(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("book", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=True),
        sa.Column("counted_at", MOMENT, nullable=True),
        sa.Column("counted_by", sa.Uuid(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("delta", sa.BigInteger(), nullable=True),
        sa.Column("movement_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.CheckConstraint("counted >= 0", name=op.f("ck_stocktake_lines_counted_not_negative")),
        sa.CheckConstraint(
            "(counted IS NULL) = (counted_at IS NULL) AND (counted IS NULL) = (counted_by IS NULL) "
            "AND (counted IS NULL) = (position IS NULL)",
            name=op.f("ck_stocktake_lines_counted_at_a_position"),
        ),
        sa.ForeignKeyConstraint(["counted_by"], ["volunteers.id"], name=op.f("fk_stocktake_lines_counted_by")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_stocktake_lines_item_id")),
        sa.ForeignKeyConstraint(["movement_id"], ["movements.id"], name=op.f("fk_stocktake_lines_movement_id")),
        sa.ForeignKeyConstraint(["stocktake_id"], ["stocktakes.id"], name=op.f("fk_stocktake_lines_stocktake_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stocktake_lines")),
        sa.UniqueConstraint(
            "stocktake_id",
            "item_id",
            "lot_number",
            "portion",
            name=op.f("uq_stocktake_lines_stocktake_id_item_id_lot_number_portion"),
        ),
    )
    for column in ("item_id", "counted_by", "movement_id"):
        op.create_index(f"ix_stocktake_lines_{column}", "stocktake_lines", [column])


def downgrade() -> None:
    op.drop_table("stocktake_lines")
    op.drop_table("stocktakes")
