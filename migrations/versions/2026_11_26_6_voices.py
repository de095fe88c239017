"""Disputes and feedback

Revision ID: 2026_11_26_6_voices
Revises: 2026_11_26_5_review
Create Date: 2026-11-26 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_26_6_voices"
down_revision = "2026_11_26_5_review"
branch_labels = None
depends_on = None

LEDGERS = ("dispute_steps",)
PENDING = sa.text("words_state = 'pending'")


def upgrade() -> None:
    create_feedback()
    create_disputes()
    shut_ledgers()


def downgrade() -> None:
    for table in ("dispute_words", "dispute_steps", "disputes", "feedback_askings", "feedback_reports", "feedback"):
        op.drop_table(table)


def create_feedback() -> None:
    op.create_table(
        "feedback",
        *identity(),
        sa.Column("version", sa.Integer(), nullable=False),
        *references("feedback", activity_id="activities", volunteer_id="volunteers"),
        sa.Column("stars", sa.Integer(), nullable=False),
        sa.Column("words", sa.String(), nullable=True),
        sa.Column("words_state", sa.String(), nullable=True),
        sa.Column("anonymous", sa.Boolean(), nullable=False),
        *references("feedback", nullable=True, moderated_by="volunteers"),
        sa.Column("moderated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moderation_reason", sa.String(), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        *references("feedback", nullable=True, replied_by="volunteers"),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        *checks(
            "feedback",
            stars="stars BETWEEN 1 AND 5",
            words_state="words_state IN ('pending', 'approved', 'rejected')",
            words_have_a_state="(words IS NULL) = (words_state IS NULL)",
            rejected_with_reason="words_state <> 'rejected' OR moderation_reason IS NOT NULL",
            moderated="words_state = 'pending' OR words IS NULL OR moderated_by IS NOT NULL",
            moderated_by_another="moderated_by <> volunteer_id",
            answered_by_another="replied_by <> volunteer_id",
            reply_has_author="reply IS NULL OR replied_at IS NOT NULL AND replied_by IS NOT NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint("activity_id", "volunteer_id", name=op.f("uq_feedback_activity_id_volunteer_id")),
    )
    op.create_index(op.f("ix_feedback_volunteer_id_id"), "feedback", ["volunteer_id", "id"])
    op.create_index(op.f("ix_feedback_moderated_by"), "feedback", ["moderated_by"])
    op.create_index(op.f("ix_feedback_replied_by"), "feedback", ["replied_by"])
    op.create_index(
        op.f("ix_feedback_pending"), "feedback", ["id"], sqlite_where=PENDING, postgresql_where=PENDING
    )
    op.create_table(
        "feedback_reports",
        *identity(),
        *references("feedback_reports", feedback_id="feedback", reported_by="volunteers"),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback_reports")),
        sa.UniqueConstraint("feedback_id", "reported_by", name=op.f("uq_feedback_reports_feedback_id_reported_by")),
    )
    op.create_index(op.f("ix_feedback_reports_reported_by"), "feedback_reports", ["reported_by"])
    op.create_table(
        "feedback_askings",
        *references("feedback_askings", activity_id="activities", volunteer_id="volunteers"),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("activity_id", "volunteer_id", name=op.f("pk_feedback_askings")),
    )
    op.create_index(op.f("ix_feedback_askings_volunteer_id"), "feedback_askings", ["volunteer_id"])


def create_disputes() -> None:
    """What was filed, the trail, and the words of its steps."""
    subjects = {"service_record_id": "service_records", "attendance_id": "attendances", "shift_id": "shifts"}
    people = ("recorder_id", "approver_id", "leader_id", "confirmed_by", "decided_by")
    op.create_table(
        "disputes",
        *identity(),
        *references("disputes", volunteer_id="volunteers", organization_id="organizations"),
        *references("disputes", nullable=True, **subjects, matter_shift_id="shifts"),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("claimed_minutes", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("credited_minutes", sa.Integer(), nullable=True),
        *references("disputes", nullable=True, **dict.fromkeys(people, "volunteers")),
        sa.Column("confirmed_minutes", sa.Integer(), nullable=True),
        *checks(
            "disputes",
            state="state IN ('open', 'upheld', 'partly', 'rejected', 'withdrawn')",
            one_subject=" + ".join(f"(CASE WHEN {name} IS NULL THEN 0 ELSE 1 END)" for name in subjects) + " = 1",
            closed="(state = 'open') = (closed_at IS NULL)",
            decided="(state IN ('upheld', 'partly', 'rejected')) = (decided_by IS NOT NULL)",
            outcome="(state IN ('upheld', 'partly')) = (credited_minutes IS NOT NULL)",
            minutes="claimed_minutes >= 0 AND credited_minutes >= 0 AND confirmed_minutes > 0",
            confirmed="(confirmed_by IS NULL) = (confirmed_minutes IS NULL)",
            decided_by_somebody_else="decided_by <> volunteer_id AND decided_by <> recorder_id "
            "AND decided_by <> approver_id AND decided_by <> leader_id AND decided_by <> confirmed_by",
            confirmed_by_another="confirmed_by <> volunteer_id",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
    )
    for name, columns in (
        ("matter", ["volunteer_id", "matter_shift_id"]),
        ("attendance_id", ["attendance_id"]),
        ("service_record_id", ["service_record_id"]),
    ):
        wanted = sa.text(f"state = 'open' AND {columns[-1]} IS NOT NULL")
        op.create_index(
            op.f(f"uq_disputes_open_{name}"),
            "disputes",
            columns,
            unique=True,
            sqlite_where=wanted,
            postgresql_where=wanted,
        )
    op.create_index(op.f("ix_disputes_volunteer_id_id"), "disputes", ["volunteer_id", "id"])
    op.create_index(op.f("ix_disputes_organization_id_due_on"), "disputes", ["organization_id", "due_on", "id"])
    still_open = sa.text("state = 'open'")
    op.create_index(
        op.f("ix_disputes_open_due_on"),
        "disputes",
        ["due_on", "id"],
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    for column in people:
        op.create_index(op.f(f"ix_disputes_{column}"), "disputes", [column])
    op.create_table(
        "dispute_steps",
        *identity(),
        *references("dispute_steps", dispute_id="disputes", actor_id="volunteers"),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        *checks(
            "dispute_steps", kind="kind IN ('filed', 'asked', 'answered', 'confirmed', 'decided', 'withdrawn')"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_steps")),
        sa.UniqueConstraint("dispute_id", "sequence", name=op.f("uq_dispute_steps_dispute_id_sequence")),
    )
    op.create_index(op.f("ix_dispute_steps_actor_id"), "dispute_steps", ["actor_id"])
    op.create_table(
        "dispute_words",
        *references("dispute_words", step_id="dispute_steps"),
        sa.Column("words", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("step_id", name=op.f("pk_dispute_words")),
    )


def shut_ledgers() -> None:
    """Shut the trail; the function is the foundation's."""
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in LEDGERS:
        if sqlite:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
            # INSERT OR REPLACE deletes without asking, where recursive_triggers is off.
            op.execute(
                f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} "
                f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) "
                f"OR EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid) "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
            continue
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def identity() -> list[sa.Column]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    ]


def references(table: str, *, nullable: bool = False, **targets: str) -> list:
    """Columns that refer to the ids of other tables, with their constraints."""
    columns = [sa.Column(name, sa.Uuid(), nullable=nullable) for name in targets]
    return columns + [
        sa.ForeignKeyConstraint([name], [f"{target}.id"], name=op.f(f"fk_{table}_{name}"))
        for name, target in targets.items()
    ]


def checks(table: str, **conditions: str) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}")) for name, condition in conditions.items()
    ]
