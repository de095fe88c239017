"""Reading campaigns, activities, shifts and sign-ups, and the locks under which the counts change."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.judgment import Engagement, Standing, judge_sign_up
from volunteer_api.activities.models import (
    ACTIVE_SIGN_UPS,
    Activity,
    ActivityLeader,
    ActivityState,
    Campaign,
    Shift,
    SignUp,
    SignUpState,
)
from volunteer_api.core import clock, geo
from volunteer_api.core.database import UtcDateTime, db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import rules
from volunteer_api.organizations.models import Organization
from volunteer_api.organizations.queries import path_ids_under
from volunteer_api.teams.models import Membership, MembershipState, Team

SHIFTS_IN_A_LIST = 10
# Sorts after every shift: an activity without a coming one stands at the end of a list.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
ACTIVITY_MEMBERS = [
    "id",
    "version",
    "created_at",
    "state",
    "title",
    "category",
    "organization_id",
    "team_id",
    "station_id",
    "campaign_id",
    "place",
    "radius_m",
    "place_name",
    "description",
    "sign_up_mode",
    "published_at",
    "completed_at",
    "canceled_at",
    "cancellation_reason",
    "completion_note",
    "outcomes",
]
SHIFT_MEMBERS = [
    "id",
    "version",
    "activity_id",
    "starts_at",
    "ends_at",
    "sign_up_closes_at",
    "canceled_at",
    "capacity",
    "minimum",
    "confirmed_count",
    "waitlisted_count",
]


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


def lock_shifts(shift_ids: Sequence[UUID]) -> list[Shift]:
    """Hold the shifts, always in the order of their ids, and read them as they are now."""
    return list(
        db.session.scalars(
            select(Shift)
            .where(Shift.id.in_(shift_ids))
            .order_by(Shift.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    )


def shift_ids_of(activity_id: UUID) -> list[UUID]:
    """The ids of an activity's shifts."""
    return list(db.session.scalars(select(Shift.id).where(Shift.activity_id == activity_id).order_by(Shift.id)))


