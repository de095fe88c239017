"""The catalogue: how long things are good once opened, spelling, barcodes, photos; kit standards

Revision ID: 2026_11_25_3_catalog
Revises: 2026_11_25_2_stations
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_3_catalog"
down_revision = "2026_11_25_2_stations"
branch_labels = None
depends_on = None

STATION_KINDS = "station_kind IN ('desk', 'post', 'reading_room', 'service_point')"


def upgrade() -> None:
    with op.batch_alter_table("items") as table:
        table.add_column(sa.Column("days_once_opened", sa.Integer(), nullable=True))
        table.add_column(sa.Column("archived", sa.Boolean(), server_default=sa.false(), nullable=False))
        table.add_column(sa.Column("initials", sa.String(), nullable=True))
        table.add_column(sa.Column("pinyin", sa.String(), nullable=True))
        table.create_check_constraint(op.f("ck_items_days_once_opened"), "days_once_opened > 0")
    spell_items()
    with op.batch_alter_table("items") as table:
        table.alter_column("initials", existing_type=sa.String(), nullable=False)
        table.alter_column("pinyin", existing_type=sa.String(), nullable=False)
        table.create_index("ix_items_initials", ["initials"])
        table.create_index("ix_items_pinyin", ["pinyin"])
    op.create_table(
        "item_barcodes",
        sa.Column("barcode", sa.String(length=48), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_barcodes_item_id")),
        sa.PrimaryKeyConstraint("barcode", name=op.f("pk_item_barcodes")),
    )
    op.create_index("ix_item_barcodes_item_id", "item_barcodes", ["item_id"])
    op.create_table(
        "item_photos",
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_item_photos_item_id")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_item_photos_file_id")),
        sa.PrimaryKeyConstraint("item_id", "position", name=op.f("pk_item_photos")),
    )
    op.create_index("ix_item_photos_file_id", "item_photos", ["file_id"])
    create_standards()


def create_standards() -> None:
    op.create_table(
        "kit_standards",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("kit", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("latest_number", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("latest_number > 0", name=op.f("ck_kit_standards_latest_number")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_kit_standards_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kit_standards")),
        sa.UniqueConstraint("id", "organization_id", "kit", name=op.f("uq_kit_standards_id_organization_id_kit")),
    )
    op.create_index("ix_kit_standards_organization_id", "kit_standards", ["organization_id"])
    op.create_table(
        "kit_standard_kinds",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("kit", sa.String(length=40), nullable=False),
        sa.Column("station_kind", sa.String(length=20), nullable=False),
        sa.Column("standard_id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(STATION_KINDS, name=op.f("ck_kit_standard_kinds_station_kind")),
        sa.ForeignKeyConstraint(
            ["standard_id", "organization_id", "kit"],
            ["kit_standards.id", "kit_standards.organization_id", "kit_standards.kit"],
            name=op.f("fk_kit_standard_kinds_standard_id_organization_id_kit"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "kit", "station_kind", name=op.f("pk_kit_standard_kinds")),
    )
    op.create_index("ix_kit_standard_kinds_standard_id", "kit_standard_kinds", ["standard_id"])
    op.create_table(
        "kit_standard_versions",
        sa.Column("standard_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("effective_from", sa.Date(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("issued_by", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("number > 0", name=op.f("ck_kit_standard_versions_number")),
        sa.ForeignKeyConstraint(
            ["standard_id"], ["kit_standards.id"], name=op.f("fk_kit_standard_versions_standard_id")
        ),
        sa.ForeignKeyConstraint(["issued_by"], ["volunteers.id"], name=op.f("fk_kit_standard_versions_issued_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kit_standard_versions")),
        sa.UniqueConstraint("standard_id", "number", name=op.f("uq_kit_standard_versions_standard_id_number")),
    )
    op.create_index("ix_kit_standard_versions_issued_by", "kit_standard_versions", ["issued_by"])
    op.create_table(
        "kit_standard_lines",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("minimum", sa.Integer(), nullable=False),
        sa.Column("critical", sa.Boolean(), nullable=False),
        sa.CheckConstraint("minimum > 0", name=op.f("ck_kit_standard_lines_minimum")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["kit_standard_versions.id"], name=op.f("fk_kit_standard_lines_version_id")
        ),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_kit_standard_lines_item_id")),
        sa.PrimaryKeyConstraint("version_id", "item_id", name=op.f("pk_kit_standard_lines")),
    )
    op.create_index("ix_kit_standard_lines_item_id", "kit_standard_lines", ["item_id"])


def downgrade() -> None:
    for name in (
        "kit_standard_lines",
        "kit_standard_versions",
        "kit_standard_kinds",
        "kit_standards",
        "item_photos",
        "item_barcodes",
    ):
        op.drop_table(name)
    with op.batch_alter_table("items") as table:
        table.drop_index("ix_items_pinyin")
        table.drop_index("ix_items_initials")
        table.drop_constraint(op.f("ck_items_days_once_opened"), type_="check")
        for column in ("pinyin", "initials", "archived", "days_once_opened"):
            table.drop_column(column)


def spell_items() -> None:
    """Give each item the initials and the pinyin of its name, as the code does for new ones."""
    # Its dictionaries are 50 MB, and every start reads the versions, to know which is the last.
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415

    items = sa.table("items", *(sa.column(name) for name in ("name", "initials", "pinyin")), sa.column("id", sa.Uuid()))
    connection = op.get_bind()
    for key, name in connection.execute(sa.select(items.c.id, items.c.name)).all():
        initials = lazy_pinyin(name, style=Style.FIRST_LETTER)
        connection.execute(
            sa.update(items)
            .where(items.c.id == key)
            .values(initials=compact(initials), pinyin=compact(lazy_pinyin(name)))
        )


def compact(syllables: list[str]) -> str:
    return "".join("".join(syllables).split()).lower()
