"""Reading sign-ups, and the locks under which they change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, case, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.activities.prospects import Planned, Prospect
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.sign_ups.judgment import Engagement, Standing, judge_sign_up
from volunteer_api.sign_ups.models import ACTIVE_SIGN_UPS, SignUp, SignUpState
from volunteer_api.teams.models import Membership, MembershipState


def standing_of(volunteer_id: UUID, now: datetime, team_id: UUID | None = None) -> Standing:
    """A volunteer's standing at `now`, for a sign-up for `team_id` where one is named."""
    rows = db.session.execute(
        select(SignUp.id, SignUp.shift_id, SignUp.state, Shift.starts_at, Shift.ends_at)
        .join(Shift, Shift.id == SignUp.shift_id)
        .where(
            SignUp.volunteer_id == volunteer_id,
            SignUp.state.in_(ACTIVE_SIGN_UPS),
            Shift.ends_at > now,
            Shift.canceled_at.is_(None),
        )
        .order_by(Shift.starts_at, SignUp.id)
    )
    engagements = [Engagement(*row) for row in rows]
    return Standing(engagements, team_id is None or _is_member(volunteer_id, team_id))


def prospects(caller_id: UUID | None, planned: Planned, now: datetime) -> list[Prospect]:
    """What would come of the caller's signing up for each of these shifts; one statement, none for nobody."""
    standing = standing_of(caller_id, now) if caller_id is not None else None
    judged = [judge_sign_up(activity.state, shift, standing, now) for activity, shift in planned]
    return [Prospect(one.would_be, one.refusal) for one in judged]


def _is_member(volunteer_id: UUID, team_id: UUID) -> bool:
    return bool(db.session.scalar(select(_active_membership(literal(volunteer_id), literal(team_id)))))


def _active_membership(volunteer_id: Any, team_id: Any) -> ColumnElement[bool]:
    return exists().where(
        Membership.volunteer_id == volunteer_id,
        Membership.team_id == team_id,
        Membership.state == MembershipState.ACTIVE,
    )


def lock_volunteer(volunteer_id: UUID, *, wait: bool = True) -> bool:
    """Hold the volunteer until the unit ends; without `wait`, False where somebody else holds them.

    The lock is PostgreSQL's FOR NO KEY UPDATE, which lets others refer to the row; SQLite has one writer anyway.
    """
    locked = db.session.scalar(
        select(Volunteer.id).where(Volunteer.id == volunteer_id).with_for_update(key_share=True, skip_locked=not wait)
    )
    return locked is not None


