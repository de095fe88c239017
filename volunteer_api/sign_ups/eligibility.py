"""Who may take part in an activity: what it asks for, held against what is known of a volunteer.

One predicate for the pages, the sign-up, the invitation, the approval, the acceptance and the promotion.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

from volunteer_api.accounts.ages import GUARDIAN_AGE, age_on, is_under_age, needs_guardian
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock
from volunteer_api.core.schema import Fault
from volunteer_api.qualifications.queries import Credentials

# [Civil Code 17]: who did not tell a date of birth counts as this old, as everywhere (accounts.ages).
AGE_UNTOLD = 18
ONE_DAY = timedelta(days=1)
NIGHT_BEGINS, NIGHT_ENDS = time(22), time(6)


@dataclass(frozen=True)
class Person:
    """What is known of a volunteer. `team_ids` and `credentials` are read only where somebody asks for them.

    `leads` are the activities of those by invitation that she leads, by name or by her team.
    """

    birth_date: date | None = None
    skills: Collection[str] = ()
    has_guardian: bool = False
    has_guardian_contact: bool = False
    team_ids: Collection[UUID] = ()
    leads: Collection[UUID] = ()
    credentials: Credentials = field(default_factory=Credentials)
    absences: int = 0


@dataclass(frozen=True)
class Demands:
    """What an activity asks for, as far as it does not stand in the activity itself.

    `insurer_ids` are the organizations whose policies cover what it does, none where it is not hazardous. At `absences`
    no-shows somebody is turned away where the deployment `turns_away`, and else needs a leader's approval; None: never.
    Minors take part in what is hazardous, and at night, only where the deployment lets them.
    """

    insurer_ids: Collection[UUID] = ()
    absences: int | None = None
    turns_away: bool = False
    minors_in_hazardous: bool = False
    minors_at_night: bool = False

    def has_missed_too_much(self, person: Person) -> bool:
        """Whether the person's no-shows have a consequence."""
        return self.absences is not None and person.absences >= self.absences


def faults(activity: Activity, demands: Demands, person: Person, *, team_id: UUID | None, shift: Shift) -> list[Fault]:
    """Every reason why this person may not take part in that shift, in a fixed order; none where she may.

    `team_id` is the team that she names. She has the age of the local day on which the shift begins; trainings and
    insurance must count on every local day that it touches.
    """
    # A list judges forty shifts, most of which ask for nothing: what is not asked for is not looked at.
    found: list[Fault] = []
    if team_id is not None and team_id not in person.team_ids:
        found.append(Fault("team", "Only active members of the team that is named sign up for it."))
    if activity.members_only and activity.team_id not in person.team_ids:
        found.append(Fault("members_only", "Only members of the team that holds this activity take part in it."))
    if person.birth_date is not None:
        day = clock.local_date(shift.starts_at)
        found += _age_faults(activity, person, person.birth_date, day)
        if is_under_age(person.birth_date, day):
            found += _protection_faults(activity, demands, shift)
    elif activity.maximum_age is not None or (activity.minimum_age or 0) > AGE_UNTOLD:
        found.append(Fault("age_unknown", "This activity has an age limit, and the profile names no date of birth."))
    if activity.required_skills:
        found += _skill_faults(activity, person)
    if activity.required_training_ids or activity.hazardous:
        found += _credential_faults(activity, demands, person, shift)
    if demands.turns_away and demands.has_missed_too_much(person):
        found.append(
            Fault(
                "absences",
                "%(count)s shifts were signed up for and missed. A leader may still invite.",
                count=person.absences,
            )
        )
    return found


def _age_faults(activity: Activity, person: Person, birth_date: date, day: date) -> list[Fault]:
    found: list[Fault] = []
    lowest, highest, age = activity.minimum_age, activity.maximum_age, age_on(birth_date, day)
    if lowest is not None and age < lowest:
        found.append(Fault("too_young", "This activity is for people of %(age)s years and older.", age=lowest))
    if highest is not None and age > highest:
        found.append(Fault("too_old", "This activity is for people of up to %(age)s years.", age=highest))
    if needs_guardian(birth_date, day) and not person.has_guardian:
        found.append(Fault("guardian_consent", "Under %(age)s years a guardian must consent first.", age=GUARDIAN_AGE))
    elif is_under_age(birth_date, day) and not (person.has_guardian or person.has_guardian_contact):
        found.append(Fault("guardian_contact", "A minor must name a guardian whom one can call."))
    return found


def _protection_faults(activity: Activity, demands: Demands, shift: Shift) -> list[Fault]:
    """Why no minor takes part, whatever her guardian says [未成年人保护法 4, 61]: what the guardians' text promises."""
    found: list[Fault] = []
    if activity.hazardous and not demands.minors_in_hazardous:
        found.append(Fault("minor_hazardous", "This activity is hazardous, and not for people under 18 years."))
    if not demands.minors_at_night and _is_at_night(shift):
        found.append(
            Fault("minor_at_night", "This shift lies between 22:00 and 6:00, and is not for people under 18 years.")
        )
    return found


def _is_at_night(shift: Shift) -> bool:
    """Whether a part of it lies between 22:00 and 6:00 of the local clock."""
    days = clock.days_of(shift.starts_at, shift.ends_at)
    return any(
        shift.starts_at < clock.at_local(day + ONE_DAY, NIGHT_ENDS)
        and shift.ends_at > clock.at_local(day, NIGHT_BEGINS)
        for day in (days[0] - ONE_DAY, *days)
    )


def _skill_faults(activity: Activity, person: Person) -> list[Fault]:
    own = {skill.casefold() for skill in person.skills}
    missing = [skill for skill in activity.required_skills if skill.casefold() not in own]
    if not missing:
        return []
    return [
        Fault(
            "skill",
            "This activity needs skills that the profile does not name: %(skills)s.",
            skills="、".join(missing),
        )
    ]


def _credential_faults(activity: Activity, demands: Demands, person: Person, shift: Shift) -> list[Fault]:
    found: list[Fault] = []
    needed = [UUID(one) for one in activity.required_training_ids]
    days = clock.days_of(shift.starts_at, shift.ends_at)
    if any(person.credentials.missing(needed, day) for day in days):
        found.append(Fault("training", "A training that this activity needs is missing, or not valid on that day."))
    if activity.hazardous and not all(person.credentials.is_insured(demands.insurer_ids, day) for day in days):
        found.append(Fault("insurance", "This activity is hazardous, and no insurance covers the person on that day."))
    return found


def reasons(found: Collection[Fault]) -> list[dict[str, Any]]:
    """The faults as members of an answer: [{code, detail}]."""
    return [{"code": one.code, "detail": one.sentence()} for one in found]
