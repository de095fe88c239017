"""Attendance: duties with their frame, remarks, places, scans at a desk, conflicts

Revision ID: 2026_11_26_3_attendance
Revises: 2026_11_26_2_trust
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_26_3_attendance"
down_revision = "2026_11_26_2_trust"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
FLAGGED = sa.text("flagged")
SCANS = {
    name: sa.text(f"{name} IS NOT NULL") for name in ("check_in_scanned_by", "check_out_scanned_by")
}
FRAME = ("frame_starts_at", "frame_ends_at")
REMARKS = ("check_in_remarks", "check_out_remarks")
PLACES = ("check_in_latitude", "check_in_longitude", "check_out_latitude", "check_out_longitude")
CHECKS = {
    "duty_has_frame": (
        "(station_id IS NULL) = (frame_starts_at IS NULL) AND (station_id IS NULL) = (frame_ends_at IS NULL)"
    ),
    "frame": "frame_starts_at <= frame_ends_at",
    "own_scan": (
        "(check_in_scanned_by IS NULL OR check_in_scanned_by <> volunteer_id) AND"
        " (check_out_scanned_by IS NULL OR check_out_scanned_by <> volunteer_id)"
    ),
}
attendances = sa.table(
    "attendances",
    sa.column("station_id"),
    sa.column("checked_in_at"),
    sa.column("checked_out_at"),
    *(sa.column(name) for name in FRAME),
)


def upgrade() -> None:
    with op.batch_alter_table("attendances", schema=None) as batch_op:
        for name in FRAME:
            batch_op.add_column(sa.Column(name, MOMENT, nullable=True))
        for name in REMARKS:
            batch_op.add_column(sa.Column(name, JSON, nullable=False, server_default="[]"))
        for name in PLACES:
            batch_op.add_column(sa.Column(name, sa.Double(), nullable=True))
        for name in SCANS:
            batch_op.add_column(sa.Column(name, sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("flagged", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("conflicts_with_id", sa.Uuid(), nullable=True))
    # No release has written a duty yet; a row that one made by hand counts for nothing.
    op.execute(
        sa.update(attendances)
        .where(attendances.c.station_id.is_not(None))
        .values(frame_starts_at=attendances.c.checked_in_at, frame_ends_at=attendances.c.checked_in_at)
    )
    with op.batch_alter_table("attendances", schema=None) as batch_op:
        for name in REMARKS:
            batch_op.alter_column(name, existing_type=JSON, existing_nullable=False, server_default=None)
        batch_op.alter_column("flagged", existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
        for name in SCANS:
            batch_op.create_foreign_key(op.f(f"fk_attendances_{name}"), "volunteers", [name], ["id"])
        batch_op.create_foreign_key(
            op.f("fk_attendances_conflicts_with_id"), "attendances", ["conflicts_with_id"], ["id"]
        )
        for name, condition in CHECKS.items():
            batch_op.create_check_constraint(op.f(f"ck_attendances_{name}"), condition)
        batch_op.create_index("ix_attendances_volunteer_id_checked_in_at", ["volunteer_id", "checked_in_at"])
        batch_op.create_index("ix_attendances_station_id_checked_in_at", ["station_id", "checked_in_at"])
        batch_op.create_index("ix_attendances_flagged", ["id"], sqlite_where=FLAGGED, postgresql_where=FLAGGED)
        for name, condition in SCANS.items():
            batch_op.create_index(
                f"ix_attendances_{name}", [name], sqlite_where=condition, postgresql_where=condition
            )


def downgrade() -> None:
    with op.batch_alter_table("attendances", schema=None) as batch_op:
        for name, condition in SCANS.items():
            batch_op.drop_index(f"ix_attendances_{name}", sqlite_where=condition, postgresql_where=condition)
        batch_op.drop_index("ix_attendances_flagged", sqlite_where=FLAGGED, postgresql_where=FLAGGED)
        batch_op.drop_index("ix_attendances_station_id_checked_in_at")
        batch_op.drop_index("ix_attendances_volunteer_id_checked_in_at")
        for name in CHECKS:
            batch_op.drop_constraint(op.f(f"ck_attendances_{name}"), type_="check")
        for name in (*SCANS, "conflicts_with_id"):
            batch_op.drop_constraint(op.f(f"fk_attendances_{name}"), type_="foreignkey")
        for name in ("conflicts_with_id", "flagged", *SCANS, *PLACES, *REMARKS, *FRAME):
            batch_op.drop_column(name)
