"""What the screens' feature does when features to the left publish news, and what it holds about a person."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts.events import SessionsEnded, VolunteerErased
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.phone import feed
from volunteer_api.phone.models import CalendarFeed


@on(VolunteerErased)
def close_feed(event: VolunteerErased) -> None:
    """Nobody reads an erased person's calendar."""
    feed.close_feed(event.volunteer_id)


@on(SessionsEnded)
def close_feed_with_sessions(event: SessionsEnded) -> None:
    """Whoever had got into the account does not go on reading when and where its owner serves."""
    feed.close_unasked(event.volunteer_id)


@exported("calendar_feed")
def calendar_feed(volunteer_id: UUID) -> list[dict[str, Any]]:
    """That the person gave a calendar an address, without the token: only its digest is kept."""
    return rows(select(CalendarFeed.created_at).where(CalendarFeed.volunteer_id == volunteer_id))
