"""What an attendance comes to: its minutes are credited, or held for review."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from volunteer_api.attendance import minutes, queries, sampling, scene, travel
from volunteer_api.attendance.memory import Beside
from volunteer_api.attendance.minutes import Counted
from volunteer_api.attendance.models import Attendance, Reason, State
from volunteer_api.attendance.scene import Scene
from volunteer_api.core import clock, metrics
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.unit_of_work import after_commit
from volunteer_api.hours import service as hours
from volunteer_api.hours import tallies
from volunteer_api.hours.days import MINUTE, minutes_by_day, whole_minutes

# What the ledger keeps is in the language of the records, whoever sent the tap.
FURTHER_TAP = "又收到一次签到或签退，按全部签到签退重新核算。"
ORDER = {reason: number for number, reason in enumerate(Reason)}


def settle(
    attendance: Attendance,
    here: Scene,
    left_at: datetime,
    doubts: Iterable[Reason],
    *,
    later: Collection[UUID] = (),
    memory: Beside | None = None,
) -> None:
    """Credit or hold what the attendance was worth until `left_at`; without doubts it is credited.

    What lies over the day's limit is held in any case, and so is what its taps do not prove (before `counts_from_at`,
    after `counts_until_at`). One that can't be true beside another is held, and the other too, or flagged where it is
    credited already.

    What the ledger holds of it already stays where it is the same, and is taken back where it is not. `later` are the
    attendances that come after it: they are judged beside it, and not it beside them. With `memory`, the others and
    the ledger are as remembered there, and what comes out is written with the rest of a batch.
    """
    frame = here.starts_at, here.ends_at
    starts_at, ends_at = minutes.clip(attendance.checked_in_at, left_at, *frame)
    counts_from = attendance.counts_from_at or attendance.checked_in_at
    proven = minutes.clip(counts_from, min(attendance.counts_until_at or left_at, left_at), *frame)
    days, besides = (clock.local_date(starts_at), clock.local_date(ends_at)), {attendance.id, *later}
    if memory is not None:
        known, beside = memory.credited_on(*days, besides=besides), memory.around(attendance, left_at)
    else:
        # What the check-out changed is written once, with what comes of it.
        with db.session.no_autoflush:
            known = hours.credited_on(attendance.volunteer_id, *days, besides=besides)
            beside = list(db.session.scalars(queries.around(attendance, left_at)))
    others = [one for one in beside if one.state != State.REJECTED and one.id not in later]
    already = hours.minutes_by_day(known)
    before, after = whole_minutes(starts_at, proven[0]), whole_minutes(proven[1], ends_at)
    counted = _count(*proven, already)
    # Parts of a minute are nothing to look at.
    claimed = _count(starts_at, ends_at, already) if before or after else counted
    reasons = set(doubts) | _conflicts(attendance, others)
    if any(whole_minutes(max(record.starts_at, proven[0]), min(record.ends_at, proven[1])) for record in known):
        reasons.add(Reason.OVERLAPPING)
    if here.marked_absent:
        reasons.add(Reason.MARKED_ABSENT)
    # A rejection stands against taps that say the same once more, however good they are.
    if says_the_same_as_rejected(attendance, left_at, beside):
        reasons.add(Reason.REJECTED_BEFORE)
    if here.shift is not None and _below_minimum(counted, here):
        reasons.add(Reason.BELOW_MINIMUM)
    credited = counted.within_limit if not reasons else 0
    if before:
        reasons.add(Reason.EARLIER_CHECK_IN)
    if after:
        reasons.add(Reason.LATER_CHECK_OUT)
    if claimed.over_limit:
        reasons.add(Reason.DAILY_LIMIT)
        if _needs_organizer(claimed, already, others):
            reasons.add(Reason.NEEDS_ORGANIZER)
    was_open = attendance.state == State.OPEN
    attendance.state = State.HELD if reasons else State.CREDITED
    if was_open:
        # And not once more where further taps, or a roll-call, have it judged anew.
        count_end(attendance)
    if not reasons and sampling.is_sampled(attendance, rules().sampled_percent):
        attendance.flagged = True
        reasons.add(Reason.SAMPLED)
    attendance.reasons = in_order(reasons)
    set_held(attendance, here, claimed.minutes - credited, memory=memory)
    _credit(attendance, here, credited, *counted.within, memory)
    if memory is None:
        db.session.flush()


def count_end(attendance: Attendance) -> None:
    """Count for `/metrics` what came of an attendance, once it stands; `settle` does for one that was open."""
    after_commit(metrics.ATTENDANCES.labels(attendance.state).inc)


def hold(
    attendance: Attendance,
    reasons: Iterable[Reason],
    held_minutes: int,
    here: Scene | None = None,
    *,
    memory: Beside | None = None,
) -> None:
    """Hold an attendance for review with these reasons beside its own; `held_minutes` are what a review may credit.

    Its scene is read where it is not given and the minutes change.
    """
    attendance.state = State.HELD
    absent = {Reason.MARKED_ABSENT} if here is not None and here.marked_absent else set()
    attendance.reasons = in_order({*reasons, *absent, *map(Reason, attendance.reasons)})
    if held_minutes != attendance.held_minutes:
        here = here or scene.load(attendance.volunteer_id, attendance.id)[1]
        set_held(attendance, here, held_minutes, memory=memory)


def reopen(attendance: Attendance) -> None:
    """Let an attendance be open again: what closed it was told out of turn."""
    if attendance.held_minutes:
        set_held(attendance, scene.load(attendance.volunteer_id, attendance.id)[1], 0)
    attendance.state, attendance.checked_out_at = State.OPEN, None
    attendance.reasons = list(attendance.check_in_reasons)


def set_held(attendance: Attendance, here: Scene, held_minutes: int, *, memory: Beside | None = None) -> None:
    """Let so many minutes of an attendance wait for review, and count the change beside the ledger."""
    change, attendance.held_minutes = held_minutes - attendance.held_minutes, held_minutes
    tallies.held(
        volunteer_id=attendance.volunteer_id,
        activity=here.activity,
        station=here.station,
        on=here.on,
        team_id=here.team_id,
        minutes=change,
        attendance_id=attendance.id,
        gathered=memory.entries.held if memory is not None else None,
    )


def minutes_until(attendance: Attendance, here: Scene, left_at: datetime) -> int:
    """The whole minutes of an attendance inside its frame, if it ended at a moment."""
    return whole_minutes(*minutes.clip(attendance.checked_in_at, left_at, here.starts_at, here.ends_at))


def in_order(reasons: Iterable[Reason]) -> list[str]:
    """The codes of reasons as an attendance keeps them: each once, in the order of the enumeration."""
    return [reason.value for reason in sorted(set(reasons), key=ORDER.__getitem__)]


def _credit(
    attendance: Attendance,
    here: Scene,
    credited: int,
    starts_at: datetime,
    ends_at: datetime,
    memory: Beside | None,
) -> None:
    """Let the ledger hold these minutes of the attendance, and nothing else of it."""
    if attendance.credited_minutes:
        standing = hours.standing_of(attendance.id)
        if standing is not None:
            moved = max(abs(standing.starts_at - starts_at), abs(standing.ends_at - ends_at))
            if standing.minutes == credited and moved < MINUTE:
                return
            hours.take_back(attendance_id=attendance.id, reason=FURTHER_TAP, actor_id=None, minutes_to_follow=credited)
    attendance.credited_minutes = credited
    hours.credit(
        volunteer_id=attendance.volunteer_id,
        minutes=credited,
        activity=here.activity,
        shift=here.shift,
        station=here.station,
        starts_at=starts_at,
        ends_at=ends_at,
        attendance_id=attendance.id,
        team_id=here.team_id,
        leader_id=here.leader_id,
        recorder_id=attendance.check_out_recorder_id or attendance.check_in_recorder_id,
        gathered=memory.entries if memory is not None else None,
    )


def _count(starts_at: datetime, ends_at: datetime, already: Mapping[date, int]) -> Counted:
    limit = rules().credited_minutes_a_day
    return minutes.count(starts_at, ends_at, already=already, limit=limit, zone=settings().zone)


def _below_minimum(counted: Counted, here: Scene) -> bool:
    """Whether less of the shift was attended than the deployment asks for."""
    whole = whole_minutes(here.starts_at, here.ends_at)
    return counted.minutes * 100 < rules().minimum_share_percent * whole


def _needs_organizer(counted: Counted, already: Mapping[date, int], others: Sequence[Attendance]) -> bool:
    """Whether some day would have more than a leader may give, were all credited that waits."""
    for day, part in minutes_by_day(counted.starts_at, counted.ends_at, settings().zone).items():
        waiting = sum(
            one.held_minutes for one in others if one.state == State.HELD and clock.local_date(one.checked_in_at) == day
        )
        if already.get(day, 0) + waiting + part > rules().most_minutes_a_day:
            return True
    return False


def says_the_same_as_rejected(attendance: Attendance, left_at: datetime, beside: Iterable[Attendance]) -> bool:
    """Whether somebody rejected the same before; `beside` is what `queries.around` finds."""
    return any(_says_the_same(attendance, left_at, one) for one in beside if one.state == State.REJECTED)


def _says_the_same(attendance: Attendance, left_at: datetime, other: Attendance) -> bool:
    """Whether another attendance is one at the same shift, or of a duty at the same station and time.

    One that an odd clock told may have been at any time.
    """
    if attendance.shift_id is not None:
        return attendance.shift_id == other.shift_id
    ended_at = other.checked_out_at or other.frame_ends_at
    overlaps = ended_at is None or (attendance.checked_in_at <= ended_at and other.checked_in_at <= left_at)
    return attendance.station_id == other.station_id and (overlaps or Reason.CLOCK_ODD in other.check_in_reasons)


def _conflicts(attendance: Attendance, others: Sequence[Attendance]) -> set[Reason]:
    """Mark the attendances that can't be true beside this one; what this one is held for."""
    impossible = travel.impossible_beside(
        attendance, others, fastest_kmh=rules().fastest_travel_kmh, slack_m=rules().travel_slack_m
    )
    for other in impossible:
        attendance.conflicts_with_id, other.conflicts_with_id = other.id, attendance.id
        other.reasons = in_order({Reason.IMPOSSIBLE_TRAVEL, *map(Reason, other.reasons)})
        # Credited minutes are taken back by a person alone. One that is open still is held at its check-out.
        other.flagged = other.flagged or other.state == State.CREDITED
    return {Reason.IMPOSSIBLE_TRAVEL} if impossible else set()
