"""Lists of activities: which, in which order, and how few of 100,000 a page has to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, literal, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.activities import search_text
from volunteer_api.activities.access import visible_to
from volunteer_api.activities.models import (
    LONGEST_SHIFT,
    PUBLIC_STATES,
    SPOT,
    Activity,
    ActivityState,
    CoOrganizer,
    Shift,
)
from volunteer_api.activities.queries import (
    activities_with_names,
    place_of,
    shift_views,
    shifts_for_list,
    takes_somebody,
)
from volunteer_api.activities.schemas import ActivitySummary
from volunteer_api.core import clock, geo
from volunteer_api.core.access import Principal
from volunteer_api.core.database import UtcDateTime, db
from volunteer_api.core.nearby import Nearest, meters
from volunteer_api.core.paging import Key, Narrow, Narrowed, Page, page
from volunteer_api.organizations.queries import path_ids_under, subtree_ids

# Sorts after every shift: an activity without a coming one stands at the end of a list.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
# What belongs to one of these is few enough to be sorted whole.
FEW_OF_ONE = ("team_id", "station_id", "campaign_id")
PUBLISHED = Activity.state == ActivityState.PUBLISHED
# What the answer's members read as they stand.
MADE_HERE = ("place", "shifts", "distance_m")
SUMMARY_COLUMNS = tuple(name for name in ActivitySummary().fields if name not in MADE_HERE)

Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Soonest:
    """A `narrow` for `paging.page` of a list by the start of each activity's first shift in question.

    A walk along the index of the shifts' starts meets the activities in the list's own order, and ends with the page;
    those without such a shift come after, the latest made first.
    """

    query: Mapping[str, Any]
    now: datetime

    def __call__(self, statement: Rows, wanted: int) -> Narrowed:
        """One statement, or two at the end of the list."""
        met = list(db.session.scalars(self.walk(statement, wanted)))
        if len(met) < wanted:
            met += db.session.scalars(self._rest(statement, wanted - len(met)))
        return Narrowed(statement.where(Activity.id.in_(met)), len(met), statement)

    def walk(self, statement: Rows, wanted: int) -> Select[UUID]:
        """The ids, as `activity_id`, of the statement's first activities that have a shift in question."""
        walked = aliased(Shift)
        first = (
            select(Shift.id)
            .where(*_shift_in_question(self.query, self.now, walked.activity_id))
            .order_by(Shift.starts_at, Shift.id)
            .limit(1)
            .correlate(walked)
            .subquery()
        )
        # Look-ups per row, told apart from joins by IS NOT NULL: both databases then walk the index in its order.
        is_first = select(first.c.id).where(first.c.id == walked.id).correlate(walked).scalar_subquery()
        is_listed = (
            statement.with_only_columns(Activity.id, maintain_column_froms=True)
            .where(Activity.id == walked.activity_id)
            .correlate(walked)
            .scalar_subquery()
        )
        found = select(walked.activity_id).where(is_first.is_not(None), is_listed.is_not(None))
        begun = _earliest_end(self.query, self.now)
        if begun is not None:
            found = found.where(walked.starts_at > begun - LONGEST_SHIFT)
        return found.order_by(walked.starts_at, walked.activity_id.desc()).limit(wanted)

    def _rest(self, statement: Rows, wanted: int) -> Select[UUID]:
        none = ~exists().where(*_shift_in_question(self.query, self.now))
        return (
            statement.with_only_columns(Activity.id, maintain_column_froms=True)
            .where(none)
            .order_by(Activity.id.desc())
            .limit(wanted)
        )


def page_of_activities(query: Mapping[str, Any], principal: Principal | None) -> Page:
    """Activities, soonest first by their next shift, or nearest first where `near` is asked; at most six statements.

    Nearest first, only those that are published and have a shift to come are shown, where neither a state nor days are
    asked for.
    """
    now, near = clock.now(), query.get("near")
    text = search_text.search(query["q"]) if query.get("q") else None
    conditions = _conditions(query, principal, now)
    statement = activities_with_names().where(*conditions, *(text.conditions if text else ()))
    narrow: Narrow | None
    if near is not None:
        narrow = Nearest(SPOT, Activity.id, near, query.get("radius_m"), _state_asked(query))
        statement = statement.add_columns(narrow.distance.label("square")).where(Activity.cell.is_not(None))
        keys = [Key(narrow.distance, read=lambda row: row.square), Key(Activity.id, read=lambda row: row.id)]
    else:
        narrow = Soonest(query, now)
        next_start = _next_start(query, now)
        statement = statement.add_columns(next_start.label("next_start"))
        keys = [
            Key(next_start, read=lambda row: row.next_start),
            Key(Activity.id, read=lambda row: row.id, descending=True),
        ]
    if (text is not None and text.leads) or any(query.get(name) for name in FEW_OF_ONE):
        # To sort the few is quicker than to walk past all the others.
        narrow = None
        if near is not None and query.get("radius_m"):
            statement = statement.where(geo.within(SPOT.latitude, SPOT.longitude, near, query["radius_m"]))
    found = page(statement, keys, query, narrow=narrow)
    caller_id = principal.volunteer_id if principal is not None else None
    return Page(summaries(found.items, caller_id, now), found.next_cursor)


