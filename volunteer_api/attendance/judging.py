"""What one end of an attendance is worth: when it happened, its grade, and what a reviewer must look at."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.attendance import presence_code
from volunteer_api.attendance.effective_time import EffectiveTime, effective_time
from volunteer_api.attendance.evidence import Usable, bounded, usable, without_place
from volunteer_api.attendance.grading import grade
from volunteer_api.attendance.models import Grade, Reason, Remark
from volunteer_api.attendance.presence_code import Reading
from volunteer_api.attendance.scene import Scene
from volunteer_api.core.geo import Datum, Place, meters_between, to_wgs84
from volunteer_api.core.settings import rules

CODE_REMARKS = {
    Reading.OF_ANOTHER: Remark.CODE_OF_ANOTHER,
    Reading.OF_ANOTHER_TIME: Remark.CODE_OF_ANOTHER_TIME,
    Reading.WRONG: Remark.CODE_WRONG,
}
ORDER = {remark: number for number, remark in enumerate(Remark)}


@dataclass(frozen=True)
class Told:
    """The evidence of one end as it came, what is usable of it, when the server had it, and when the tap was.

    `scanned`: a desk read the volunteer's own code, and it was hers at that moment. `inside`: of a place that was not
    kept until now, the shifts and stations that it proves (see whereabouts.py).
    """

    evidence: dict[str, Any]
    usable: Usable
    received_at: datetime
    tapped: EffectiveTime
    scanned: bool
    inside: frozenset[UUID] | None = None


@dataclass(frozen=True)
class Judgment:
    """The grade of one end, its doubts and remarks, where the volunteer was, if that is known, and what is kept of the
    evidence. Without her consent neither of these two has a place that her phone told."""

    grade: Grade
    doubts: frozenset[Reason]
    remarks: list[str]
    place: Place | None
    evidence: dict[str, Any]


def told(evidence: dict[str, Any] | Told, received_at: datetime, *, scanned: bool = False) -> Told:
    """Read the evidence of one end, where nobody has yet; `client_time` in it is an aware moment."""
    if isinstance(evidence, Told):
        return evidence
    given = usable(evidence)
    return Told(evidence, given, received_at, tapped(given, received_at), scanned)


def tapped(given: Usable, received_at: datetime) -> EffectiveTime:
    """When the tap was, by the deployment's rules."""
    chosen = rules()
    return effective_time(
        received_at=received_at,
        client_time=given.client_time,
        delay_ms=given.delay_ms,
        delay_is_odd=given.delay_is_odd,
        late_hours=chosen.late_evidence_hours,
        future_seconds=chosen.future_evidence_seconds,
    )


def judge(scene: Scene, end: Told, window: tuple[datetime, datetime]) -> Judgment:
    """Judge one end; `window` is when it may happen, both ends included."""
    given, moment = end.usable, end.tapped
    reading = _reading(scene, end)
    expected = scene.expected_from(moment.moment)
    proves = expected and not _is_own_word(scene, end)
    graded = grade(
        code_is_valid=reading is Reading.VALID,
        # What a desk scanned, somebody else saw.
        sees_code=scene.sees_code and not end.scanned,
        signed_up=proves,
        fence=scene.fence,
        place=given.place,
        accuracy_m=given.accuracy_m or 0.0,
        accuracy_cap_m=rules().accuracy_cap_m,
    )
    if graded is Grade.WEAK and proves and end.inside is not None and scene.target_id in end.inside:
        graded = Grade.MEDIUM
    opens_at, closes_at = window
    doubts = {
        Reason.WEAK_EVIDENCE: graded is Grade.WEAK,
        Reason.NOT_SIGNED_UP: scene.needs_sign_up and not expected,
        Reason.OUTSIDE_WINDOW: scene.out_of_service or not opens_at <= moment.moment <= closes_at,
        Reason.CLOCK_ODD: moment.is_odd,
        Reason.CODE_ELSEWHERE: graded is Grade.STRONG and _is_far(scene, given),
    }
    sent = end.evidence if scene.keeps_place else without_place(end.evidence, _distance(scene, given))
    kept = bounded(sent)
    remarks = _remarks(scene, end, reading, expected=expected) | ({Remark.EVIDENCE_CUT} if kept is not sent else set())
    return Judgment(
        grade=graded,
        doubts=frozenset(reason for reason, applies in doubts.items() if applies),
        remarks=[remark.value for remark in sorted(remarks, key=ORDER.__getitem__)],
        place=_known_place(scene, given, graded),
        evidence=kept,
    )