def first_eligible(shift: Shift) -> SignUp | None:
    """Who waits longest for the shift and is free at its time, and still in the team that they named."""
    other, other_shift = aliased(SignUp), aliased(Shift)
    busy = exists().where(
        other.volunteer_id == SignUp.volunteer_id,
        other.state == SignUpState.CONFIRMED,
        other_shift.id == other.shift_id,
        other_shift.canceled_at.is_(None),
        other_shift.starts_at < shift.ends_at,
        other_shift.ends_at > shift.starts_at,
    )
    return db.session.scalars(
        select(SignUp)
        .where(
            SignUp.shift_id == shift.id,
            SignUp.state == SignUpState.WAITLISTED,
            ~busy,
            or_(SignUp.team_id.is_(None), _active_membership(SignUp.volunteer_id, SignUp.team_id)),
        )
        .order_by(SignUp.position)
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()


def waits_freed_by(shift_ids: Sequence[UUID], volunteer_id: UUID | None = None) -> list[UUID]:
    """The shifts with a free place for which somebody waits whom a confirmed sign-up for one of `shift_ids` keeps away.

    Only the waits of one volunteer where `volunteer_id` is given.
    """
    left, left_shift = aliased(SignUp), aliased(Shift)
    statement = (
        select(Shift.id)
        .distinct()
        .join(SignUp, SignUp.shift_id == Shift.id)
        .join(left, left.volunteer_id == SignUp.volunteer_id)
        .join(left_shift, left_shift.id == left.shift_id)
        .where(
            left_shift.id.in_(shift_ids),
            left.state == SignUpState.CONFIRMED,
            SignUp.state == SignUpState.WAITLISTED,
            Shift.canceled_at.is_(None),
            Shift.starts_at < left_shift.ends_at,
            Shift.ends_at > left_shift.starts_at,
            or_(Shift.capacity.is_(None), Shift.confirmed_count < Shift.capacity),
        )
    )
    if volunteer_id is not None:
        statement = statement.where(SignUp.volunteer_id == volunteer_id)
    return list(db.session.scalars(statement))


def taken_among(shift_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the shifts that have an active sign-up, in any state."""
    active = SignUp.state.in_(ACTIVE_SIGN_UPS)
    return set(db.session.scalars(select(SignUp.shift_id).where(SignUp.shift_id.in_(shift_ids), active).distinct()))


def next_position(shift_id: UUID) -> int:
    """The end of the waitlist; unique as long as the shift is held."""
    last = db.session.scalar(select(func.max(SignUp.position)).where(SignUp.shift_id == shift_id))
    return (last or 0) + 1


def people_of(shift_ids: Sequence[UUID]) -> Sequence[tuple[UUID, UUID]]:
    """(sign-up, volunteer) of everybody who counts on the shifts."""
    rows = db.session.execute(
        select(SignUp.id, SignUp.volunteer_id)
        .where(SignUp.shift_id.in_(shift_ids), SignUp.state.in_(ACTIVE_SIGN_UPS))
        .order_by(SignUp.id)
    )
    return [(row.id, row.volunteer_id) for row in rows]


def read_sign_up(sign_up_id: UUID) -> dict[str, Any]:
    """One sign-up with its shift, activity and volunteer."""
    return _sign_up_view(db.session.execute(_sign_ups().where(SignUp.id == sign_up_id)).one())


def page_of_shift_sign_ups(shift: Shift, query: Mapping[str, Any]) -> Page:
    """Everybody who signed up for a shift, in that order, those who withdrew included."""
    statement = _sign_ups().where(SignUp.shift_id == shift.id, *_sign_up_filters(query))
    return _sign_up_page(
        page(statement, [Key(SignUp.id, read=lambda row: row.SignUp.id)], query, scope=f"shift {shift.id}")
    )


def page_of_own_sign_ups(volunteer_id: UUID, query: Mapping[str, Any]) -> Page:
    """A volunteer's sign-ups, the latest shift first."""
    statement = _sign_ups().where(SignUp.volunteer_id == volunteer_id, *_sign_up_filters(query))
    keys = [
        Key(Shift.starts_at, read=lambda row: row.Shift.starts_at, descending=True),
        Key(SignUp.id, read=lambda row: row.SignUp.id, descending=True),
    ]
    return _sign_up_page(page(statement, keys, query, scope=f"volunteer {volunteer_id}"))


def _sign_ups() -> Select[Any]:
    ahead = aliased(SignUp)
    place = (
        select(func.count())
        .select_from(ahead)
        .where(
            ahead.shift_id == SignUp.shift_id,
            ahead.state == SignUpState.WAITLISTED,
            ahead.position <= SignUp.position,
        )
        .scalar_subquery()
    )
    return (
        select(
            SignUp,
            Shift,
            Activity,
            Volunteer.name.label("volunteer_name"),
            case((SignUp.state == SignUpState.WAITLISTED, place)).label("waitlist_position"),
        )
        .join(Shift, Shift.id == SignUp.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Volunteer, Volunteer.id == SignUp.volunteer_id)
    )


def _sign_up_filters(query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    return [SignUp.state == query["state"]] if query.get("state") else []


def _sign_up_page(found: Page) -> Page:
    return Page([_sign_up_view(row) for row in found.items], found.next_cursor)


def _sign_up_view(row: Any) -> dict[str, Any]:
    sign_up: SignUp = row.SignUp
    return {
        "id": sign_up.id,
        "created_at": sign_up.created_at,
        "shift": row.Shift,
        "activity": row.Activity,
        "volunteer": {"id": sign_up.volunteer_id, "name": row.volunteer_name},
        "team_id": sign_up.team_id,
        "state": sign_up.state,
        "waitlist_position": row.waitlist_position,
        "late": sign_up.late,
        "withdrawn_at": sign_up.withdrawn_at,
    }
