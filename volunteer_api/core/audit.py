"""The audit log: who did what to whose data, append-only by a trigger. What is recorded is in the unit that did it."""

from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from flask import g, has_request_context
from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from volunteer_api.core import clock
from volunteer_api.core.addresses import caller
from volunteer_api.core.database import JSON_TYPE, Base, Identified, db
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import delete_some
from volunteer_api.core.tasks import Every, repeat, task


class AuditAction(StrEnum):
    """What is recorded."""

    REGISTERED = "registered"
    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SESSION_ENDED = "session_ended"
    TOKEN_REUSED = "token_reused"  # noqa: S105  # a word, not a secret
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a word, not a secret
    PHONE_CHANGED = "phone_changed"
    CONSENTS_CHANGED = "consents_changed"
    RESIDENT_ID_CHANGED = "resident_id_changed"
    GUARDIAN_CHANGED = "guardian_changed"
    ERASURE_REQUESTED = "erasure_requested"
    ERASURE_TAKEN_BACK = "erasure_taken_back"
    ERASED = "erased"
    DATA_READ = "data_read"
    DATA_EXPORTED = "data_exported"
    GRANTED = "granted"
    REVOKED = "revoked"
    ORGANIZATION_MOVED = "organization_moved"
    ORGANIZATION_MERGED = "organization_merged"
    ORGANIZATION_CLOSED = "organization_closed"
    ORGANIZATION_REOPENED = "organization_reopened"
    ORGANIZATION_ADDED = "organization_added"
    ORGANIZATION_CHANGED = "organization_changed"
    ACTIVITY_MOVED = "activity_moved"
    CAMPAIGN_STARTED = "campaign_started"
    CAMPAIGN_CHANGED = "campaign_changed"
    POLICY_ADDED = "policy_added"
    POLICY_CHANGED = "policy_changed"
    RANKING_CLOSED = "ranking_closed"
    MEMBERS_IMPORTED = "members_imported"
    STATIONS_IMPORTED = "stations_imported"
    LEADERSHIP_CHANGED = "leadership_changed"
    TEAM_CLOSED = "team_closed"
    QUALIFICATIONS_RECORDED = "qualifications_recorded"
    STATION_STATUS_CHANGED = "station_status_changed"
    ITEM_ADDED = "item_added"
    ITEM_CHANGED = "item_changed"
    STOCK_MONTH_CLOSED = "stock_month_closed"
    LOT_RECALLED = "lot_recalled"
    RECALL_ENDED = "recall_ended"
    HOURS_RECORDED = "hours_recorded"
    HOURS_WITHDRAWN = "hours_withdrawn"
    HOURS_DECIDED = "hours_decided"
    HOURS_REVERSED = "hours_reversed"
    DISPUTE_DECIDED = "dispute_decided"
    STOCKTAKE_APPROVED = "stocktake_approved"
    STOCKTAKE_CANCELED = "stocktake_canceled"
    ATTENDANCE_REVIEWED = "attendance_reviewed"
    ROLL_CALL_TAKEN = "roll_call_taken"
    ACTIVITY_LEADERS_CHANGED = "activity_leaders_changed"
    OUTCOMES_CORRECTED = "outcomes_corrected"
    STAR_LEVEL_DECIDED = "star_level_decided"
    NATIONAL_EXPORT_MADE = "national_export_made"
    NATIONAL_EXPORT_SYNCED = "national_export_synced"
    CALENDAR_FEED_OPENED = "calendar_feed_opened"
    NAME_CHANGED = "name_changed"
    BIRTH_DATE_CHANGED = "birth_date_changed"


class AuditEntry(Identified, Base):
    """One thing done: by whom (None: nobody signed in), to whom, in which organization.

    `network` is the caller's address without its last part, `details` has codes and ids, never personal data.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_created_at_id", "created_at", "id"),
        Index("ix_audit_entries_actor_id_id", "actor_id", "id"),
        Index("ix_audit_entries_subject_id_id", "subject_id", "id"),
        Index("ix_audit_entries_organization_id_id", "organization_id", "id"),
    )

    action: Mapped[str]
    actor_id: Mapped[UUID | None]
    subject_id: Mapped[UUID | None]
    organization_id: Mapped[UUID | None]
    network: Mapped[str | None]
    request_id: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(JSON_TYPE)


def record(
    action: AuditAction,
    *,
    actor_id: UUID | None = None,
    subject_id: UUID | None = None,
    organization_id: UUID | None = None,
    **details: str | int | bool | None,
) -> None:
    """Write an entry as a part of the running unit. `subject_id` is the volunteer whom it concerns."""
    db.session.add(
        AuditEntry(
            action=action,
            actor_id=actor_id,
            subject_id=subject_id,
            organization_id=organization_id,
            network=_network(),
            request_id=g.get("request_id") if has_request_context() else None,
            details=details,
        )
    )


def kept_since() -> datetime:
    """Older entries are deleted."""
    return clock.now() - timedelta(days=rules().audit_days)


@task("core.forget_audit_entries", every=Every.DAY, unit=False)
def forget_audit_entries() -> None:
    """Delete the entries past their time; the trigger refuses any younger than the law's six months."""
    repeat(lambda: delete_some(AuditEntry, AuditEntry.created_at < kept_since()))


def _network() -> str | None:
    if not has_request_context():
        return None
    address = caller()
    if address is None:
        return None
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))
