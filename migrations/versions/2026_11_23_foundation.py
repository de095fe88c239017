"""The tables of the foundation, and the triggers that keep its ledgers append-only

Revision ID: 2026_11_23_foundation
Revises:
Create Date: 2026-11-23 21:53:57.228900+00:00
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "2026_11_23_foundation"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
LEDGERS = ("movements", "stock_entries", "service_records")


def upgrade() -> None:
    op.create_table(
        "divisions",
        sa.Column("code", sa.String(length=12), nullable=False),
        sa.Column("parent_code", sa.String(length=12), nullable=True),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.CheckConstraint(
            "level IN ('city', 'district', 'subdistrict', 'community')", name=op.f("ck_divisions_level")
        ),
        sa.ForeignKeyConstraint(["parent_code"], ["divisions.code"], name=op.f("fk_divisions_parent_code")),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_divisions")),
    )
    with op.batch_alter_table("divisions", schema=None) as batch_op:
        batch_op.create_index("ix_divisions_parent_code_code", ["parent_code", "code"], unique=False)

    op.create_table(
        "idempotency_keys",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "key", name=op.f("pk_idempotency_keys")),
    )
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.create_index("ix_idempotency_keys_created_at", ["created_at"], unique=False)

    op.create_table(
        "items",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("prohibited", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('durable', 'consumable', 'medical')", name=op.f("ck_items_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_items")),
        sa.UniqueConstraint("name", name=op.f("uq_items_name")),
    )
    op.create_table(
        "organization_paths",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organization_paths")),
    )
    with op.batch_alter_table("organization_paths", schema=None) as batch_op:
        batch_op.create_index("ix_organization_paths_organization_id", ["organization_id"], unique=False)

    op.create_table(
        "rate_counters",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_rate_counters")),
    )
    with op.batch_alter_table("rate_counters", schema=None) as batch_op:
        batch_op.create_index("ix_rate_counters_expires_at", ["expires_at"], unique=False)

    op.create_table(
        "task_runs",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_task_runs")),
    )
    op.create_table(
        "volunteers",
        sa.Column("volunteer_number", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("birth_date", sa.Date(), nullable=True),
        sa.Column("home_division", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_volunteers")),
        sa.UniqueConstraint("phone", name="uq_volunteers_phone"),
        sa.UniqueConstraint("volunteer_number", name="uq_volunteers_volunteer_number"),
    )
    with op.batch_alter_table("volunteers", schema=None) as batch_op:
        batch_op.create_index("ix_volunteers_home_division", ["home_division"], unique=False)

    op.create_table(
        "consents",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('terms', 'privacy', 'location', 'ranking_name')", name=op.f("ck_consents_kind")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_consents_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index(
            "uq_consents_live",
            ["volunteer_id", "kind"],
            unique=True,
            postgresql_where=sa.text("withdrawn_at IS NULL"),
            sqlite_where=sa.text("withdrawn_at IS NULL"),
        )

    op.create_table(
        "device_sessions",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("device_name", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("used_generation", sa.Integer(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("used_generation >= 0", name=op.f("ck_device_sessions_used_generation")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_device_sessions_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_sessions")),
    )
    with op.batch_alter_table("device_sessions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_device_sessions_open",
            ["volunteer_id", "last_used_at", "id"],
            unique=False,
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )
        batch_op.create_index("ix_device_sessions_volunteer_id_device_id", ["volunteer_id", "device_id"], unique=False)

    op.create_table(
        "grants",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("scope_type", sa.String(length=20), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("granted_by", sa.Uuid(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(role = 'station_manager') = (scope_type = 'station')", name=op.f("ck_grants_role_fits_scope_type")
        ),
        sa.CheckConstraint(
            "role IN ('administrator', 'organizer', 'inspector', 'auditor', 'station_manager')",
            name=op.f("ck_grants_role"),
        ),
        sa.CheckConstraint("scope_type IN ('organization', 'station')", name=op.f("ck_grants_scope_type")),
        sa.ForeignKeyConstraint(["granted_by"], ["volunteers.id"], name=op.f("fk_grants_granted_by")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_grants_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.create_index("ix_grants_scope_id", ["scope_id"], unique=False)
        batch_op.create_index(
            "uq_grants_live",
            ["volunteer_id", "scope_type", "scope_id", "role"],
            unique=True,
            sqlite_where=sa.text("revoked_at IS NULL"),
            postgresql_where=sa.text("revoked_at IS NULL"),
        )

    op.create_table(
        "notifications",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("values", JSON, nullable=False),
        sa.Column("dedup_key", sa.String(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('sign_up_confirmed', 'sign_up_waitlisted', 'sign_up_promoted', 'activity_canceled', 'activity_returned', 'hours_credited', 'membership_accepted')",
            name=op.f("ck_notifications_kind"),
        ),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_notifications_attempts")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_notifications_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("dedup_key", name="uq_notifications_dedup_key"),
    )
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.create_index("ix_notifications_inbox", ["volunteer_id", "created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_notifications_outbox",
            ["next_attempt_at", "id"],
            unique=False,
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
            sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_notifications_unread",
            ["volunteer_id", "created_at", "id"],
            unique=False,
            postgresql_where=sa.text("read_at IS NULL"),
            sqlite_where=sa.text("read_at IS NULL"),
        )

    op.create_table(
        "organizations",
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("division_code", sa.String(length=12), nullable=True),
        sa.Column("path_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('city_office', 'practice_center', 'practice_office', 'practice_station', 'unit')",
            name=op.f("ck_organizations_kind"),
        ),
        sa.CheckConstraint("parent_id <> id", name=op.f("ck_organizations_not_its_own_parent")),
        sa.ForeignKeyConstraint(["division_code"], ["divisions.code"], name=op.f("fk_organizations_division_code")),
        sa.ForeignKeyConstraint(["parent_id"], ["organizations.id"], name=op.f("fk_organizations_parent_id")),
        sa.ForeignKeyConstraint(["path_id"], ["organization_paths.id"], name=op.f("fk_organizations_path_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
        sa.UniqueConstraint("parent_id", "name", name=op.f("uq_organizations_parent_id_name")),
        sa.UniqueConstraint("path_id", name=op.f("uq_organizations_path_id")),
    )
    with op.batch_alter_table("organizations", schema=None) as batch_op:
        batch_op.create_index("ix_organizations_division_code", ["division_code"], unique=False)
        batch_op.create_index("ix_organizations_kind", ["kind"], unique=False)

    op.create_table(
        "campaigns",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "starts_on IS NULL OR ends_on IS NULL OR starts_on <= ends_on", name=op.f("ck_campaigns_days_in_order")
        ),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_campaigns_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    with op.batch_alter_table("campaigns", schema=None) as batch_op:
        batch_op.create_index("ix_campaigns_organization_id", ["organization_id"], unique=False)

    op.create_table(
        "path_members",
        sa.Column("path_id", sa.Uuid(), nullable=False),
        sa.Column("ancestor_id", sa.Uuid(), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.CheckConstraint("depth >= 0", name=op.f("ck_path_members_depth")),
        sa.ForeignKeyConstraint(["ancestor_id"], ["organizations.id"], name=op.f("fk_path_members_ancestor_id")),
        sa.ForeignKeyConstraint(["path_id"], ["organization_paths.id"], name=op.f("fk_path_members_path_id")),
        sa.PrimaryKeyConstraint("path_id", "ancestor_id", name=op.f("pk_path_members")),
        sa.UniqueConstraint("path_id", "depth", name=op.f("uq_path_members_path_id_depth")),
    )
    with op.batch_alter_table("path_members", schema=None) as batch_op:
        batch_op.create_index("ix_path_members_ancestor_id_path_id", ["ancestor_id", "path_id"], unique=False)

    op.create_table(
        "sign_in_codes",
        sa.Column("phone", sa.String(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("session_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("purpose IN ('access')", name=op.f("ck_sign_in_codes_purpose")),
        sa.CheckConstraint("tries >= 0", name=op.f("ck_sign_in_codes_tries")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["device_sessions.id"], name=op.f("fk_sign_in_codes_session_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_codes")),
        sa.UniqueConstraint("phone", "purpose", name="uq_sign_in_codes_phone_purpose"),
    )
    with op.batch_alter_table("sign_in_codes", schema=None) as batch_op:
        batch_op.create_index("ix_sign_in_codes_expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_sign_in_codes_session_id", ["session_id"], unique=False)

    op.create_table(
        "stations",
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("opening_hours", JSON, nullable=False),
        sa.Column("services", JSON, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('desk', 'post', 'reading_room', 'service_point')", name=op.f("ck_stations_kind")),
        sa.CheckConstraint("status IN ('planned', 'open', 'paused', 'closed')", name=op.f("ck_stations_status")),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name=op.f("ck_stations_latitude")),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name=op.f("ck_stations_longitude")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_stations_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stations")),
        sa.UniqueConstraint("code", name=op.f("uq_stations_code")),
    )
    with op.batch_alter_table("stations", schema=None) as batch_op:
        batch_op.create_index("ix_stations_latitude_longitude", ["latitude", "longitude"], unique=False)
        batch_op.create_index("ix_stations_organization_id", ["organization_id"], unique=False)

    op.create_table(
        "teams",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_teams_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_teams")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("uq_teams_organization_id_name")),
    )
    op.create_table(
        "activities",
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("organization_path_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("station_id", sa.Uuid(), nullable=True),
        sa.Column("campaign_id", sa.Uuid(), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("radius_m", sa.Integer(), nullable=True),
        sa.Column("place_name", sa.String(), nullable=True),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("sign_up_mode", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("canceled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancellation_reason", sa.String(), nullable=True),
        sa.Column("completion_note", sa.String(), nullable=True),
        sa.Column("outcomes", JSON, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "category IN ('poverty_relief', 'elderly_care', 'child_care', 'disability_support', 'education_support', 'health_care', 'culture_and_sports', 'science_popularization', 'legal_service', 'environment_protection', 'community_service', 'public_safety', 'traffic_guidance', 'emergency_relief', 'large_event', 'civility_promotion')",
            name=op.f("ck_activities_category"),
        ),
        sa.CheckConstraint("sign_up_mode IN ('open')", name=op.f("ck_activities_sign_up_mode")),
        sa.CheckConstraint(
            "state != 'canceled' OR cancellation_reason IS NOT NULL", name=op.f("ck_activities_canceled_with_reason")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'submitted', 'published', 'completed', 'canceled')", name=op.f("ck_activities_state")
        ),
        sa.CheckConstraint(
            "state NOT IN ('published', 'completed') OR published_at IS NOT NULL",
            name=op.f("ck_activities_published_at"),
        ),
        sa.CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name=op.f("ck_activities_place_is_whole")),
        sa.CheckConstraint("radius_m IS NULL OR radius_m >= 1", name=op.f("ck_activities_radius_positive")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("fk_activities_campaign_id")),
        sa.ForeignKeyConstraint(["created_by"], ["volunteers.id"], name=op.f("fk_activities_created_by")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_activities_organization_id")),
        sa.ForeignKeyConstraint(
            ["organization_path_id"], ["organization_paths.id"], name=op.f("fk_activities_organization_path_id")
        ),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_activities_station_id")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_activities_team_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activities")),
    )
    with op.batch_alter_table("activities", schema=None) as batch_op:
        batch_op.create_index("ix_activities_campaign_id", ["campaign_id"], unique=False)
        batch_op.create_index("ix_activities_created_by", ["created_by"], unique=False)
        batch_op.create_index("ix_activities_organization_id", ["organization_id"], unique=False)
        batch_op.create_index("ix_activities_organization_path_id", ["organization_path_id"], unique=False)
        batch_op.create_index("ix_activities_state", ["state"], unique=False)
        batch_op.create_index("ix_activities_station_id", ["station_id"], unique=False)
        batch_op.create_index("ix_activities_team_id", ["team_id"], unique=False)

    op.create_table(
        "document_counters",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_document_counters_station_id")),
        sa.PrimaryKeyConstraint("station_id", "month", name=op.f("pk_document_counters")),
    )
    op.create_table(
        "memberships",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("role IN ('leader', 'deputy', 'member')", name=op.f("ck_memberships_role")),
        sa.CheckConstraint("state <> 'active' OR joined_at IS NOT NULL", name=op.f("ck_memberships_active_has_joined")),
        sa.CheckConstraint("state <> 'left' OR left_at IS NOT NULL", name=op.f("ck_memberships_left_has_moment")),
        sa.CheckConstraint(
            "state IN ('requested', 'invited', 'active', 'rejected', 'left')", name=op.f("ck_memberships_state")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_memberships_team_id")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_memberships_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
    )
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.create_index("ix_memberships_team_id_state", ["team_id", "state"], unique=False)
        batch_op.create_index("ix_memberships_volunteer_id_state", ["volunteer_id", "state"], unique=False)
        batch_op.create_index(
            "uq_memberships_open",
            ["team_id", "volunteer_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('requested', 'invited', 'active')"),
            postgresql_where=sa.text("state IN ('requested', 'invited', 'active')"),
        )

    op.create_table(
        "movements",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("document_number", sa.String(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'reversal') = (reverses_id IS NOT NULL)", name=op.f("ck_movements_reversal_names_its_movement")
        ),
        sa.CheckConstraint(
            "kind IN ('receipt', 'issue', 'write_off', 'quarantine', 'transfer_out', 'transfer_in', 'stocktake', 'loan_out', 'loan_return', 'reversal')",
            name=op.f("ck_movements_kind_known"),
        ),
        sa.CheckConstraint(
            "reason IN ('donation', 'purchase', 'handed_out', 'used', 'expired', 'damaged', 'lost', 'mistake', 'opening', 'other')",
            name=op.f("ck_movements_reason_known"),
        ),
        sa.ForeignKeyConstraint(["actor_id"], ["volunteers.id"], name=op.f("fk_movements_actor_id")),
        sa.ForeignKeyConstraint(["reverses_id"], ["movements.id"], name=op.f("fk_movements_reverses_id")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_movements_station_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_movements")),
        sa.UniqueConstraint("reverses_id", name=op.f("uq_movements_reverses_id")),
        sa.UniqueConstraint("station_id", "document_number", name=op.f("uq_movements_station_id_document_number")),
    )
    with op.batch_alter_table("movements", schema=None) as batch_op:
        batch_op.create_index("ix_movements_actor_id", ["actor_id"], unique=False)
        batch_op.create_index("ix_movements_station_id", ["station_id", "recorded_at"], unique=False)

    op.create_table(
        "stock_balances",
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.String(), server_default="", nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_stock_balances_quantity_not_negative")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_stock_balances_item_id")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_stock_balances_station_id")),
        sa.PrimaryKeyConstraint("station_id", "item_id", "lot_number", name=op.f("pk_stock_balances")),
    )
    with op.batch_alter_table("stock_balances", schema=None) as batch_op:
        batch_op.create_index("ix_stock_balances_item_id", ["item_id"], unique=False)

    op.create_table(
        "activity_leaders",
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_activity_leaders_activity_id")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_activity_leaders_volunteer_id")),
        sa.PrimaryKeyConstraint("activity_id", "volunteer_id", name=op.f("pk_activity_leaders")),
    )
    with op.batch_alter_table("activity_leaders", schema=None) as batch_op:
        batch_op.create_index("ix_activity_leaders_volunteer_id", ["volunteer_id"], unique=False)

    op.create_table(
        "shifts",
        sa.Column("activity_id", sa.Uuid(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sign_up_closes_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("capacity", sa.Integer(), nullable=True),
        sa.Column("minimum", sa.Integer(), nullable=True),
        sa.Column("canceled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_count", sa.Integer(), nullable=False),
        sa.Column("waitlisted_count", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("capacity IS NULL OR capacity >= 1", name=op.f("ck_shifts_capacity_positive")),
        sa.CheckConstraint("capacity IS NULL OR confirmed_count <= capacity", name=op.f("ck_shifts_capacity_holds")),
        sa.CheckConstraint(
            "confirmed_count >= 0 AND waitlisted_count >= 0", name=op.f("ck_shifts_counts_not_negative")
        ),
        sa.CheckConstraint(
            "minimum IS NULL OR capacity IS NULL OR minimum <= capacity", name=op.f("ck_shifts_minimum_fits")
        ),
        sa.CheckConstraint("minimum IS NULL OR minimum >= 1", name=op.f("ck_shifts_minimum_positive")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_shifts_starts_before_it_ends")),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_shifts_activity_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shifts")),
    )
    with op.batch_alter_table("shifts", schema=None) as batch_op:
        batch_op.create_index("ix_shifts_activity_id", ["activity_id", "starts_at"], unique=False)
        batch_op.create_index("ix_shifts_ends_at", ["ends_at"], unique=False)
        batch_op.create_index("ix_shifts_starts_at", ["starts_at"], unique=False)

    op.create_table(
        "stock_entries",
        sa.Column("movement_id", sa.Uuid(), nullable=False),
        sa.Column("station_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("lot_number", sa.String(), server_default="", nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("balance >= 0", name=op.f("ck_stock_entries_balance_not_negative")),
        sa.CheckConstraint("quantity <> 0", name=op.f("ck_stock_entries_quantity_moves")),
        sa.ForeignKeyConstraint(["item_id"], ["items.id"], name=op.f("fk_stock_entries_item_id")),
        sa.ForeignKeyConstraint(["movement_id"], ["movements.id"], name=op.f("fk_stock_entries_movement_id")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_stock_entries_station_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_entries")),
        sa.UniqueConstraint("station_id", "sequence", name=op.f("uq_stock_entries_station_id_sequence")),
    )
    with op.batch_alter_table("stock_entries", schema=None) as batch_op:
        batch_op.create_index("ix_stock_entries_item_id", ["item_id"], unique=False)
        batch_op.create_index("ix_stock_entries_movement_id", ["movement_id"], unique=False)
        batch_op.create_index(
            "ix_stock_entries_station_id_item_id", ["station_id", "item_id", "sequence"], unique=False
        )
        batch_op.create_index("ix_stock_entries_station_id_occurred_at", ["station_id", "occurred_at"], unique=False)

    op.create_table(
        "attendances",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("shift_id", sa.Uuid(), nullable=True),
        sa.Column("station_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("grade", sa.String(), nullable=False),
        sa.Column("check_in_grade", sa.String(), nullable=False),
        sa.Column("check_out_grade", sa.String(), nullable=True),
        sa.Column("checked_in_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("checked_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("credited_minutes", sa.Integer(), nullable=False),
        sa.Column("held_minutes", sa.Integer(), nullable=False),
        sa.Column("reasons", JSON, nullable=False),
        sa.Column("check_in_evidence", JSON, nullable=False),
        sa.Column("check_out_evidence", JSON, nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "check_in_grade IN ('strong', 'medium', 'weak')", name=op.f("ck_attendances_check_in_grade")
        ),
        sa.CheckConstraint(
            "check_out_grade IN ('strong', 'medium', 'weak')", name=op.f("ck_attendances_check_out_grade")
        ),
        sa.CheckConstraint("grade IN ('strong', 'medium', 'weak')", name=op.f("ck_attendances_grade")),
        sa.CheckConstraint("state IN ('open', 'credited', 'held', 'rejected')", name=op.f("ck_attendances_state")),
        sa.CheckConstraint("(shift_id IS NULL) <> (station_id IS NULL)", name=op.f("ck_attendances_target")),
        sa.CheckConstraint("credited_minutes >= 0 AND held_minutes >= 0", name=op.f("ck_attendances_minutes")),
        sa.ForeignKeyConstraint(["shift_id"], ["shifts.id"], name=op.f("fk_attendances_shift_id")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_attendances_station_id")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_attendances_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attendances")),
    )
    with op.batch_alter_table("attendances", schema=None) as batch_op:
        batch_op.create_index("ix_attendances_shift_id_id", ["shift_id", "id"], unique=False)
        batch_op.create_index("ix_attendances_volunteer_id_id", ["volunteer_id", "id"], unique=False)
        batch_op.create_index(
            "uq_attendances_volunteer_id_open",
            ["volunteer_id"],
            unique=True,
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )

    op.create_table(
        "service_records",
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("attendance_id", sa.Uuid(), nullable=True),
        sa.Column("activity_id", sa.Uuid(), nullable=True),
        sa.Column("shift_id", sa.Uuid(), nullable=True),
        sa.Column("station_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("organization_path_id", sa.Uuid(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("place_name", sa.String(), nullable=True),
        sa.Column("content", sa.String(), nullable=False),
        sa.Column("leader_id", sa.Uuid(), nullable=True),
        sa.Column("recorder_id", sa.Uuid(), nullable=True),
        sa.Column("approver_id", sa.Uuid(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("reverses_id", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("source IN ('attended', 'backfilled')", name=op.f("ck_service_records_source")),
        sa.CheckConstraint("minutes <> 0", name=op.f("ck_service_records_minutes")),
        sa.CheckConstraint("starts_at <= ends_at", name=op.f("ck_service_records_interval")),
        sa.ForeignKeyConstraint(["activity_id"], ["activities.id"], name=op.f("fk_service_records_activity_id")),
        sa.ForeignKeyConstraint(["approver_id"], ["volunteers.id"], name=op.f("fk_service_records_approver_id")),
        sa.ForeignKeyConstraint(["leader_id"], ["volunteers.id"], name=op.f("fk_service_records_leader_id")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_service_records_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_path_id"], ["organization_paths.id"], name=op.f("fk_service_records_organization_path_id")
        ),
        sa.ForeignKeyConstraint(["recorder_id"], ["volunteers.id"], name=op.f("fk_service_records_recorder_id")),
        sa.ForeignKeyConstraint(["reverses_id"], ["service_records.id"], name=op.f("fk_service_records_reverses_id")),
        sa.ForeignKeyConstraint(["shift_id"], ["shifts.id"], name=op.f("fk_service_records_shift_id")),
        sa.ForeignKeyConstraint(["station_id"], ["stations.id"], name=op.f("fk_service_records_station_id")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_service_records_team_id")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_service_records_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_records")),
        sa.UniqueConstraint("reverses_id", name=op.f("uq_service_records_reverses_id")),
    )
    with op.batch_alter_table("service_records", schema=None) as batch_op:
        batch_op.create_index("ix_service_records_activity_id", ["activity_id"], unique=False)
        batch_op.create_index(
            "ix_service_records_organization_path_id_on", ["organization_path_id", "on"], unique=False
        )
        batch_op.create_index("ix_service_records_volunteer_id_on_id", ["volunteer_id", "on", "id"], unique=False)
        batch_op.create_index(
            "uq_service_records_attendance_id",
            ["attendance_id"],
            unique=True,
            sqlite_where=sa.text("attendance_id IS NOT NULL AND reverses_id IS NULL"),
            postgresql_where=sa.text("attendance_id IS NOT NULL AND reverses_id IS NULL"),
        )

    op.create_table(
        "sign_ups",
        sa.Column("shift_id", sa.Uuid(), nullable=False),
        sa.Column("volunteer_id", sa.Uuid(), nullable=False),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("withdrawal_reason", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state != 'waitlisted' OR position IS NOT NULL", name=op.f("ck_sign_ups_waitlisted_with_position")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'invited', 'confirmed', 'waitlisted', 'withdrawn', 'declined', 'rejected')",
            name=op.f("ck_sign_ups_state"),
        ),
        sa.ForeignKeyConstraint(["shift_id"], ["shifts.id"], name=op.f("fk_sign_ups_shift_id")),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_sign_ups_team_id")),
        sa.ForeignKeyConstraint(["volunteer_id"], ["volunteers.id"], name=op.f("fk_sign_ups_volunteer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ups")),
    )
    with op.batch_alter_table("sign_ups", schema=None) as batch_op:
        batch_op.create_index("ix_sign_ups_volunteer_id", ["volunteer_id", "state"], unique=False)
        batch_op.create_index(
            "uq_sign_ups_active",
            ["shift_id", "volunteer_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('pending', 'invited', 'confirmed', 'waitlisted')"),
            postgresql_where=sa.text("state IN ('pending', 'invited', 'confirmed', 'waitlisted')"),
        )
        batch_op.create_index("uq_sign_ups_position", ["shift_id", "position"], unique=True)

    keep_append_only()


def downgrade() -> None:
    drop_triggers()
    with op.batch_alter_table("sign_ups", schema=None) as batch_op:
        batch_op.drop_index("uq_sign_ups_position")
        batch_op.drop_index(
            "uq_sign_ups_active",
            sqlite_where=sa.text("state IN ('pending', 'invited', 'confirmed', 'waitlisted')"),
            postgresql_where=sa.text("state IN ('pending', 'invited', 'confirmed', 'waitlisted')"),
        )
        batch_op.drop_index("ix_sign_ups_volunteer_id")

    op.drop_table("sign_ups")
    with op.batch_alter_table("service_records", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_service_records_attendance_id",
            sqlite_where=sa.text("attendance_id IS NOT NULL AND reverses_id IS NULL"),
            postgresql_where=sa.text("attendance_id IS NOT NULL AND reverses_id IS NULL"),
        )
        batch_op.drop_index("ix_service_records_volunteer_id_on_id")
        batch_op.drop_index("ix_service_records_organization_path_id_on")
        batch_op.drop_index("ix_service_records_activity_id")

    op.drop_table("service_records")
    with op.batch_alter_table("attendances", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_attendances_volunteer_id_open",
            sqlite_where=sa.text("state = 'open'"),
            postgresql_where=sa.text("state = 'open'"),
        )
        batch_op.drop_index("ix_attendances_volunteer_id_id")
        batch_op.drop_index("ix_attendances_shift_id_id")

    op.drop_table("attendances")
    with op.batch_alter_table("stock_entries", schema=None) as batch_op:
        batch_op.drop_index("ix_stock_entries_station_id_occurred_at")
        batch_op.drop_index("ix_stock_entries_station_id_item_id")
        batch_op.drop_index("ix_stock_entries_movement_id")
        batch_op.drop_index("ix_stock_entries_item_id")

    op.drop_table("stock_entries")
    with op.batch_alter_table("shifts", schema=None) as batch_op:
        batch_op.drop_index("ix_shifts_starts_at")
        batch_op.drop_index("ix_shifts_ends_at")
        batch_op.drop_index("ix_shifts_activity_id")

    op.drop_table("shifts")
    with op.batch_alter_table("activity_leaders", schema=None) as batch_op:
        batch_op.drop_index("ix_activity_leaders_volunteer_id")

    op.drop_table("activity_leaders")
    with op.batch_alter_table("stock_balances", schema=None) as batch_op:
        batch_op.drop_index("ix_stock_balances_item_id")

    op.drop_table("stock_balances")
    with op.batch_alter_table("movements", schema=None) as batch_op:
        batch_op.drop_index("ix_movements_station_id")
        batch_op.drop_index("ix_movements_actor_id")

    op.drop_table("movements")
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_memberships_open",
            sqlite_where=sa.text("state IN ('requested', 'invited', 'active')"),
            postgresql_where=sa.text("state IN ('requested', 'invited', 'active')"),
        )
        batch_op.drop_index("ix_memberships_volunteer_id_state")
        batch_op.drop_index("ix_memberships_team_id_state")

    op.drop_table("memberships")
    op.drop_table("document_counters")
    with op.batch_alter_table("activities", schema=None) as batch_op:
        batch_op.drop_index("ix_activities_team_id")
        batch_op.drop_index("ix_activities_station_id")
        batch_op.drop_index("ix_activities_state")
        batch_op.drop_index("ix_activities_organization_path_id")
        batch_op.drop_index("ix_activities_organization_id")
        batch_op.drop_index("ix_activities_created_by")
        batch_op.drop_index("ix_activities_campaign_id")

    op.drop_table("activities")
    op.drop_table("teams")
    with op.batch_alter_table("stations", schema=None) as batch_op:
        batch_op.drop_index("ix_stations_organization_id")
        batch_op.drop_index("ix_stations_latitude_longitude")

    op.drop_table("stations")
    with op.batch_alter_table("sign_in_codes", schema=None) as batch_op:
        batch_op.drop_index("ix_sign_in_codes_session_id")
        batch_op.drop_index("ix_sign_in_codes_expires_at")

    op.drop_table("sign_in_codes")
    with op.batch_alter_table("path_members", schema=None) as batch_op:
        batch_op.drop_index("ix_path_members_ancestor_id_path_id")

    op.drop_table("path_members")
    with op.batch_alter_table("campaigns", schema=None) as batch_op:
        batch_op.drop_index("ix_campaigns_organization_id")

    op.drop_table("campaigns")
    with op.batch_alter_table("organizations", schema=None) as batch_op:
        batch_op.drop_index("ix_organizations_kind")
        batch_op.drop_index("ix_organizations_division_code")

    op.drop_table("organizations")
    with op.batch_alter_table("notifications", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_notifications_unread",
            postgresql_where=sa.text("read_at IS NULL"),
            sqlite_where=sa.text("read_at IS NULL"),
        )
        batch_op.drop_index(
            "ix_notifications_outbox",
            postgresql_where=sa.text("next_attempt_at IS NOT NULL"),
            sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
        )
        batch_op.drop_index("ix_notifications_inbox")

    op.drop_table("notifications")
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_grants_live", sqlite_where=sa.text("revoked_at IS NULL"), postgresql_where=sa.text("revoked_at IS NULL")
        )
        batch_op.drop_index("ix_grants_scope_id")

    op.drop_table("grants")
    with op.batch_alter_table("device_sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_device_sessions_volunteer_id_device_id")
        batch_op.drop_index(
            "ix_device_sessions_open",
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        )

    op.drop_table("device_sessions")
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_consents_live",
            postgresql_where=sa.text("withdrawn_at IS NULL"),
            sqlite_where=sa.text("withdrawn_at IS NULL"),
        )

    op.drop_table("consents")
    with op.batch_alter_table("volunteers", schema=None) as batch_op:
        batch_op.drop_index("ix_volunteers_home_division")

    op.drop_table("volunteers")
    op.drop_table("task_runs")
    with op.batch_alter_table("rate_counters", schema=None) as batch_op:
        batch_op.drop_index("ix_rate_counters_expires_at")

    op.drop_table("rate_counters")
    with op.batch_alter_table("organization_paths", schema=None) as batch_op:
        batch_op.drop_index("ix_organization_paths_organization_id")

    op.drop_table("organization_paths")
    op.drop_table("items")
    with op.batch_alter_table("idempotency_keys", schema=None) as batch_op:
        batch_op.drop_index("ix_idempotency_keys_created_at")

    op.drop_table("idempotency_keys")
    with op.batch_alter_table("divisions", schema=None) as batch_op:
        batch_op.drop_index("ix_divisions_parent_code_code")

    op.drop_table("divisions")


def keep_append_only() -> None:
    """Refuse UPDATE, DELETE and TRUNCATE on every ledger."""
    if op.get_bind().dialect.name == "sqlite":
        for table in LEDGERS:
            for verb in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_refuse_{verb.lower()} BEFORE {verb} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$"
    )
    for table in LEDGERS:
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def drop_triggers() -> None:
    """Let the tables go; SQLite drops a table's triggers with it."""
    if op.get_bind().dialect.name == "sqlite":
        return
    for table in LEDGERS:
        op.execute(f"DROP TRIGGER {table}_refuse_change ON {table}")
        op.execute(f"DROP TRIGGER {table}_refuse_truncate ON {table}")
    op.execute("DROP FUNCTION refuse_change()")
