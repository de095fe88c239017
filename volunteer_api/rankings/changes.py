"""What the folded tables lack: the marked shifts as they are now, less what was folded of them.

A ranking adds this to the folded sums when it is read, and a fold adds the very same to them for good, so that the two
can't disagree, and no reader ever waits for a fold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    SelectBase,
    Subquery,
    Uuid,
    and_,
    distinct,
    func,
    literal,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import PathMember
from volunteer_api.rankings.facts import Question, Rows, attribution, held_shifts, in_facet
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.models import (
    RankingFacetChange,
    RankingMark,
    RankingPresence,
    RankingRecordMark,
    RankingShift,
)
from volunteer_api.rankings.schemas import Metric, Subject

# For whom and for what something counts, and on which day.
KEYS = ("path_id", "team_id", "station_id", "category", "campaign_id", "on")
DAY_KEYS = ("activity_id", *KEYS)
SHIFT_KEYS = ("shift_id", *DAY_KEYS, "attended")
# Beside the one in `held_shifts`.
_PRESENT = aliased(Attendance)
_OLD, _FOLDED, _RECORDED = aliased(RankingShift), aliased(RankingShift), aliased(ServiceRecord)


@dataclass(frozen=True)
class Marked:
    """Which shifts, which records of the ledger and which changes of activities are looked at, at which moment.

    Of an activity all changes, and all where one of its records is looked at.
    """

    now: datetime
    shift_ids: Select[UUID]
    record_ids: Select[UUID]
    activity_ids: Select[UUID]


def marked(now: datetime) -> Marked:
    """All that is not folded yet."""
    return Marked(now, all_of(RankingMark.shift_id), waiting_records(), all_of(RankingFacetChange.activity_id))


def waiting_records() -> Select[UUID]:
    """The records of the ledger that are not folded yet."""
    return all_of(RankingRecordMark.record_id)


def all_of(column: Any) -> Select[UUID]:
    """Whom or what marks name, on PostgreSQL by way of an array, of which it expects ten whatever their number.

    What it was told of that is of another moment: of a table that was empty then it expects one row, and goes through a
    crowd's twenty thousand for each row beside them; of three hundred thousand that are gone it makes no hash table.
    """
    if db.engine.dialect.name != "postgresql":
        return select(column)
    every = func.array(select(column).distinct().scalar_subquery(), type_=ARRAY(Uuid))
    return select(func.unnest(every, type_=Uuid).label(column.key))


def these(found: Sequence[UUID], column: Any) -> Select[UUID]:
    """These of a column; on PostgreSQL told with their number, which a table that fills and empties hides from it."""
    if db.engine.dialect.name == "postgresql":
        every = literal(list(found), ARRAY(Uuid))
        return select(func.unnest(every, type_=Uuid).label(column.key))
    return select(column).where(column.in_(found))


def changes(metric: Metric, what: Marked) -> SelectBase:
    """Rows of the KEYS and a signed `amount` of what adds up; keys may repeat."""
    match metric:
        case Metric.ACTIVITY_COUNT:
            return _activity_days(what)
        case Metric.CREDITED_MINUTES:
            return _minutes(what)
        case _:
            return _attendances(what)


def recorded() -> Rows:
    """The rows of the ledger: the KEYS, and the minutes as `amount`. Duties have no activity, and so no category."""
    return select(
        *attribution(ServiceRecord),
        Activity.category,
        Activity.campaign_id,
        ServiceRecord.on,
        ServiceRecord.minutes.label("amount"),
    ).outerjoin_from(ServiceRecord, Activity, Activity.id == ServiceRecord.activity_id)


def shifts(question: Question) -> Subquery:
    """Each shift held in the question's period, scope, campaign and category, as rows of RankingShift have them."""
    what, old = marked(question.now), RankingShift
    folded = select(*(getattr(old, name) for name in SHIFT_KEYS)).where(old.shift_id.not_in(what.shift_ids))
    live = once(live_shifts(what.now, what.shift_ids))
    return union_all(
        folded.where(*asked(question, old)),
        select(*(live.c[name] for name in SHIFT_KEYS)).where(*asked(question, live.c)),
    ).subquery("held")


def presences(question: Question) -> Subquery:
    """Who attended these: `volunteer_id` with what the shift is counted for; rows may repeat."""
    what, old = marked(question.now), RankingShift
    live = once(live_shifts(what.now, what.shift_ids))
    folded = (
        select(RankingPresence.volunteer_id, *(getattr(old, name) for name in SHIFT_KEYS))
        .join(old, old.shift_id == RankingPresence.shift_id)
        .where(old.shift_id.not_in(what.shift_ids), *asked(question, old))
    )
    new = (
        select(Attendance.volunteer_id, *(live.c[name] for name in SHIFT_KEYS))
        .join(live, live.c.shift_id == Attendance.shift_id)
        .where(Attendance.state != State.REJECTED, *asked(question, live.c))
        .distinct()
    )
    return union_all(folded, new).subquery("present")


def activity_days(question: Question) -> Subquery:
    """Each activity once for each day on which it held one of these shifts."""
    held = shifts(question)
    return select(*(held.c[key] for key in DAY_KEYS)).distinct().subquery("activity_days")


def looked_up(keys: CTE, rows: Rows, on: ColumnElement[bool]) -> Rows:
    """The rows that belong to the keys, each looked up by its key.

    How many shifts are marked PostgreSQL can't foresee; left to itself it expects many, and reads a table of ten
    million rows for two of them. What is LATERAL with an OFFSET it asks for each key.
    """
    if db.engine.dialect.name != "postgresql":
        return rows.join(keys, on)
    found = rows.where(on).correlate(keys).offset(0).lateral()
    return select(*found.c).select_from(keys).join(found, true())


