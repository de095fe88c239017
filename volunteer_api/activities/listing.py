"""Lists of activities: which, in which order, and how few of 100,000 a page has to look at."""

from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from volunteer_api.activities import search_text
from volunteer_api.activities.access import known_to
from volunteer_api.activities.models import (
    LONGEST_SHIFT,
    PUBLIC_STATES,
    SPOT,
    Activity,
    ActivityState,
    CoOrganizer,
    Shift,
)
from volunteer_api.activities.next_shifts import NONE_PREFERRED, Preferred, shifts_for_list
from volunteer_api.activities.queries import (
    activities_with_names,
    last_promotion,
    place_of,
    shift_views,
    takes_somebody,
)
from volunteer_api.activities.schemas import ActivitySummary
from volunteer_api.core import clock, geo
from volunteer_api.core.access import Principal
from volunteer_api.core.database import UtcDateTime, db
from volunteer_api.core.nearby import WANTED, Nearest, distance_to, meters
from volunteer_api.core.paging import DEFAULT_LIMIT, SHAPES_KEPT, Key, Narrow, Page, Wanted, cursor_values, page
from volunteer_api.core.prepared import all_rows
from volunteer_api.core.statements import among_given, kept_with_statement
from volunteer_api.core.tokens import learn_session, session_is_open, session_values
from volunteer_api.organizations.queries import path_ids_under, subtree_ids

# Sorts after every shift: an activity without a coming one stands at the end of a list.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
# Whoever turns a page later than this sees the list as it is by then.
LONGEST_TURNING = timedelta(hours=1)
# What belongs to one of these is few enough to be sorted whole.
FEW_OF_ONE = ("team_id", "station_id", "campaign_id")
# What is bound to a list's SQL as it was asked.
VALUES = (*FEW_OF_ONE, "category", "organization_id")
ACTIVITY_ID = Activity.id
PUBLISHED = Activity.state == ActivityState.PUBLISHED
# PostgreSQL keeps the plan of a walk, which takes longer to make than to follow, only where it knows how short it is.
USUALLY_WANTED: ColumnElement[int] = literal_column(str(DEFAULT_LIMIT + 1), Integer())
# What the answer's members read as they stand.
MADE_HERE = ("place", "shifts", "distance_m")
SUMMARY_COLUMNS = tuple(name for name in ActivitySummary().fields if name not in MADE_HERE)
# What else the members that are made here need.
OTHER_COLUMNS = ("latitude", "longitude", "organization_path_id")
# As with `queries.ListedShift`, to spare the judgment a row's members; typed loosely, as the schema names them.
_named_row: Any = namedtuple
Listed = _named_row("Listed", (*SUMMARY_COLUMNS, *OTHER_COLUMNS))

Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True)
class Times:
    """The moments that a list asks about, or the parameters that will hold them.

    `as_of` is the one by which the list is in order, that of its first page. `first` is the start of the first day
    asked for, `last` the end of the last one; no shift in question starts before `earliest_start`. None where nobody
    asks. In a list `of_canceled` activities, canceled shifts count.
    """

    now: Any
    closes: Any
    as_of: Any
    first: Any = None
    last: Any = None
    earliest_start: Any = None
    of_canceled: bool = False

    def values(self) -> dict[str, Any]:
        """The moments by the names of their parameters."""
        return {name: value for name, value in vars(self).items() if value is not None and name != "of_canceled"}

    def named(self) -> "Times":
        """The parameters."""
        named: dict[str, Any] = {name: bindparam(name, type_=UtcDateTime()) for name in self.values()}
        return Times(**named, of_canceled=self.of_canceled)


def times_of(query: Mapping[str, Any], now: datetime, as_of: datetime | None = None) -> Times:
    """The moments that the query asks about; those of the order are of `now` too where none is given."""
    as_of = as_of or now
    first, last = query.get("first_day"), query.get("last_day")
    ends_after = clock.start_of(first) if first else None if last else as_of
    return Times(
        now=now,
        closes=last_promotion(now),
        as_of=as_of,
        first=clock.start_of(first) if first else None,
        last=clock.days_between(last, last)[1] if last else None,
        earliest_start=ends_after - LONGEST_SHIFT if ends_after is not None else None,
    )


