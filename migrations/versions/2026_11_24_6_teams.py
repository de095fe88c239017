"""Invitations to teams, primary teams

Revision ID: 2026_11_24_6_teams
Revises: 2026_11_24_5_organizations
Create Date: 2026-11-24 00:00:00+00:00
"""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

revision = "2026_11_24_6_teams"
down_revision = "2026_11_24_5_organizations"
branch_labels = None
depends_on = None

KINDS_BEFORE = (
    "kind IN ('sign_up_confirmed', 'sign_up_waitlisted', 'sign_up_promoted', 'activity_canceled', "
    "'activity_returned', 'hours_credited', 'membership_accepted', 'grant_given', 'grant_revoked')"
)
KINDS = KINDS_BEFORE.removesuffix(")") + ", 'membership_invited', 'leadership_changed')"

teams = sa.table("teams", sa.column("id", sa.Uuid()), sa.column("name"), sa.column("search_text"))
memberships = sa.table(
    "memberships",
    sa.column("id", sa.Uuid()),
    sa.column("volunteer_id", sa.Uuid()),
    sa.column("state"),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("expires_at", sa.DateTime(timezone=True)),
)
notifications = sa.table("notifications", sa.column("kind"))


def upgrade() -> None:
    with op.batch_alter_table("teams", schema=None) as batch_op:
        batch_op.add_column(sa.Column("search_text", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("is_recruiting", sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    connection = op.get_bind()
    for row in connection.execute(sa.select(teams.c.id, teams.c.name)).all():
        connection.execute(sa.update(teams).where(teams.c.id == row.id).values(search_text=search_text(row.name)))
    with op.batch_alter_table("teams", schema=None) as batch_op:
        batch_op.alter_column("search_text", existing_type=sa.String(), nullable=False)
        batch_op.alter_column("is_recruiting", existing_type=sa.Boolean(), server_default=None)

    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("is_primary", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("phone_digest", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("masked_phone", sa.String(length=20), nullable=True))
        batch_op.add_column(sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.alter_column("volunteer_id", existing_type=sa.Uuid(), nullable=True)
    # What waits already gets the same thirty days as a new invitation.
    for row in connection.execute(
        sa.select(memberships.c.id, memberships.c.created_at).where(memberships.c.state == "invited")
    ).all():
        expires_at = row.created_at + timedelta(days=30)
        connection.execute(sa.update(memberships).where(memberships.c.id == row.id).values(expires_at=expires_at))
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.alter_column("version", existing_type=sa.Integer(), server_default=None)
        batch_op.alter_column("is_primary", existing_type=sa.Boolean(), server_default=None)
        batch_op.create_check_constraint(
            op.f("ck_memberships_member_is_known"), "volunteer_id IS NOT NULL OR joined_at IS NULL"
        )
        batch_op.create_check_constraint(
            op.f("ck_memberships_names_somebody"), "volunteer_id IS NOT NULL OR phone_digest IS NOT NULL"
        )
        batch_op.create_check_constraint(
            op.f("ck_memberships_primary_is_active"), "state = 'active' OR NOT is_primary"
        )
        batch_op.create_index(
            "uq_memberships_invited",
            ["team_id", "phone_digest"],
            unique=True,
            sqlite_where=sa.text("state = 'invited'"),
            postgresql_where=sa.text("state = 'invited'"),
        )
        batch_op.create_index(
            "uq_memberships_primary",
            ["volunteer_id"],
            unique=True,
            sqlite_where=sa.text("is_primary"),
            postgresql_where=sa.text("is_primary"),
        )
        batch_op.create_index("ix_memberships_phone_digest", ["phone_digest"], unique=False)
        batch_op.create_index("ix_memberships_expires_at", ["expires_at"], unique=False)

    op.create_table(
        "team_invitation_codes",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("code_digest", sa.LargeBinary(), nullable=False),
        sa.Column("needs_acceptance", sa.Boolean(), nullable=False),
        sa.Column("uses_left", sa.Integer(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("uses_left >= 0", name=op.f("ck_team_invitation_codes_uses_left")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_team_invitation_codes_team_id")),
        sa.ForeignKeyConstraint(["created_by"], ["volunteers.id"], name=op.f("fk_team_invitation_codes_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_team_invitation_codes")),
        sa.UniqueConstraint("code_digest", name=op.f("uq_team_invitation_codes_code_digest")),
    )
    with op.batch_alter_table("team_invitation_codes", schema=None) as batch_op:
        batch_op.create_index("ix_team_invitation_codes_team_id", ["team_id"], unique=False)
        batch_op.create_index("ix_team_invitation_codes_expires_at", ["expires_at"], unique=False)

    allow_kinds(KINDS)


def downgrade() -> None:
    connection = op.get_bind()
    connection.execute(
        sa.delete(notifications).where(notifications.c.kind.in_(["membership_invited", "leadership_changed"]))
    )
    allow_kinds(KINDS_BEFORE)

    with op.batch_alter_table("team_invitation_codes", schema=None) as batch_op:
        batch_op.drop_index("ix_team_invitation_codes_expires_at")
        batch_op.drop_index("ix_team_invitation_codes_team_id")
    op.drop_table("team_invitation_codes")

    # The release before knows no invitation without a volunteer.
    connection.execute(sa.delete(memberships).where(memberships.c.volunteer_id.is_(None)))
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.drop_index("ix_memberships_expires_at")
        batch_op.drop_index("ix_memberships_phone_digest")
        batch_op.drop_index(
            "uq_memberships_primary", sqlite_where=sa.text("is_primary"), postgresql_where=sa.text("is_primary")
        )
        batch_op.drop_index(
            "uq_memberships_invited",
            sqlite_where=sa.text("state = 'invited'"),
            postgresql_where=sa.text("state = 'invited'"),
        )
        batch_op.drop_constraint(op.f("ck_memberships_primary_is_active"), type_="check")
        batch_op.drop_constraint(op.f("ck_memberships_names_somebody"), type_="check")
        batch_op.drop_constraint(op.f("ck_memberships_member_is_known"), type_="check")
        batch_op.alter_column("volunteer_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.drop_column("expires_at")
        batch_op.drop_column("masked_phone")
        batch_op.drop_column("phone_digest")
        batch_op.drop_column("is_primary")
        batch_op.drop_column("version")

    with op.batch_alter_table("teams", schema=None) as batch_op:
        batch_op.drop_column("closed_at")
        batch_op.drop_column("is_recruiting")
        batch_op.drop_column("search_text")


def allow_kinds(condition: str) -> None:
    """Let notifications have these kinds."""
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_notifications_kind"), type_="check")
        batch_op.create_check_constraint(op.f("ck_notifications_kind"), condition)


def search_text(name: str) -> str:
    """The initials and the whole pinyin, as core/pinyin.py makes them in this release."""
    # Its dictionaries are 50 MB, and every start reads the versions, to know which is the last.
    from pypinyin import Style, lazy_pinyin  # noqa: PLC0415

    initials = "".join(lazy_pinyin(name, style=Style.FIRST_LETTER))
    whole = "".join(lazy_pinyin(name))
    return " ".join("".join(text.split()).lower() for text in (initials, whole))
