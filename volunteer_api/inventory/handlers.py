"""What inventory hears of erasure, and holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.inventory.models import Movement
from volunteer_api.inventory.retained_names import retain_name


@on(VolunteerErased)
def keep_name_on_documents(event: VolunteerErased) -> None:
    """Keep the name of somebody who handled stock for as long as stock documents must name their handlers."""
    retain_name(event.volunteer_id, event.name)


@exported("movements")
def movements(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The stock documents that the person made, the latest first."""
    return rows(
        select(
            Movement.id,
            Movement.document_number,
            Movement.station_id,
            Movement.kind,
            Movement.reason,
            Movement.note,
            Movement.occurred_at,
            Movement.recorded_at,
        )
        .where(Movement.actor_id == volunteer_id)
        .order_by(Movement.recorded_at.desc(), Movement.id)
    )
