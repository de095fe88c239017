"""Fold what a category or a campaign had too: all that is folded is made anew once, and edits of activities are noted

Revision ID: 2026_11_30_2_facets
Revises: 2026_11_29_9_over_at
Create Date: 2026-11-30 02:00:00+00:00
"""

import sqlalchemy as sa
from alembic import op

revision = "2026_11_30_2_facets"
down_revision = "2026_11_29_9_over_at"
branch_labels = None
depends_on = None

TRIGGER = "activities_facet_update"
OTHER = "OLD.category <> NEW.category OR OLD.campaign_id IS {other} NEW.campaign_id"
NOTE = (
    "INSERT INTO ranking_facet_changes (activity_id, category, campaign_id, change)"
    " VALUES (NEW.id, OLD.category, OLD.campaign_id, -1), (NEW.id, NEW.category, NEW.campaign_id, 1)"
)
# Table, column, its name's length till now, and what was in it.
KEYS = (
    ("ranking_sums", "slice", 10, "'path', 'team', 'station'"),
    ("ranking_headcounts", "kind", 20, "'organization', 'organization_own', 'team', 'station'"),
)
LENGTH = 50


def upgrade() -> None:
    op.create_table(
        "ranking_facet_changes",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(always=False), nullable=False
        ),
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranking_facet_changes")),
    )
    op.create_index("ix_ranking_facet_changes_activity_id", "ranking_facet_changes", ["activity_id"])
    # Made anew by the next fold, also where the tables of this release were left once and come back.
    op.execute("UPDATE ranking_rules SET form = NULL")
    for table, column, length, _ in KEYS:
        with op.batch_alter_table(table, table_kwargs={"sqlite_with_rowid": False}) as batch:
            batch.drop_constraint(op.f(f"ck_{table}_{column}"), type_="check")
            batch.alter_column(column, existing_type=sa.String(length), type_=sa.String(LENGTH))
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {TRIGGER} AFTER UPDATE ON activities WHEN {OTHER.format(other='NOT')} BEGIN {NOTE}; END"
        )
    else:
        op.execute(
            f"CREATE FUNCTION {TRIGGER}() RETURNS trigger AS $$ BEGIN {NOTE}; RETURN NULL; END $$ LANGUAGE plpgsql"
        )
        op.execute(
            f"CREATE TRIGGER {TRIGGER} AFTER UPDATE ON activities FOR EACH ROW"
            f" WHEN ({OTHER.format(other='DISTINCT FROM')}) EXECUTE FUNCTION {TRIGGER}()"
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER IF EXISTS {TRIGGER}")
    else:
        op.execute(f"DROP TRIGGER {TRIGGER} ON activities")
        op.execute(f"DROP FUNCTION {TRIGGER}()")
    for table, column, length, known in KEYS:
        op.execute(f"DELETE FROM {table} WHERE {column} NOT IN ({known})")
        with op.batch_alter_table(table, table_kwargs={"sqlite_with_rowid": False}) as batch:
            batch.alter_column(column, existing_type=sa.String(LENGTH), type_=sa.String(length))
            batch.create_check_constraint(op.f(f"ck_{table}_{column}"), f"{column} IN ({known})")
    op.drop_table("ranking_facet_changes")
