"""Folding what is counted of volunteers: how many different ones each subject had, and how many have which value.

Of those who are named also what each of them has.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.core.statements import among
from volunteer_api.organizations.models import PathMember
from volunteer_api.rankings.changes import DAY_KEYS, KEYS, Marked, these
from volunteer_api.rankings.facets import facet_of, facets_of
from volunteer_api.rankings.headcounts import NAMED, NO_SUBJECT, OWN, named_by
from volunteer_api.rankings.kept import Counts, Span, raw_unit_of, unit_of
from volunteer_api.rankings.models import KeptQuestion
from volunteer_api.rankings.named_folding import NamedKey, Naming, named_of, rows_of
from volunteer_api.rankings.schemas import ADDITIVE, Metric, Subject
from volunteer_api.rankings.spans import BEGINNING, Unit, spans_of
from volunteer_api.rankings.turnout import minutes, touched_people, turnout

# Kind, unit, first day, subject.
CountKey = tuple[str, str, date, UUID]
# Metric, unit, first day, value.
ValueKey = tuple[str, str, date, int]
Amounts = dict[str, int]
# More than there are in one fold.
MOST_SUBJECTS = 1 << 32


class Spans:
    """The spans that something is counted in: those of the calendar, and those that are kept for questions."""

    def __init__(self, kept: Sequence[KeptQuestion]) -> None:
        self._people = [one for one in kept if one.counts == Counts.PEOPLE]
        self._heads = [one for one in kept if one.counts == Counts.HEADS]
        self._found: dict[tuple[Any, ...], dict[Span, int]] = {}
        # Of each span of growth, that of what is not set against anything.
        self.raw = {_span(one): _raw_span(one) for one in self._people if one.before_first is not None}
        self.of_raw = {*self.raw.values()}
        self.by_facet = any(one.category is not None or one.campaign_id is not None for one in self._people)
        # What the spans of people depend on, beside the day.
        self.keys = (*(["path_id"] if self._people else []), *(["category", "campaign_id"] if self.by_facet else []))
        self.above: defaultdict[UUID, list[Any]] = defaultdict(list)

    def learn(self, path_ids: Set[UUID]) -> None:
        """Look up what is above these paths."""
        if new := path_ids - self.above.keys():
            columns = (PathMember.path_id, PathMember.ancestor_id, PathMember.depth)
            for member in db.session.execute(select(*columns).where(among(PathMember.path_id, new))):
                self.above[member.path_id].append(member)

    def of_people(self, row: Any) -> Mapping[Span, int]:
        """The spans of what each volunteer has: 1, −1 where what she did is taken away from it, 0 if it is neither."""
        keys = (row.on, *(getattr(row, name) for name in self.keys))
        if keys not in self._found:
            found = dict.fromkeys(_calendar(row.on), 1)
            for one in self._people:
                has = self._has(one, row)
                if has or self._had(one, row):
                    found[_span(one)] = 1 if has else -1
                    if one.before_first is not None:
                        # Both spans together tell whether she has a place.
                        found[_raw_span(one)] = int(has)
            self._found[keys] = found
        return self._found[keys]

    def of_heads(self, row: Any, facets: Collection[str]) -> Iterator[tuple[Span, Collection[str]]]:
        """The spans of how many different ones there are, each with the facets that are counted in it."""
        yield from ((span, facets) for span in _calendar(row.on))
        for one in self._heads:
            if self._has(one, row):
                yield _span(one), [facet_of(one.category, one.campaign_id)]

    def _has(self, one: KeptQuestion, row: Any) -> bool:
        in_period = (one.first is None or one.first <= row.on) and (one.last is None or row.on <= one.last)
        return in_period and self._is_part_of(one, row)

    def _had(self, one: KeptQuestion, row: Any) -> bool:
        first, last = one.before_first, one.before_last
        return first is not None and last is not None and first <= row.on <= last and self._is_part_of(one, row)

    def _is_part_of(self, one: KeptQuestion, row: Any) -> bool:
        return (
            (one.scope is None or any(member.ancestor_id == one.scope for member in self.above[row.path_id]))
            and (one.category is None or one.category == row.category)
            and (one.campaign_id is None or one.campaign_id == row.campaign_id)
        )


def _calendar(on: date) -> Iterator[Span]:
    return ((unit.value, starts_on) for unit, starts_on in spans_of(on))


def _span(one: KeptQuestion) -> Span:
    return unit_of(one.id), BEGINNING


def _raw_span(one: KeptQuestion) -> Span:
    return raw_unit_of(unit_of(one.id)), BEGINNING


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


def people_changes(what: Marked, naming: Naming, kept: Sequence[KeptQuestion], at_once: int) -> PeopleChanges:
    """What is to be added to the headcounts, the histograms and what each of the named has.

    Everybody counts for herself, so it is found `at_once` people at a time: neither memory nor the time of a statement
    grows with a crowd. Who is named no more is to be taken away whole.
    """
    changes, spans = PeopleChanges(), Spans(kept)
    people = sorted({*db.session.scalars(touched_people(what, by_facet=spans.by_facet)), *naming.come})
    for first in range(0, len(people), at_once):
        _add_changes_of(people[first : first + at_once], changes, what, naming, spans)
    for volunteer_id in naming.come:
        # Those who have nothing have a row of all time too.
        changes.named[volunteer_id, Unit.ALL.value, BEGINNING].update({})
    changes.headcounts[NAMED, Unit.ALL.value, BEGINNING, NO_SUBJECT] += len(naming.come) - len(naming.gone)
    gone = {(row.volunteer_id, (row.unit, row.starts_on)): row for row in rows_of(naming.gone)}
    for (volunteer_id, span), row in gone.items():
        raw = gone.get((volunteer_id, spans.raw[span])) if span in spans.raw else None
        for metric in ADDITIVE:
            value = getattr(row, metric)
            if value and span not in spans.of_raw:
                changes.histograms[metric.value, *span, value]["named_count"] -= 1
            if span in spans.raw and (value or (raw is not None and getattr(raw, metric))):
                changes.headcounts[named_by(metric), *span, NO_SUBJECT] -= 1
    return changes


def _add_changes_of(people: Sequence[UUID], changes: PeopleChanges, what: Marked, naming: Naming, spans: Spans) -> None:
    of_these = these(people, Volunteer.id)
    come = these(sorted(naming.come & set(people)), Volunteer.id)
    rows = turnout(what, come, of_these)
    keys = [rows.c[name] for name in ("volunteer_id", *DAY_KEYS)]
    found = db.session.execute(
        select(*keys, func.sum(rows.c.was).label("was"), func.sum(rows.c.now).label("now")).group_by(*keys)
    ).all()
    ledger = minutes(what, come, of_these, by_facet=spans.by_facet)
    days = [ledger.c[name] for name in ("volunteer_id", "on", *spans.keys)]
    recorded = db.session.execute(
        select(*days, func.sum(ledger.c.was).label("was"), func.sum(ledger.c.now).label("now")).group_by(*days)
    ).all()
    spans.learn({row.path_id for rows in (found, recorded if spans.keys else ()) for row in rows})
    stay = named_of({row.volunteer_id for row in (*found, *recorded)}) - naming.gone
    _count_heads(changes, found, spans)
    for metric, of_metric, amount in (
        (Metric.ATTENDANCE_COUNT, found, int),
        # One row is one activity on one day.
        (Metric.ACTIVITY_COUNT, found, lambda number: int(number > 0)),
        (Metric.CREDITED_MINUTES, recorded, int),
    ):
        _count_values(changes, metric, of_metric, amount, stay, naming.come, spans)


def _count_values(
    changes: PeopleChanges,
    metric: Metric,
    rows: Sequence[Any],
    amount: Callable[[int], int],
    stay: Set[UUID],
    come: Set[UUID],
    spans: Spans,
) -> None:
    """Take each volunteer out of where her value was, and put her where it is; in the spans that changed for her."""
    changed: defaultdict[UUID, set[Span]] = defaultdict(set)
    for row in rows:
        if row.volunteer_id in come or amount(row.was) != amount(row.now):
            changed[row.volunteer_id].update(spans.of_people(row))
    totals = {(volunteer_id, span): [0, 0] for volunteer_id, of_hers in changed.items() for span in of_hers}
    for row in rows:
        signs = spans.of_people(row)
        for span in signs.keys() & changed[row.volunteer_id]:
            total = totals[row.volunteer_id, span]
            total[0] += signs[span] * amount(row.was)
            total[1] += signs[span] * amount(row.now)
    for (volunteer_id, span), (was, now) in totals.items():
        unit, starts_on = span
        is_named, had = volunteer_id in stay or volunteer_id in come, was if volunteer_id in stay else 0
        # Nobody asks how many have which value before anything is taken away.
        if span not in spans.of_raw:
            of_span = metric, unit, starts_on
            _step(changes, "volunteer_count", of_span, ((was, -1), (now, 1)) if was != now else ())
            _step(changes, "named_count", of_span, ((had, -1), (now, 1)) if is_named and had != now else ())
        if is_named:
            changes.named[volunteer_id, unit, starts_on][metric] += now - had
            if span in spans.raw:
                raw_was, raw_now = totals[volunteer_id, spans.raw[span]]
                had_place = volunteer_id in stay and (was != 0 or raw_was != 0)
                has_place = now != 0 or raw_now != 0
                changes.headcounts[named_by(metric), unit, starts_on, NO_SUBJECT] += has_place - had_place


def _step(changes: PeopleChanges, name: str, of: tuple[Metric, str, date], steps: Sequence[tuple[int, int]]) -> None:
    """Count one more or fewer with a value, unless that is none."""
    metric, unit, starts_on = of
    for value, step in steps:
        if value != 0:
            changes.histograms[metric.value, unit, starts_on, value][name] += step


def _count_heads(changes: PeopleChanges, rows: Sequence[Any], spans: Spans) -> None:
    """Of each volunteer, what she counts for now less what she did: of that alone for which something changed."""
    keys = _Keys(spans)
    changed: defaultdict[UUID, set[int]] = defaultdict(set)
    for row in rows:
        if (row.was > 0) != (row.now > 0):
            changed[row.volunteer_id] |= keys.of(row)
    had: defaultdict[UUID, set[int]] = defaultdict(set)
    has: defaultdict[UUID, set[int]] = defaultdict(set)
    for row in rows:
        if of_hers := changed.get(row.volunteer_id):
            common = of_hers & keys.of(row)
            if row.was > 0:
                had[row.volunteer_id] |= common
            if row.now > 0:
                has[row.volunteer_id] |= common
    counts: Counter[int] = Counter()
    for volunteer_id in changed:
        counts.update(has[volunteer_id])
        counts.subtract(had[volunteer_id])
    name = keys.named()
    for number, count in counts.items():
        if count:
            changes.headcounts[name(number)] += count


class _Keys:
    """The counts that attendances are in, by numbers: each is in a hundred, and they are compared by the million."""

    def __init__(self, spans: Spans) -> None:
        self._all = spans
        self._subjects: dict[tuple[str, UUID], int] = {}
        self._spans: dict[Span, int] = {}
        self._found: dict[tuple[Any, ...], frozenset[int]] = {}

    def of(self, row: Any) -> frozenset[int]:
        """The numbers of the counts that an attendance is in."""
        keys = tuple(getattr(row, name) for name in KEYS)
        if keys not in self._found:
            subjects = defaultdict(list)
            for facet, subject in self._subjects_of(row):
                subjects[facet].append(self._subjects.setdefault(subject, len(self._subjects)))
            self._found[keys] = frozenset(
                self._spans.setdefault(span, len(self._spans)) * MOST_SUBJECTS + subject
                for span, facets in self._all.of_heads(row, subjects)
                for facet in facets
                for subject in subjects[facet]
            )
        return self._found[keys]

    def named(self) -> Callable[[int], CountKey]:
        """Which count has a number."""
        subjects, spans = list(self._subjects), list(self._spans)

        def name(number: int) -> CountKey:
            span, subject = divmod(number, MOST_SUBJECTS)
            (kind, subject_id), (unit, starts_on) = subjects[subject], spans[span]
            return kind, unit, starts_on, subject_id

        return name

    def _subjects_of(self, row: Any) -> Iterator[tuple[str, tuple[str, UUID]]]:
        members = self._all.above[row.path_id]
        subjects: list[tuple[str, UUID | None]] = [(Subject.ORGANIZATION, member.ancestor_id) for member in members]
        subjects += [(OWN, member.ancestor_id) for member in members if member.depth == 0]
        subjects += [(Subject.TEAM, row.team_id), (Subject.STATION, row.station_id)]
        for kind, subject_id in subjects:
            if subject_id is not None:
                for facet in facets_of(row.category, row.campaign_id):
                    yield facet, (kind + facet, subject_id)
