"""Names of minors: what one under age can't consent to is no consent of the adult that she becomes

Revision ID: 2026_11_29_2_names_of_minors
Revises: 2026_11_28_7_stock
Create Date: 2026-11-29 02:00:00+00:00
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "2026_11_29_2_names_of_minors"
down_revision = "2026_11_28_7_stock"
branch_labels = None
depends_on = None

# Withdrawn in the moment in which it was given: that it never counted, and how it is found again.
WITHDRAW = sa.text(
    "UPDATE consents SET withdrawn_at = given_at WHERE kind = 'ranking_name' AND withdrawn_at IS NULL "
    "AND volunteer_id IN (SELECT id FROM volunteers WHERE birth_date > :youngest)"
).bindparams(sa.bindparam("youngest", type_=sa.Date()))


def upgrade() -> None:
    # A day more than in any zone: whoever has her birthday now is asked anew.
    day = (datetime.now(UTC) - timedelta(days=1)).date()
    youngest = day.replace(year=day.year - 18, day=min(day.day, 28))
    op.get_bind().execute(WITHDRAW, {"youngest": youngest})


def downgrade() -> None:
    op.execute(
        "UPDATE consents SET withdrawn_at = NULL WHERE kind = 'ranking_name' AND withdrawn_at = given_at "
        "AND NOT EXISTS (SELECT 1 FROM consents AS live WHERE live.volunteer_id = consents.volunteer_id "
        "AND live.kind = 'ranking_name' AND live.withdrawn_at IS NULL)"
    )
