"""Background work of attendances."""

from volunteer_api.attendance import absences, waiting
from volunteer_api.core.tasks import Every, task


@task("attendance.record_absences", every=Every.HOUR)
def record_absences() -> int:
    """Record who did not come to a shift that they had a place in."""
    return absences.record_absences()


@task("attendance.tell_unmatched_check_outs", every=Every.HOUR)
def tell_unmatched_check_outs() -> int:
    """Let volunteers hear of check-outs whose check-in did not come."""
    return waiting.tell_unmatched()
