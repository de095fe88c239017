"""Several taps of one end: which of them an attendance begins or ends with, and what of it they prove.

People tap twice: before the phone knows its place, by mistake, at a break, from another phone. All taps of an end are
kept with the attendance once there is more than one, and what it is follows from them in whatever order they came:

- It begins with the check-in that is proven best, of equal ones the earliest. Where a weaker one was made
  `slip_minutes` or more before, it begins with that, but what lies between waits for a review.
- A check-out within `slip_minutes` of the check-in is a slip, if another follows.
- It ends with the first check-out that is none. Is a later one better proven, that proves it; and where one came
  `slip_minutes` or more later, it lasts until the last of them, but what lies between waits for a review.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.attendance.evidence import bounded
from volunteer_api.attendance.grading import weaker
from volunteer_api.attendance.judging import Judgment, Told
from volunteer_api.attendance.models import Attendance, Grade, Reason, Remark, ScanKind
from volunteer_api.attendance.scene import Scene
from volunteer_api.attendance.settling import in_order
from volunteer_api.core.geo import Place
from volunteer_api.core.settings import rules
from volunteer_api.hours.days import MINUTE

# What there is to doubt of one end, the worst first: of two taps the one without it is proven better.
WORST_FIRST = (
    Reason.OUTSIDE_WINDOW,
    Reason.CLOCK_ODD,
    Reason.WEAK_EVIDENCE,
    Reason.CODE_ELSEWHERE,
    Reason.NOT_SIGNED_UP,
)
# More than anybody makes of one end; what comes after them changes nothing any more.
MOST_TAPS = 12


@dataclass(frozen=True)
class Tap:
    """One tap as it was judged when it came. `frame` is that of a duty which begins with it."""

    end: ScanKind
    at: datetime
    grade: Grade
    reasons: list[str]
    remarks: list[str]
    place: Place | None
    scanned_by: UUID | None
    evidence: dict[str, Any]
    frame: tuple[datetime, datetime] | None = None

    @property
    def doubts(self) -> tuple[bool, ...]:
        """How well it is proven: of two taps the smaller one better."""
        return tuple(reason in self.reasons for reason in WORST_FIRST)

    @property
    def tells_time(self) -> bool:
        """Whether it says when somebody came or left there."""
        return Reason.OUTSIDE_WINDOW not in self.reasons and Reason.CLOCK_ODD not in self.reasons

    def repeats(self, other: "Tap") -> bool:
        """Whether it says no more than one that is known: two phones that tap together change nothing of each other."""
        return abs(self.at - other.at) < MINUTE and self.doubts >= other.doubts

    def kept(self) -> dict[str, Any]:
        """As it stands in the attendance."""
        return {
            "end": self.end.value,
            "at": self.at.isoformat(),
            "grade": self.grade.value,
            "reasons": self.reasons,
            "remarks": self.remarks,
            "place": list(self.place) if self.place is not None else None,
            "scanned_by": str(self.scanned_by) if self.scanned_by is not None else None,
            "evidence": bounded(self.evidence),
            "frame": [one.isoformat() for one in self.frame] if self.frame is not None else None,
        }


def tap_of(
    end: ScanKind,
    told: Told,
    judged: Judgment,
    scanned_by: UUID | None,
    frame: tuple[datetime, datetime] | None = None,
) -> Tap:
    """A tap that has come now."""
    return Tap(
        end=end,
        at=told.tapped.moment,
        grade=judged.grade,
        reasons=in_order(judged.doubts),
        remarks=judged.remarks,
        place=judged.place,
        scanned_by=scanned_by,
        evidence=judged.evidence,
        frame=frame,
    )


def taps_of(attendance: Attendance, end: ScanKind) -> list[Tap]:
    """All taps of one end that are known, in the order in which they came."""
    several = [_read(one) for one in attendance.taps or () if one["end"] == end]
    return several or _single(attendance, end)


def shown(attendance: Attendance) -> list[Tap]:
    """All taps of the ends that have several, in the order in which they were made."""
    return sorted(map(_read, attendance.taps or ()), key=lambda one: (one.at, one.end))


def begin_with(attendance: Attendance, tap: Tap, since: datetime | None = None) -> None:
    """Let an attendance begin by this check-in; at the moment `since` where an earlier one said so."""
    attendance.checked_in_at = since or tap.at
    attendance.counts_from_at = tap.at if since is not None and since < tap.at else None
    attendance.check_in_grade = tap.grade
    attendance.grade = weaker(tap.grade, Grade(attendance.check_out_grade or tap.grade))
    attendance.check_in_reasons, attendance.check_in_remarks = tap.reasons, tap.remarks
    attendance.check_in_evidence = tap.evidence
    attendance.check_in_latitude, attendance.check_in_longitude = tap.place or (None, None)
    attendance.check_in_scanned_by = tap.scanned_by


def end_with(attendance: Attendance, tap: Tap, until: datetime | None = None, last_at: datetime | None = None) -> None:
    """Let this check-out end an attendance; what lies between `until` and `last_at` waits where they differ."""
    until, last_at = until or tap.at, last_at or tap.at
    attendance.check_out_tapped_at = last_at
    attendance.counts_until_at = until if until < last_at else None
    attendance.check_out_grade = tap.grade
    attendance.grade = weaker(Grade(attendance.check_in_grade), tap.grade)
    attendance.check_out_reasons, attendance.check_out_remarks = tap.reasons, tap.remarks
    attendance.check_out_evidence = tap.evidence
    attendance.check_out_latitude, attendance.check_out_longitude = tap.place or (None, None)
    attendance.check_out_scanned_by = tap.scanned_by


def keep(attendance: Attendance, tap: Tap, known: Sequence[Tap]) -> bool:
    """Keep a further tap of an end of which these are known; whether there was room for it."""
    if len(known) >= MOST_TAPS:
        return False
    others = [one for one in attendance.taps or () if one["end"] != tap.end]
    attendance.taps = [*others, *(one.kept() for one in (*known, tap))]
    return True


def expect(attendance: Attendance, here: Scene) -> None:
    """Judge the check-ins as those of somebody who was expected, where she was: her place may have become hers since.

    What else was judged of them stays.
    """
    several = [_read(one) for one in attendance.taps or ()]
    if any(one.end == ScanKind.CHECK_IN for one in several):
        judged = [_expected(one, here) for one in several]
        if any(one is not before for one, before in zip(judged, several, strict=True)):
            attendance.taps = [one.kept() for one in judged]
        return
    (tap,) = _single(attendance, ScanKind.CHECK_IN)
    expected = _expected(tap, here)
    if expected is not tap:
        begin_with(attendance, expected)


def _expected(tap: Tap, here: Scene) -> Tap:
    if tap.end != ScanKind.CHECK_IN or Reason.NOT_SIGNED_UP not in tap.reasons or not here.expected_from(tap.at):
        return tap
    gone, grade = {Reason.NOT_SIGNED_UP.value}, tap.grade
    if Remark.PLACE_NOT_EXPECTED in tap.remarks and grade is Grade.WEAK:
        # It lay inside the fence, and nothing but the sign-up was missing.
        gone, grade = gone | {Reason.WEAK_EVIDENCE.value}, Grade.MEDIUM
    return replace(
        tap,
        grade=grade,
        reasons=[one for one in tap.reasons if one not in gone],
        remarks=[one for one in tap.remarks if one != Remark.PLACE_NOT_EXPECTED],
    )


def arrange(attendance: Attendance) -> None:
    """Let an attendance begin and end by its taps. At an end that a leader vouches for it stays as it is."""
    came, left = (taps_of(attendance, one) for one in ScanKind)
    if attendance.check_in_recorder_id is None:
        best, earliest = _beginning(came, left)
        begin_with(attendance, best, earliest.at)
        if earliest.frame is not None:
            attendance.frame_starts_at, attendance.frame_ends_at = earliest.frame
    if left:
        end_with(attendance, *_ending(left, attendance.counts_from_at or attendance.checked_in_at))


def _beginning(came: Sequence[Tap], left: Iterable[Tap]) -> tuple[Tap, Tap]:
    """The check-in that proves the beginning, and the one that tells when it was."""
    known = [one for one in came if Reason.OUTSIDE_WINDOW not in one.reasons] or came
    last_at = max((one.at for one in left if one.tells_time), default=None)
    # After the last check-out nobody was there any more: she has come back.
    known = [one for one in known if last_at is None or one.at <= last_at] or known
    best = min(known, key=lambda one: (one.doubts, one.at))
    earliest = min((one for one in known if one.tells_time), key=lambda one: one.at, default=best)
    return best, earliest if best.at - earliest.at >= _slip() else best


def _ending(left: Sequence[Tap], came_at: datetime) -> tuple[Tap, datetime, datetime]:
    """The check-out that proves the end, until when that counts, and when the last one was."""
    known = [one for one in left if one.tells_time]
    if not known:
        best = min(left, key=lambda one: (one.doubts, one.at))
        return best, best.at, best.at
    for since in (came_at + _slip(), came_at):
        known = [one for one in known if one.at >= since] or known
    best = min(known, key=lambda one: (one.doubts, one.at))
    first, last = (choose(known, key=lambda one: one.at) for choose in (min, max))
    until = best.at if best.at - first.at < _slip() else first.at
    return best, until, last.at if last.at - until >= _slip() else until


def _slip() -> timedelta:
    return timedelta(minutes=rules().slip_minutes)


def _single(attendance: Attendance, end: ScanKind) -> list[Tap]:
    """The one tap of an end, as the attendance shows it."""
    if end is ScanKind.CHECK_IN:
        frame = (attendance.frame_starts_at, attendance.frame_ends_at)
        return [
            Tap(
                end=end,
                at=attendance.checked_in_at,
                grade=Grade(attendance.check_in_grade),
                reasons=list(attendance.check_in_reasons),
                remarks=list(attendance.check_in_remarks),
                place=_place(attendance.check_in_latitude, attendance.check_in_longitude),
                scanned_by=attendance.check_in_scanned_by,
                evidence=attendance.check_in_evidence,
                frame=frame if frame[0] is not None and frame[1] is not None else None,  # type: ignore[arg-type]  # mypy narrows no item
            )
        ]
    if attendance.check_out_tapped_at is None:
        return []
    return [
        Tap(
            end=end,
            at=attendance.check_out_tapped_at,
            grade=Grade(str(attendance.check_out_grade)),
            reasons=list(attendance.check_out_reasons or ()),
            remarks=list(attendance.check_out_remarks),
            place=_place(attendance.check_out_latitude, attendance.check_out_longitude),
            scanned_by=attendance.check_out_scanned_by,
            evidence=attendance.check_out_evidence or {},
        )
    ]


def _place(latitude: float | None, longitude: float | None) -> Place | None:
    return (latitude, longitude) if latitude is not None and longitude is not None else None


def _read(kept: dict[str, Any]) -> Tap:
    frame, place, scanned_by = kept["frame"], kept["place"], kept["scanned_by"]
    return Tap(
        end=ScanKind(kept["end"]),
        at=datetime.fromisoformat(kept["at"]),
        grade=Grade(kept["grade"]),
        reasons=kept["reasons"],
        remarks=kept["remarks"],
        place=(place[0], place[1]) if place is not None else None,
        scanned_by=UUID(scanned_by) if scanned_by is not None else None,
        evidence=kept["evidence"],
        frame=(datetime.fromisoformat(frame[0]), datetime.fromisoformat(frame[1])) if frame is not None else None,
    )
