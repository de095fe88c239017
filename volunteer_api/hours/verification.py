"""Comparing every tally with what it sums. What differs is an alarm; nothing is repaired.

Each comparison is one statement, so that it sees the ledger, the totals and what is not folded in yet at one moment,
and writers never wait for it.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, Subquery, delete, extract, func, literal, select, union_all

from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.core.statements import set_limits
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.hours.models import (
    HeldAttribution,
    ServiceRecord,
    SubjectKind,
    TallyChange,
    TallyFault,
    TallyTotal,
    TallyUnit,
)
from volunteer_api.hours.tallies import BEGINNING
from volunteer_api.organizations.models import PathMember

# More of one comparison tell nobody anything new.
MOST_FAULTS = 100
LONGEST = {"statement_timeout": "30min"}

Held = Callable[[], Select[UUID, int]]
Found = Row[*tuple[Any, ...]]
_held: list[Held] = []


def register_held(held: Held) -> Held:
    """Decorate what selects, of every attendance that is held, its id and its minutes: attendances stand to the right.

    Without it, held minutes are compared among the totals alone.
    """
    _held.append(held)
    return held


def verify_tallies() -> int:
    """Compare all tallies, keep what was found in the place of what was found before; returns how many. In no unit."""
    found: list[TallyFault] = []
    for kind in SubjectKind:
        found += run_unit(partial(_faults_by_day, kind), writes=False)
    for unit in (TallyUnit.MONTH, TallyUnit.YEAR, TallyUnit.ALL):
        found += run_unit(partial(_faults_of_unit, unit), writes=False)
    run_unit(partial(_keep, found), writes=True)
    if found:
        logger().error("tally_mismatch", count=len(found), kinds=sorted({fault.subject_kind for fault in found}))
    return len(found)


def fault_count() -> int:
    """How many the last check found. Needs an open session."""
    return db.session.scalars(select(func.count()).select_from(TallyFault)).one()


def _faults_by_day(kind: SubjectKind) -> list[TallyFault]:
    """Where a subject's day is not what the ledger and the held attendances have of it."""
    _take_time()
    sources = [
        _signed(kind, ServiceRecord, -ServiceRecord.minutes, literal(0)),
        _signed(kind, TallyChange, TallyChange.credited_minutes, TallyChange.held_minutes),
        select(TallyTotal.subject_id, TallyTotal.starts_on, TallyTotal.credited_minutes, TallyTotal.held_minutes).where(
            TallyTotal.subject_kind == kind, TallyTotal.unit == TallyUnit.DAY
        ),
    ]
    for held in _held:
        attendances = held().subquery()
        source = _signed(kind, HeldAttribution, literal(0), -attendances.c[1])
        sources.append(source.join(attendances, attendances.c[0] == HeldAttribution.attendance_id))
    both = union_all(*sources).subquery()
    # No source names held minutes of the ledger: without the attendances there is nothing to compare them with.
    rows = _differing(both, [both.c.subject_id, both.c.on], held=bool(_held))
    return [_fault(kind, row[0], TallyUnit.DAY, row[1], row) for row in rows]


def _faults_of_unit(unit: TallyUnit) -> list[TallyFault]:
    """Where the total of a longer span is not the sum of its days'."""
    _take_time()
    year, month = extract("year", TallyTotal.starts_on), extract("month", TallyTotal.starts_on)
    span = {
        TallyUnit.MONTH: (year, month),
        TallyUnit.YEAR: (year, literal(1)),
        TallyUnit.ALL: (literal(BEGINNING.year), literal(1)),
    }[unit]
    names = ("subject_kind", "subject_id", "year", "month")

    def minutes(of: TallyUnit, sign: int) -> Select[Any]:
        columns = (TallyTotal.subject_kind, TallyTotal.subject_id, *span)
        named: list[Any] = [column.label(name) for column, name in zip(columns, names, strict=True)]
        return select(
            *named,
            (sign * TallyTotal.credited_minutes).label("credited_minutes"),
            (sign * TallyTotal.held_minutes).label("held_minutes"),
        ).where(TallyTotal.unit == of)

    both = union_all(minutes(unit, 1), minutes(TallyUnit.DAY, -1)).subquery()
    rows = _differing(both, [both.c[name] for name in names], held=True)
    return [
        _fault(SubjectKind(row[0]), row[1], unit, BEGINNING.replace(year=int(row[2]), month=int(row[3])), row)
        for row in rows
    ]


def _signed(kind: SubjectKind, model: Any, credited: Any, held: Any) -> Select[Any]:
    """Subject, day, and minutes of rows that have an attribution."""
    minutes = (credited.label("credited_minutes"), held.label("held_minutes"))
    if kind is SubjectKind.ORGANIZATION:
        return select(PathMember.ancestor_id.label("subject_id"), model.on, *minutes).join_from(
            model, PathMember, PathMember.path_id == model.organization_path_id
        )
    subject = getattr(model, f"{kind.removesuffix('_own')}_id")
    return select(subject.label("subject_id"), model.on, *minutes).select_from(model).where(subject.is_not(None))


def _differing(both: Subquery, group: Sequence[Any], *, held: bool) -> Sequence[Found]:
    credited_sum, held_sum = func.sum(both.c.credited_minutes), func.sum(both.c.held_minutes)
    differs = (credited_sum != 0) | (held_sum != 0) if held else credited_sum != 0
    return db.session.execute(
        select(*group, credited_sum.label("credited_minutes"), held_sum.label("held_minutes"))
        .group_by(*group)
        .having(differs)
        .order_by(*group)
        .limit(MOST_FAULTS)
    ).all()


def _fault(kind: SubjectKind, subject_id: UUID, unit: TallyUnit, starts_on: Any, row: Found) -> TallyFault:
    return TallyFault(
        id=ids.new_id(),
        created_at=clock.now(),
        subject_kind=kind.value,
        subject_id=subject_id,
        unit=unit.value,
        starts_on=starts_on,
        credited_minutes=int(row.credited_minutes),
        held_minutes=int(row.held_minutes),
    )


def _keep(faults: Sequence[TallyFault]) -> None:
    db.session.execute(delete(TallyFault))
    db.session.add_all(faults)
    db.session.flush()


def _take_time() -> None:
    """Ten million rows take longer than a request may."""
    set_limits(LONGEST)
