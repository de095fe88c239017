"""Shifts as iCalendar (RFC 5545), so that Apple's, Google's and Huawei's calendars show them.

Times are in UTC, which every calendar turns into its own zone, so no zone has to be described. A shift is the same
event (UID) wherever it is published; its SEQUENCE grows with every change, so that a calendar takes it for newer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from icalendar import Alarm, Calendar, Event
from icalendar.prop import vDuration, vText
from sqlalchemy import select

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.activities.next_shifts import next_first
from volunteer_api.activities.recurrence import MOST_OCCURRENCES
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.downloads import Download
from volunteer_api.core.settings import settings
from volunteer_api.organizations.models import Organization
from volunteer_api.teams.models import Team

MEDIA_TYPE = "text/calendar; charset=utf-8"
MAKER = "-//volunteer-api//activities//ZH"
# How soon a calendar that follows the address should look again; they take it for a hint.
LOOK_AGAIN = timedelta(hours=1)
REMIND_BEFORE = timedelta(hours=1)


@dataclass(frozen=True)
class Entry:
    """A shift with its activity. `names` are of whom it is; `reminds`: the calendar rings an hour before.

    Of somebody's own sign-up: `changes` only grows, with each time that a place was got or lost; `left_at` is when the
    place was lost.
    """

    activity: Any
    shift: Any
    names: tuple[str, ...]
    reminds: bool = False
    changes: int = 0
    left_at: datetime | None = None


def activity_calendar(activity: Activity) -> Download:
    """An activity's shifts, to be put into a calendar once. Two statements.

    As many as an activity may have beside the canceled ones, which a rule that is given anew leaves behind.
    """
    shifts = db.session.scalars(
        select(Shift).where(Shift.activity_id == activity.id).order_by(*next_first(clock.now())).limit(MOST_OCCURRENCES)
    )
    names = names_of([activity.id])[activity.id]
    in_order = sorted(shifts, key=lambda shift: (shift.starts_at, shift.id))
    content = written(activity.title, [Entry(activity, shift, names) for shift in in_order])
    return Download(content, MEDIA_TYPE, file_name=f"{activity.title}.ics")


def names_of(activity_ids: Iterable[UUID]) -> dict[UUID, tuple[str, ...]]:
    """Who holds each activity: the organization, and the team where it is a team's. One statement."""
    rows = db.session.execute(
        select(Activity.id, Organization.name, Team.name.label("team"))
        .join(Organization, Organization.id == Activity.organization_id)
        .outerjoin(Team, Team.id == Activity.team_id)
        .where(Activity.id.in_(activity_ids))
    )
    return {row.id: (row.name, row.team) if row.team else (row.name,) for row in rows}


def written(name: str, entries: Iterable[Entry]) -> bytes:
    """A calendar of this name as it goes over the line: UTF-8, lines folded at 75 bytes and ended by CRLF."""
    calendar = Calendar()
    calendar.add("prodid", MAKER)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", "PUBLISH")
    # The first is what the standard came to (RFC 7986), the others what calendars have read before.
    # Made to texts here: icalendar knows neither as one, and lets a line break through.
    calendar.add("name", vText(name))
    calendar.add("x-wr-calname", vText(name))
    calendar.add("x-wr-timezone", str(settings().zone))
    calendar.add("refresh-interval", vDuration(LOOK_AGAIN), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", vDuration(LOOK_AGAIN))
    for entry in entries:
        calendar.add_component(_event(entry))
    content: bytes = calendar.to_ical()
    return content


def _event(entry: Entry) -> Event:
    activity, shift = entry.activity, entry.shift
    canceled = entry.left_at is not None or _is_canceled(activity, shift)
    event = Event()
    event.add("uid", f"{shift.id}@{urlsplit(settings().public_base_url).hostname}")
    event.add("dtstamp", _last_known_change(entry))
    # All only grow, and one of them does with every change: a shift moved, an activity renamed, a sign-up withdrawn.
    event.add("sequence", activity.version + shift.version - 2 + entry.changes)
    event.add("dtstart", shift.starts_at)
    event.add("dtend", shift.ends_at)
    event.add("summary", activity.title)
    event.add("description", "\n".join(_lines(entry)))
    event.add("status", "CANCELLED" if canceled else "CONFIRMED" if activity.published_at else "TENTATIVE")
    event.add("transp", "TRANSPARENT" if canceled else "OPAQUE")
    if activity.place_name:
        event.add("location", activity.place_name)
    if activity.latitude is not None:
        event.add("geo", (activity.latitude, activity.longitude))
    if entry.reminds and not canceled:
        event.add_component(_alarm(activity.title))
    return event


def _is_canceled(activity: Any, shift: Any) -> bool:
    return activity.state == ActivityState.CANCELED or shift.canceled_at is not None


def _lines(entry: Entry) -> list[str]:
    activity = entry.activity
    found = [texts.translate("Held by: %(names)s", names="、".join(entry.names))]
    if entry.left_at is not None:
        found.append(texts.translate("You have no place in this shift any more."))
    reason = activity.cancellation_reason or entry.shift.cancellation_reason
    if reason:
        found.append(texts.translate("Canceled: %(reason)s", reason=reason))
    if activity.description:
        found.append(activity.description)
    return found


def _last_known_change(entry: Entry) -> datetime:
    # Not the present moment: what did not change is then the same file, and costs its reader a 304.
    activity, shift = entry.activity, entry.shift
    names = ("published_at", "completed_at", "canceled_at")
    known: list[datetime | None] = [
        *(getattr(activity, name) for name in names),
        shift.canceled_at,
        shift.created_at,
        entry.left_at,
    ]
    return max(moment for moment in known if moment is not None)


def _alarm(title: str) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", title)
    alarm.add("trigger", -REMIND_BEFORE)
    return alarm
