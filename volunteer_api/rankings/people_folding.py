"""Folding what is counted of volunteers: how many different ones each subject had, and how many have which value."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from volunteer_api.core.database import db
from volunteer_api.organizations.models import PathMember
from volunteer_api.rankings.changes import DAY_KEYS, Marked
from volunteer_api.rankings.headcounts import OWN
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.spans import Unit, spans_of
from volunteer_api.rankings.turnout import minutes, turnout

# Kind, unit, first day, subject.
CountKey = tuple[str, str, date, UUID]
# Metric, unit, first day, value.
ValueKey = tuple[str, str, date, int]
Span = tuple[Unit, date]
Deltas = tuple[Mapping[CountKey, int], Mapping[ValueKey, int]]


def people_changes(what: Marked) -> Deltas:
    """What is to be added to the headcounts and to the histograms, by their keys."""
    rows = turnout(what)
    keys = [rows.c[name] for name in ("volunteer_id", *DAY_KEYS)]
    found = db.session.execute(
        select(*keys, func.sum(rows.c.was).label("was"), func.sum(rows.c.now).label("now")).group_by(*keys)
    ).all()
    ledger = minutes(what)
    days = [ledger.c.volunteer_id, ledger.c.on]
    recorded = db.session.execute(
        select(*days, func.sum(ledger.c.was).label("was"), func.sum(ledger.c.now).label("now")).group_by(*days)
    ).all()
    values: defaultdict[ValueKey, int] = defaultdict(int)
    _count_values(values, Metric.ATTENDANCE_COUNT, found, int)
    # One row is one activity on one day.
    _count_values(values, Metric.ACTIVITY_COUNT, found, lambda number: int(number > 0))
    _count_values(values, Metric.CREDITED_MINUTES, recorded, int)
    return _headcounts(found), values


def _count_values(
    values: defaultdict[ValueKey, int], metric: Metric, rows: Sequence[Any], amount: Callable[[int], int]
) -> None:
    """Take each volunteer out of where her value was, and put her where it is; in the spans that changed for her."""
    changed: defaultdict[UUID, set[Span]] = defaultdict(set)
    for row in rows:
        if amount(row.was) != amount(row.now):
            changed[row.volunteer_id].update(spans_of(row.on))
    totals: defaultdict[tuple[UUID, Span], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        for span in changed[row.volunteer_id].intersection(spans_of(row.on)):
            total = totals[row.volunteer_id, span]
            total[0] += amount(row.was)
            total[1] += amount(row.now)
    for (_, (unit, starts_on)), (was, now) in totals.items():
        for value, step in ((was, -1), (now, 1)):
            if value != 0 and was != now:
                values[metric.value, unit.value, starts_on, value] += step


def _headcounts(rows: Sequence[Any]) -> Mapping[CountKey, int]:
    above: defaultdict[UUID, list[Any]] = defaultdict(list)
    for member in db.session.execute(
        select(PathMember.path_id, PathMember.ancestor_id, PathMember.depth).where(
            PathMember.path_id.in_({row.path_id for row in rows})
        )
    ):
        above[member.path_id].append(member)
    seen: dict[tuple[CountKey, UUID], list[bool]] = {}
    for row in rows:
        if (row.was > 0) != (row.now > 0):
            for key in _count_keys(row, above[row.path_id]):
                seen[key, row.volunteer_id] = [False, False]
    concerned = {volunteer_id for _, volunteer_id in seen}
    for row in rows:
        if row.volunteer_id in concerned:
            for key in _count_keys(row, above[row.path_id]):
                flags = seen.get((key, row.volunteer_id))
                if flags is not None:
                    flags[0] |= row.was > 0
                    flags[1] |= row.now > 0
    counts: defaultdict[CountKey, int] = defaultdict(int)
    for (key, _), (was, now) in seen.items():
        if was != now:
            counts[key] += int(now) - int(was)
    return counts


def _count_keys(row: Any, members: Sequence[Any]) -> Iterator[CountKey]:
    """The counts that an attendance is in."""
    subjects = [(Subject.ORGANIZATION.value, member.ancestor_id) for member in members]
    subjects += [(OWN, member.ancestor_id) for member in members if member.depth == 0]
    subjects += [
        (kind.value, subject_id)
        for kind, subject_id in ((Subject.TEAM, row.team_id), (Subject.STATION, row.station_id))
        if subject_id is not None
    ]
    for unit, starts_on in spans_of(row.on):
        for kind, subject_id in subjects:
            yield kind, unit.value, starts_on, subject_id
