"""Folding what rankings count into sums: a few shifts at a time, or all of it anew.

Both lock `ranking_rules` first and see one snapshot of everything, so that a change is folded with its mark or left
with it. Rankings are exact without either; they only take longer.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Select,
    and_,
    cast,
    delete,
    distinct,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    union,
    union_all,
    update,
)
from sqlalchemy import insert as plain_insert

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.database import Base, db
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.statements import among, insert, set_limits
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.rankings import keeping
from volunteer_api.rankings.changes import (
    DAY_KEYS,
    KEYS,
    Marked,
    changes,
    live_shifts,
    once,
    recorded,
    shift_columns,
    these,
)
from volunteer_api.rankings.facets import facets_in_sql, facets_of
from volunteer_api.rankings.kept import kept_questions
from volunteer_api.rankings.locking import REBUILDING, alone
from volunteer_api.rankings.minutes import KEYS as KEYS_OF_MINUTES
from volunteer_api.rankings.minutes import changes_of_minutes, rebuild_minutes
from volunteer_api.rankings.models import (
    KeptQuestion,
    RankingFacetChange,
    RankingHeadcount,
    RankingHistogram,
    RankingMark,
    RankingMinutes,
    RankingNamed,
    RankingNameMark,
    RankingPresence,
    RankingRecordMark,
    RankingRule,
    RankingShift,
    RankingSum,
)
from volunteer_api.rankings.named_folding import KEYS as KEYS_OF_NAMED
from volunteer_api.rankings.named_folding import Naming, drop_empty, forget_gone, naming
from volunteer_api.rankings.names import adults_born_by
from volunteer_api.rankings.people_folding import ValueKey, people_changes
from volunteer_api.rankings.people_rebuilding import rebuild_people
from volunteer_api.rankings.schemas import ADDITIVE, Metric
from volunteer_api.rankings.spans import Unit, spans_of, start_in_sql
from volunteer_api.rankings.sums import FORM, all_is_folded, forget, is_folded


class Batch(NamedTuple):
    """At most so many shifts, records or other marks, and people who attended, folded in one transaction.

    Where more attended one shift, it is a batch by itself, and goes through so many of them at a time.
    """

    shifts: int
    marks: int
    people: int


# A backlog is worked off in many short transactions. SQLite's keep all others from writing, and it knows no faster way
# with many.
AT_ONCE = {"postgresql": Batch(200, 2000, 2000), "sqlite": Batch(20, 200, 200)}
# So many kept questions double what somebody costs: she has a row in each, and in six spans of the calendar.
KEPT_AS_MANY = 6
# A crowd marks one shift over and over.
MARKS_AT_ONCE = 20_000
ROWS_AT_ONCE = 500
FOLDED: tuple[type[Base], ...] = (
    RankingMark,
    RankingRecordMark,
    RankingFacetChange,
    RankingShift,
    RankingPresence,
    RankingSum,
    RankingMinutes,
    RankingHeadcount,
    RankingHistogram,
    RankingNamed,
    RankingNameMark,
    RankingRule,
)

KEYS_OF_HISTOGRAMS = ("metric", "unit", "starts_on", "value")
# Shifts, sums, minutes; the people of each unit; what is kept for questions.
STEPS = 4 + len(Unit)
# Told how many of how many steps are done.
Show = Callable[[int, int], None]
SumKey = tuple[str, str, Any, UUID, UUID]


def _tell_nobody(_done: int, _of: int) -> None:
    pass


def fold() -> bool:
    """Fold a batch of what is marked; returns whether there may be more. To be run in a unit of its own.

    A shift that is not over yet keeps one mark: it will be held without a further word. Where somebody else folds or
    rebuilds, nothing is done.
    """
    if not alone(waits=False):
        return False
    forget()
    if not all_is_folded():
        _rebuild()
        return False
    now, kept, most = clock.now(), kept_questions(), AT_ONCE[db.engine.dialect.name]
    # Each of them is counted in what is kept, too.
    most = most._replace(people=max(1, most.people // (1 + len(kept) // KEPT_AS_MANY)))
    shift_ids, is_all = _due_shifts(now, most)
    activity_ids, record_ids, are_all = _due_minutes(most)
    named = naming(now, most.marks)
    if shift_ids or activity_ids or record_ids or named.changes_any:
        what = Marked(
            now,
            these(shift_ids, RankingMark.shift_id),
            these(record_ids, RankingRecordMark.record_id),
            these(activity_ids, RankingFacetChange.activity_id),
        )
        _fold(what, named, kept, most.people)
    forget_gone(named)
    if is_all:
        _tidy(now)
    if not (is_all and are_all and named.is_all):
        return True
    db.session.execute(update(RankingRule).values(folded_at=now))
    return False


def rebuild(show: Show = _tell_nobody, *, only_missing: bool = False) -> None:
    """Make all that is folded anew from the rows it is made of. To be run in a unit of its own.

    Needed where rows were loaded past the triggers, and when the rule or the zone has changed. Readers see what was
    there before until it is done; writers are not held up. Somebody else who folds or rebuilds is waited for; with
    `only_missing` nothing is left to do then. `show` is told how many steps of how many are done.
    """
    alone(waits=True)
    if not only_missing or not all_is_folded():
        _rebuild(show)


def folded_at() -> datetime | None:
    """When nothing was left to be folded for the last time; None where nothing is folded by the rule in use."""
    return db.session.scalar(select(RankingRule.folded_at)) if is_folded() else None


def _rebuild(show: Show = _tell_nobody) -> None:
    forget()
    set_limits(REBUILDING)
    now = clock.now()
    for model in FOLDED:
        db.session.execute(delete(model))
    for number, _ in enumerate(_steps(now), start=1):
        show(number, STEPS)
    db.session.execute(
        plain_insert(RankingRule).values(
            id=1,
            attendances_for_held_shift=rules().attendances_for_held_shift,
            zone=settings().zone.key,
            folded_at=now,
            adults_born_by=adults_born_by(now),
            form=FORM,
        )
    )
    _count_rows(*FOLDED)


def _steps(now: datetime) -> Iterator[None]:
    _rebuild_shifts(now)
    # What is known of their size may be that of a fold that was broken off, when PostgreSQL found no row in many pages:
    # expecting none it would go through ten million for each of half a million shifts.
    _count_rows(RankingShift, RankingPresence)
    yield
    _rebuild_sums()
    yield
    rebuild_minutes()
    yield
    yield from rebuild_people(now)
    keeping.make_again()
    yield


def _due_shifts(now: datetime, most: Batch) -> tuple[Sequence[UUID], bool]:
    """The marked shifts that wait for nothing, in the order of their first marks; and whether these are all.

    Also those that are gone: what was folded of them is to be taken away.
    """
    first = (
        select(RankingMark.id, RankingMark.shift_id)
        .outerjoin(Shift, Shift.id == RankingMark.shift_id)
        .outerjoin(Activity, Activity.id == Shift.activity_id)
        .where(or_(Shift.id.is_(None), ~_waits(now)))
        .order_by(RankingMark.id)
        .limit(MARKS_AT_ONCE)
        .subquery("first")
    )
    seen = func.sum(func.count()).over()
    rows = db.session.execute(
        select(first.c.shift_id, seen.label("seen"))
        .group_by(first.c.shift_id)
        .order_by(func.min(first.c.id))
        .limit(most.shifts)
    ).all()
    is_all = len(rows) < most.shifts and (not rows or rows[0].seen < MARKS_AT_ONCE)
    found = [row.shift_id for row in rows]
    taken = _with_few_people(found, most.people)
    return taken, is_all and len(taken) == len(found)


def _due_minutes(most: Batch) -> tuple[Sequence[UUID], Sequence[UUID], bool]:
    """The activities that were changed and the records that are not folded yet, at most so many; are these all?

    No record before the last change: it is added to what its activity counts for now, where the others must be then.
    """
    activity_id, record_id = RankingFacetChange.activity_id, RankingRecordMark.record_id
    activity_ids = db.session.scalars(select(activity_id).distinct().order_by(activity_id).limit(most.marks)).all()
    recorded_for = (
        select(ServiceRecord.activity_id, func.count(distinct(ServiceRecord.volunteer_id)))
        .where(among(ServiceRecord.activity_id, activity_ids))
        .group_by(ServiceRecord.activity_id)
    )
    people = {row[0]: row[1] for row in db.session.execute(recorded_for) if row[0] is not None}
    taken = _first_with(activity_ids, people, most.people)
    if len(activity_ids) == most.marks or len(taken) < len(activity_ids):
        return taken, (), False
    record_ids = db.session.scalars(select(record_id).order_by(record_id).limit(most.marks)).all()
    return taken, record_ids, len(record_ids) < most.marks


def _with_few_people(shift_ids: Sequence[UUID], most: int) -> Sequence[UUID]:
    """The first of these shifts, which at most so many attended in all, then or now; at least one of them."""
    attended = union(
        select(Attendance.shift_id, Attendance.volunteer_id).where(
            among(Attendance.shift_id, shift_ids), Attendance.state != State.REJECTED
        ),
        select(RankingPresence.shift_id, RankingPresence.volunteer_id).where(
            among(RankingPresence.shift_id, shift_ids)
        ),
    ).subquery("attended")
    counted = select(attended.c.shift_id, func.count()).group_by(attended.c.shift_id)
    return _first_with(shift_ids, dict(map(tuple, db.session.execute(counted))), most)


def _first_with(keys: Sequence[UUID], people: Mapping[UUID, int], most: int) -> Sequence[UUID]:
    """The first of these, which have at most so many people together; at least one."""
    so_far = accumulate(people.get(key, 0) for key in keys)
    return keys[: max(1, sum(number <= most for number in so_far))]


def _tidy(now: datetime) -> None:
    """Leave one mark of each shift that waits; none where nobody attended: who does marks it herself."""
    attended = exists().where(Attendance.shift_id == RankingMark.shift_id)
    is_folded = exists().where(RankingShift.shift_id == RankingMark.shift_id)
    number, matters = func.count(), or_(attended, is_folded)
    rows = db.session.execute(
        select(RankingMark.shift_id, matters.label("matters"))
        .join(Shift, Shift.id == RankingMark.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(_waits(now))
        .group_by(RankingMark.shift_id)
        .having(or_(number > 1, ~matters))
    ).all()
    for chunk in _chunks(rows):
        _unmark(these([row.shift_id for row in chunk], RankingMark.shift_id))
        kept = [{"shift_id": row.shift_id} for row in chunk if row.matters]
        if kept:
            db.session.execute(plain_insert(RankingMark), kept)


def _unmark(shift_ids: Select[UUID]) -> None:
    """Delete the marks of shifts that this unit sees: what is written meanwhile stays."""
    unseen = {"synchronize_session": False}
    db.session.execute(delete(RankingMark).where(RankingMark.shift_id.in_(shift_ids)), execution_options=unseen)


def _waits(now: Any) -> Any:
    """A shift that becomes held by time alone."""
    return and_(Shift.ends_at > now, Shift.canceled_at.is_(None), Activity.state != ActivityState.COMPLETED)


def _count_rows(*models: type[Base]) -> None:
    if db.engine.dialect.name == "postgresql":
        for model in models:
            db.session.execute(text(f"ANALYZE {model.__tablename__}"))


def _fold(what: Marked, named: Naming, kept: Sequence[KeptQuestion], people_at_once: int) -> None:
    # All of it before anything is replaced.
    amounts = _amounts(what)
    people = people_changes(what, named, kept, people_at_once)
    _add(RankingSum, ("slice", "unit", "starts_on", "ranked_id", "path_id"), amounts)
    _add(RankingMinutes, KEYS_OF_MINUTES, changes_of_minutes(what))
    headcounts = {key: {"volunteer_count": count} for key, count in people.headcounts.items() if count}
    _add(RankingHeadcount, ("kind", "unit", "starts_on", "ranked_id"), headcounts)
    histograms = {key: counts for key, counts in people.histograms.items() if any(counts.values())}
    _add(RankingHistogram, KEYS_OF_HISTOGRAMS, histograms)
    _drop_left(histograms)
    _add(RankingNamed, KEYS_OF_NAMED, people.named)
    drop_empty(people.named)
    db.session.execute(delete(RankingPresence).where(RankingPresence.shift_id.in_(what.shift_ids)))
    db.session.execute(delete(RankingShift).where(RankingShift.shift_id.in_(what.shift_ids)))
    _keep_shifts(live_shifts(what.now, what.shift_ids))
    _keep_presences(what.shift_ids)
    db.session.execute(delete(RankingRecordMark).where(RankingRecordMark.record_id.in_(what.record_ids)))
    db.session.execute(delete(RankingFacetChange).where(RankingFacetChange.activity_id.in_(what.activity_ids)))
    # The last: these are what the others ask for.
    _unmark(what.shift_ids)


def _amounts(what: Marked) -> Mapping[SumKey, Mapping[str, int]]:
    """What is to be added to each sum."""
    sums: defaultdict[SumKey, dict[str, int]] = defaultdict(lambda: dict.fromkeys(ADDITIVE, 0))
    for metric in ADDITIVE:
        rows = changes(metric, what).subquery("changes")
        keys, amount = [rows.c[key] for key in KEYS], func.sum(rows.c.amount)
        for row in db.session.execute(select(*keys, amount.label("amount")).group_by(*keys).having(amount != 0)):
            slices = [
                (name + facet, subject_id)
                for name, subject_id in (("path", row.path_id), ("team", row.team_id), ("station", row.station_id))
                for facet in facets_of(row.category, row.campaign_id)
                if subject_id is not None
            ]
            for unit, starts_on in spans_of(row.on):
                for name, subject_id in slices:
                    sums[name, unit.value, starts_on, subject_id, row.path_id][metric] += int(row.amount)
    # What went from one facet to another is in the whole as it was.
    return {key: amounts for key, amounts in sums.items() if any(amounts.values())}


def _add(model: type[Base], key_names: Sequence[str], sums: Mapping[Any, Mapping[str, int]]) -> None:
    """Add to rows by their keys."""
    rows = [dict(zip(key_names, key, strict=True)) | dict(sums[key]) for key in sorted(sums)]
    for chunk in _chunks(rows):
        statement = insert(model).values(chunk)
        added = {name: getattr(model, name) + statement.excluded[name] for name in chunk[0] if name not in key_names}
        db.session.execute(statement.on_conflict_do_update(index_elements=key_names, set_=added))


def _drop_left(keys: Iterable[ValueKey]) -> None:
    """Leave no row of a value that nobody has any more: of all time there is one for each that anybody passed by."""
    key = tuple_(*(getattr(RankingHistogram, name) for name in KEYS_OF_HISTOGRAMS))
    nobody = RankingHistogram.volunteer_count == 0, RankingHistogram.named_count == 0
    for chunk in _chunks(sorted(keys)):
        db.session.execute(
            delete(RankingHistogram).where(key.in_(chunk), *nobody), execution_options={"synchronize_session": False}
        )


def _chunks(rows: Iterable[Any]) -> Iterable[list[Any]]:
    left = iter(rows)
    while chunk := list(islice(left, ROWS_AT_ONCE)):
        yield chunk


def _keep_shifts(rows: Select[Any]) -> None:
    names = [column.name for column in rows.selected_columns]
    db.session.execute(plain_insert(RankingShift).from_select(names, rows))


def _keep_presences(shift_ids: Select[UUID] | None = None) -> None:
    present = (
        select(Attendance.shift_id, Attendance.volunteer_id)
        .join(RankingShift, RankingShift.shift_id == Attendance.shift_id)
        .where(Attendance.state != State.REJECTED)
        .distinct()
    )
    if shift_ids is not None:
        present = present.where(Attendance.shift_id.in_(shift_ids))
    db.session.execute(plain_insert(RankingPresence).from_select(["shift_id", "volunteer_id"], present))


def _rebuild_shifts(now: Any) -> None:
    attended = (
        select(Attendance.shift_id, func.count(distinct(Attendance.volunteer_id)).label("attended"))
        .where(Attendance.shift_id.is_not(None), Attendance.state != State.REJECTED)
        .group_by(Attendance.shift_id)
        .having(func.count(distinct(Attendance.volunteer_id)) >= rules().attendances_for_held_shift)
        .subquery("attended")
    )
    columns = [*shift_columns(), attended.c.attended]
    held = (
        select(*columns)
        .select_from(Shift)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(attended, attended.c.shift_id == Shift.id)
    )
    _keep_shifts(held.where(Shift.canceled_at.is_(None), ~_waits(now)))
    _keep_presences()
    waiting = (
        select(Shift.id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(_waits(now), exists().where(Attendance.shift_id == Shift.id))
    )
    db.session.execute(plain_insert(RankingMark).from_select(["shift_id"], waiting))


def _rebuild_sums() -> None:
    days = select(*(getattr(RankingShift, key) for key in DAY_KEYS)).distinct().subquery("days")
    ledger = recorded().subquery("ledger")
    sources = (
        _source(days.c, Metric.ACTIVITY_COUNT, literal(1)),
        _source(RankingShift, Metric.ATTENDANCE_COUNT, RankingShift.attended),
        _source(ledger.c, Metric.CREDITED_MINUTES, ledger.c.amount),
    )
    every = union_all(*sources).subquery("every")
    keys = [every.c[key] for key in KEYS]
    by_day = once(
        select(*keys, *(cast(func.sum(every.c[metric]), BigInteger).label(metric) for metric in ADDITIVE)).group_by(
            *keys
        )
    ).c
    facets = facets_in_sql(by_day.category, by_day.campaign_id)
    of_facets = [
        select(
            literal(name).concat(facet).label("slice"),
            by_day.on,
            subject_id.label("ranked_id"),
            by_day.path_id,
            *(by_day[metric] for metric in ADDITIVE),
        ).where(subject_id.is_not(None), facet.is_not(None))
        for name, subject_id in (("path", by_day.path_id), ("team", by_day.team_id), ("station", by_day.station_id))
        for facet in facets
    ]
    _keep_sums(Unit.DAY, union_all(*of_facets).subquery("of_facets").c)
    amounts = [getattr(RankingSum, metric) for metric in ADDITIVE]
    of_days = select(RankingSum.slice, RankingSum.ranked_id, RankingSum.path_id, *amounts).where(
        RankingSum.unit == Unit.DAY
    )
    for unit in Unit:
        if unit is not Unit.DAY:
            start = start_in_sql(unit, RankingSum.starts_on).label("on")
            _keep_sums(unit, of_days.add_columns(start).subquery("of_days").c)


def _keep_sums(unit: Unit, rows: Any) -> None:
    """Add up rows by the first day `on` of their span."""
    names = ["slice", "unit", "starts_on", "ranked_id", "path_id", *(metric.value for metric in ADDITIVE)]
    keys = (rows.slice, rows.on, rows.ranked_id, rows.path_id)
    sums = select(rows.slice, literal(unit.value), *keys[1:], *(func.sum(rows[metric]) for metric in ADDITIVE))
    db.session.execute(plain_insert(RankingSum).from_select(names, sums.group_by(*keys)))


def _source(of: Any, metric: Metric, amount: Any) -> Select[Any]:
    """Rows with all three amounts, of which one is not zero."""
    amounts = [(amount if one is metric else literal(0)).label(one) for one in ADDITIVE]
    return select(*(getattr(of, key) for key in KEYS), *amounts)
