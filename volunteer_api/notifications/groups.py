"""What people switch on and off: each kind of notification belongs to one group."""

from enum import StrEnum


class Group(StrEnum):
    """A group of kinds that somebody would want or not want on her phone together."""

    # One's own shifts, and the activities that one leads or publishes.
    SIGN_UPS = "sign_ups"
    ACTIVITIES = "activities"
    HOURS = "hours"
    CERTIFICATES = "certificates"
    # What waits for one's own decision: others' attendances, hours, applications.
    REVIEWS = "reviews"
    TEAMS = "teams"
    ROLES = "roles"
    STOCK = "stock"
    LOANS = "loans"
    DISPUTES = "disputes"
    FEEDBACK = "feedback"
    # Of the account itself: never switched off, and never held back.
    SECURITY = "security"


SWITCHABLE = tuple(group for group in Group if group is not Group.SECURITY)
