"""What the hours ledger holds about a person. It only grows, and names people by id alone: erasure leaves it."""

from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from volunteer_api.core.personal_data import exported, rows
from volunteer_api.hours.models import ServiceRecord


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