def _is_own_word(scene: Scene, end: Told) -> bool:
    """Whether a place proves nothing because she set the frame herself, and tells of it afterwards."""
    return scene.is_own and not end.scanned and (scene.shift is not None or _is_told_late(end))


def _is_told_late(end: Told) -> bool:
    return end.received_at - end.tapped.said_at > timedelta(seconds=rules().told_late_seconds)


def _reading(scene: Scene, end: Told) -> Reading | None:
    if end.scanned:
        return Reading.VALID
    code, tapped = end.usable.code, end.tapped
    if code is None:
        return None
    # Of a phone whose clock is odd, the code may be of the moment at which it came; it is held anyway.
    if tapped.is_odd and presence_code.is_valid(code, scene.target_id, tapped.moment, scene.code_kind):
        return Reading.VALID
    return presence_code.read(code, scene.target_id, tapped.said_at, scene.code_kind)


def _remarks(scene: Scene, end: Told, reading: Reading | None, *, expected: bool) -> set[Remark]:
    given, is_own_word, is_inside = end.usable, _is_own_word(scene, end), _lies_inside(scene, end)
    found = {CODE_REMARKS[reading]} if reading in CODE_REMARKS else set()
    seen = {
        Remark.OWN_CODE: reading is Reading.VALID and scene.sees_code and not end.scanned,
        Remark.PLACE_UNUSABLE: given.place_is_odd,
        Remark.PLACE_WITHOUT_ACCURACY: given.place is not None and given.accuracy_m is None,
        Remark.TOLD_LATE: _is_told_late(end),
        Remark.SCANNED: end.scanned,
        Remark.NOTHING_SENT: given.code is None
        and given.place is None
        and not given.place_is_odd
        and not end.scanned
        and end.inside is None,
        Remark.PLACE_NOT_EXPECTED: not expected and is_inside and not is_own_word,
        Remark.OWN_PLACE: is_own_word and is_inside,
        Remark.PLACE_NOT_KEPT: end.inside is not None or (given.place is not None and not scene.keeps_place),
    }
    found |= {remark for remark, applies in seen.items() if applies}
    if given.place is not None and _lies_outside(scene, given.place, given):
        found.add(Remark.PLACE_OF_ANOTHER_DATUM if _fits_another_datum(scene, given) else Remark.PLACE_OUTSIDE)
    elif end.inside is not None and scene.fence is not None and not is_inside:
        found.add(Remark.PLACE_OUTSIDE)
    return found


def _lies_inside(scene: Scene, end: Told) -> bool:
    if end.inside is not None:
        return scene.target_id in end.inside
    place = end.usable.place
    return scene.fence is not None and place is not None and not _lies_outside(scene, place, end.usable)


def _lies_outside(scene: Scene, place: Place, given: Usable) -> bool:
    fence = scene.fence
    return fence is not None and not fence.holds(place, given.accuracy_m or 0.0, rules().accuracy_cap_m)


def _fits_another_datum(scene: Scene, given: Usable) -> bool:
    """Whether the figures would lie inside the fence in another datum than the one that the phone named.

    Such a place proves nothing, or everybody half a kilometer off would be inside; it is no sign of deceit either.
    """
    sent = given.place_as_sent
    return sent is not None and any(not _lies_outside(scene, to_wgs84(sent, datum), given) for datum in Datum)


def _is_far(scene: Scene, given: Usable) -> bool:
    """Whether the phone was so far away that a code that was valid there must have been passed on."""
    fence, place = scene.fence, given.place
    if fence is None or place is None or _fits_another_datum(scene, given):
        return False
    # A fix of a kilometer's doubt is no place: it tells neither that she was there nor that she was elsewhere.
    doubt = given.accuracy_m or 0.0
    if doubt > rules().travel_slack_m:
        return False
    return meters_between(fence.center, place) > fence.radius_m + rules().code_elsewhere_m + doubt


def _known_place(scene: Scene, given: Usable, graded: Grade) -> Place | None:
    """Where the phone was; or else the middle of the fence, where she was by a code, or by a place that is not kept.

    A fix of a kilometer's doubt is no place.
    """
    if given.place is not None and scene.keeps_place and (given.accuracy_m or 0.0) <= rules().travel_slack_m:
        if _lies_outside(scene, given.place, given) and _fits_another_datum(scene, given):
            return None if scene.fence is None else scene.fence.center
        return given.place
    return scene.fence.center if graded is not Grade.WEAK and scene.fence is not None else None


def _distance(scene: Scene, given: Usable) -> float | None:
    if scene.fence is None or given.place is None:
        return None
    return meters_between(scene.fence.center, given.place)
