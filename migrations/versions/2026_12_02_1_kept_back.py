"""What was taken without a name where too few were left to hide among stays hidden

From now on it is refused, and what is taken is seen for good. Of what an earlier release had taken, that stays hidden
which nobody has approved, where fewer than three had been there who have not signed; who may have led does not count.
Lists are ordered by the day on which it was given: an id in the order of time would tell the millisecond.

Revision ID: 2026_12_02_1_kept_back
Revises: 2026_12_01_2_shift_reasons
Create Date: 2026-12-02 02:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_12_02_1_kept_back"
down_revision = "2026_12_01_2_shift_reasons"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("feedback", sa.Column("kept_back", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(AMONG_TOO_FEW)
    op.add_column("feedback", sa.Column("given_on", sa.Date(), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE feedback SET given_on = date(created_at, '+8 hours')")
    else:
        op.execute("UPDATE feedback SET given_on = CAST(created_at AT TIME ZONE 'Asia/Shanghai' AS date)")
    with op.batch_alter_table("feedback") as batch:
        # The release before writes none.
        batch.alter_column("given_on", existing_type=sa.Date(), nullable=False, server_default=sa.text("CURRENT_DATE"))
    # Nobody could look at these any more: the words are gone.
    op.execute(
        "UPDATE feedback_reports SET settled_at = created_at "
        "WHERE settled_at IS NULL AND feedback_id IN (SELECT id FROM feedback WHERE words IS NULL)"
    )


def downgrade() -> None:
    op.drop_column("feedback", "given_on")
    op.drop_column("feedback", "kept_back")


AMONG_TOO_FEW = """
UPDATE feedback SET kept_back = true
WHERE anonymous AND (words_state IS NULL OR words_state <> 'approved') AND 3 > (
    SELECT count(DISTINCT attendances.volunteer_id)
    FROM attendances
    JOIN shifts ON shifts.id = attendances.shift_id
    JOIN activities ON activities.id = shifts.activity_id
    WHERE activities.id = feedback.activity_id
    AND attendances.state <> 'rejected' AND attendances.created_at <= feedback.created_at
    AND (
        attendances.state = 'credited'
        AND coalesce(attendances.reviewed_at, attendances.created_at) <= feedback.created_at
        OR EXISTS (
            SELECT 1 FROM sign_ups
            WHERE sign_ups.shift_id = attendances.shift_id AND sign_ups.volunteer_id = attendances.volunteer_id
            AND sign_ups.state = 'confirmed' AND sign_ups.created_at <= feedback.created_at
        )
    )
    AND attendances.volunteer_id <> activities.created_by
    AND NOT EXISTS (
        SELECT 1 FROM feedback AS signed
        WHERE signed.activity_id = activities.id AND signed.volunteer_id = attendances.volunteer_id
        AND NOT signed.anonymous
    )
    AND NOT EXISTS (
        SELECT 1 FROM activity_leaders
        WHERE activity_leaders.activity_id = activities.id
        AND activity_leaders.volunteer_id = attendances.volunteer_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM former_leaders
        WHERE former_leaders.activity_id = activities.id
        AND former_leaders.volunteer_id = attendances.volunteer_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM memberships
        WHERE memberships.team_id = activities.team_id AND memberships.volunteer_id = attendances.volunteer_id
        AND (memberships.role IN ('leader', 'deputy') OR memberships.led_until IS NOT NULL)
    )
)
"""