def once(rows: SelectBase) -> CTE:
    """Rows that are made once for the statement: where PostgreSQL expects few, it would make them for each beside."""
    return rows.cte().prefix_with("MATERIALIZED", dialect="postgresql")


def in_period(question: Question, day: Any) -> list[ColumnElement[bool]]:
    """The condition that a day is in the question's period."""
    return [
        *([day >= question.first] if question.first is not None else []),
        *([day <= question.last] if question.last is not None else []),
    ]


def in_paths(question: Question, path_id: Any) -> list[ColumnElement[bool]]:
    """The condition that a path lies in the question's scope: an office has few, whatever is joined to them."""
    paths = select(PathMember.path_id).where(PathMember.ancestor_id == question.scope)
    return [path_id.in_(paths)] if question.scope is not None else []


def asked(question: Question, row: Any) -> list[ColumnElement[bool]]:
    """The condition that a row of `path_id`, `on`, `category` and `campaign_id` is of what the question asks about."""
    return [*in_paths(question, row.path_id), *in_period(question, row.on), *in_facet(question, row)]


def live_shifts(now: datetime, shift_ids: Select[UUID] | None = None) -> Rows:
    """The held shifts, or those of the marked ones that are held, as rows of RankingShift would have them."""
    attended = (
        select(func.count(distinct(_PRESENT.volunteer_id)))
        .where(_PRESENT.shift_id == Shift.id, _PRESENT.state != State.REJECTED)
        .correlate(Shift)
        .scalar_subquery()
    )
    statement = held_shifts(everything(now), *shift_columns(), attended.label("attended"))
    return statement if shift_ids is None else statement.where(Shift.id.in_(shift_ids))


def shift_columns() -> tuple[ColumnElement[Any], ...]:
    """What RankingShift keeps of a shift and its activity, but for how many attended."""
    return (
        Shift.id.label("shift_id"),
        Activity.id.label("activity_id"),
        local_day(Shift.starts_at).label("on"),
        Activity.organization_path_id.label("path_id"),
        Activity.team_id.label("team_id"),
        Activity.station_id.label("station_id"),
        Activity.category.label("category"),
        Activity.campaign_id.label("campaign_id"),
    )


def everything(now: datetime) -> Question:
    """The question of all that was held by now."""
    return Question(Subject.ORGANIZATION, Metric.ACTIVITY_COUNT, now)


def _attendances(what: Marked) -> SelectBase:
    live = once(live_shifts(what.now, what.shift_ids))
    old = RankingShift
    return select(*(live.c[key] for key in KEYS), live.c.attended.label("amount")).union_all(
        select(*(getattr(old, key) for key in KEYS), -old.attended).where(old.shift_id.in_(what.shift_ids))
    )


def _minutes(what: Marked) -> SelectBase:
    """What was recorded; and where somebody changed an activity, what was folded of it, from one facet to another.

    Its records keep for whom they count, but not the category and the campaign: these are the activity's own.
    """
    moves = moved_activities(what.activity_ids)
    every: Rows = select(*attribution(_RECORDED), _RECORDED.on, _RECORDED.minutes, _RECORDED.id)
    found = looked_up(moves, every, _RECORDED.activity_id == moves.c.activity_id)
    moved = found.add_columns(moves.c.category, moves.c.campaign_id, moves.c.number).subquery("moved")
    return (
        recorded()
        .where(ServiceRecord.id.in_(what.record_ids))
        .union_all(
            select(*(moved.c[key] for key in KEYS), moved.c.minutes * moved.c.number).where(
                moved.c.id.not_in(waiting_records())
            )
        )
    )


def moved_activities(activity_ids: Select[UUID] | None = None) -> CTE:
    """For what changed activities counted, `number` −1, and for what they count, 1; none where that is as before."""
    keys = (RankingFacetChange.activity_id, RankingFacetChange.category, RankingFacetChange.campaign_id)
    number = func.sum(RankingFacetChange.change)
    every = select(*keys, number.label("number")).group_by(*keys).having(number != 0)
    return once(every if activity_ids is None else every.where(RankingFacetChange.activity_id.in_(activity_ids)))


def _activity_days(what: Marked) -> SelectBase:
    """Of each day on which a marked shift is or was held: that its activity counts now, less that it did.

    A day may have other shifts of the activity, which are not marked: it counts once, whichever of them are held.
    """
    live = once(live_shifts(what.now, what.shift_ids))
    touched = union(
        select(live.c.activity_id, live.c.on),
        select(_OLD.activity_id, _OLD.on).where(_OLD.shift_id.in_(what.shift_ids)),
    ).cte()
    of_day = and_(_FOLDED.activity_id == touched.c.activity_id, _FOLDED.on == touched.c.on)
    every: Rows = select(_FOLDED.shift_id, *(getattr(_FOLDED, key) for key in DAY_KEYS)).select_from(_FOLDED)
    of_days = looked_up(touched, every, of_day).cte()
    keys = [of_days.c[key] for key in DAY_KEYS]
    before = select(*keys).distinct().subquery("before")
    after = union(
        select(*keys).where(of_days.c.shift_id.not_in(what.shift_ids)),
        select(*(live.c[key] for key in DAY_KEYS)),
    ).subquery("after")
    return _each_day(after, 1).union_all(_each_day(before, -1))


def _each_day(days: Any, sign: int) -> Rows:
    return select(*(days.c[key] for key in KEYS), literal(sign).label("amount")).select_from(days)
