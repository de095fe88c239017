"""What one end of an attendance is worth: when it happened, its grade, and what a reviewer must look at."""

from datetime import datetime

from volunteer_api.attendance import presence_code
from volunteer_api.attendance.effective_time import EffectiveTime, effective_time
from volunteer_api.attendance.evidence import Usable
from volunteer_api.attendance.grading import grade
from volunteer_api.attendance.models import Grade, Reason
from volunteer_api.attendance.scene import Scene
from volunteer_api.core.settings import rules


def tapped(given: Usable, received_at: datetime) -> EffectiveTime:
    """When the tap was, by the deployment's rules."""
    return effective_time(
        received_at=received_at,
        client_time=given.client_time,
        delay_ms=given.delay_ms,
        delay_is_odd=given.delay_is_odd,
        late_hours=rules().late_evidence_hours,
        future_seconds=rules().future_evidence_seconds,
    )


def grade_of(scene: Scene, given: Usable, moment: EffectiveTime) -> Grade:
    """The grade of one end."""
    return grade(
        code_is_valid=given.code is not None and presence_code.is_valid(given.code, scene.shift.id, moment.said_at),
        sees_code=scene.sees_code,
        signed_up=scene.expected,
        fence=scene.fence,
        place=given.place,
        accuracy_m=given.accuracy_m,
        accuracy_cap_m=rules().accuracy_cap_m,
    )


def doubts_of(scene: Scene, graded: Grade, moment: EffectiveTime, window: tuple[datetime, datetime]) -> set[Reason]:
    """What one end gives a reviewer to look at; `window` is when it may happen, both ends included."""
    opens_at, closes_at = window
    found = {
        Reason.WEAK_EVIDENCE: graded is Grade.WEAK,
        Reason.NOT_SIGNED_UP: not scene.expected,
        Reason.OUTSIDE_WINDOW: not opens_at <= moment.moment <= closes_at,
        Reason.CLOCK_ODD: moment.is_odd,
    }
    return {reason for reason, applies in found.items() if applies}
