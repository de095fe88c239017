"""Names of minors: what one under age can't consent to is no consent of the adult that she becomes

Revision ID: 2026_11_29_2_names_of_minors
Revises: 2026_11_28_7_stock
Create Date: 2026-11-29 02:00:00+00:00
"""

from alembic import op

revision = "2026_11_29_2_names_of_minors"
down_revision = "2026_11_28_7_stock"
branch_labels = None
depends_on = None

# Days as numbers, like 20261129: eighteen years more are 180000, for who is born on February 29 too. No deployment has
# another zone than the default yet, and China has no summer time.
NUMBERS = {
    "sqlite": (
        "CAST(strftime('%Y%m%d', consents.given_at, '+8 hours') AS INTEGER)",
        "CAST(strftime('%Y%m%d', volunteers.birth_date) AS INTEGER)",
    ),
    "postgresql": (
        "to_char(consents.given_at AT TIME ZONE 'Asia/Shanghai', 'YYYYMMDD')::integer",
        "to_char(volunteers.birth_date, 'YYYYMMDD')::integer",
    ),
}


def upgrade() -> None:
    given_on, born_on = NUMBERS[op.get_bind().dialect.name]
    # By the day on which it was given: whoever is of age by now has consented to nothing either.
    # Withdrawn in the moment in which it was given: that it never counted, and how it is found again.
    op.execute(
        "UPDATE consents SET withdrawn_at = given_at WHERE kind = 'ranking_name' AND withdrawn_at IS NULL "
        "AND EXISTS (SELECT 1 FROM volunteers WHERE volunteers.id = consents.volunteer_id "
        f"AND {given_on} < {born_on} + 180000)"
    )


def downgrade() -> None:
    op.execute(
        "UPDATE consents SET withdrawn_at = NULL WHERE kind = 'ranking_name' AND withdrawn_at = given_at "
        "AND NOT EXISTS (SELECT 1 FROM consents AS live WHERE live.volunteer_id = consents.volunteer_id "
        "AND live.kind = 'ranking_name' AND live.withdrawn_at IS NULL)"
    )
