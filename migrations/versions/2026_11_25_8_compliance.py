"""How stations stand against their kit standards; stock alerts

Revision ID: 2026_11_25_8_compliance
Revises: 2026_11_25_7_transfers
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_25_8_compliance"
down_revision = "2026_11_25_7_transfers"
branch_labels = None
depends_on = None

BECAUSE = "fails_because IN ('missing', 'expiry', 'consumption', 'expiry_and_consumption')"
KINDS = "kind IN ('missing_critical', 'low', 'expired', 'near_expiry', 'will_fail', 'ledger_mismatch')"
STALE = sa.text("stale")
NOT_CLOSED = sa.text("closed_at IS NULL")
UNSEEN = sa.text("closed_at IS NULL AND acknowledged_at IS NULL")


def count(name: str) -> sa.Column:
    return sa.Column(name, sa.Integer(), server_default="0", nullable=False)


def upgrade() -> None:
    op.create_table(
        "station_assessments",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("stale", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("assessed_on", sa.Date(), nullable=True),
        sa.Column("valid_through", sa.Date(), nullable=True),
        sa.Column("path_id", sa.Uuid(), nullable=True),
        sa.Column("station_kind", sa.String(length=20), nullable=True),
        sa.Column("score", sa.Integer(), nullable=True),
        count("missing_count"),
        count("critical_missing_count"),
        count("near_expiry_count"),
        count("expired_count"),
        sa.Column("fails_on", sa.Date(), nullable=True),
        sa.Column("fails_because", sa.String(length=30), nullable=True),
        sa.Column("failing_item_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("score BETWEEN 0 AND 100", name=op.f("ck_station_assessments_score")),
        sa.CheckConstraint(BECAUSE, name=op.f("ck_station_assessments_fails_because")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_station_assessments_station_id")),
        sa.ForeignKeyConstraint(["failing_item_id"], ["items.id"], name=op.f("fk_station_assessments_failing_item_id")),
        sa.PrimaryKeyConstraint("station_id", name=op.f("pk_station_assessments")),
    )
    op.create_index(
        "ix_station_assessments_stale",
        "station_assessments",
        ["station_id"],
        sqlite_where=STALE,
        postgresql_where=STALE,
    )
    op.create_index("ix_station_assessments_assessed_on", "station_assessments", ["assessed_on"])
    op.create_table(
        "stock_alerts",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("cause", sa.String(length=200), server_default="", nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("details", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalated_to_id", sa.Uuid(), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(KINDS, name=op.f("ck_stock_alerts_kind")),
        sa.CheckConstraint(
            "(acknowledged_at IS NULL) = (acknowledged_by IS NULL)",
            name=op.f("ck_stock_alerts_acknowledged_by_somebody"),
        ),
        sa.CheckConstraint(
            "(escalated_at IS NULL) = (escalated_to_id IS NULL)", name=op.f("ck_stock_alerts_escalated_to_somebody")
        ),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_stock_alerts_station_id")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_stock_alerts_item_id")),
        sa.ForeignKeyConstraint(["acknowledged_by"], ["volunteers.id"], name=op.f("fk_stock_alerts_acknowledged_by")),
        sa.ForeignKeyConstraint(
            ["escalated_to_id"], ["organizations.id"], name=op.f("fk_stock_alerts_escalated_to_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_alerts")),
    )
    op.create_index(
        "uq_stock_alerts_open",
        "stock_alerts",
        ["station_id", "kind", "cause"],
        unique=True,
        sqlite_where=NOT_CLOSED,
        postgresql_where=NOT_CLOSED,
    )
    for column in ("station_id", "acknowledged_by", "item_id"):
        op.create_index(f"ix_stock_alerts_{column}", "stock_alerts", [column])
    op.create_index(
        "ix_stock_alerts_unseen", "stock_alerts", ["created_at"], sqlite_where=UNSEEN, postgresql_where=UNSEEN
    )


def downgrade() -> None:
    op.drop_table("stock_alerts")
    op.drop_table("station_assessments")
