"""Check-outs that were forgotten, and reviews that nobody came to."""

from datetime import timedelta

from volunteer_api.activities.leaders import hearers_of
from volunteer_api.attendance import review_notices as notices
from volunteer_api.attendance import review_queries, scene
from volunteer_api.attendance.models import Reason, State
from volunteer_api.attendance.settling import hold
from volunteer_api.core import clock
from volunteer_api.core.settings import rules
from volunteer_api.hours import deadlines
from volunteer_api.hours.notices import remind

CLOSED_AT_ONCE = 100
REMINDED_AT_ONCE = 1000
# A phone that tells late of a check-in may have its check-out in the next call.
TOLD_NOW = timedelta(minutes=15)
# For how long a run that failed is made up for.
REMINDED_DAYS = 14


def close_forgotten() -> int:
    """Close what is open two hours after the end of its frame; returns how many, at most a hundred in one run.

    Each is credited nothing and held until somebody says when the volunteer left; she hears of it, and once for each
    shift so do its leaders. Whoever checks out at this moment is left to that: volunteers whom somebody else holds are
    left out, and the others are looked at again once they are held.
    """
    now = clock.now()
    ended_by = now - timedelta(minutes=rules().check_out_closes_minutes)
    closed = 0
    for attendance_id, volunteer_id in review_queries.hold_forgotten(ended_by, now - TOLD_NOW, CLOSED_AT_ONCE):
        attendance, here = scene.load(volunteer_id, attendance_id)
        if attendance.state != State.OPEN or here.ends_at > ended_by:
            continue
        attendance.closed_at = now
        hold(attendance, {Reason.FORGOTTEN_CHECK_OUT}, 0, here)
        notices.tell(notices.FORGOTTEN, attendance, here)
        for leader_id in review_queries.responsible_for(here):
            notices.tell_leader(notices.UNFINISHED, leader_id, activity=notices.title(here), about=notices.about(here))
        closed += 1
    return closed


def remind_of_reviews() -> int:
    """Remind leaders of what must be decided within three days, once for each shift or day of duty; returns how many.

    At most a thousand of these in one run, the oldest first.
    """
    first_spared = clock.today() + timedelta(days=deadlines.REMINDED_BEFORE + 1)
    found = review_queries.due(deadlines.last_day_overdue(first_spared), REMINDED_DAYS, REMINDED_AT_ONCE)
    leaders = hearers_of({row.activity_id for row in found if row.activity_id is not None})
    leaders |= review_queries.managers_of({row.station_id for row in found if row.station_id is not None})
    reminded = 0
    for row in found:
        day = clock.local_date(row.ended_at)
        for leader_id in leaders[row.activity_id or row.station_id]:
            notices.tell_leader(
                notices.DUE,
                leader_id,
                activity=row.title,
                about=row.shift_id or row.station_id,
                once=day.isoformat(),
                due_on=deadlines.due_on(day).on.isoformat(),
            )
            reminded += 1
    return reminded


def remind_reviewers() -> None:
    """Tell the nearest reviewers of each organization how many attendances wait: those due soon, and daily those late.

    They are told beside the leaders, who may be the volunteers themselves, or may not decide on what waits.
    """
    late = review_queries.waiting_by_organization(None, deadlines.last_day_overdue())
    remind(notices.ALL_LATE, late, once=clock.today())
    for due_on, first, last in deadlines.falling_due(deadlines.REMINDED_BEFORE):
        waiting = review_queries.waiting_by_organization(first, last)
        remind(notices.ALL_DUE, waiting, once=due_on, due_on=due_on.isoformat())
