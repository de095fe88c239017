"""A volunteer's own calendar: her confirmed sign-ups at a secret address that a calendar follows without signing in."""

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from volunteer_api.activities import calendar
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock, keys, texts
from volunteer_api.core.database import db
from volunteer_api.core.downloads import Download
from volunteer_api.core.settings import settings
from volunteer_api.core.statements import insert
from volunteer_api.phone.models import CalendarFeed
from volunteer_api.sign_ups.models import SignUp, SignUpState

PURPOSE = "calendar feed"
TOKEN_BYTES = 32
# What is long over need not be fetched every hour.
KEPT_BEHIND = timedelta(days=90)
MOST_EVENTS = 500


def open_feed(volunteer_id: UUID) -> dict[str, str]:
    """Make the volunteer's address; one that she had before is dead from now on. The token is told this once."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row = {"token_digest": keys.sign(PURPOSE, token), "created_at": clock.now()}
    statement = insert(CalendarFeed).values(volunteer_id=volunteer_id, **row)
    db.session.execute(statement.on_conflict_do_update(index_elements=[CalendarFeed.volunteer_id], set_=row))
    url = f"{settings().public_base_url}/c/cal/{token}.ics"
    return {"url": url, "subscribe_url": f"webcal://{url.partition('://')[2]}"}


def close_feed(volunteer_id: UUID) -> None:
    """Make the volunteer's address dead, where she has one."""
    db.session.execute(delete(CalendarFeed).where(CalendarFeed.volunteer_id == volunteer_id))


def feed_state(volunteer_id: UUID) -> dict[str, Any]:
    """Whether there is an address, and since when."""
    return {
        "since": db.session.scalar(select(CalendarFeed.created_at).where(CalendarFeed.volunteer_id == volunteer_id))
    }


def owner_of(token: str) -> UUID | None:
    """Whose calendar the token opens; None for what never was or was taken back."""
    digests = keys.digests(PURPOSE, token)
    return db.session.scalar(select(CalendarFeed.volunteer_id).where(CalendarFeed.token_digest.in_(digests)))


def feed(volunteer_id: UUID) -> Download:
    """Her confirmed sign-ups, canceled shifts among them as canceled. Two statements."""
    rows = db.session.execute(
        select(Shift, Activity)
        .join(SignUp, SignUp.shift_id == Shift.id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            SignUp.volunteer_id == volunteer_id,
            SignUp.state == SignUpState.CONFIRMED,
            Shift.ends_at > clock.now() - KEPT_BEHIND,
        )
        .order_by(Shift.starts_at, Shift.id)
        .limit(MOST_EVENTS)
    ).all()
    names = calendar.names_of({row.Activity.id for row in rows})
    entries = [calendar.Entry(row.Activity, row.Shift, names[row.Activity.id], reminds=True) for row in rows]
    return Download(calendar.written(texts.translate("My volunteer shifts"), entries), calendar.MEDIA_TYPE)
