"""What disputes hear of erasure, and hold about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.disputes import service
from volunteer_api.disputes.models import Dispute, DisputeState, DisputeStep, DisputeWords
from volunteer_api.organizations.access import Permission, roles_with
from volunteer_api.organizations.events import OrganizationGrantGiven


@on(VolunteerErased)
def withdraw_and_forget_words(event: VolunteerErased) -> None:
    """Withdraw the person's open disputes, and delete all words in hers; that they were decided stays."""
    mine = select(Dispute).where(Dispute.volunteer_id == event.volunteer_id)
    for dispute in db.session.scalars(mine.where(Dispute.state == DisputeState.OPEN).order_by(Dispute.id)).all():
        service.withdraw(dispute, by=event.volunteer_id, told=False)
    steps = (
        select(DisputeStep.id)
        .join(Dispute, Dispute.id == DisputeStep.dispute_id)
        .where(Dispute.volunteer_id == event.volunteer_id)
    )
    db.session.execute(
        delete(DisputeWords).where(DisputeWords.step_id.in_(steps)).execution_options(synchronize_session=False)
    )


@on(OrganizationGrantGiven)
def hear_of_what_waits(event: OrganizationGrantGiven) -> None:
    """Tell who may decide from now on what waits."""
    if event.role in roles_with(Permission.HOURS_REVIEW):
        service.tell_of_waiting(event.volunteer_id, event.organization_id)


@exported("disputes")
def disputes(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person disputed and what became of it, step by step, the latest dispute first."""
    return rows(
        select(
            Dispute.id,
            Dispute.content,
            Dispute.service_record_id,
            Dispute.attendance_id,
            Dispute.shift_id,
            Dispute.state,
            Dispute.claimed_minutes,
            Dispute.credited_minutes,
            Dispute.due_on,
            DisputeStep.kind,
            DisputeStep.created_at,
            DisputeWords.words,
        )
        .join(DisputeStep, DisputeStep.dispute_id == Dispute.id)
        .outerjoin(DisputeWords, DisputeWords.step_id == DisputeStep.id)
        .where(Dispute.volunteer_id == volunteer_id)
        .order_by(Dispute.id.desc(), DisputeStep.sequence)
    )


@exported("disputes_handled")
def disputes_handled(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Others' disputes that the person decided, asked in or confirmed, or whose records were hers; without words."""
    acted = select(DisputeStep.dispute_id).where(DisputeStep.actor_id == volunteer_id)
    parts = (Dispute.decided_by, Dispute.recorder_id, Dispute.approver_id, Dispute.leader_id, Dispute.confirmed_by)
    return rows(
        select(Dispute.id, Dispute.content, Dispute.state, Dispute.created_at, Dispute.closed_at)
        .where(
            Dispute.volunteer_id != volunteer_id,
            or_(*(part == volunteer_id for part in parts), Dispute.id.in_(acted)),
        )
        .order_by(Dispute.id.desc())
    )
