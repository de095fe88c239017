"""What is read of feedback, and for whom."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.accounts.ages import is_under_age
from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.service import masked_name
from volunteer_api.activities import leaders
from volunteer_api.activities.access import led_by
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import rules
from volunteer_api.feedback.models import Feedback, FeedbackAsking, FeedbackReport, WordsState
from volunteer_api.sign_ups.models import SignUp, SignUpState

# A cursor is read by whoever has it, and tells no moment either.
LATEST_DAY_FIRST = [
    Key(Feedback.given_on, read=lambda row: row.given_on, descending=True),
    Key(Feedback.id, read=lambda row: row.id, descending=True),
]
OWN_NEWEST_FIRST = [
    Key(Feedback.created_at, read=lambda row: row.created_at, descending=True),
    Key(Feedback.id, read=lambda row: row.id, descending=True),
]
# A phone without network tells up to so late who was there.
ASKED_FOR = timedelta(days=3)
ASKED_AT_ONCE = 1000
# One row of several columns, whose types the caller knows.
Rows = Select[*tuple[Any, ...]]


def ends_attended(activity_id: UUID, volunteer_id: UUID) -> list[datetime]:
    """When the shifts of the activity end that the volunteer attended, the first first."""
    statement = (
        select(Shift.ends_at)
        .join(Attendance, Attendance.shift_id == Shift.id)
        .where(Shift.activity_id == activity_id, Attendance.volunteer_id == volunteer_id, _was_there())
        .order_by(Shift.ends_at, Shift.id)
    )
    return list(db.session.scalars(statement))


def hold(activity_id: UUID) -> None:
    """Let nobody else sign until the unit ends: of two at once each would see the other unsigned."""
    db.session.execute(select(Activity.id).where(Activity.id == activity_id).with_for_update(key_share=True))


def crowd_since(activity_id: UUID, volunteer_id: UUID, *, signing: bool) -> datetime | None:
    """From when on enough had been there for one to hide among them, none of whom has signed; None for never.

    The volunteer is one of them unless she signs, whatever she did before. One statement.
    """
    herself = Attendance.volunteer_id == volunteer_id
    unsigned = and_(~herself, ~_has_signed()) if signing else or_(herself, ~_has_signed())
    return db.session.scalar(_enough_since(activity_id, unsigned))


def hiding_since(activity_id: UUID, volunteer_id: UUID) -> datetime | None:
    """Since when somebody but the volunteer has said something of the activity without her name; None for nobody."""
    return db.session.scalar(
        select(func.min(Feedback.created_at)).where(
            Feedback.activity_id == activity_id,
            Feedback.volunteer_id != volunteer_id,
            Feedback.anonymous,
            ~Feedback.kept_back,
        )
    )


def own(activity_id: UUID, volunteer_id: UUID) -> Feedback | None:
    """What the volunteer said of the activity."""
    return db.session.scalars(
        select(Feedback).where(Feedback.activity_id == activity_id, Feedback.volunteer_id == volunteer_id)
    ).one_or_none()


def with_activity(feedback_id: UUID) -> Rows:
    """A feedback with its activity, and whether others may see it at all."""
    return (
        select(Feedback, Activity, may_be_seen().label("may_be_seen"))
        .join(Activity, Activity.id == Feedback.activity_id)
        .where(Feedback.id == feedback_id)
    )


def has_led(volunteer_id: UUID, activity: Activity) -> bool:
    """Whether the volunteer leads or has led the activity by name or with its team, and not only from above."""
    return _is_true_of(activity, leaders.has_led(volunteer_id))


def was_led_by(volunteer_id: UUID, activity: Activity) -> bool:
    """The same, by the end of the first shift that she attended; of who attended none, by now.

    Who was named afterwards was there as one of the people, and has her say.
    """
    first_end = (
        select(func.min(Shift.ends_at))
        .join(Attendance, Attendance.shift_id == Shift.id)
        .where(Shift.activity_id == Activity.id, Attendance.volunteer_id == volunteer_id, _was_there())
        .correlate(Activity)
        .scalar_subquery()
    )
    return _is_true_of(activity, leaders.has_led(volunteer_id, until=func.coalesce(first_end, clock.now())))


def _is_true_of(activity: Activity, condition: ColumnElement[bool]) -> bool:
    return db.session.scalar(select(Activity.id).where(Activity.id == activity.id, condition)) is not None


def read(feedback_id: UUID, caller_id: UUID) -> dict[str, Any]:
    """One feedback as the caller sees it."""
    row = db.session.execute(_rows().where(Feedback.id == feedback_id).execution_options(populate_existing=True)).one()
    return _view(row, caller_id)


def page_for_leaders(query: Mapping[str, Any], caller_id: UUID) -> Page:
    """Feedback of the activities that the caller leads, the latest day first. Two statements."""
    statement = _rows().where(led_by(caller_id), may_be_seen())
    if "activity_id" in query:
        statement = statement.where(Feedback.activity_id == query["activity_id"])
    if "state" in query:
        statement = statement.where(Feedback.words_state == query["state"])
    found = page(statement, LATEST_DAY_FIRST, query, scope=str(caller_id))
    return Page([_view(row, caller_id) for row in found.items], found.next_cursor)


def page_of_own(query: Mapping[str, Any], caller_id: UUID) -> Page:
    """What the caller has said, the newest first."""
    found = page(_rows().where(Feedback.volunteer_id == caller_id), OWN_NEWEST_FIRST, query, scope=str(caller_id))
    return Page([_view(row, caller_id) for row in found.items], found.next_cursor)


def summary(activity: Activity, query: Mapping[str, Any]) -> dict[str, Any]:
    """What everybody may know: the stars, and the approved words, where enough people answered. Two statements.

    Whose attendance was rejected since has answered: her stars go, and hide nothing that others said.
    """
    stars = dict.fromkeys(range(1, 6), 0)
    statement = select(
        Feedback.stars,
        func.count().filter(may_be_seen()).label("answered"),
        func.count().filter(_counts()).label("given"),
        func.count().filter(_counts(), may_be_seen()).label("shown"),
    )
    grouped = db.session.execute(statement.where(Feedback.activity_id == activity.id).group_by(Feedback.stars)).all()
    stars |= {row.stars: row.shown for row in grouped}
    seen, minimum = sum(stars.values()), rules().feedback_minimum_count
    enough = sum(row.answered for row in grouped) >= minimum
    approved = and_(
        Feedback.activity_id == activity.id, _counts(), Feedback.words_state == WordsState.APPROVED, may_be_seen()
    )
    found = page(_rows().where(approved if enough else false()), LATEST_DAY_FIRST, query, scope=str(activity.id))
    return {
        "count": sum(row.given for row in grouped),
        "minimum_count": minimum,
        "average": _average(stars, seen) if enough and seen else None,
        "distribution": [{"stars": value, "count": many} for value, many in stars.items()] if enough else [],
        "items": [_public_view(row) for row in found.items],
        "next_cursor": found.next_cursor,
    }


def _average(stars: Mapping[int, int], count: int) -> float:
    """To a tenth, a half up: 3.25 is 3.3, as people reckon."""
    return (20 * sum(value * many for value, many in stars.items()) + count) // (2 * count) / 10


def reports_of(feedback_id: UUID) -> list[FeedbackReport]:
    """The reports of a feedback that nobody has looked at yet."""
    return list(
        db.session.scalars(
            select(FeedbackReport)
            .where(FeedbackReport.feedback_id == feedback_id, FeedbackReport.settled_at.is_(None))
            .order_by(FeedbackReport.id)
        )
    )


def locked(feedback_id: UUID) -> Feedback:
    """The feedback, held until the unit ends, as it is now."""
    return db.session.scalars(
        select(Feedback)
        .where(Feedback.id == feedback_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def has_reported(feedback_id: UUID, volunteer_id: UUID) -> bool:
    """Whether the volunteer has reported the feedback before."""
    mine = and_(FeedbackReport.feedback_id == feedback_id, FeedbackReport.reported_by == volunteer_id)
    return bool(db.session.scalar(select(exists().where(mine))))


def to_be_asked(now: datetime) -> Rows:
    """Who attended a shift that ended in the last days, and was neither asked yet nor has said something.

    Who came without a sign-up did so only once a reviewer says it: in the last days, while feedback is taken.
    """
    lately = now - ASKED_FOR
    told_at = func.coalesce(Attendance.reviewed_at, Attendance.created_at)
    asked = exists().where(
        FeedbackAsking.activity_id == Activity.id, FeedbackAsking.volunteer_id == Attendance.volunteer_id
    )
    said = exists().where(Feedback.activity_id == Activity.id, Feedback.volunteer_id == Attendance.volunteer_id)
    return (
        select(Activity.id, Activity.title, Attendance.volunteer_id)
        .join(Shift, Shift.activity_id == Activity.id)
        .join(Attendance, Attendance.shift_id == Shift.id)
        .join(Volunteer, Volunteer.id == Attendance.volunteer_id)
        .where(
            Shift.ends_at <= now,
            Shift.ends_at > now - timedelta(days=rules().feedback_days),
            or_(Shift.ends_at > lately, told_at > lately),
            Shift.canceled_at.is_(None),
            _was_there(),
            Volunteer.erased_at.is_(None),
            ~asked,
            ~said,
            ~leaders.has_led(Attendance.volunteer_id, until=Shift.ends_at),
        )
        .distinct()
        .order_by(Activity.id, Attendance.volunteer_id)
        .limit(ASKED_AT_ONCE)
    )


def _rows() -> Rows:
    reports = (
        select(func.count())
        .where(FeedbackReport.feedback_id == Feedback.id, FeedbackReport.settled_at.is_(None))
        .correlate(Feedback)
        .scalar_subquery()
    )
    return (
        select(
            *Feedback.__table__.columns,
            Activity.title,
            Volunteer.name,
            Volunteer.birth_date,
            Volunteer.erased_at,
            reports.label("report_count"),
        )
        .join(Activity, Activity.id == Feedback.activity_id)
        .join(Volunteer, Volunteer.id == Feedback.volunteer_id)
    )


def _was_there() -> ColumnElement[bool]:
    """The attendance, at whose shift it is: one that was credited, or one that a confirmed sign-up stands behind."""
    expected = exists().where(_is_expected())
    return and_(Attendance.state != State.REJECTED, or_(Attendance.state == State.CREDITED, expected))


def _is_expected() -> ColumnElement[bool]:
    return and_(
        SignUp.shift_id == Attendance.shift_id,
        SignUp.volunteer_id == Attendance.volunteer_id,
        SignUp.state == SignUpState.CONFIRMED,
    )


def _counts() -> ColumnElement[bool]:
    """Feedback of somebody whose attendance still stands.

    What is anonymous stays: which stars went away with whose attendance would tell whose they were.
    """
    stands = (
        exists()
        .where(
            Shift.activity_id == Feedback.activity_id,
            Attendance.shift_id == Shift.id,
            Attendance.volunteer_id == Feedback.volunteer_id,
            _was_there(),
        )
        .correlate(Feedback)
    )
    return or_(Feedback.anonymous, stands)


def may_be_seen() -> ColumnElement[bool]:
    """What others may see; settled when it is given, so that nobody hides what was shown by what she does later."""
    return or_(~Feedback.anonymous, ~Feedback.kept_back)


def _has_signed() -> ColumnElement[bool]:
    """The attendance's volunteer: who said with her name what the activity was like hides nobody."""
    signed = aliased(Feedback)
    return exists().where(
        signed.activity_id == Activity.id,
        signed.volunteer_id == Attendance.volunteer_id,
        ~signed.anonymous,
    )


