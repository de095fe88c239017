"""Who attended what, where something is not folded yet: the one thing that can't be told from sums of sums.

A volunteer counts once, however often she came. So whether a change matters is known only from all that she attended;
that is little for each, and only those are looked at who attended a shift of which something changed.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.orm import aliased

from volunteer_api.activities.models import Activity
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.rankings.changes import (
    DAY_KEYS,
    Marked,
    asked,
    live_shifts,
    looked_up,
    moved_activities,
    once,
    waiting_records,
)
from volunteer_api.rankings.facts import Question, Rows
from volunteer_api.rankings.models import RankingPresence, RankingShift
from volunteer_api.rankings.schemas import Metric

_PRESENT, _GONE = aliased(Attendance), aliased(RankingPresence)
_PRESENCE, _SHIFT = aliased(RankingPresence), aliased(RankingShift)
_FRESH, _RECORD = aliased(ServiceRecord), aliased(ServiceRecord)


def turnout(what: Marked, also: Select[UUID] | None = None, among: Select[UUID] | None = None) -> CTE:
    """All that those attended who attended a marked shift, then or now, or who are asked for `also`.

    With `among`, of the former only those who are in it. Rows of `volunteer_id`, `activity_id`, `on`, `path_id`,
    `team_id`, `station_id`; `was` 1 where it is folded, `now` 1 where it holds at this moment, else 0. Rows may be
    equal: one for each shift.
    """
    live = once(live_shifts(what.now, what.shift_ids))
    new = (
        select(_PRESENT.volunteer_id, _PRESENT.shift_id, *(live.c[name] for name in DAY_KEYS))
        .join_from(live, _PRESENT, _PRESENT.shift_id == live.c.shift_id)
        .where(_PRESENT.state != State.REJECTED, *_only(_PRESENT.volunteer_id, among))
        .distinct()
        .cte()
    )
    gone = _GONE.shift_id.in_(what.shift_ids), *_only(_GONE.volunteer_id, among)
    touched = union(select(new.c.volunteer_id), select(_GONE.volunteer_id).where(*gone), *_each(also)).cte()
    names = ("volunteer_id", *DAY_KEYS)
    every: Rows = select(
        _PRESENCE.volunteer_id, *(getattr(_SHIFT, name) for name in DAY_KEYS), _SHIFT.shift_id
    ).join_from(_PRESENCE, _SHIFT, _SHIFT.shift_id == _PRESENCE.shift_id)
    attended = looked_up(touched, every, _PRESENCE.volunteer_id == touched.c.volunteer_id).subquery("attended")
    folded: Rows = select(
        *(attended.c[name] for name in names),
        literal(1).label("was"),
        case((attended.c.shift_id.in_(what.shift_ids), 0), else_=1).label("now"),
    )
    return once(union_all(folded, select(*(new.c[name] for name in names), literal(0), literal(1))))


def minutes(
    what: Marked, also: Select[UUID] | None = None, among: Select[UUID] | None = None, *, by_facet: bool = False
) -> CTE:
    """All minutes of those of whom a record is not folded, or who are asked for `also`.

    With `among`, of the former only those who are in it. Rows of `volunteer_id`, `on`, `path_id`, and the minutes as
    `was` and `now`. With `by_facet` also of those whose activity was changed, with `category` and `campaign_id`: what
    such an activity counted for had its minutes, what it counts for has them now.
    """
    fresh = _FRESH.id.in_(what.record_ids), *_only(_FRESH.volunteer_id, among)
    # By itself it is no union, which would name her once.
    touched = union(
        select(_FRESH.volunteer_id).where(*fresh).distinct(),
        *([_moved_people(what).where(*_only(_RECORD.volunteer_id, among))] if by_facet else []),
        *_each(also),
    ).cte()
    columns = (_RECORD.volunteer_id, _RECORD.on, _RECORD.organization_path_id.label("path_id"), _RECORD.minutes)
    every: Rows = select(*columns, _RECORD.id, _RECORD.activity_id).select_from(_RECORD)
    ledger = looked_up(touched, every, _RECORD.volunteer_id == touched.c.volunteer_id).subquery("ledger")
    of_ledger = [ledger.c[name] for name in ("volunteer_id", "on", "path_id")]
    amount, not_waiting = ledger.c.minutes, ledger.c.id.not_in(waiting_records())
    folded: Rows = select(*of_ledger, amount.label("was"), amount.label("now")).where(not_waiting)
    of_fresh = [_FRESH.volunteer_id, _FRESH.on, _FRESH.organization_path_id, literal(0), _FRESH.minutes]
    new: Rows = select(*of_fresh).where(*fresh)
    if not by_facet:
        return once(union_all(folded, new))
    moves = moved_activities()
    stays = folded.where(
        or_(ledger.c.activity_id.is_(None), ledger.c.activity_id.not_in(select(moves.c.activity_id)))
    ).outerjoin_from(ledger, Activity, Activity.id == ledger.c.activity_id)
    # Of an activity that is not looked at, what it counted for has its minutes still.
    is_before, is_looked_at = moves.c.number < 0, moves.c.activity_id.in_(what.activity_ids)
    stayed, came = case((is_looked_at, 0), else_=amount), case((is_looked_at, amount), else_=0)
    went: Rows = (
        select(
            *of_ledger,
            case((is_before, amount), else_=0),
            case((is_before, stayed), else_=came),
            moves.c.category,
            moves.c.campaign_id,
        )
        .join_from(ledger, moves, moves.c.activity_id == ledger.c.activity_id)
        .where(not_waiting)
    )
    facet = Activity.category, Activity.campaign_id
    new = new.outerjoin_from(_FRESH, Activity, Activity.id == _FRESH.activity_id).add_columns(*facet)
    return once(union_all(stays.add_columns(*facet), went, new))


def _moved_people(what: Marked) -> Rows:
    """Whose minutes go from one facet to another."""
    return select(_RECORD.volunteer_id).where(_RECORD.activity_id.in_(what.activity_ids))


def values_of_volunteers(question: Question, what: Marked, also: Select[UUID] | None = None) -> Subquery:
    """Everybody of whom something is not folded, or who is asked for `also`: her value in the question's period, once.

    Columns `volunteer_id`, `was` and `now`: the value as it was folded, whether she is named or not, and as it is; 0
    with none. Of growth it is what she has less what she had, and `has` is what she has.
    """
    metric = question.metric
    rows: FromClause
    if metric is Metric.CREDITED_MINUTES:
        rows = minutes(what, also, by_facet=question.is_filtered)
    else:
        rows = turnout(what, also)
        if metric is Metric.ACTIVITY_COUNT:
            # An activity counts once for each day, however many of its shifts she attended.
            keys = [rows.c[name] for name in ("volunteer_id", *DAY_KEYS)]
            rows = (
                select(*keys, func.max(rows.c.was).label("was"), func.max(rows.c.now).label("now"))
                .group_by(*keys)
                .subquery("days")
            )
    counts = and_(true(), *asked(question, rows.c))
    amounts: dict[str, list[tuple[Any, Any]]] = {"was": [(counts, rows.c.was)], "now": [(counts, rows.c.now)]}
    if question.before is not None:
        set_against = and_(true(), *asked(question.earlier, rows.c))
        amounts = {name: [*has, (set_against, -rows.c[name])] for name, has in amounts.items()}
        amounts["has"] = [(counts, rows.c.now)]
    each = [
        select(rows.c.volunteer_id, *(case(*cases, else_=0).label(name) for name, cases in amounts.items())),
        *(one.add_columns(*(literal(0) for _ in amounts)) for one in _each(also)),
    ]
    every = union_all(*each).subquery("every")
    # PostgreSQL sums whole numbers to a decimal.
    sums = [cast(func.sum(every.c[name]), BigInteger).label(name) for name in amounts]
    return select(every.c.volunteer_id, *sums).group_by(every.c.volunteer_id).subquery("values")


def touched_people(what: Marked, *, by_facet: bool) -> Rows:
    """The `volunteer_id` of everybody who attended a marked shift, then or now, or of whom a record is not folded.

    `by_facet`, also of those whose activity was changed.
    """
    present, gone = Attendance.shift_id.in_(what.shift_ids), RankingPresence.shift_id.in_(what.shift_ids)
    everybody = union(
        select(Attendance.volunteer_id).where(present, Attendance.state != State.REJECTED),
        select(RankingPresence.volunteer_id).where(gone),
        select(ServiceRecord.volunteer_id).where(ServiceRecord.id.in_(what.record_ids)),
        *([_moved_people(what)] if by_facet else []),
    ).subquery("everybody")
    return select(everybody.c.volunteer_id)


def _only(volunteer_id: Any, among: Select[UUID] | None) -> list[ColumnElement[bool]]:
    return [] if among is None else [volunteer_id.in_(among)]


def _each(also: Select[UUID] | None) -> list[Select[UUID]]:
    return [] if also is None else [also]
