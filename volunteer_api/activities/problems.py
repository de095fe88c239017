"""Why an activity or a shift refuses something."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import ClassVar

from volunteer_api.activities.models import Shift
from volunteer_api.core import clock
from volunteer_api.core.problems import Conflict, Forbidden

MOST_NAMED = 100


class WrongState(Conflict):
    """Its body names the `state` that stands, of an activity, a sign-up or the words of a feedback; so a second tap
    hears what is already so."""

    title = "The present state does not allow this."
    details: ClassVar[Mapping[str, str]] = {
        "draft": "It is still a draft.",
        "submitted": "It is submitted, and waits to be published.",
        "published": "It is published already.",
        "completed": "It is completed already.",
        "canceled": "It is canceled already.",
        "pending": "It still waits for approval.",
        "invited": "The invitation still waits for an answer.",
        "confirmed": "The place is confirmed already.",
        "waitlisted": "It is still on the waitlist.",
        "withdrawn": "It was withdrawn already.",
        "declined": "It was declined already.",
        "rejected": "It was turned down already.",
        "approved": "It is approved already.",
    }

    def __init__(self, state: str) -> None:
        super().__init__(case=state, members={"state": str(state)})


class TeamNeeded(Forbidden):
    title = "Name a team of this organization that you lead."


class NotBegun(Conflict):
    title = "An activity is completed only after one of its shifts has begun."


class NothingToCancel(Conflict):
    title = "Every shift of the activity is over; there is nothing to cancel."
    detail = (
        "Every shift of the activity is over; complete it. What it held counts: minutes that are not true are taken "
        "back by reversals, attendances by rejecting them."
    )


class ShiftsToCome(Conflict):
    """Its body names how many (`shift_count`) and the first hundred `shifts`: [{id, starts_at, ends_at,
    confirmed_count}], the soonest first."""

    title = "Some of its shifts have not begun."
    detail = (
        "%(count)s shifts have not begun. They are canceled for good where the completion says so by `cancel_rest`; or "
        "complete the activity after them."
    )

    def __init__(self, shifts: Sequence[Shift]) -> None:
        soonest = sorted(shifts, key=lambda one: (one.starts_at, one.id))[:MOST_NAMED]
        named = [
            {
                "id": str(one.id),
                "starts_at": clock.stamp(one.starts_at),
                "ends_at": clock.stamp(one.ends_at),
                "confirmed_count": one.confirmed_count,
            }
            for one in soonest
        ]
        super().__init__(members={"shift_count": len(shifts), "shifts": named}, count=len(shifts))


class FrozenAtPublication(Conflict):
    """Its body names the `fields`: rankings count an activity for whom it was published.

    A team or a station that it had not may be named, by who could publish it, until its first check-in may be.
    """

    title = "The team, the station and the category stay as they were published."


class CampaignFrozen(Conflict):
    title = "Somebody has served already; the activity stays with its campaign."


class ShiftOver(Conflict):
    title = "The shift is over or canceled."


class ShiftUnderWay(Conflict):
    title = "The shift has begun; it can't begin at another time."


class EndsInThePast(Conflict):
    title = "The shift would be over already; complete the activity instead."


class TooLongAgo(Conflict):
    """`ends_on` in the body is the first local day that is meant, `last_on` the latest one that is too long ago."""

    title = "The time in which its hours could be recorded is over."
    detail = (
        "The hours of %(ends_on)s are not recorded any more: the ten working days for that are over. Leave the shift "
        "out; what was served at a station can be backfilled there."
    )

    def __init__(self, ends_on: date, last_on: date) -> None:
        ends, last = ends_on.isoformat(), last_on.isoformat()
        super().__init__(members={"ends_on": ends, "last_on": last}, ends_on=ends)


class PlaceStands(Forbidden):
    """Its body names the `fields`."""

    title = "People may have checked in by its place already; only who publishes it changes that now."


class CapacityBelowConfirmed(Conflict):
    """`confirmed_count` stands in the body."""

    title = "More people are confirmed than the shift would take."
    detail = "%(count)s people are confirmed; the capacity can't be below that."


class RoleBelowConfirmed(Conflict):
    """`role_id` and `confirmed_count` stand in the body."""

    title = "More people are confirmed in the role than it would take."
    detail = "%(count)s people are confirmed as %(role)s; its capacity can't be below that."


class RoleTaken(Conflict):
    """`role_id` stands in the body, and the `sign_up_count` of those who wait, are asked or have a place in it."""

    title = "Somebody is signed up for the role; it can't be removed."
    detail = "%(count)s people are signed up as %(role)s; the role can't be removed."


class NothingToCome(Conflict):
    title = "Every shift of the activity has begun; there is nothing to copy."


class NothingToKeep(Conflict):
    title = "The activity has no shifts; there is nothing to keep as a template."


class CampaignExists(Conflict):
    """`campaign_id` in the body is the one that is there."""

    title = "The organization has a campaign of this name in the same days."
    detail = "The organization already has the campaign %(name)s in these days."


class TemplateExists(Conflict):
    title = "The organization has a template of this name."
    detail = "The organization already has the template %(name)s."


class TeamHasActivities(Conflict):
    """Its body lists the `activities` ({id, title, state}) that stand in the way, a hundred at most."""

    title = "The team still has activities to come or under way."
    detail = "The team still has %(count)s activities, like %(name)s; complete or cancel them first."


class ShiftJustAdded(Conflict):
    """Its body names the `shift_id` of the one that was added."""

    title = "The same shift was added a moment ago."
    detail = (
        "This looks like a second tap, so no second shift was added. If there are to be two, try again in a minute."
    )


class TooManyShifts(Conflict):
    title = "The activity has too many shifts."
    detail = "An activity has at most %(maximum)s shifts."
