"""What the hours ledger hears of erasure, and holds about a person. It only grows, and names people by id alone."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, or_, select, update

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.activities.events import CampaignChanging
from volunteer_api.activities.problems import CampaignFrozen
from volunteer_api.activities.shifts import register_last_day_overdue
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.periods import Period
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.hours import queries
from volunteer_api.hours.deadlines import last_day_overdue
from volunteer_api.hours.models import Backfill, RecordState, ServiceRecord
from volunteer_api.teams.roster import counted_of_members

register_last_day_overdue(last_day_overdue)


@on(VolunteerErased)
def forget_pending(event: VolunteerErased) -> None:
    """Delete the hours of the person that nobody decided on: they never became anything. The ledger stays, for sums.

    That the others were decided stays too, and by whom; what was said about her in them does not.
    """
    db.session.execute(
        delete(Backfill)
        .where(Backfill.volunteer_id == event.volunteer_id, Backfill.state == RecordState.PENDING)
        .execution_options(synchronize_session=False)
    )
    about_her = update(Backfill).where(Backfill.volunteer_id == event.volunteer_id)
    for words in (Backfill.reason, Backfill.decision_reason):
        db.session.execute(
            about_her.where(words.is_not(None)).values({words: ""}).execution_options(synchronize_session=False)
        )


@counted_of_members("服务分钟")
def minutes_for_team(team_id: UUID, period: Period) -> Mapping[UUID, int]:
    """What each served for the team, as the ledger has it; her other hours are none of its business."""
    return {row[0]: row[1] for row in db.session.execute(queries.minutes_for_team(team_id, period))}


@on(CampaignChanging)
def keep_campaign(event: CampaignChanging) -> None:
    """Refuse where the ledger has something of the activity, or a backfill of it waits: both are counted for it."""
    recorded = exists().where(ServiceRecord.activity_id == event.activity_id)
    waits = exists().where(Backfill.activity_id == event.activity_id, Backfill.state == RecordState.PENDING)
    if db.session.scalar(select(or_(recorded, waits))):
        raise CampaignFrozen()


@exported("service_records")
def service_records(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The person's service, the latest first, with all that is recorded of it."""
    return rows(
        select(*ServiceRecord.__table__.columns)
        .where(ServiceRecord.volunteer_id == volunteer_id)
        .order_by(ServiceRecord.on.desc(), ServiceRecord.id)
    )


@exported("service_records_vouched_for")
def service_records_vouched_for(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Others' records that the person led, recorded or approved: which, and when. Whose they are is another's data."""
    return rows(
        select(
            ServiceRecord.id,
            ServiceRecord.on,
            (ServiceRecord.leader_id == volunteer_id).label("led"),
            (ServiceRecord.recorder_id == volunteer_id).label("recorded"),
            (ServiceRecord.approver_id == volunteer_id).label("approved"),
            ServiceRecord.recorded_at,
        )
        .where(
            or_(
                ServiceRecord.leader_id == volunteer_id,
                ServiceRecord.recorder_id == volunteer_id,
                ServiceRecord.approver_id == volunteer_id,
            )
        )
        .order_by(ServiceRecord.on.desc(), ServiceRecord.id)
    )


@exported("backfills")
def backfills(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Hours that others recorded for the person afterwards, also those that wait or were turned down."""
    return rows(
        select(*Backfill.__table__.columns)
        .where(Backfill.volunteer_id == volunteer_id)
        .order_by(Backfill.on.desc(), Backfill.id)
    )


@exported("backfills_vouched_for")
def backfills_vouched_for(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Others' hours that the person recorded or decided on: which, and when. Whose they are is another's data."""
    return rows(
        select(
            Backfill.id,
            Backfill.on,
            Backfill.state,
            (Backfill.recorder_id == volunteer_id).label("recorded"),
            (Backfill.decided_by == volunteer_id).label("decided"),
            Backfill.created_at,
            Backfill.decided_at,
        )
        .where(or_(Backfill.recorder_id == volunteer_id, Backfill.decided_by == volunteer_id))
        .order_by(Backfill.on.desc(), Backfill.id)
    )
