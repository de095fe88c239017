"""What people hear of sign-ups. The kinds that are older than this feature stand in notifications.templates."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from volunteer_api.activities.events import ShiftBefore
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.activities.notices import tell
from volunteer_api.core import clock
from volunteer_api.core.texts import Word
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.service import Notice, notify_all
from volunteer_api.notifications.templates import register, tell_in_words
from volunteer_api.sign_ups.models import SignUp

CONFIRMED = NotificationKind.SIGN_UP_CONFIRMED
WAITLISTED = NotificationKind.SIGN_UP_WAITLISTED
PROMOTED = NotificationKind.SIGN_UP_PROMOTED
CANCELED = NotificationKind.ACTIVITY_CANCELED
PLACE_FREE = register(
    "sign_up_place_free",
    "A place is free",
    "A place in %(activity)s is free. Sign up, and it is yours; it goes to whoever does so first.",
    Group.SIGN_UPS,
)
INVITED = register(
    "sign_up_invited", "You are asked to take part", "Do you take part in %(activity)s? Say yes or no.", Group.SIGN_UPS
)
ACCEPTED = register(
    "sign_up_accepted", "An invitation was accepted", "%(name)s takes part in %(activity)s.", Group.ACTIVITIES
)
ACCEPTED_WAITING = register(
    "sign_up_accepted_waiting",
    "An invitation was accepted, and the shift is full",
    "%(name)s would take part in %(activity)s and is on the waitlist: no place is free.",
    Group.ACTIVITIES,
)
GIVEN_UP = register(
    "sign_up_given_up",
    "Somebody does not come",
    "%(name)s had a place in %(activity)s and does not come.",
    Group.ACTIVITIES,
)
DECLINED = register(
    "sign_up_declined", "An invitation was declined", "%(name)s does not take part in %(activity)s.", Group.ACTIVITIES
)
REQUESTED = register(
    "sign_up_requested",
    "Somebody wants to take part",
    "%(name)s wants to take part in %(activity)s and waits for your approval. "
    "You are not told of others who ask today.",
    Group.REVIEWS,
)
REJECTED = register(
    "sign_up_rejected",
    "You are not taking part",
    "A leader of %(activity)s said no: %(reason)s",
    Group.SIGN_UPS,
    without={"reason": "A leader of %(activity)s said no."},
)
INVITATION_ENDED = register(
    "sign_up_invitation_ended",
    "You are no longer asked to take part",
    "A leader took the invitation to %(activity)s back: %(reason)s",
    Group.SIGN_UPS,
    without={"reason": "A leader took the invitation to %(activity)s back."},
)
SHIFT_CANCELED = register(
    "shift_canceled",
    "Shift canceled",
    "A shift of %(activity)s is canceled: %(reason)s",
    Group.SIGN_UPS,
    without={"reason": "A shift of %(activity)s is canceled."},
)
SHIFT_MOVED = register(
    "shift_moved",
    "Shift moved",
    "A shift of %(activity)s is at another time now. Say whether you still come.",
    Group.SIGN_UPS,
)
SHIFT_END_CHANGED = register(
    "shift_end_changed",
    "The shift ends at another time",
    "A shift of %(activity)s ends at another time now.",
    Group.SIGN_UPS,
)
DEMANDS_CHANGED = register(
    "demands_changed",
    "Who can take part has changed",
    "%(activity)s asks for something else of those who take part. See whether you still have your place.",
    Group.SIGN_UPS,
)
PLACE_LOST = register(
    "sign_up_place_lost",
    "You have no place any more",
    "What you need for %(activity)s is no longer there: %(lacks)s. Once you have it, say yes again.",
    Group.SIGN_UPS,
    without={
        "lacks": "Something that you need for %(activity)s is no longer there. Say yes again to see what, or once you "
        "have it."
    },
)
PLACES_LOST = register(
    "shift_places_lost",
    "Somebody can't take part any more",
    "%(count)s of those who had a place in %(activity)s can't take part any more.",
    Group.ACTIVITIES,
)
ACTIVITY_CHANGED = register(
    "activity_changed",
    "The activity has changed",
    "The name or the place of %(activity)s is not what it was.",
    Group.SIGN_UPS,
)
MODE_CHANGED = register(
    "sign_up_mode_changed",
    "Signing up works otherwise now",
    "How one signs up for %(activity)s has changed. Your request still waits for a leader's answer.",
    Group.SIGN_UPS,
)
ROLE_RENAMED = register(
    "role_renamed",
    "Your role has another name",
    "Your role in %(activity)s is called %(role)s now, not %(before)s.",
    Group.SIGN_UPS,
)
STAND_IN_ASKED = register(
    "stand_in_asked",
    "You are asked to stand in",
    "%(name)s offers you a place in %(activity)s. Say yes or no.",
    Group.SIGN_UPS,
)
STAND_IN_FOUND = register(
    "stand_in_found", "Somebody stands in for you", "%(name)s took your place in %(activity)s.", Group.SIGN_UPS
)
STAND_IN_DECLINED = register(
    "stand_in_declined",
    "Nobody stands in for you yet",
    "%(name)s does not take your place in %(activity)s.",
    Group.SIGN_UPS,
)
STAND_IN_GONE = register(
    "stand_in_gone",
    "The offer is over",
    "The place in %(activity)s that you were offered is no longer there.",
    Group.SIGN_UPS,
)
# Codes of `eligibility.faults`, as far as they can take a place that somebody has.
tell_in_words(
    "lacks",
    {
        "members_only": Word("membership of the team"),
        "age_unknown": Word("your date of birth"),
        "too_young": Word("the age that is asked for"),
        "too_old": Word("the age that is asked for"),
        "minor_hazardous": Word("the age that is asked for"),
        "minor_at_night": Word("the age that is asked for"),
        "guardian_consent": Word("your guardian's consent"),
        "guardian_contact": Word("a guardian whom one can call"),
        "skill": Word("a skill that is asked for"),
        "training": Word("a training that is valid on that day"),
        "insurance": Word("an insurance for that day"),
    },
)
# Why the rest of a completed activity does not take place: told in the reader's words.
ENDED_EARLY = "ended_early"
tell_in_words("reason", {ENDED_EARLY: Word("the activity has ended early")})


def send(kind: str, about: SignUp, shift: Shift, activity: Activity, **told: Any) -> None:
    """Tell somebody of what happened to a sign-up; `told` is what `notice` takes beside these."""
    notify_all([notice(kind, about, shift, activity, **told)])


def notice(
    kind: str,
    about: SignUp,
    shift: Shift,
    activity: Activity,
    *,
    to: UUID | None = None,
    once: str = "",
    shift_count: int = 1,
    happens_at: datetime | None = None,
    moved_from: ShiftBefore | None = None,
    **values: str | None,
) -> Notice:
    """What the volunteer, or whoever is named by `to`, is to hear of a sign-up; many are sent in one statement.

    It is the first of those for `shift_count` shifts (see `first_of_each`). A value that is None is left out. `once`
    makes a second telling of the same kind and sign-up another one; `moved_from` is a moved shift as it was. It is of
    what begins with a shift to come, before the move or after it, or at `happens_at`.
    """
    return Notice(
        volunteer_id=to or about.volunteer_id,
        kind=kind,
        values={
            "activity": activity.title,
            "activity_id": str(activity.id),
            "sign_up_id": str(about.id),
            **_when(shift, shift_count),
            **(times_of(moved_from, "before_") if moved_from is not None else {}),
            **{name: value for name, value in values.items() if value is not None},
        },
        dedup_key=":".join(part for part in (kind, str(about.id), once) if part),
        happens_at=happens_at or _beginning(shift, moved_from),
    )


def first_of_each(found: Iterable[SignUp], shifts: Mapping[UUID, Shift]) -> list[tuple[SignUp, int]]:
    """Of each person the sign-up for the first of the shifts, and how many she has: one event is one piece of news."""
    of_each: dict[UUID, list[SignUp]] = {}
    for one in sorted(found, key=lambda one: (shifts[one.shift_id].starts_at, one.id)):
        of_each.setdefault(one.volunteer_id, []).append(one)
    return [(hers[0], len(hers)) for hers in of_each.values()]


def _beginning(shift: Shift, moved_from: ShiftBefore | None) -> datetime | None:
    if moved_from is not None:
        # Nobody is to get up for the time at which it would have begun.
        return min(moved_from.starts_at, shift.starts_at)
    return shift.starts_at if shift.starts_at > clock.now() else None


def times_of(shift: Shift | ShiftBefore, prefix: str = "") -> dict[str, str]:
    """A shift's times as values of a notification; after `before_`, those of a shift that was moved."""
    return {f"{prefix}starts_at": clock.stamp(shift.starts_at), f"{prefix}ends_at": clock.stamp(shift.ends_at)}


def _when(shift: Shift, shift_count: int) -> dict[str, str]:
    return times_of(shift) | ({"shift_count": str(shift_count)} if shift_count > 1 else {})


def tell_of_requests(hearers: Iterable[UUID], about: SignUp, shift: Shift, activity: Activity, day: date) -> None:
    """Tell those who lead that somebody waits for an approval: once a day and activity, a crowd is one piece of news.

    Not somebody who asks herself: she would hear of nobody else that day.
    """
    tell(
        REQUESTED,
        activity,
        (one for one in hearers if one != about.volunteer_id),
        once=f"{activity.id}:{day}",
        shift_id=str(shift.id),
        person_id=str(about.volunteer_id),
        **times_of(shift),
    )


def tell_of_lost_places(
    hearers: Iterable[UUID], shift: Shift, activity: Activity, now: datetime, *, count: int, shift_count: int
) -> None:
    """Tell those who lead how many lost their places, in so many shifts of which this is the first."""
    once = f"{shift.id}:{now.isoformat()}"
    known = {"shift_id": str(shift.id), "count": str(count), **_when(shift, shift_count)}
    tell(PLACES_LOST, activity, hearers, once=once, **known)
