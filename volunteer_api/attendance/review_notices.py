"""What people hear of the review of attendances."""

from uuid import UUID

from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.scene import Scene
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import Notice, notify, notify_all
from volunteer_api.notifications.templates import register

REJECTED = register(
    "attendance_rejected",
    "Your attendance was not counted",
    "%(activity)s was not counted: %(reason_sentence)s If you see it differently, open the attendance and dispute it.",
    Group.HOURS,
)
REVIEWED = register(
    "attendance_reviewed",
    "Your attendance was reviewed",
    "%(minutes)s minutes count for %(activity)s: %(reason_sentence)s If you see it differently, open the attendance "
    "and dispute it.",
    Group.HOURS,
)
MARKED_ABSENT = register(
    "attendance_marked_absent",
    "You were marked absent",
    "A leader of %(activity)s marked you absent. If you were there, you can dispute it.",
    Group.HOURS,
)
HELD = register(
    "attendance_recorded",
    "Your attendance was recorded",
    "A leader recorded that you were at %(activity)s. It waits for a review.",
    Group.HOURS,
)
HELD_SINCE = register(
    "attendance_held",
    "Your attendance waits for a review",
    "A check-in or check-out elsewhere, or one that came late, changed your attendance at %(activity)s. It waits for a "
    "review; open it to see why.",
    Group.HOURS,
)
FORGOTTEN = register(
    "check_out_forgotten",
    "You did not check out",
    "You did not check out of %(activity)s. Say when you left, so that your time can be counted.",
    Group.HOURS,
)
CLAIMED = register(
    "attendance_claimed",
    "Somebody forgot to check out",
    "Somebody says when they left %(activity)s. Look at it and decide.",
    Group.REVIEWS,
)
BACKFILLED_AFTER_REJECTION = register(
    "backfilled_after_rejection",
    "Hours recorded where you rejected the attendance",
    "Somebody recorded %(minutes)s minutes of %(name)s for %(activity)s, whose attendance you had rejected. They wait "
    "for a second person's decision, who sees your reason.",
    Group.REVIEWS,
)
UNFINISHED = register(
    "attendances_unfinished",
    "Check-outs are missing",
    "Not everybody checked out of %(activity)s. Take a roll-call with the time at which they left.",
    Group.ACTIVITIES,
)
DUE = register(
    "reviews_due",
    "Attendances wait for your review",
    "Attendances of %(activity)s must be decided by %(due_on)s.",
    Group.REVIEWS,
)
ALL_DUE = register(
    "attendances_due",
    "Attendances must be decided soon",
    "%(count)s attendances at %(organization)s must be decided by %(due_on)s.",
    Group.REVIEWS,
)
ALL_LATE = register(
    "attendances_late",
    "Attendances wait for too long",
    "%(count)s attendances at %(organization)s wait for a decision past the ten working days. Decide on them.",
    Group.REVIEWS,
)


def tell(kind: str, attendance: Attendance, here: Scene, *, once: str = "", **values: str) -> None:
    """Tell the volunteer of what happened to her attendance; `once` makes a second telling another one."""
    notify_all([notice(kind, attendance, here, once=once, **values)])


def notice(kind: str, attendance: Attendance, here: Scene, *, once: str = "", **values: str) -> Notice:
    """What `tell` tells."""
    return Notice(
        volunteer_id=attendance.volunteer_id,
        kind=kind,
        values={"activity": title(here), "attendance_id": str(attendance.id), **values},
        dedup_key=":".join(part for part in (kind, str(attendance.id), once) if part),
    )


def tell_leader(kind: str, leader_id: UUID, *, activity: str, about: UUID, once: str = "", **values: str) -> None:
    """Tell a leader of attendances at a shift or a station (`about`): one piece of news for all of them."""
    notify(
        volunteer_id=leader_id,
        kind=kind,
        values={"activity": activity, "about_id": str(about), **values},
        dedup_key=":".join(part for part in (kind, str(about), str(leader_id), once) if part),
    )


def absence(volunteer_id: UUID, sign_up_id: UUID, here: Scene, *, once: str) -> Notice:
    """What somebody hears who is marked absent of a shift at which she gave no sign of herself."""
    values = {"activity": title(here), "shift_id": str(here.target_id)}
    return Notice(volunteer_id, MARKED_ABSENT, values, f"{MARKED_ABSENT}:{sign_up_id}:{once}")


def title(here: Scene) -> str:
    """What people call where the attendance was: the activity, or the station of a duty."""
    return here.activity.title if here.activity is not None else here.station.name if here.station is not None else ""


def about(here: Scene) -> UUID:
    """What all attendances at the same shift or station have in common."""
    return here.target_id
