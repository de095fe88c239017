"""At most one attendance of a volunteer at a shift that nobody has decided on

Revision ID: 2026_11_26_12_one_attendance
Revises: 2026_11_26_10_residents
Create Date: 2026-11-26 00:00:00+00:00

Of attendances that stand twice, the one that is credited stays, else the one that is open, else the first; the others
are rejected by nobody, as by a roll-call that takes a name back, and what waited of them is taken out of the tallies.
Hours that were credited twice are for a person to decide on: then nothing is changed, and those rows are named.
"""

from collections import defaultdict
from datetime import UTC, datetime
from uuid import uuid4

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_12_one_attendance"
down_revision = "2026_11_26_10_residents"
branch_labels = None
depends_on = None

NAME = "uq_attendances_volunteer_id_shift_id_standing"
STANDING = sa.text("state <> 'rejected' AND reviewed_by IS NULL")
ATTRIBUTION = (
    "volunteer_id",
    "team_id",
    "station_id",
    "campaign_id",
    "organization_id",
    "organization_path_id",
)
attendances = sa.table(
    "attendances",
    sa.column("id", sa.Uuid()),
    sa.column("volunteer_id", sa.Uuid()),
    sa.column("shift_id", sa.Uuid()),
    sa.column("state", sa.String()),
    sa.column("credited_minutes", sa.Integer()),
    sa.column("held_minutes", sa.Integer()),
)
counted_at = sa.table(
    "held_attributions",
    sa.column("attendance_id", sa.Uuid()),
    sa.column("on", sa.Date()),
    *(sa.column(name, sa.Uuid()) for name in ATTRIBUTION),
)
changes = sa.table(
    "tally_changes",
    sa.column("id", sa.Uuid()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("on", sa.Date()),
    sa.column("credited_minutes", sa.Integer()),
    sa.column("held_minutes", sa.Integer()),
    *(sa.column(name, sa.Uuid()) for name in ATTRIBUTION),
)


def upgrade() -> None:
    set_aside(op.get_bind())
    op.create_index(
        NAME,
        "attendances",
        ["volunteer_id", "shift_id"],
        unique=True,
        sqlite_where=STANDING,
        postgresql_where=STANDING,
    )


def downgrade() -> None:
    op.drop_index(NAME, "attendances", sqlite_where=STANDING, postgresql_where=STANDING)


def set_aside(connection: sa.Connection) -> None:
    """Reject the twins of attendances."""
    whose = attendances.c.volunteer_id, attendances.c.shift_id
    standing = sa.and_(STANDING, attendances.c.shift_id.is_not(None))
    twice = sa.select(*whose).where(standing).group_by(*whose).having(sa.func.count() > 1).subquery()
    same = sa.and_(attendances.c.volunteer_id == twice.c.volunteer_id, attendances.c.shift_id == twice.c.shift_id)
    found = defaultdict(list)
    for row in connection.execute(sa.select(attendances).join(twice, same).where(standing)):
        found[row.volunteer_id, row.shift_id].append(row)
    extra = []
    for rows in found.values():
        rows.sort(key=lambda row: (row.credited_minutes == 0, row.state != "open", row.id))
        extra += rows[1:]
    credited = [str(row.id) for row in extra if row.credited_minutes]
    if credited:
        raise RuntimeError(f"credited beside another attendance at the same shift, take one back: {credited}")
    for row in extra:
        place = connection.execute(sa.select(counted_at).where(counted_at.c.attendance_id == row.id)).one_or_none()
        if row.held_minutes and place is not None:
            told = {name: getattr(place, name) for name in (*ATTRIBUTION, "on")}
            minutes = {"credited_minutes": 0, "held_minutes": -row.held_minutes}
            now = datetime.now(UTC)
            connection.execute(sa.insert(changes).values(id=uuid4(), created_at=now, **told, **minutes))
        connection.execute(
            sa.update(attendances).where(attendances.c.id == row.id).values(state="rejected", held_minutes=0)
        )
