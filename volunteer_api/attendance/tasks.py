"""Background work of attendances."""

from volunteer_api.attendance import absences, queries
from volunteer_api.core.tasks import Every, task
from volunteer_api.hours.verification import register_held

register_held(queries.waiting_minutes)


@task("attendance.record_absences", every=Every.HOUR)
def record_absences() -> int:
    """Record who did not come to a shift that they had a place in."""
    return absences.record_absences()
