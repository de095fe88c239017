"""What becomes of each shift of an activity whose rule is given anew; nothing is read or changed here."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from volunteer_api.activities.models import KeptFor, Shift, ShiftRole
from volunteer_api.core import clock

# What a shift has of the rule that gives it, beside its roles.
RULED = ("starts_at", "ends_at", "capacity", "minimum")

# A shift as `recurrence.expand` gives it.
Given = Mapping[str, Any]


class Kept(NamedTuple):
    """A shift that a new rule left as it is."""

    shift: Shift
    why: KeptFor


class Renewal(NamedTuple):
    """What a new rule makes of the shifts that are there.

    `kept` are those to come that stay otherwise than the rule has them, the soonest first; `known` are to be known by
    the rule from now on, each as that shift of its; `ruled` take times, numbers and roles of it; `gone` are alive and
    go; `new` is what it gives beside them.
    """

    kept: Sequence[Kept]
    known: Mapping[Shift, Given]
    ruled: Mapping[Shift, Given]
    gone: Sequence[Shift]
    new: Sequence[Given]


def renewal_of(
    shifts: Sequence[Shift],
    given: Sequence[Given],
    gave: Mapping[datetime, datetime],
    now: datetime,
    *,
    signed_up: Collection[UUID],
    roles: Mapping[UUID, Sequence[ShiftRole]],
    can_come: Callable[[Given], bool],
    is_draft: bool,
) -> Renewal:
    """What becomes of an activity's `shifts`, in the order of their ids, where a rule gives the shifts `given`.

    `gave` is what the rule before it gave, each start with its end. What one of `signed_up` stays as it is, and so do
    past ones and exceptions: a shift that was moved by itself on a day that the new rule gives too, and the day of one
    that the old rule gave and somebody canceled. Another one of such a day takes the rule's times and numbers, if that
    `can_come`; those of other days go. What stands at a time of the rule already, as one that was given by itself, is
    the rule's.
    """
    # A rule gives a day once at most.
    wanted = {clock.local_date(one["from_recurrence"]): one for one in given}
    kept = _leave_canceled(shifts, gave, wanted, now)
    known = _adopted(shifts, wanted, now)
    ruled: dict[Shift, Given] = {}
    gone: list[Shift] = []
    for shift, day in _in_turn(shifts, known, wanted, signed_up):
        again = wanted.pop(day, None)
        if shift.starts_at <= now:
            continue
        is_moved = again is not None and _is_moved(shift, gave, known)
        if is_moved and again is not None:
            # Known by the rule of now, which the next one looks at.
            known[shift] = again
        if shift.id in signed_up:
            if again is None or not is_as_given(shift, again, roles[shift.id]):
                kept.append(Kept(shift, KeptFor.SIGNED_UP))
        elif is_moved:
            kept.append(Kept(shift, KeptFor.MOVED))
        elif again is not None and not is_draft and again["starts_at"] < now:
            # What has begun is planned now, and no shift that was known before.
            gone.append(shift)
            wanted[day] = again
        elif again is not None and can_come(again):
            ruled[shift] = again
        else:
            gone.append(shift)
    changed = {*gone, *ruled}
    standing = {one.starts_at for one in shifts if one.canceled_at is None and one not in changed}
    doubled = [
        one for one, again in ruled.items() if one.starts_at != again["starts_at"] and again["starts_at"] in standing
    ]
    return Renewal(
        kept=sorted(kept, key=lambda one: (one.shift.starts_at, one.shift.id)),
        known=known,
        ruled={shift: again for shift, again in ruled.items() if shift not in doubled},
        gone=gone + doubled,
        new=[one for one in wanted.values() if can_come(one) and one["starts_at"] not in standing],
    )


def _leave_canceled(
    shifts: Sequence[Shift], gave: Mapping[datetime, datetime], wanted: dict[date, Given], now: datetime
) -> list[Kept]:
    """Take out of what is wanted the days on which somebody canceled a shift; returns the shifts that would come.

    Not what an earlier rule left out and this one gives again.
    """
    alive = {_day_of(shift) for shift in shifts if shift.canceled_at is None}
    gone = {clock.local_date(start) for start in gave} - alive
    kept: list[Kept] = []
    for shift in shifts:
        day = _day_of(shift)
        again = wanted.pop(day, None) if day is not None and day in gone else None
        if again is not None and again["ends_at"] > now:
            kept.append(Kept(shift, KeptFor.CANCELED))
    return kept


def _adopted(shifts: Sequence[Shift], wanted: Mapping[date, Given], now: datetime) -> dict[Shift, Given]:
    """What begins when the rule has it begin, and is of no other day that the rule gives: it is that day's own."""
    own = {day for shift in shifts if shift.canceled_at is None and _is_begin(shift, day := _day_of(shift), wanted)}
    adopted: dict[Shift, Given] = {}
    for shift in shifts:
        day = clock.local_date(shift.starts_at)
        is_free = shift.canceled_at is None and shift.ends_at > now and _day_of(shift) not in wanted
        if is_free and day not in own and _is_begin(shift, day, wanted):
            own.add(day)
            adopted[shift] = wanted[day]
    return adopted


def _in_turn(
    shifts: Sequence[Shift], known: Mapping[Shift, Given], wanted: Mapping[date, Given], signed_up: Collection[UUID]
) -> list[tuple[Shift, date]]:
    """The shifts of a rule that are alive, each with its day.

    Of two of a day, that one comes first, and is the day's, which stands at its time, or which somebody counts on.
    """
    days = {shift: _day_of(shift) for shift in shifts if shift.canceled_at is None}
    days |= {shift: clock.local_date(again["from_recurrence"]) for shift, again in known.items()}
    alive = [(shift, day) for shift, day in days.items() if day is not None]
    return sorted(alive, key=lambda one: (not _is_begin(one[0], one[1], wanted), one[0].id not in signed_up))


def _day_of(shift: Shift) -> date | None:
    """The local day for which the rule gave the shift."""
    return clock.local_date(shift.from_recurrence) if shift.from_recurrence is not None else None


def _is_begin(shift: Shift, day: date | None, wanted: Mapping[date, Given]) -> bool:
    return day is not None and day in wanted and wanted[day]["starts_at"] == shift.starts_at


def _is_moved(shift: Shift, gave: Mapping[datetime, datetime], known: Mapping[Shift, Given]) -> bool:
    """Whether a leader gave it other times than its rule did, which may be one before the last."""
    if shift in known:
        return bool(shift.ends_at != known[shift]["ends_at"])
    given = shift.from_recurrence or shift.starts_at
    # Of one of an earlier release, as far as the last rule tells.
    until = shift.until_recurrence or gave.get(given, shift.ends_at)
    return (shift.starts_at, shift.ends_at) != (given, until)


def is_as_given(shift: Shift, again: Given, parts: Sequence[ShiftRole]) -> bool:
    """Whether the shift, with its roles, has all that is given, its times among it."""
    is_same = all(getattr(shift, name) == again[name] for name in RULED)
    return is_same and [(one.name, one.capacity) for one in parts] == [
        (one["name"], one["capacity"]) for one in again["roles"]
    ]
