"""Makers of sign-ups and of what they need. Call them inside a unit."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import service as activities
from volunteer_api.activities.changes import changing
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups.models import SignUp

HOUR = timedelta(hours=1)


def born(years_ago: int, *, days: int = 0) -> date:
    """The date of birth of somebody who is that old today, `days` younger."""
    today = clock.today()
    return date(today.year - years_ago, today.month, min(today.day, 28)) + timedelta(days=days)


def make_person(**known: Any) -> UUID:
    """The id of a new volunteer of whom this is known."""
    made = make_volunteer()
    for name, value in known.items():
        setattr(made, name, value)
    db.session.flush()
    return made.id


def number_of(volunteer_id: UUID) -> str:
    """The volunteer number."""
    return db.session.get_one(Volunteer, volunteer_id).volunteer_number


def move_shift(shift_id: UUID, activity_id: UUID, by: timedelta) -> None:
    """Let the shift be so much later, as a leader's edit does."""
    activity = activities.queries.lock_activity(activity_id)
    with changing(activity, shift_ids=[shift_id]) as shifts:
        for shift in shifts:
            shift.starts_at, shift.ends_at = shift.starts_at + by, shift.ends_at + by


def post(client: Any, caller_id: UUID, path: str, **body: Any) -> Any:
    """One tap of this volunteer."""
    return client.as_(caller_id).post(path, json=body, key=uuid4().hex)


def row(unit: Callable[[Callable[[], Any]], Any], sign_up_id: UUID | str) -> SignUp:
    """A sign-up as it is now."""
    found = unit(lambda: db.session.get(SignUp, UUID(str(sign_up_id))))
    assert isinstance(found, SignUp)
    return found


def kinds(client: Any, volunteer_id: UUID) -> list[str]:
    """The kinds of what somebody heard, the latest first."""
    return [item["kind"] for item in client.as_(volunteer_id).get("/me/notifications").get_json()["items"]]
