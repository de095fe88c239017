"""What organizations do when something happens to a person, and what they hold about one."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from volunteer_api.accounts.events import PhoneProven, VolunteerErased
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.organizations import grants, queries


@on(PhoneProven)
def give_what_waited(event: PhoneProven) -> None:
    """Grants by phone take effect."""
    grants.take_effect(volunteer_id=event.volunteer_id, phone=event.phone)


@on(VolunteerErased)
def end_grants(event: VolunteerErased) -> None:
    """Nobody anonymous holds rights."""
    grants.end_all_of(event.volunteer_id)


@exported("grants")
def all_grants(volunteer_id: UUID) -> Sequence[dict[str, Any]]:
    """Role, scope, and since and until when she held it."""
    return rows(queries.ever_held_by(volunteer_id))