def lock_activity(activity_id: UUID) -> Activity:
    """Hold the activity and read it as it is now."""
    return db.session.scalars(
        select(Activity)
        .where(Activity.id == activity_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).one()


def fresh_activity(activity_id: UUID) -> Activity:
    """The activity as it is now: what was read before a lock was granted may be old."""
    return db.session.scalars(
        select(Activity).where(Activity.id == activity_id).execution_options(populate_existing=True)
    ).one()


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


def page_of_campaigns(query: Mapping[str, Any]) -> Page:
    """Campaigns, the newest first."""
    statement = select(Campaign)
    if query.get("organization_id"):
        statement = statement.where(Campaign.organization_id == query["organization_id"])
    if query.get("q"):
        statement = statement.where(Campaign.name.icontains(query["q"], autoescape=True))
    return page(statement, [Key(Campaign.id, read=lambda item: item.id, descending=True)], query)


def page_of_activities(query: Mapping[str, Any], visible: ColumnElement[bool], caller_id: UUID | None) -> Page:
    """Activities, soonest first by their next shift, or nearest first where `near` is asked; three statements."""
    now = clock.now()
    statement = _activities_with_names().where(visible, *_filters(query, now))
    if query.get("near"):
        square = geo.squared_distance_m(Activity.latitude, Activity.longitude, query["near"])
        statement = statement.add_columns(square.label("square")).where(Activity.latitude.is_not(None))
        if query.get("radius_m"):
            statement = statement.where(
                geo.within(Activity.latitude, Activity.longitude, query["near"], query["radius_m"])
            )
        order = [Key(square, read=lambda row: row.square)]
    else:
        next_start = func.coalesce(
            select(func.min(Shift.starts_at)).where(*_shift_in_question(query, now)).scalar_subquery(),
            literal(NEVER, UtcDateTime()),
        )
        statement = statement.add_columns(next_start.label("next_start"))
        order = [Key(next_start, read=lambda row: row.next_start)]
    found = page(statement, [*order, Key(Activity.id, read=lambda row: row.Activity.id, descending=True)], query)
    shifts = _shifts_for_list([row.Activity.id for row in found.items], now)
    standing = standing_of(caller_id, now) if caller_id is not None else None
    items = [
        _activity_view(
            row, [_shift_view(row.Activity.state, shift, standing, now) for shift in shifts[row.Activity.id]]
        )
        | ({"distance_m": round(math.sqrt(row.square))} if query.get("near") else {})
        for row in found.items
    ]
    return Page(items, found.next_cursor)


def read_activity(activity_id: UUID, caller_id: UUID | None) -> dict[str, Any]:
    """One activity with its shifts as they are for the caller."""
    now = clock.now()
    row = db.session.execute(_activities_with_names().where(Activity.id == activity_id)).one()
    shifts = db.session.scalars(
        select(Shift).where(Shift.activity_id == activity_id).order_by(Shift.starts_at, Shift.id)
    ).all()
    leader_ids = db.session.scalars(
        select(ActivityLeader.volunteer_id)
        .where(ActivityLeader.activity_id == activity_id)
        .order_by(ActivityLeader.volunteer_id)
    ).all()
    standing = standing_of(caller_id, now) if caller_id is not None else None
    views = [_shift_view(row.Activity.state, shift, standing, now) for shift in shifts]
    return _activity_view(row, views) | {"leader_ids": leader_ids}


def page_of_shifts(activity: Activity, query: Mapping[str, Any], caller_id: UUID | None) -> Page:
    """An activity's shifts by their start."""
    now = clock.now()
    found = page(
        select(Shift).where(Shift.activity_id == activity.id),
        [Key(Shift.starts_at, read=lambda item: item.starts_at), Key(Shift.id, read=lambda item: item.id)],
        query,
        scope=str(activity.id),
    )
    standing = standing_of(caller_id, now) if caller_id is not None else None
    return Page([_shift_view(activity.state, shift, standing, now) for shift in found.items], found.next_cursor)


def read_shift(shift: Shift, caller_id: UUID | None) -> dict[str, Any]:
    """One shift as it is for the caller."""
    now = clock.now()
    state = db.session.scalars(select(Activity.state).where(Activity.id == shift.activity_id)).one()
    standing = standing_of(caller_id, now) if caller_id is not None else None
    return _shift_view(state, shift, standing, now)


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


def _activities_with_names() -> Select[*tuple[Any, ...]]:
    return (
        select(Activity, Organization.name.label("organization_name"), Team.name.label("team_name"))
        .join(Organization, Organization.id == Activity.organization_id)
        .outerjoin(Team, Team.id == Activity.team_id)
    )


def _filters(query: Mapping[str, Any], now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        getattr(Activity, name) == query[name]
        for name in ("team_id", "station_id", "campaign_id", "category", "state")
        if query.get(name) is not None
    ]
    if query.get("organization_id"):
        found.append(Activity.organization_path_id.in_(path_ids_under(query["organization_id"])))
    if query.get("first_day") or query.get("last_day"):
        found.append(exists().where(Shift.activity_id == Activity.id, Shift.canceled_at.is_(None), *_on_days(query)))
    if query.get("open_for_sign_up") is not None:
        is_open = and_(Activity.state == ActivityState.PUBLISHED, exists().where(*_takes_somebody(now)))
        found.append(is_open if query["open_for_sign_up"] else ~is_open)
    if query.get("q"):
        found.append(
            or_(
                Activity.title.icontains(query["q"], autoescape=True),
                Activity.place_name.icontains(query["q"], autoescape=True),
            )
        )
    return found


def _on_days(query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.get("first_day"):
        found.append(Shift.ends_at > clock.start_of(query["first_day"]))
    if query.get("last_day"):
        found.append(Shift.starts_at < clock.days_between(query["last_day"], query["last_day"])[1])
    return found


def _shift_in_question(query: Mapping[str, Any], now: datetime) -> list[ColumnElement[bool]]:
    """The shifts whose first one gives an activity its place in a list: those of the days asked for, or to come."""
    times = _on_days(query) or [Shift.ends_at > now]
    return [Shift.activity_id == Activity.id, Shift.canceled_at.is_(None), *times]


def _takes_somebody(now: datetime) -> list[ColumnElement[bool]]:
    """`_refusal` in SQL, as far as it does not depend on who asks."""
    closes = now + timedelta(minutes=rules().promotion_closes_minutes)
    return [
        Shift.activity_id == Activity.id,
        Shift.canceled_at.is_(None),
        Shift.ends_at > now,
        or_(Shift.sign_up_closes_at.is_(None), Shift.sign_up_closes_at > now),
        or_(
            Shift.capacity.is_(None),
            Shift.confirmed_count + Shift.waitlisted_count < Shift.capacity,
            Shift.starts_at > closes,
        ),
    ]


def _shifts_for_list(activity_ids: Sequence[UUID], now: datetime) -> dict[UUID, list[Shift]]:
    over = case((Shift.ends_at > now, 0), else_=1)
    place = func.row_number().over(partition_by=Shift.activity_id, order_by=(over, Shift.starts_at, Shift.id))
    numbered = select(Shift.id, place.label("place")).where(Shift.activity_id.in_(activity_ids)).subquery()
    found = db.session.scalars(
        select(Shift)
        .join(numbered, numbered.c.id == Shift.id)
        .where(numbered.c.place <= SHIFTS_IN_A_LIST)
        .order_by(Shift.starts_at, Shift.id)
    )
    shifts: dict[UUID, list[Shift]] = {activity_id: [] for activity_id in activity_ids}
    for shift in found:
        shifts[shift.activity_id].append(shift)
    return shifts


def _activity_view(row: Any, shifts: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        **{name: getattr(row.Activity, name) for name in ACTIVITY_MEMBERS},
        "organization_name": row.organization_name,
        "team_name": row.team_name,
        "shifts": shifts,
    }


def _shift_view(activity_state: str, shift: Shift, standing: Standing | None, now: datetime) -> dict[str, Any]:
    judgment = judge_sign_up(activity_state, shift, standing, now)
    refusal = judgment.refusal
    return {
        **{name: getattr(shift, name) for name in SHIFT_MEMBERS},
        "can_sign_up": refusal is None,
        "would_be": judgment.would_be,
        "refusal": {"code": refusal.code, "detail": refusal.sentence()} if refusal is not None else None,
    }


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
