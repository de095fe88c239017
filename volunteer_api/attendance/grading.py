"""How far the evidence of one end can be trusted: strong, medium or weak."""

from dataclasses import dataclass

from volunteer_api.attendance.models import Grade
from volunteer_api.core.geo import Place, meters_between

TRUST = {Grade.WEAK: 0, Grade.MEDIUM: 1, Grade.STRONG: 2}


@dataclass(frozen=True)
class Fence:
    """The circle in which an activity takes place."""

    center: Place
    radius_m: float

    def holds(self, place: Place, accuracy_m: float, accuracy_cap_m: float) -> bool:
        """Whether somebody there may be inside, giving the phone's own doubt the benefit, up to the cap."""
        return meters_between(self.center, place) <= self.radius_m + min(accuracy_m, accuracy_cap_m)


def grade(
    *,
    code_is_valid: bool,
    sees_code: bool,
    signed_up: bool,
    fence: Fence | None,
    place: Place | None,
    accuracy_m: float,
    accuracy_cap_m: float,
) -> Grade:
    """The grade of one end.

    A code proves nothing of somebody who can see it without being there (`sees_code`). Without a sign-up, a place that
    anybody may walk past proves nothing. An activity without a place has no fence.
    """
    if code_is_valid and not sees_code:
        return Grade.STRONG
    if signed_up and fence is not None and place is not None and fence.holds(place, accuracy_m, accuracy_cap_m):
        return Grade.MEDIUM
    return Grade.WEAK


def weaker(first: Grade, second: Grade) -> Grade:
    """The grade of an attendance: that of its weaker end."""
    return min(first, second, key=TRUST.__getitem__)
