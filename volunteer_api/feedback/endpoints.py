"""Routes of feedback."""

from typing import Any

from volunteer_api.activities.access import to_see
from volunteer_api.activities.models import Activity
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.feedback import access, queries, schemas, service
from volunteer_api.feedback.models import Feedback

blueprint = feature_blueprint("feedback", __name__, "What volunteers say of an activity: stars and words")


@endpoint(
    blueprint,
    "POST",
    "/activities/<uuid:activity_id>/feedback",
    access=access.to_give,
    body=schemas.FeedbackCreate,
    returns=schemas.FeedbackRead,
    status=201,
)
def give_feedback(principal: Principal, activity: Activity, body: dict[str, Any]) -> dict[str, Any]:
    """Say what an activity that you attended was like; others read the words once an organizer has approved them."""
    made = service.give(activity=activity, volunteer_id=principal.volunteer_id, **body)
    return queries.read(made.id, principal.volunteer_id)


@endpoint(
    blueprint,
    "GET",
    "/activities/<uuid:activity_id>/feedback",
    access=to_see,
    query=PageQuery,
    returns=schemas.FeedbackSummaryRead,
)
def read_activity_feedback(activity: Activity, query: dict[str, Any]) -> dict[str, Any]:
    """Read what was said of an activity: stars, and the words that were approved, the latest day first."""
    return queries.summary(activity, query)


@endpoint(
    blueprint,
    "GET",
    "/feedback",
    access=signed_in,
    query=schemas.FeedbackFilter,
    returns=page_of(schemas.FeedbackRead),
)
def list_feedback(principal: Principal, query: dict[str, Any]) -> Page:
    """List feedback of the activities that you lead, the latest day first; with `state=pending`, what waits."""
    return queries.page_for_leaders(query, principal.volunteer_id)


@endpoint(blueprint, "GET", "/me/feedback", access=signed_in, query=PageQuery, returns=page_of(schemas.FeedbackRead))
def list_my_feedback(principal: Principal, query: dict[str, Any]) -> Page:
    """List the feedback that you gave, the newest first."""
    return queries.page_of_own(query, principal.volunteer_id)


@endpoint(blueprint, "GET", "/feedback/<uuid:feedback_id>", access=access.to_read, returns=schemas.FeedbackRead)
def read_feedback(principal: Principal, feedback: Feedback) -> dict[str, Any]:
    """Read a feedback: your own, or one of an activity that you lead."""
    return queries.read(feedback.id, principal.volunteer_id)


@endpoint(
    blueprint,
    "PATCH",
    "/feedback/<uuid:feedback_id>",
    access=access.to_change,
    body=schemas.FeedbackUpdate,
    returns=schemas.FeedbackRead,
    edits=True,
)
def change_feedback(principal: Principal, feedback: Feedback, body: dict[str, Any]) -> dict[str, Any]:
    """Change your feedback, for some days."""
    service.change(feedback, **body)
    return _read(principal, feedback)


@endpoint(
    blueprint,
    "POST",
    "/feedback/<uuid:feedback_id>/approval",
    access=access.to_moderate,
    body=schemas.FeedbackApproval,
    returns=schemas.FeedbackRead,
)
def approve_feedback(principal: Principal, feedback: Feedback, body: dict[str, Any]) -> dict[str, Any]:
    """Let everybody read the words of a feedback."""
    service.approve(feedback, by=principal.volunteer_id, **body)
    return _read(principal, feedback)


@endpoint(
    blueprint,
    "POST",
    "/feedback/<uuid:feedback_id>/rejection",
    access=access.to_moderate,
    body=schemas.FeedbackRejection,
    returns=schemas.FeedbackRead,
)
def reject_feedback(principal: Principal, feedback: Feedback, body: dict[str, Any]) -> dict[str, Any]:
    """Keep the words of a feedback from everybody but those who lead; who wrote them hears the reason."""
    service.reject(feedback, by=principal.volunteer_id, **body)
    return _read(principal, feedback)


@endpoint(
    blueprint,
    "POST",
    "/feedback/<uuid:feedback_id>/reply",
    access=access.to_answer,
    body=schemas.FeedbackReply,
    returns=schemas.FeedbackRead,
)
def answer_feedback(principal: Principal, feedback: Feedback, body: dict[str, Any]) -> dict[str, Any]:
    """Answer a feedback, for those who lead the activity."""
    service.answer(feedback, by=principal.volunteer_id, **body)
    return _read(principal, feedback)


@endpoint(
    blueprint,
    "POST",
    "/feedback/<uuid:feedback_id>/reports",
    access=access.to_report,
    body=schemas.FeedbackReportCreate,
    status=204,
)
def report_feedback(principal: Principal, feedback: Feedback, body: dict[str, Any]) -> None:
    """Report words that should not stand there."""
    service.report(feedback, by=principal.volunteer_id, **body)


def _read(principal: Principal, feedback: Feedback) -> dict[str, Any]:
    return queries.read(feedback.id, principal.volunteer_id)
