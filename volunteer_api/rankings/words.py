"""How rankings call their things in captions and headers, in the reader's language."""

from datetime import date, datetime

from volunteer_api.accounts.categories import Category
from volunteer_api.core import texts
from volunteer_api.core.settings import settings
from volunteer_api.organizations.models import OrganizationKind
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.queries import Ended
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
# What each level and each field of service is called, as a title names them.
LEVELS = {
    OrganizationKind.CITY_OFFICE: "City offices",
    OrganizationKind.PRACTICE_CENTER: "Practice centers",
    OrganizationKind.PRACTICE_OFFICE: "Practice offices",
    OrganizationKind.PRACTICE_STATION: "Practice stations",
    OrganizationKind.UNIT: "Units",
}
CATEGORIES = {
    Category.POVERTY_RELIEF: "Poverty relief",
    Category.ELDERLY_CARE: "Care for the elderly",
    Category.CHILD_CARE: "Care for children",
    Category.DISABILITY_SUPPORT: "Support for the disabled",
    Category.EDUCATION_SUPPORT: "Support for education",
    Category.HEALTH_CARE: "Health care",
    Category.CULTURE_AND_SPORTS: "Culture and sports",
    Category.SCIENCE_POPULARIZATION: "Popular science",
    Category.LEGAL_SERVICE: "Legal service",
    Category.ENVIRONMENT_PROTECTION: "Environment protection",
    Category.COMMUNITY_SERVICE: "Community service",
    Category.PUBLIC_SAFETY: "Public safety",
    Category.TRAFFIC_GUIDANCE: "Traffic guidance",
    Category.EMERGENCY_RELIEF: "Emergency relief",
    Category.LARGE_EVENT: "Large events",
    Category.CIVILITY_PROMOTION: "Promotion of civility",
}
BASES = {Basis.PER_VOLUNTEER: "per registered volunteer", Basis.GROWTH: "growth"}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def metric_name(metric: Metric) -> str:
    """What is counted."""
    return texts.translate(METRICS[metric])


def measure_name(question: Question) -> str:
    """What is counted, and what it is set against."""
    measure = metric_name(question.metric)
    if question.basis is Basis.RAW:
        return measure
    basis = texts.translate("per member") if question.is_of_members else texts.translate(BASES[question.basis])
    return texts.translate("%(measure)s %(basis)s", measure=measure, basis=basis)


def divisor_name(question: Question) -> str:
    """By whom a value per volunteer is divided."""
    return texts.translate("Members") if question.is_of_members else texts.translate("Registered volunteers")


def subject_name(subject: Subject, level: str | None = None) -> str:
    """What is ranked, at its level where one was asked for."""
    return texts.translate(SUBJECTS[subject] if level is None else LEVELS[OrganizationKind(level)])


def told_name(name: str, ended: Ended | None, *, briefly: bool = False) -> str:
    """What somebody is called, and of what is closed by now that it is; `briefly`, as a picture has room for it."""
    if ended is None:
        return name
    if briefly:
        return (
            texts.translate("%(name)s (merged)", name=name)
            if ended.into is not None
            else texts.translate("%(name)s (closed)", name=name)
        )
    if ended.into is None:
        return texts.translate("%(name)s (closed on %(on)s)", name=name, on=ended.on)
    return texts.translate("%(name)s (merged into %(into)s)", name=name, into=ended.into["name"])


def category_name(category: str) -> str:
    """A field of service."""
    return texts.translate(CATEGORIES[Category(category)])


def weekday_names() -> list[str]:
    """Monday to Sunday."""
    return [texts.translate(name) for name in WEEKDAYS]


def told_days(first: date | None, last: date | None) -> str:
    """The days of a period, both included."""
    if first is None and last is None:
        return texts.translate("All time")
    return texts.translate("%(first)s to %(last)s", first=first or "…", last=last or "…")


def told_finality(final_after: date, is_certain: bool) -> str:
    """Until when figures are provisional, and whether that day may still move."""
    if is_certain:
        return texts.translate("provisional until %(day)s", day=final_after)
    return texts.translate(
        "provisional until about %(day)s, as the holidays of that time are not announced yet", day=final_after
    )


def told_moment(moment: datetime) -> str:
    """A moment on the local clock."""
    return f"{moment.astimezone(settings().zone):%Y-%m-%d %H:%M}"
