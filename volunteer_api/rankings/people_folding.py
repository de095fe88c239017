"""Folding what is counted of volunteers: how many different ones each subject had, and how many have which value.

Of those who are named also what each of them has.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.organizations.models import PathMember
from volunteer_api.rankings.changes import DAY_KEYS, Marked, these
from volunteer_api.rankings.headcounts import OWN
from volunteer_api.rankings.named_folding import NamedKey, Naming, named_of, rows_of
from volunteer_api.rankings.schemas import ADDITIVE, Metric, Subject
from volunteer_api.rankings.spans import BEGINNING, Unit, spans_of
from volunteer_api.rankings.turnout import minutes, touched_people, turnout

# Kind, unit, first day, subject.
CountKey = tuple[str, str, date, UUID]
# Metric, unit, first day, value.
ValueKey = tuple[str, str, date, int]
Span = tuple[Unit, date]
Amounts = dict[str, int]


@dataclass
class PeopleChanges:
    """What is to be added, by the keys of each table."""

    headcounts: defaultdict[CountKey, int] = field(default_factory=lambda: defaultdict(int))
    histograms: defaultdict[ValueKey, Amounts] = field(
        default_factory=lambda: defaultdict(lambda: {"volunteer_count": 0, "named_count": 0})
    )
    named: defaultdict[NamedKey, Amounts] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(ADDITIVE, 0))
    )


def people_changes(what: Marked, naming: Naming, at_once: int) -> PeopleChanges:
    """What is to be added to the headcounts, the histograms and what each of the named has.

    Everybody counts for herself, so it is found `at_once` people at a time: neither memory nor the time of a statement
    grows with a crowd. Who is named no more is to be taken away whole.
    """
    changes = PeopleChanges()
    people = sorted({*db.session.scalars(touched_people(what)), *naming.come})
    for first in range(0, len(people), at_once):
        _add_changes_of(people[first : first + at_once], changes, what, naming)
    for volunteer_id in naming.come:
        # Those who have nothing have a row of all time too.
        changes.named[volunteer_id, Unit.ALL.value, BEGINNING].update({})
    for row in rows_of(naming.gone):
        for metric in ADDITIVE:
            if value := getattr(row, metric):
                changes.histograms[metric.value, row.unit, row.starts_on, value]["named_count"] -= 1
    return changes


def _add_changes_of(people: Sequence[UUID], changes: PeopleChanges, what: Marked, naming: Naming) -> None:
    among = these(people, Volunteer.id)
    come = these(sorted(naming.come & set(people)), Volunteer.id)
    rows = turnout(what, come, among)
    keys = [rows.c[name] for name in ("volunteer_id", *DAY_KEYS)]
    found = db.session.execute(
        select(*keys, func.sum(rows.c.was).label("was"), func.sum(rows.c.now).label("now")).group_by(*keys)
    ).all()
    ledger = minutes(what, come, among)
    days = [ledger.c.volunteer_id, ledger.c.on]
    recorded = db.session.execute(
        select(*days, func.sum(ledger.c.was).label("was"), func.sum(ledger.c.now).label("now")).group_by(*days)
    ).all()
    stay = named_of({row.volunteer_id for row in (*found, *recorded)}) - naming.gone
    _count_heads(changes, found)
    for metric, of_metric, amount in (
        (Metric.ATTENDANCE_COUNT, found, int),
        # One row is one activity on one day.
        (Metric.ACTIVITY_COUNT, found, lambda number: int(number > 0)),
        (Metric.CREDITED_MINUTES, recorded, int),
    ):
        _count_values(changes, metric, of_metric, amount, stay, naming.come)


def _count_values(
    changes: PeopleChanges,
    metric: Metric,
    rows: Sequence[Any],
    amount: Callable[[int], int],
    stay: Set[UUID],
    come: Set[UUID],
) -> None:
    """Take each volunteer out of where her value was, and put her where it is; in the spans that changed for her."""
    changed: defaultdict[UUID, set[Span]] = defaultdict(set)
    for row in rows:
        if row.volunteer_id in come or amount(row.was) != amount(row.now):
            changed[row.volunteer_id].update(spans_of(row.on))
    totals: defaultdict[tuple[UUID, Span], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        for span in changed[row.volunteer_id].intersection(spans_of(row.on)):
            total = totals[row.volunteer_id, span]
            total[0] += amount(row.was)
            total[1] += amount(row.now)
    for (volunteer_id, (unit, starts_on)), (was, now) in totals.items():
        steps = ((was, -1), (now, 1))
        _step(changes, "volunteer_count", (metric, unit, starts_on), steps if was != now else ())
        if volunteer_id in stay or volunteer_id in come:
            had = was if volunteer_id in stay else 0
            _step(changes, "named_count", (metric, unit, starts_on), ((had, -1), (now, 1)) if had != now else ())
            changes.named[volunteer_id, unit.value, starts_on][metric] += now - had


def _step(changes: PeopleChanges, name: str, of: tuple[Metric, Unit, date], steps: Sequence[tuple[int, int]]) -> None:
    """Count one more or fewer with a value, unless that is none."""
    metric, unit, starts_on = of
    for value, step in steps:
        if value != 0:
            changes.histograms[metric.value, unit.value, starts_on, value][name] += step


def _count_heads(changes: PeopleChanges, rows: Sequence[Any]) -> None:
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
    for (key, _), (was, now) in seen.items():
        if was != now:
            changes.headcounts[key] += int(now) - int(was)


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
