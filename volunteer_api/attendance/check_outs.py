"""Check-out: nothing weak is credited unseen."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.attendance import scene, taps, timeline
from volunteer_api.attendance.judging import Told, judge, told
from volunteer_api.attendance.memory import Memory, NotPlain
from volunteer_api.attendance.models import Attendance, ScanKind
from volunteer_api.attendance.problems import AlreadyCheckedOut, AlreadyReviewed
from volunteer_api.attendance.taps import Tap
from volunteer_api.attendance.timeline import Followers
from volunteer_api.core import clock
from volunteer_api.core.settings import rules
from volunteer_api.hours.days import MINUTE
from volunteer_api.sign_ups.queries import lock_volunteer

EVER = datetime.min.replace(tzinfo=UTC)


def check_out(
    *,
    attendance: Attendance,
    evidence: dict[str, Any] | Told,
    received_at: datetime | None = None,
    scanned_by: UUID | None = None,
    memory: Memory | None = None,
    followers: Followers | None = None,
) -> Attendance:
    """End an attendance: credit its minutes, or hold them for review with the reasons.

    One that was closed without the volunteer, by a check-in elsewhere or long after the end, takes its check-out still,
    as long as nobody decided. `received_at` is when the server had it, by default now. `scanned_by`: who read the
    volunteer's own code at a desk.

    Of several check-outs all are kept, and say together when it ended, whichever came first (taps.py): one that ends it
    later than it was known, as after a slip, is taken, and so is one that lets the time between wait for a review. Any
    other is AlreadyCheckedOut (409), or AlreadyReviewed where somebody decided without one. `memory` and `followers`:
    as of `check_in`.
    """
    end = told(evidence, received_at or clock.now(), scanned=scanned_by is not None)
    if memory is not None:
        attendance, here, others = memory.load_with_others(attendance)
    else:
        lock_volunteer(attendance.volunteer_id)
        attendance, here, others = scene.load_with_others(attendance.volunteer_id, attendance.id)
    if timeline.is_fixed(attendance) and attendance.check_out_tapped_at is None:
        raise (AlreadyCheckedOut if attendance.reviewed_by is None else AlreadyReviewed)(attendance)
    known = taps.taps_of(attendance, ScanKind.CHECK_OUT)
    if memory is not None and (others or known or attendance.taps):
        raise NotPlain()
    if not timeline.is_fixed(attendance):
        taps.expect(attendance, here)
    # Whether it was before the check-in is seen by the timeline: that one may move still.
    closes_at = here.ends_at + timedelta(minutes=rules().check_out_closes_minutes)
    tap = taps.tap_of(ScanKind.CHECK_OUT, end, judge(here, end, (EVER, closes_at)), scanned_by)
    if known:
        _leaves_again(attendance, tap, known, followers)
        return attendance
    taps.end_with(attendance, tap)
    since = attendance.checked_in_at
    if attendance.taps:
        # Of several check-ins another one may be the beginning, now that it is known when she left.
        timeline.follow_taps(attendance, since=since - MINUTE, followers=followers)
        return attendance
    timeline.put_in_order(
        attendance,
        since=since,
        here=here,
        alone=not others,
        memory=memory,
        followers=followers,
    )
    return attendance


def _leaves_again(attendance: Attendance, tap: Tap, known: Sequence[Tap], followers: Followers | None) -> None:
    """Keep a check-out that is not the first one, and let it count. Raises AlreadyCheckedOut (409) for what is no news.

    What was decided it moves no more, but it is there for whoever decides anew.
    """
    known_at = attendance.checked_out_at
    if any(tap.repeats(one) for one in known) or not taps.keep(attendance, tap, known) or timeline.is_fixed(attendance):
        raise AlreadyCheckedOut(attendance)
    changed = timeline.follow_taps(attendance, since=attendance.checked_in_at - MINUTE, followers=followers)
    ended_at = attendance.checked_out_at
    if ended_at is None or known_at is None or ended_at <= known_at:
        raise AlreadyCheckedOut(attendance, counts=changed)
