"""A volunteer's own calendar: her confirmed sign-ups at a secret address that a calendar follows without signing in."""

import secrets
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, case, delete, func, or_, select

from volunteer_api.activities import calendar
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import audit, clock, keys, texts
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.downloads import Download
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.statements import insert, row_count
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify
from volunteer_api.notifications.templates import register
from volunteer_api.phone.models import CalendarFeed
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState

PURPOSE = "calendar feed"
FEED_OPENED = register(
    "calendar_feed_opened",
    "A calendar follows your shifts",
    "Whoever has its address sees when and where you serve. If that was not you, take the address back.",
    Group.SECURITY,
)
FEED_CLOSED = register(
    "calendar_feed_closed",
    "Your calendar is no longer kept up to date",
    "Its address ended with your sessions. Make a new one in the app, and subscribe to it.",
    Group.SECURITY,
)
TOKEN_BYTES = 32
# What is long over need not be fetched every hour.
KEPT_BEHIND = timedelta(days=90)
MOST_EVENTS = 500


def open_feed(volunteer_id: UUID) -> dict[str, str]:
    """Make the volunteer's address; one that she had before is dead from now on. The token is told this once.

    Recorded, and she hears of it: whoever asked may be somebody else.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    row: dict[str, Any] = {"token_digest": keys.sign(PURPOSE, token), "created_at": clock.now()}
    statement = insert(CalendarFeed).values(volunteer_id=volunteer_id, **row)
    db.session.execute(statement.on_conflict_do_update(index_elements=[CalendarFeed.volunteer_id], set_=row))
    audit.record(AuditAction.CALENDAR_FEED_OPENED, actor_id=volunteer_id, subject_id=volunteer_id)
    notify(
        volunteer_id=volunteer_id,
        kind=FEED_OPENED,
        values={},
        dedup_key=f"{FEED_OPENED}:{volunteer_id}:{row['created_at'].isoformat()}",
    )
    url = f"{settings().public_base_url}/c/cal/{token}.ics"
    return {"url": url, "subscribe_url": f"webcal://{url.partition('://')[2]}"}


def close_feed(volunteer_id: UUID) -> bool:
    """Make the volunteer's address dead; whether she had one."""
    return row_count(db.session.execute(delete(CalendarFeed).where(CalendarFeed.volunteer_id == volunteer_id))) > 0


def close_unasked(volunteer_id: UUID) -> None:
    """The same where her sessions were ended: a calendar that stops in silence is believed to be empty."""
    if close_feed(volunteer_id):
        notify(
            volunteer_id=volunteer_id,
            kind=FEED_CLOSED,
            values={},
            dedup_key=f"{FEED_CLOSED}:{volunteer_id}:{clock.now().isoformat()}",
        )


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
    """Her confirmed sign-ups; as canceled, canceled shifts and places that she lost. Two statements.

    A calendar that only missed an event would keep it, as Apple's and Google's do: it must hear that it is canceled.
    """
    rows = db.session.execute(_places(volunteer_id)).all()
    names = calendar.names_of({row.Activity.id for row in rows})
    entries = [
        calendar.Entry(
            row.Activity,
            row.Shift,
            names[row.Activity.id],
            reminds=True,
            changes=row.changes,
            left_at=None if row.state == SignUpState.CONFIRMED else row.left_at,
        )
        for row in rows
    ]
    return Download(calendar.written(texts.translate("My volunteer shifts"), entries), calendar.MEDIA_TYPE)


def _places(volunteer_id: UUID) -> Select[Any]:
    """The shifts in which she has a place, or had one, each once; `changes` is over all her sign-ups."""
    now = clock.now()
    own = SignUp.volunteer_id == volunteer_id
    changes = func.sum(SignUp.place_changes).over(partition_by=SignUp.shift_id).label("changes")
    # An active sign-up, of which there is one at most, goes before those that are over.
    order = (case((SignUp.state.in_(ACTIVE_SIGN_UPS), 0), else_=1), SignUp.id.desc())
    latest = func.row_number().over(partition_by=SignUp.shift_id, order_by=order).label("latest")
    found = select(
        SignUp.shift_id,
        SignUp.state,
        func.coalesce(SignUp.withdrawn_at, SignUp.asked_at, SignUp.decided_at, SignUp.created_at).label("left_at"),
        changes,
        latest,
    )
    mine = found.where(own).subquery()
    return (
        select(Shift, Activity, mine.c.state, mine.c.changes, mine.c.left_at)
        .join(mine, mine.c.shift_id == Shift.id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            mine.c.latest == 1,
            Shift.ends_at > now - KEPT_BEHIND,
            or_(
                mine.c.state == SignUpState.CONFIRMED,
                # Not by when it was lost: a calendar that looked before, or looks seldom, would still have it.
                and_(mine.c.changes > 0, Shift.ends_at > now - timedelta(days=rules().calendar_canceled_days)),
            ),
        )
        # Whoever gave up a year of shifts must not miss the next one that she has.
        .order_by(mine.c.state != SignUpState.CONFIRMED, Shift.starts_at, Shift.id)
        .limit(MOST_EVENTS)
    )
