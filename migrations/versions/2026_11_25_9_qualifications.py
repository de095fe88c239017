"""Trainings and insurance policies

Revision ID: 2026_11_25_9_qualifications
Revises: 2026_11_25_8_compliance
Create Date: 2026-11-25 00:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_25_9_qualifications"
down_revision = "2026_11_25_8_compliance"
branch_labels = None
depends_on = None

NOT_REVOKED = sa.text("revoked_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "trainings",
        *identity(versioned=True),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("valid_days", sa.Integer(), nullable=True),
        sa.CheckConstraint("valid_days > 0", name=op.f("ck_trainings_valid_days")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_trainings_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trainings")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_trainings_organization_id_name")),
    )
    op.create_table(
        "insurance_policies",
        *identity(versioned=True),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("insurer", sa.String(), nullable=False),
        sa.Column("policy_number", sa.String(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_insurance_policies_days_in_order")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_insurance_policies_organization_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_insurance_policies")),
        sa.UniqueConstraint("insurer", "policy_number", name=op.f("uq_insurance_policies_insurer_policy_number")),
    )
    op.create_index(op.f("ix_insurance_policies_organization_id"), "insurance_policies", ["organization_id"])
    op.create_table(
        "training_records",
        *identity(),
        *listed("training_records"),
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("completed_on", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revocation_reason", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (revocation_reason IS NULL)", name=op.f("ck_training_records_revoked_with_reason")
        ),
        sa.ForeignKeyConstraint(["training_id"], ["trainings.id"], name=op.f("fk_training_records_training_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_training_records")),
    )
    op.create_index(
        op.f("uq_training_records_completion"),
        "training_records",
        ["training_id", "phone_digest", "completed_on"],
        unique=True,
        sqlite_where=NOT_REVOKED,
        postgresql_where=NOT_REVOKED,
    )
    index_listed("training_records")
    op.create_table(
        "insured_people",
        *identity(),
        *listed("insured_people"),
        sa.Column("policy_id", sa.Uuid(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.CheckConstraint("starts_on <= ends_on", name=op.f("ck_insured_people_days_in_order")),
        sa.ForeignKeyConstraint(["policy_id"], ["insurance_policies.id"], name=op.f("fk_insured_people_policy_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_insured_people")),
        sa.UniqueConstraint("policy_id", "phone_digest", name=op.f("uq_insured_people_policy_id_phone_digest")),
    )
    index_listed("insured_people")


def downgrade() -> None:
    for table in ("insured_people", "training_records", "insurance_policies", "trainings"):
        op.drop_table(table)


def identity(*, versioned: bool = False) -> list[sa.Column]:
    """The columns of every row; primary keys are named by their tables."""
    columns = [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    ]
    return columns + [sa.Column("version", sa.Integer(), nullable=False)] if versioned else columns


def listed(table: str) -> list[sa.Column | sa.ForeignKeyConstraint]:
    """Somebody named by phone, and who named her."""
    return [
        sa.Column("volunteer_id", sa.Uuid(), nullable=True),
        sa.Column("phone_digest", sa.LargeBinary(), nullable=False),
        sa.Column("masked_phone", sa.String(), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f(f"fk_{table}_volunteer_id")),
        sa.ForeignKeyConstraint(["recorded_by"], ["volunteers.id"], name=op.f(f"fk_{table}_recorded_by")),
    ]


def index_listed(table: str) -> None:
    """How such rows are found: by account, by phone, by who wrote them."""
    for column in ("volunteer_id", "phone_digest", "recorded_by"):
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