def summaries(rows: Sequence[Any], caller_id: UUID | None, now: datetime) -> list[dict[str, Any]]:
    """Activities in the form of `ActivitySummary`; rows of `activities_with_names`, with `square` or without."""
    shifts = shifts_for_list([row.id for row in rows], now)
    planned = [(row, shift) for row in rows for shift in shifts[row.id]]
    views = iter(shift_views(planned, caller_id, now))
    return [
        _summary(row, [next(views) for _ in shifts[row.id]])
        | ({"distance_m": meters(row.square)} if hasattr(row, "square") else {})
        for row in rows
    ]


def _summary(row: Any, shifts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in SUMMARY_COLUMNS} | {"place": place_of(row), "shifts": shifts}


def open_for_sign_up(now: datetime) -> ColumnElement[bool]:
    """That an activity is published and has a shift that takes somebody else now."""
    return and_(PUBLISHED, _has_shift(takes_somebody(now)))


def is_coming(now: datetime) -> ColumnElement[bool]:
    """That an activity has a shift that runs or will."""
    return _has_shift(_shift_in_question({}, now))


def _conditions(query: Mapping[str, Any], principal: Principal | None, now: datetime) -> list[ColumnElement[bool]]:
    found, state = _filters(query, now), _state_asked(query)
    if state is not None:
        found.append(state)
    if state is PUBLISHED and query.get("state") is None:
        found.append(is_coming(now))
    # Whoever may see one in a public state may see all of them.
    return found if state is PUBLISHED or query.get("state") in PUBLIC_STATES else [visible_to(principal), *found]


def _state_asked(query: Mapping[str, Any]) -> ColumnElement[bool] | None:
    """The one state that the list is of. Nearest first, a volunteer looks for what she can go to."""
    if query.get("state") is not None:
        asked: ColumnElement[bool] = Activity.state == query["state"]
        return asked
    by_days = query.get("first_day") or query.get("last_day")
    return PUBLISHED if query.get("near") and not by_days else None


def _filters(query: Mapping[str, Any], now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        getattr(Activity, name) == query[name] for name in (*FEW_OF_ONE, "category") if query.get(name) is not None
    ]
    if query.get("organization_id"):
        found.append(_held_by(query["organization_id"]))
    if query.get("first_day") or query.get("last_day"):
        found.append(_has_shift(_shift_in_question(query, now)))
    if query.get("open_for_sign_up") is not None:
        is_open = open_for_sign_up(now)
        found.append(is_open if query["open_for_sign_up"] else ~is_open)
    return found


def _held_by(organization_id: UUID) -> ColumnElement[bool]:
    """Of the organization or of one below it, by itself or together with others."""
    together = select(CoOrganizer.activity_id).where(CoOrganizer.organization_id.in_(subtree_ids(organization_id)))
    return or_(Activity.organization_path_id.in_(path_ids_under(organization_id)), Activity.id.in_(together))


def _has_shift(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """That an activity has such a shift. Not EXISTS, for which PostgreSQL would read the shifts of all activities."""
    return select(Shift.id).where(*conditions).limit(1).correlate(Activity).scalar_subquery().is_not(None)


def _on_days(query: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.get("first_day"):
        found.append(Shift.ends_at > clock.start_of(query["first_day"]))
    if query.get("last_day"):
        found.append(Shift.starts_at < clock.days_between(query["last_day"], query["last_day"])[1])
    return found


def _shift_in_question(
    query: Mapping[str, Any], now: datetime, activity_id: Any = Activity.id
) -> list[ColumnElement[bool]]:
    """The shifts whose first one gives an activity its place in a list: those of the days asked for, or to come."""
    times = _on_days(query) or [Shift.ends_at > now]
    return [Shift.activity_id == activity_id, Shift.canceled_at.is_(None), *times]


def _earliest_end(query: Mapping[str, Any], now: datetime) -> datetime | None:
    """No shift in question ends before this; None where there is no such moment."""
    if query.get("first_day"):
        return clock.start_of(query["first_day"])
    return None if query.get("last_day") else now


def _next_start(query: Mapping[str, Any], now: datetime) -> ColumnElement[datetime]:
    first = select(func.min(Shift.starts_at)).where(*_shift_in_question(query, now)).scalar_subquery()
    return func.coalesce(first, literal(NEVER, UtcDateTime()))
