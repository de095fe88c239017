"""Stations: exceptions of the opening hours, photo, contact, cells of places

Revision ID: 2026_11_25_2_stations
Revises: 2026_11_25_1_people
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_25_2_stations"
down_revision = "2026_11_25_1_people"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
STATUSES = "('planned', 'open', 'paused', 'closed')"
# The Chinese names under which the release before was shown the services that have a code now.
CODES = {
    "饮用热水": "hot_water",
    "热水": "hot_water",
    "饮水": "hot_water",
    "茶水": "hot_water",
    "手机充电": "charging",
    "充电": "charging",
    "无线网络": "wifi",
    "雨伞借用": "umbrella_loan",
    "雨伞": "umbrella_loan",
    "轮椅借用": "wheelchair_loan",
    "轮椅": "wheelchair_loan",
    "打气筒": "pump",
    "针线包": "sewing_kit",
    "应急药箱": "first_aid",
    "图书借阅": "book_loan",
    "自习座位": "reading_seats",
}
NAMES = {code: name for name, code in reversed(CODES.items())}
stations = sa.table(
    "stations",
    sa.column("id", sa.Uuid()),
    sa.column("name"),
    sa.column("latitude", sa.Double()),
    sa.column("longitude", sa.Double()),
    sa.column("opening_hours", JSON),
    sa.column("services", JSON),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("cell", sa.BigInteger()),
    sa.column("initials"),
    sa.column("pinyin"),
    sa.column("status_since", sa.DateTime(timezone=True)),
    sa.column("first_minute"),
    sa.column("last_minute"),
)
station_hours = sa.table(
    "station_hours",
    sa.column("station_id", sa.Uuid()),
    sa.column("position"),
    sa.column("weekday"),
    sa.column("opens_minute"),
    sa.column("closes_minute"),
)


def upgrade() -> None:
    added = [
        sa.Column("initials", sa.String(), nullable=True),
        sa.Column("pinyin", sa.String(), nullable=True),
        sa.Column("status_reason", sa.String(length=500), nullable=True),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cell", sa.BigInteger(), nullable=True),
        sa.Column("hour_exceptions", JSON, nullable=False, server_default="[]"),
        sa.Column("holiday_rule", sa.String(length=20), nullable=False, server_default="regular"),
        sa.Column("first_minute", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_minute", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("contact_name", sa.String(length=50), nullable=True),
        sa.Column("contact_phone", sa.String(length=20), nullable=True),
    ]
    for column in added:
        op.add_column("stations", column)
    op.create_table(
        "station_hours",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("weekday", sa.Integer(), nullable=True),
        sa.Column("first_on", sa.Date(), nullable=True),
        sa.Column("last_on", sa.Date(), nullable=True),
        sa.Column("opens_minute", sa.Integer(), nullable=False),
        sa.Column("closes_minute", sa.Integer(), nullable=False),
        sa.CheckConstraint("weekday BETWEEN 1 AND 7", name=op.f("ck_station_hours_weekday")),
        sa.CheckConstraint(
            "(weekday IS NULL) = (first_on IS NOT NULL AND last_on IS NOT NULL)",
            name=op.f("ck_station_hours_weekly_or_dated"),
        ),
        sa.CheckConstraint(
            "opens_minute BETWEEN 0 AND 1439 AND closes_minute BETWEEN opens_minute AND 2880",
            name=op.f("ck_station_hours_span"),
        ),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_station_hours_station_id")),
        sa.PrimaryKeyConstraint("station_id", "position", name=op.f("pk_station_hours")),
    )
    fill()
    with op.batch_alter_table("stations", schema=None) as batch_op:
        batch_op.alter_column("initials", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("pinyin", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("status_since", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch_op.alter_column("cell", existing_type=sa.BigInteger(), nullable=False)
        batch_op.alter_column("hour_exceptions", existing_type=JSON, server_default=None)
        batch_op.alter_column("holiday_rule", existing_type=sa.String(length=20), server_default=None)
        batch_op.alter_column("first_minute", existing_type=sa.Integer(), server_default=None)
        batch_op.alter_column("last_minute", existing_type=sa.Integer(), server_default=None)
        batch_op.create_check_constraint(
            op.f("ck_stations_holiday_rule"), "holiday_rule IN ('regular', 'closed', 'office', 'sunday')"
        )
        batch_op.drop_index("ix_stations_latitude_longitude")
        batch_op.create_index("ix_stations_cell", ["cell"], unique=False)
        batch_op.create_index("ix_stations_initials", ["initials"], unique=False)
        batch_op.create_index("ix_stations_pinyin", ["pinyin"], unique=False)

    op.create_table(
        "station_photos",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_station_photos_station_id")),
        sa.ForeignKeyConstraint(["file_id"], ["files.id"], name=op.f("fk_station_photos_file_id")),
        sa.PrimaryKeyConstraint("station_id", "position", name=op.f("pk_station_photos")),
    )
    op.create_index("ix_station_photos_file_id", "station_photos", ["file_id"])
    op.create_table(
        "station_status_changes",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=True),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(f"from_status IN {STATUSES}", name=op.f("ck_station_status_changes_from_status")),
        sa.CheckConstraint(f"to_status IN {STATUSES}", name=op.f("ck_station_status_changes_to_status")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_station_status_changes_station_id")),
        sa.ForeignKeyConstraint(["changed_by"], ["volunteers.id"], name=op.f("fk_station_status_changes_changed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_station_status_changes")),
    )
    op.create_index("ix_station_status_changes_station_id_id", "station_status_changes", ["station_id", "id"])
    op.create_index("ix_station_status_changes_changed_by", "station_status_changes", ["changed_by"])


def downgrade() -> None:
    connection = op.get_bind()
    # The release before shows what is written: the codes get their names back.
    for row in connection.execute(sa.select(stations.c.id, stations.c.services)).all():
        named = [NAMES.get(service, service) for service in row.services]
        if named != row.services:
            connection.execute(sa.update(stations).where(stations.c.id == row.id).values(services=named))
    op.drop_table("station_status_changes")
    op.drop_table("station_photos")
    op.drop_table("station_hours")
    with op.batch_alter_table("stations", schema=None) as batch_op:
        batch_op.drop_index("ix_stations_pinyin")
        batch_op.drop_index("ix_stations_initials")
        batch_op.drop_index("ix_stations_cell")
        batch_op.create_index("ix_stations_latitude_longitude", ["latitude", "longitude"], unique=False)
        batch_op.drop_constraint(op.f("ck_stations_holiday_rule"), type_="check")
        for name in (
            "contact_phone",
            "contact_name",
            "last_minute",
            "first_minute",
            "holiday_rule",
            "hour_exceptions",
            "cell",
            "status_since",
            "status_reason",
            "pinyin",
            "initials",
        ):
            batch_op.drop_column(name)


def fill() -> None:
    """Give every station that is there its cell, its spelling and the rows of its hours, as the application does."""
    # Its dictionaries are 50 MB, and every start reads the versions, to know which is the last.
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415

    connection = op.get_bind()
    for row in connection.execute(sa.select(stations)).all():
        connection.execute(
            sa.update(stations)
            .where(stations.c.id == row.id)
            .values(
                cell=cell_of(row.latitude, row.longitude),
                initials=compact(lazy_pinyin(row.name, style=Style.FIRST_LETTER)),
                pinyin=compact(lazy_pinyin(row.name)),
                status_since=row.created_at,
                first_minute=min((minutes(one["opens"]) for one in row.opening_hours), default=0),
                last_minute=max((minutes(one["closes"]) for one in row.opening_hours), default=0),
                services=[CODES.get(service, service) for service in row.services],
            )
        )
        hours = [
            {
                "station_id": row.id,
                "position": position,
                "weekday": one["weekday"],
                "opens_minute": minutes(one["opens"]),
                "closes_minute": minutes(one["closes"]),
            }
            for position, one in enumerate(row.opening_hours)
        ]
        if hours:
            connection.execute(sa.insert(station_hours), hours)


def cell_of(latitude: float, longitude: float) -> int:
    """24 bits of each, interleaved."""
    row = min(int((latitude + 90) / 180 * 2**24), 2**24 - 1)
    column = min(int((longitude + 180) / 360 * 2**24), 2**24 - 1)
    return int(f"{row:b}", 4) << 1 | int(f"{column:b}", 4)


def compact(syllables: list[str]) -> str:
    """Lower case, without spaces."""
    return "".join("".join(syllables).split()).lower()


def minutes(text: str) -> int:
    """From midnight."""
    return int(text[:2]) * 60 + int(text[3:])
