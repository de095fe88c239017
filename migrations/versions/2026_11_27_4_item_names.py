"""Names of items: one article once, however it is typed, and what it was called before

Revision ID: 2026_11_27_4_item_names
Revises: 2026_11_27_3_feedback_leaders
Create Date: 2026-11-27 02:00:00+00:00
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_4_item_names"
down_revision = "2026_11_27_3_feedback_leaders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "former_item_names",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_former_item_names_item_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_item_names")),
    )
    op.create_index("ix_former_item_names_item_id", "former_item_names", ["item_id", "created_at"])
    with op.batch_alter_table("items") as table:
        table.add_column(sa.Column("folded_name", sa.String(), nullable=True))
    fold_names()
    with op.batch_alter_table("items") as table:
        table.alter_column("folded_name", existing_type=sa.String(), nullable=False)
        table.create_unique_constraint(op.f("uq_items_folded_name"), ["folded_name"])


def downgrade() -> None:
    with op.batch_alter_table("items") as table:
        table.drop_constraint(op.f("uq_items_folded_name"), type_="unique")
        table.drop_column("folded_name")
    op.drop_table("former_item_names")


def fold_names() -> None:
    """Give each item its folded name. Of several that are one article the eldest; the others stand apart by their id,
    after a space, which no folded name has: they stay as they are, and nothing that is typed finds them."""
    items = sa.table("items", sa.column("id", sa.Uuid()), sa.column("name"), sa.column("folded_name"))
    connection = op.get_bind()
    given = set()
    for key, name in connection.execute(sa.select(items.c.id, items.c.name).order_by(items.c.id)).all():
        folded = "".join(unicodedata.normalize("NFKC", name).split()).casefold()
        if folded in given:
            folded = f"{folded} {key}"
        given.add(folded)
        connection.execute(sa.update(items).where(items.c.id == key).values(folded_name=folded))