def _enough_since(activity_id: UUID, narrowed: ColumnElement[bool]) -> Select[datetime]:
    """From when on as many as are enough had been at the activity, as far as that was so then; no row for never."""
    # Without a sign-up it was a reviewer who credited it.
    credited_at = case(
        (Attendance.state == State.CREDITED, func.coalesce(Attendance.reviewed_at, Attendance.created_at))
    )
    expected_at = SignUp.created_at
    known_at = case((credited_at < expected_at, credited_at), else_=func.coalesce(expected_at, credited_at))
    there_at = func.min(case((known_at > Attendance.created_at, known_at), else_=Attendance.created_at))
    return (
        select(there_at)
        .join_from(Attendance, Shift, Shift.id == Attendance.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .outerjoin(SignUp, _is_expected())
        .where(
            Activity.id == activity_id,
            Attendance.state != State.REJECTED,
            known_at.is_not(None),
            # Who led knows that it was not herself. Who was named afterwards still hides the others: those who lead
            # could name people until too few are left.
            ~leaders.has_led(Attendance.volunteer_id, until=Shift.ends_at),
            narrowed,
        )
        .group_by(Attendance.volunteer_id)
        .order_by(there_at)
        .offset(rules().feedback_minimum_count - 1)
        .limit(1)
    )


def _view(row: Any, caller_id: UUID) -> dict[str, Any]:
    mine = row.volunteer_id == caller_id
    named = mine or not _is_hidden(row)
    members = (
        "id",
        "version",
        "anonymous",
        "stars",
        "words",
        "words_state",
        "moderation_reason",
        "reply",
        "replied_at",
    )
    return {name: getattr(row, name) for name in members} | {
        "activity": {"id": row.activity_id, "title": row.title},
        "volunteer": {"id": row.volunteer_id, "name": row.name} if named else None,
        "mine": mine,
        "on": row.given_on,
        "report_count": 0 if mine else row.report_count,
    }


def _is_hidden(row: Any) -> bool:
    return row.anonymous or row.erased_at is not None or is_under_age(row.birth_date, clock.today())


def _public_view(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("id", "stars", "words", "reply")} | {
        "name": None if _is_hidden(row) else masked_name(row.name),
        "on": row.given_on,
    }
