"""The verbs of feedback: give, change, approve, reject, answer, report, ask."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import update

from volunteer_api.activities.models import Activity
from volunteer_api.activities.problems import WrongState
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import insert
from volunteer_api.feedback import notices, problems, queries
from volunteer_api.feedback.models import Feedback, FeedbackAsking, FeedbackReport, WordsState
from volunteer_api.feedback.windows import edit_ends_at, window


def give(
    *, activity: Activity, volunteer_id: UUID, stars: int, words: str | None = None, anonymous: bool = False
) -> Feedback:
    """Say, once, what the activity was like: 1 to 5 stars that count at once, and words that wait for an organizer.

    Raises NotAttended (403), FeedbackGiven, FeedbackNotOpen, FeedbackClosed, TooFewToBeAnonymous, NameWouldTell (409).
    """
    ends = queries.ends_attended(activity.id, volunteer_id)
    if not ends:
        raise problems.NotAttended()
    queries.hold(activity.id)
    known = queries.own(activity.id, volunteer_id)
    if known is not None:
        raise problems.FeedbackGiven(members={"feedback_id": str(known.id)})
    now, days = clock.now(), rules().feedback_days
    opens_at, closes_at = window(ends, now, days)
    if now < opens_at:
        raise problems.FeedbackNotOpen()
    if now >= closes_at:
        raise problems.FeedbackClosed(days=days)
    _require_crowd(activity.id, volunteer_id, now, anonymous=anonymous)
    feedback = Feedback(
        activity_id=activity.id,
        volunteer_id=volunteer_id,
        stars=stars,
        words=words,
        words_state=WordsState.PENDING if words is not None else None,
        anonymous=anonymous,
    )
    db.session.add(feedback)
    db.session.flush()
    if words is not None:
        notices.tell_of_words(activity)
    return feedback


def change(feedback: Feedback, **changes: Any) -> Feedback:
    """Change one's stars, words or name for a while; changed words wait for an organizer again, and for an answer.

    Raises FeedbackFrozen, TooFewToBeAnonymous, NameWouldTell (409), and NotAttended (403) for whoever would
    take her name off stars that a rejection of her attendance had taken away.
    """
    if clock.now() >= edit_ends_at(feedback.created_at, rules().feedback_edit_days):
        raise problems.FeedbackFrozen(days=rules().feedback_edit_days)
    if changes.get("anonymous", feedback.anonymous) != feedback.anonymous:
        _require_change_of_name(feedback)
    words_change = "words" in changes and changes["words"] != feedback.words
    for name, value in changes.items():
        setattr(feedback, name, value)
    if words_change:
        feedback.words_state = WordsState.PENDING if feedback.words is not None else None
        feedback.moderated_by = feedback.moderated_at = feedback.moderation_reason = None
        # It answered other words.
        feedback.reply = feedback.replied_by = feedback.replied_at = None
        if feedback.words is not None and not (feedback.anonymous and feedback.kept_back):
            notices.tell_of_words(db.session.get_one(Activity, feedback.activity_id))
    db.session.flush()
    if words_change and feedback.words is None:
        # After the words, which a report locks: one at the same time finds none, or is found.
        _settle_reports(feedback.id)
    return feedback


def approve(feedback: Feedback, *, by: UUID, version: int) -> None:
    """Let everybody read the words. Raises NoWords, WordsChanged, WrongState (409)."""
    _decide(feedback, WordsState.APPROVED, by=by, version=version, reason=None)


def reject(feedback: Feedback, *, by: UUID, version: int, reason: str) -> None:
    """Let only those who lead read the words; who wrote them hears why. Raises NoWords, WordsChanged, WrongState."""
    _decide(feedback, WordsState.REJECTED, by=by, version=version, reason=reason)
    notices.tell_giver(notices.REJECTED, feedback, reason=reason)


def answer(feedback: Feedback, *, by: UUID, text: str) -> None:
    """Answer it, once, for whoever may read it. Raises AlreadyReplied (409)."""
    if feedback.reply is not None:
        raise problems.AlreadyReplied()
    feedback.reply, feedback.replied_by, feedback.replied_at = text, by, clock.now()
    db.session.flush()
    notices.tell_giver(notices.REPLIED, feedback)


def report(feedback: Feedback, *, by: UUID, reason: str) -> None:
    """Say that the words should not stand there.

    Organizers hear of it; at so many reports by different people approved words wait for them anew. Raises NoWords,
    AlreadyReported (409).
    """
    # Of two at once the second counts the first, or both would stay below the number that takes words down.
    feedback = queries.locked(feedback.id)
    if feedback.words is None:
        raise problems.NoWords()
    if queries.has_reported(feedback.id, by):
        raise problems.AlreadyReported()
    db.session.add(FeedbackReport(feedback_id=feedback.id, reported_by=by, reason=reason))
    db.session.flush()
    open_reports = queries.reports_of(feedback.id)
    if feedback.words_state == WordsState.APPROVED and len(open_reports) >= rules().feedback_reports:
        feedback.words_state = WordsState.PENDING
    notices.tell_of_report(feedback, open_reports[0].id)


def ask() -> int:
    """Ask those who were there, once for each activity, when a shift has ended; returns how many, at most 1,000."""
    now = clock.now()
    found = db.session.execute(queries.to_be_asked(now)).all()
    for activity_id, title, volunteer_id in found:
        row = {"activity_id": activity_id, "volunteer_id": volunteer_id, "asked_at": now}
        db.session.execute(insert(FeedbackAsking).values(row).on_conflict_do_nothing())
        notices.ask(volunteer_id, activity_id=activity_id, title=title)
    return len(found)


def _require_change_of_name(feedback: Feedback) -> None:
    activity_id, volunteer_id, anonymous = feedback.activity_id, feedback.volunteer_id, not feedback.anonymous
    if anonymous and not queries.ends_attended(activity_id, volunteer_id):
        raise problems.NotAttended()
    queries.hold(activity_id)
    # Who came to be there since hides nobody: those who lead could have added people.
    _require_crowd(activity_id, volunteer_id, feedback.created_at, anonymous=anonymous)
    feedback.kept_back = False


def _require_crowd(activity_id: UUID, volunteer_id: UUID, moment: datetime, *, anonymous: bool) -> None:
    """Whoever is anonymous hides among enough who have not signed, and goes on to when others sign."""
    minimum = rules().feedback_minimum_count
    if anonymous:
        since = queries.crowd_since(activity_id, volunteer_id, signing=False)
        if since is None or since > moment:
            raise problems.TooFewToBeAnonymous(minimum=minimum)
        return
    hiding = queries.hiding_since(activity_id, volunteer_id)
    if hiding is not None:
        since = queries.crowd_since(activity_id, volunteer_id, signing=True)
        if since is None or since > hiding:
            raise problems.NameWouldTell(minimum=minimum)


def _decide(feedback: Feedback, state: WordsState, *, by: UUID, version: int, reason: str | None) -> None:
    if feedback.words is None:
        raise problems.NoWords()
    if feedback.version != version:
        raise problems.WordsChanged(members={"version": feedback.version})
    if feedback.words_state == state:
        raise WrongState(state)
    feedback.words_state, feedback.moderation_reason = state, reason
    feedback.moderated_by, feedback.moderated_at = by, clock.now()
    db.session.flush()
    _settle_reports(feedback.id)


def _settle_reports(feedback_id: UUID) -> None:
    """Nobody has to look at these any more: somebody has, or the words are gone."""
    db.session.execute(
        update(FeedbackReport)
        .where(FeedbackReport.feedback_id == feedback_id, FeedbackReport.settled_at.is_(None))
        .values(settled_at=clock.now())
        .execution_options(synchronize_session=False)
    )