@dataclass(frozen=True)
class Shape:
    """What the SQL of a list depends on, beside the values that are bound to it: lists of one shape share it."""

    asked: frozenset[str]
    times: frozenset[str]
    state: str | None
    open_for_sign_up: bool | None
    has_places: bool | None
    by_whom: bool


@dataclass(frozen=True)
class Listing:
    """The SQL of lists of one shape. Building it took most of a request's time: it is built once."""

    statement: Rows
    keys: tuple[Key, ...]
    times: Times
    only: ColumnElement[bool] | None


@dataclass(frozen=True)
class Soonest:
    """A `narrow` for `paging.page` of a list by the start of each activity's first shift in question.

    A walk along the index of the shifts' starts meets the activities in the list's own order, and ends with the page;
    those without such a shift come after, the latest made first.
    """

    times: Times
    by_whom: bool

    def __call__(self, wanted: Wanted) -> Sequence[Any]:
        """One statement, or two at the end of the list."""
        limit = USUALLY_WANTED if wanted.count == DEFAULT_LIMIT + 1 else WANTED
        walked = _walked(wanted.statement, self.times, limit, by_whom=self.by_whom)
        found = self._rows(walked, wanted, wanted.count)
        if len(found) == wanted.count:
            return found
        rest = self._rows(_rest(wanted.statement, self.times), wanted, wanted.count - len(found))
        # Whatever lost its last shift between the two statements is in both of them.
        once = {row.id: row for row in (*found, *rest)}
        return wanted.unless_gone(list(once.values()), len(found) + len(rest), lambda: wanted.statement)

    def _rows(self, statement: Rows, wanted: Wanted, count: int) -> Sequence[Row[Any]]:
        return all_rows(db.session.connection(), statement, {**wanted.values, "rows_wanted": count})


