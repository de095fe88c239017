"""What people hear of feedback."""

from uuid import UUID

from volunteer_api.activities.leaders import everybody_who_led
from volunteer_api.activities.models import Activity
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.feedback.models import Feedback
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.access import Permission, holders_near

ASKED = register(
    "feedback_asked", "How was it?", "Tell us how %(activity)s was: stars, and a word if you like.", Group.FEEDBACK
)
WORDS_WAIT = register(
    "feedback_words_wait", "Words wait for you", "Feedback of %(activity)s waits for your approval.", Group.FEEDBACK
)
REPORTED = register(
    "feedback_reported", "Words were reported", "Somebody reported feedback of %(activity)s.", Group.FEEDBACK
)
REJECTED = register("feedback_rejected", "Your words are not shown", "Of %(activity)s: %(reason)s", Group.FEEDBACK)
REPLIED = register(
    "feedback_replied", "Your feedback was answered", "A leader of %(activity)s answered you.", Group.FEEDBACK
)


def ask(volunteer_id: UUID, *, activity_id: UUID, title: str) -> None:
    """Ask for feedback, once for each activity."""
    _send(ASKED, volunteer_id, activity_id, title, once=f"{activity_id}:{volunteer_id}")


def tell_giver(kind: str, feedback: Feedback, **values: str) -> None:
    """Tell who gave the feedback what became of it."""
    title = db.session.get_one(Activity, feedback.activity_id).title
    # A second rejection, of changed words, is news again.
    once = f"{feedback.id}:{clock.now().isoformat()}"
    _send(kind, feedback.volunteer_id, feedback.activity_id, title, once=once, feedback_id=str(feedback.id), **values)


def tell_of_words(activity: Activity) -> None:
    """Tell those who moderate that words wait: once a day and activity, for a crowd is one piece of news."""
    for volunteer_id in moderators(activity):
        _send(
            WORDS_WAIT, volunteer_id, activity.id, activity.title, once=f"{activity.id}:{volunteer_id}:{clock.today()}"
        )


def tell_of_report(feedback: Feedback, first_report_id: UUID) -> None:
    """Tell those who moderate of reports: once until they have looked at them."""
    activity = db.session.get_one(Activity, feedback.activity_id)
    for volunteer_id in moderators(activity):
        once = f"{first_report_id}:{volunteer_id}"
        _send(REPORTED, volunteer_id, activity.id, activity.title, once=once, feedback_id=str(feedback.id))


def moderators(activity: Activity) -> list[UUID]:
    """Those who moderate, of the nearest organization that has any who neither leads nor led the activity."""
    led = everybody_who_led(activity, activity.created_at)
    return holders_near(activity.organization_id, Permission.ACTIVITY_PUBLISH, without=led)


def _send(kind: str, volunteer_id: UUID, activity_id: UUID, title: str, *, once: str, **values: str) -> None:
    values = {"activity": title, "activity_id": str(activity_id), **values}
    notify(volunteer_id=volunteer_id, kind=kind, values=values, dedup_key=f"{kind}:{once}")
