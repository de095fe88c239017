"""Finding activities: text search, places, calendar feeds

Revision ID: 2026_11_25_12_finding
Revises: 2026_11_25_11_activities
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_12_finding"
down_revision = "2026_11_25_11_activities"
branch_labels = None
depends_on = None

BATCH = 1000
activities = sa.table(
    "activities",
    sa.column("id", sa.Uuid()),
    sa.column("latitude", sa.Double()),
    sa.column("longitude", sa.Double()),
    sa.column("cell", sa.BigInteger()),
)


def upgrade() -> None:
    op.add_column("activities", sa.Column("cell", sa.BigInteger(), nullable=True))
    fill_cells()
    op.create_index(op.f("ix_activities_state_cell"), "activities", ["state", "cell"])
    op.drop_index(op.f("ix_activities_state"), "activities")
    # Both are filled by the worker's first sweep (activities.index_texts), in units of a hundred activities.
    op.create_table(
        "activity_texts",
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("names", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_activity_texts_activity_id")),
        sa.PrimaryKeyConstraint("activity_id", name=op.f("pk_activity_texts")),
    )
    op.create_table(
        "activity_grams",
        sa.Column(
            "gram",
            sa.String(length=24).with_variant(sa.String(length=24, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_activity_grams_activity_id")),
        sa.PrimaryKeyConstraint("gram", "activity_id", name=op.f("pk_activity_grams")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_activity_grams_activity_id"), "activity_grams", ["activity_id"])
    op.create_table(
        "calendar_feeds",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_calendar_feeds_volunteer_id")),
        sa.PrimaryKeyConstraint("volunteer_id", name=op.f("pk_calendar_feeds")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_calendar_feeds_token_digest")),
    )


def downgrade() -> None:
    for table in ("calendar_feeds", "activity_grams", "activity_texts"):
        op.drop_table(table)
    op.create_index(op.f("ix_activities_state"), "activities", ["state"])
    op.drop_index(op.f("ix_activities_state_cell"), "activities")
    op.drop_column("activities", "cell")


def fill_cells() -> None:
    """Give every activity that has a place its cell, as the application does."""
    connection = op.get_bind()
    last = None
    while True:
        some = sa.select(activities).where(activities.c.latitude.is_not(None)).order_by(activities.c.id).limit(BATCH)
        rows = connection.execute(some if last is None else some.where(activities.c.id > last)).all()
        if not rows:
            return
        last = rows[-1].id
        connection.execute(
            sa.update(activities).where(activities.c.id == sa.bindparam("of")).values(cell=sa.bindparam("place")),
            [{"of": row.id, "place": cell_of(row.latitude, row.longitude)} for row in rows],
        )


def cell_of(latitude: float, longitude: float) -> int:
    """24 bits of each, interleaved."""
    row = min(int((latitude + 90) / 180 * 2**24), 2**24 - 1)
    column = min(int((longitude + 180) / 360 * 2**24), 2**24 - 1)
    return int(f"{row:b}", 4) << 1 | int(f"{column:b}", 4)