@kept_with_statement
def walk(statement: Rows, times: Times, limit: ColumnElement[int]) -> Select[UUID, datetime]:
    """The statement's first activities that have a shift in question: `activity_id`, and when that one `starts_at`."""
    walked = aliased(Shift)
    first = (
        select(Shift.id)
        .where(*_shift_in_question(times, walked.activity_id))
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
    found = select(walked.activity_id, walked.starts_at).where(is_first.is_not(None), is_listed.is_not(None))
    if times.earliest_start is not None:
        found = found.where(walked.starts_at > times.earliest_start)
    return found.order_by(walked.starts_at, walked.activity_id.desc()).limit(limit)


@kept_with_statement
def _walked(statement: Rows, times: Times, limit: ColumnElement[int], *, by_whom: bool) -> Rows:
    met = walk(statement, times, limit).subquery()
    rows = _rows_for_list(by_whom=by_whom).add_columns(met.c.starts_at.label("next_start"))
    return rows.join(met, met.c.activity_id == ACTIVITY_ID).order_by(met.c.starts_at, ACTIVITY_ID.desc())


@kept_with_statement
def _rest(statement: Rows, times: Times) -> Rows:
    none = ~exists().where(*_shift_in_question(times))
    return statement.where(none).order_by(ACTIVITY_ID.desc()).limit(WANTED)


def page_of_activities(query: Mapping[str, Any], principal: Principal | None) -> Page:
    """Activities, soonest first by their next shift, or nearest first where `near` is asked; in some three statements.

    Nearest first, only those that are published and have a shift to come are shown, where neither a state nor days are
    asked for.
    """
    now, near = clock.now(), query.get("near")
    caller_id = principal.volunteer_id if principal is not None else None
    times = times_of(query, now)
    listing = _listing(_shape(query, times, caller_id))
    # By time, a list's further pages are of the moment of its first one: what ran then is not sorted anew meanwhile.
    last = cursor_values(listing.keys, query, kept=1) if near is None else None
    if last is not None and len(last) > len(listing.keys):
        times = times_of(query, now, max(last[-1], now - LONGEST_TURNING))
    values = {name: query[name] for name in VALUES if query.get(name) is not None} | times.values()
    if principal is not None:
        values |= {"caller_id": caller_id, **session_values(principal)}
    statement, text = listing.statement, search_text.search(query["q"]) if query.get("q") else None
    narrow: Narrow | None
    if near is not None:
        filters = tuple(query.get(name) for name in (*VALUES, "first_day", "last_day"))
        narrow = nearest = Nearest(SPOT, ACTIVITY_ID, near, query.get("radius_m"), listing.only, filters)
        values |= nearest.values
    else:
        narrow = Soonest(listing.times, by_whom=caller_id is not None)
    if text is not None:
        statement = statement.where(*text.conditions)
    if (text is not None and text.leads) or any(query.get(name) for name in FEW_OF_ONE):
        # To sort the few is quicker than to walk past all the others.
        narrow = None
        if near is not None and query.get("radius_m"):
            statement = statement.where(geo.within(SPOT.latitude, SPOT.longitude, near, query["radius_m"]))
    kept = (times.as_of,) if near is None else ()
    found = page(statement, listing.keys, query, narrow=narrow, values=values, kept=kept)
    if principal is not None and found.items:
        learn_session(principal, found.items[0].session_is_open)
    free_first = True in (query.get("open_for_sign_up"), query.get("has_places"))
    preferred = Preferred(free=free_first, first=times.first, last=times.last)
    return Page(summaries(found.items, caller_id, now, preferred), found.next_cursor)


def _shape(query: Mapping[str, Any], times: Times, caller_id: UUID | None) -> Shape:
    return Shape(
        asked=frozenset(name for name in (*VALUES, "near") if query.get(name) is not None),
        times=frozenset(times.values()),
        state=query.get("state"),
        open_for_sign_up=query.get("open_for_sign_up"),
        has_places=query.get("has_places"),
        by_whom=caller_id is not None,
    )


@lru_cache(maxsize=SHAPES_KEPT)
def _listing(shape: Shape) -> Listing:
    of_canceled = shape.state == ActivityState.CANCELED
    times = Times(**dict.fromkeys(shape.times, True), of_canceled=of_canceled).named()
    state = _state_asked(shape)
    statement = _rows_for_list(by_whom=shape.by_whom).where(*_conditions(shape, state, times))
    if "near" in shape.asked:
        distance = distance_to(SPOT)
        statement = statement.add_columns(distance.label("square")).where(Activity.cell.is_not(None))
        keys = (Key(distance, read=lambda row: row.square), Key(ACTIVITY_ID, read=lambda row: row.id))
    else:
        next_start = _next_start(times)
        statement = statement.add_columns(next_start.label("next_start"))
        keys = (
            Key(next_start, read=lambda row: row.next_start),
            Key(ACTIVITY_ID, read=lambda row: row.id, descending=True),
        )
    return Listing(statement, keys, times, state)


@cache
def _rows_for_list(*, by_whom: bool) -> Rows:
    """Those of `summary_rows`, and whether the caller's session is open."""
    rows = summary_rows()
    return rows.add_columns(session_is_open().label("session_is_open")) if by_whom else rows


@cache
def summary_rows() -> Rows:
    """What `summaries` needs of each activity, in the order of `Listed`."""
    named = activities_with_names()
    columns = [named.selected_columns[name] for name in Listed._fields]
    return named.with_only_columns(*columns, maintain_column_froms=True)


def summaries_of(
    activity_ids: Sequence[UUID], caller_id: UUID, now: datetime, preferred: Preferred = NONE_PREFERRED
) -> list[dict[str, Any]]:
    """The activities with these ids in the form of `ActivitySummary`, in no order; in two statements, and a judgment's.

    They are ones that the caller may see.
    """
    connection = db.session.connection()
    rows = all_rows(connection, _rows_of(connection.dialect.name), {"activity_ids": activity_ids})
    return summaries(rows, caller_id, now, preferred)


@cache
def _rows_of(dialect: str) -> Rows:
    return summary_rows().where(among_given(ACTIVITY_ID, "activity_ids", dialect))


def summaries(
    rows: Sequence[Any], caller_id: UUID | None, now: datetime, preferred: Preferred = NONE_PREFERRED
) -> list[dict[str, Any]]:
    """Activities in the form of `ActivitySummary`; rows of `summary_rows`, with `square` or without."""
    if not rows:
        return []
    listed = [Listed._make(row[: len(Listed._fields)]) for row in rows]
    shifts, facts = shifts_for_list([one.id for one in listed], caller_id, now, preferred=preferred)
    views = iter(shift_views([(one, shift) for one in listed for shift in shifts[one.id]], caller_id, now, facts))
    found = [_summary(one, [next(views) for _ in shifts[one.id]]) for one in listed]
    if hasattr(rows[0], "square"):
        for summary, row in zip(found, rows, strict=True):
            summary["distance_m"] = meters(row.square)
    return found


def _summary(listed: Any, shifts: list[dict[str, Any]]) -> dict[str, Any]:
    members = dict(zip(SUMMARY_COLUMNS, listed, strict=False))
    members["place"], members["shifts"] = place_of(listed), shifts
    return members


def open_for_sign_up(times: Times, *, in_free_place: bool = False) -> ColumnElement[bool]:
    """That an activity is published and has a shift that takes somebody else now, on the days asked for if any are.

    `in_free_place` is as `takes_somebody` has it.
    """
    shift = takes_somebody(times.now, times.closes, in_free_place=in_free_place)
    return and_(PUBLISHED, _has_shift([*shift, *_on_days(times)]))


def is_coming(times: Times) -> ColumnElement[bool]:
    """That an activity has a shift that runs or will."""
    found: ColumnElement[bool] = Activity.over_at > times.now
    return found


def _conditions(shape: Shape, state: ColumnElement[bool] | None, times: Times) -> list[ColumnElement[bool]]:
    found = _filters(shape, times)
    if state is not None:
        found.append(state)
    if state is PUBLISHED and shape.state is None:
        found.append(is_coming(times))
    # Whoever may see one in a public state may see all of them.
    if state is PUBLISHED or shape.state in PUBLIC_STATES:
        return found
    return [known_to(bindparam("caller_id", type_=Uuid()) if shape.by_whom else None), *found]


def _state_asked(shape: Shape) -> ColumnElement[bool] | None:
    """The one state that the list is of. Nearest first, a volunteer looks for what she can go to."""
    if shape.state is not None:
        asked: ColumnElement[bool] = Activity.state == shape.state
        return asked
    by_days = shape.times & {"first", "last"}
    return PUBLISHED if "near" in shape.asked and not by_days else None


def _filters(shape: Shape, times: Times) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [
        getattr(Activity, name) == bindparam(name) for name in (*FEW_OF_ONE, "category") if name in shape.asked
    ]
    if "organization_id" in shape.asked:
        found.append(_held_by(bindparam("organization_id", type_=Uuid())))
    if shape.times & {"first", "last"}:
        found.append(_has_shift(_shift_in_question(times)))
    for wanted, in_free_place in ((shape.open_for_sign_up, False), (shape.has_places, True)):
        if wanted is not None:
            is_open = open_for_sign_up(times, in_free_place=in_free_place)
            found.append(is_open if wanted else ~is_open)
    return found


def _held_by(organization_id: Any) -> ColumnElement[bool]:
    """Of the organization or of one below it, by itself or together with others.

    Below it now, for there its organizers may act; or as it was published, for where an organization moves away, the
    office that it leaves keeps its past.
    """
    below = subtree_ids(organization_id)
    together = select(CoOrganizer.activity_id).where(CoOrganizer.organization_id.in_(below))
    return or_(
        Activity.organization_id.in_(below),
        Activity.organization_path_id.in_(path_ids_under(organization_id)),
        Activity.id.in_(together),
    )


def _has_shift(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """That an activity has such a shift. Not EXISTS, for which PostgreSQL would read the shifts of all activities."""
    return select(Shift.id).where(*conditions).limit(1).correlate(Activity).scalar_subquery().is_not(None)


def _shift_in_question(times: Times, activity_id: Any = Activity.id) -> list[ColumnElement[bool]]:
    """The shifts whose first one gives an activity its place in a list: those of the days asked for, or to come."""
    days = _on_days(times) or [Shift.ends_at > times.as_of]
    # Of what is canceled, all shifts are.
    alive = [] if times.of_canceled else [Shift.canceled_at.is_(None)]
    return [Shift.activity_id == activity_id, *alive, *days]


def _on_days(times: Times) -> list[ColumnElement[bool]]:
    """That a shift touches the days asked for; nothing where none are."""
    found: list[ColumnElement[bool]] = []
    if times.first is not None:
        found.append(Shift.ends_at > times.first)
    if times.last is not None:
        found.append(Shift.starts_at < times.last)
    return found


def _next_start(times: Times) -> ColumnElement[datetime]:
    first = select(func.min(Shift.starts_at)).where(*_shift_in_question(times)).scalar_subquery()
    return func.coalesce(first, literal(NEVER, UtcDateTime()))
