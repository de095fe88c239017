"""How rankings call their things in captions and headers, in the reader's language."""

from datetime import date, datetime

from volunteer_api.core import texts
from volunteer_api.core.settings import settings
from volunteer_api.rankings.schemas import Basis, Metric, Subject

METRICS = {
    Metric.ACTIVITY_COUNT: "Activities held",
    Metric.ATTENDANCE_COUNT: "Attendances",
    Metric.VOLUNTEER_COUNT: "Volunteers who attended",
    Metric.CREDITED_MINUTES: "Credited minutes",
}
SUBJECTS = {
    Subject.ORGANIZATION: "Organizations",
    Subject.TEAM: "Teams",
    Subject.STATION: "Stations",
    Subject.VOLUNTEER: "Volunteers",
}
BASES = {Basis.RAW: "", Basis.PER_VOLUNTEER: "per registered volunteer", Basis.GROWTH: "growth"}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def metric_name(metric: Metric) -> str:
    """What is counted."""
    return texts.translate(METRICS[metric])


def measure_name(metric: Metric, basis: Basis) -> str:
    """What is counted, and what it is set against."""
    return " ".join(filter(None, (metric_name(metric), texts.translate(BASES[basis]))))


def subject_name(subject: Subject) -> str:
    """What is ranked."""
    return texts.translate(SUBJECTS[subject])


def weekday_names() -> list[str]:
    """Monday to Sunday."""
    return [texts.translate(name) for name in WEEKDAYS]


def told_days(first: date | None, last: date | None) -> str:
    """The days of a period, both included."""
    if first is None and last is None:
        return texts.translate("All time")
    return texts.translate("%(first)s to %(last)s", first=first or "…", last=last or "…")


def told_moment(moment: datetime) -> str:
    """A moment on the local clock."""
    return f"{moment.astimezone(settings().zone):%Y-%m-%d %H:%M}"
