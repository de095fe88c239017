"""Places only of who consents to that; guardians of who is of age

Revision ID: 2026_11_29_3_trust
Revises: 2026_11_29_2_names_of_minors
Create Date: 2026-11-29 03:00:00+00:00
"""

from typing import Any
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_29_3_trust"
down_revision = "2026_11_29_2_names_of_minors"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
NOT_CONSENTED = (
    "NOT EXISTS (SELECT 1 FROM consents c WHERE c.volunteer_id = attendances.volunteer_id"
    " AND c.kind = 'location' AND c.withdrawn_at IS NULL)"
)
BATCH = 1000


def upgrade() -> None:
    # Without batch: the table is not copied.
    op.add_column("waiting_check_outs", sa.Column("inside", JSON, nullable=True))
    forget_places()


def downgrade() -> None:
    # What was forgotten stays so.
    op.drop_column("waiting_check_outs", "inside")


def forget_places() -> None:
    """Delete where phones were whose owners do not consent to that: nobody had asked for the consent until now."""
    connection = op.get_bind()
    without = "{} - 'place' - 'accuracy_m'"
    if connection.dialect.name == "sqlite":
        without = "json_remove({}, '$.place', '$.accuracy_m')"
    known = " OR ".join(f"{end}_latitude IS NOT NULL" for end in ("check_in", "check_out"))
    told = " OR ".join(f"CAST({end}_evidence AS TEXT) LIKE '%\"place\"%'" for end in ("check_in", "check_out"))
    connection.execute(
        sa.text(
            "UPDATE attendances SET check_in_latitude = NULL, check_in_longitude = NULL, check_out_latitude = NULL,"
            f" check_out_longitude = NULL, check_in_evidence = {without.format('check_in_evidence')},"
            f" check_out_evidence = {without.format('check_out_evidence')}"
            f" WHERE ({known} OR {told}) AND {NOT_CONSENTED}"
        )
    )
    attendances = sa.table("attendances", sa.column("id", sa.Uuid()), sa.column("taps", JSON))
    several = (
        sa.select(attendances.c.id, attendances.c.taps)
        .where(sa.cast(attendances.c.taps, sa.Text()).like("%evidence%"), sa.text(NOT_CONSENTED))
        .order_by(attendances.c.id)
        .limit(BATCH)
    )
    last = None
    while found := connection.execute(several if last is None else several.where(attendances.c.id > last)).all():
        for attendance_id, taps in found:
            connection.execute(
                sa.update(attendances)
                .where(attendances.c.id == attendance_id)
                .values(taps=[without_place(tap) for tap in taps])
            )
        last = found[-1].id


def without_place(tap: dict[str, Any]) -> dict[str, Any]:
    """One of several taps of an attendance, without its place."""
    evidence = {name: value for name, value in tap["evidence"].items() if name not in ("place", "accuracy_m")}
    return tap | {"place": None, "evidence": evidence}
