"""Background work of attendances."""

from volunteer_api.attendance import absences
from volunteer_api.core.tasks import Every, task


@task("attendance.record_absences", every=Every.HOUR)
def record_absences() -> int:
    """Record who did not come to a shift that they had a place in."""
    return absences.record_absences()
