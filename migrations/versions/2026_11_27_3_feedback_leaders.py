"""Who led an activity when something was said of it

Revision ID: 2026_11_27_3_feedback_leaders
Revises: 2026_11_27_2_given_codes
Create Date: 2026-11-27 02:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_27_3_feedback_leaders"
down_revision = "2026_11_27_2_given_codes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feedback_leaders",
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_feedback_leaders_activity_id")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_feedback_leaders_volunteer_id")),
        sa.PrimaryKeyConstraint("activity_id", "volunteer_id", name=op.f("pk_feedback_leaders")),
    )
    op.create_index("ix_feedback_leaders_volunteer_id", "feedback_leaders", ["volunteer_id"])
    op.execute(LEADING_NOW)


def downgrade() -> None:
    op.drop_table("feedback_leaders")


# What was said before this table is of those who lead now: who led then is not known.
LEADING_NOW = """
INSERT INTO feedback_leaders (activity_id, volunteer_id)
SELECT activity_leaders.activity_id, activity_leaders.volunteer_id FROM activity_leaders
WHERE activity_leaders.activity_id IN (SELECT activity_id FROM feedback)
UNION
SELECT activities.id, memberships.volunteer_id FROM activities
JOIN memberships ON memberships.team_id = activities.team_id
WHERE activities.id IN (SELECT activity_id FROM feedback) AND memberships.volunteer_id IS NOT NULL
AND memberships.state = 'active' AND memberships.role IN ('leader', 'deputy')
"""
