"""Who gives, reads, moderates and answers feedback."""

from typing import Any
from uuid import UUID

from volunteer_api.activities.access import leads_activity, seen
from volunteer_api.activities.models import Activity
from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.feedback import queries
from volunteer_api.feedback.models import Feedback, WordsState
from volunteer_api.feedback.problems import LeadsActivity
from volunteer_api.organizations.access import Permission, can, require


@for_signed_in
def to_give(principal: Principal, activity_id: UUID) -> Activity:
    """Whoever sees the activity and neither led it nor leads it from above; that she was there, the service judges."""
    activity = seen(principal, activity_id)
    from_above = can(principal.volunteer_id, Permission.ACTIVITY_LEAD, organization_id=activity.organization_id)
    if from_above or queries.was_led_by(principal.volunteer_id, activity):
        raise LeadsActivity()
    return activity


@for_signed_in
def to_read(principal: Principal, feedback_id: UUID) -> Feedback:
    """Who gave it, and those who lead the activity."""
    return _known(principal, feedback_id)[0]


@for_signed_in
def to_change(principal: Principal, feedback_id: UUID) -> Feedback:
    """Only who gave it: those who lead may read it, but not change it (403)."""
    feedback, _ = _known(principal, feedback_id)
    if feedback.volunteer_id != principal.volunteer_id:
        raise Forbidden()
    return feedback


@for_signed_in
def to_moderate(principal: Principal, feedback_id: UUID) -> Feedback:
    """Who publishes for the organization, unless she leads or led it by name: nobody hides what is said of her."""
    feedback, activity = _of_another(principal, feedback_id)
    try:
        require(principal, Permission.ACTIVITY_PUBLISH, organization_id=activity.organization_id)
    except NotFound:
        raise Forbidden() from None
    if queries.has_led(principal.volunteer_id, activity):
        raise LeadsActivity()
    return feedback


@for_signed_in
def to_answer(principal: Principal, feedback_id: UUID) -> Feedback:
    """Those who lead the activity."""
    return _of_another(principal, feedback_id)[0]


@for_signed_in
def to_report(principal: Principal, feedback_id: UUID) -> Feedback:
    """Whoever sees the words: everybody, once they are approved; nobody her own (403)."""
    row = _row(feedback_id)
    if row.Feedback.words_state != WordsState.APPROVED or not row.may_be_seen:
        return _of_another(principal, feedback_id)[0]
    if row.Feedback.volunteer_id == principal.volunteer_id:
        raise Forbidden()
    feedback: Feedback = row.Feedback
    return feedback


def _of_another(principal: Principal, feedback_id: UUID) -> tuple[Feedback, Activity]:
    feedback, activity = _known(principal, feedback_id)
    if feedback.volunteer_id == principal.volunteer_id:
        raise Forbidden()
    return feedback, activity


def _known(principal: Principal, feedback_id: UUID) -> tuple[Feedback, Activity]:
    row = _row(feedback_id)
    if row.Feedback.volunteer_id != principal.volunteer_id:
        if not leads_activity(principal.volunteer_id, row.Activity):
            require(principal, Permission.ACTIVITY_LEAD, organization_id=row.Activity.organization_id)
        if not row.may_be_seen:
            raise NotFound()
    return row.Feedback, row.Activity


def _row(feedback_id: UUID) -> Any:
    row = db.session.execute(queries.with_activity(feedback_id)).one_or_none()
    if row is None:
        raise NotFound()
    return row
