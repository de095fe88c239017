"""Counting anew how many different volunteers each subject had, and how many have which value; of the named, who.

Everybody and every subject gets a small number first, and each longer span is counted from the rows of a shorter one
that it is made of: to sort ids of sixteen bytes by the ten million, once for each kind and span, took most of the time.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Integer,
    String,
    Table,
    Uuid,
    case,
    cast,
    distinct,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    union_all,
)

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import PathMember
from volunteer_api.rankings import headcounts, named_folding
from volunteer_api.rankings.aside import Aside, fill
from volunteer_api.rankings.facets import facets_in_sql
from volunteer_api.rankings.facts import Rows
from volunteer_api.rankings.headcounts import NAMED, NO_SUBJECT, OWN
from volunteer_api.rankings.models import (
    RankingHeadcount,
    RankingHistogram,
    RankingNamed,
    RankingPresence,
    RankingShift,
)
from volunteer_api.rankings.names import adults_born_by, may_be_named
from volunteer_api.rankings.schemas import ADDITIVE, Metric, Subject
from volunteer_api.rankings.spans import BEGINNING, Unit, start_in_sql

# From which shorter span each one is put together: whole ones, so that nothing is cut.
MADE_OF = {
    Unit.DAY: None,
    Unit.WEEK: Unit.DAY,
    Unit.MONTH: Unit.DAY,
    Unit.QUARTER: Unit.MONTH,
    Unit.YEAR: Unit.QUARTER,
    Unit.ALL: Unit.YEAR,
}

_aside = Aside()
PEOPLE = _aside.table(
    "rebuilt_people", Column("number", Integer), Column("volunteer_id", Uuid), Column("is_named", Boolean)
)
# What shifts count for: few, however many shifts there are.
COMBINATIONS = _aside.table(
    "rebuilt_combinations",
    Column("number", Integer),
    Column("path_id", Uuid),
    Column("team_id", Uuid),
    Column("station_id", Uuid),
    Column("category", String),
    Column("campaign_id", Uuid),
)
SUBJECTS = _aside.table(
    "rebuilt_subjects", Column("combination", Integer), Column("kind", String), Column("ranked_id", Uuid)
)
PLACES = _aside.table("rebuilt_places", Column("number", Integer), Column("kind", String), Column("ranked_id", Uuid))


def _seen(unit: Unit) -> Table:
    """Who attended what counts for which combination, in each span."""
    columns = (Column("combination", Integer), Column("start", Date), Column("person", Integer))
    return _aside.table(f"rebuilt_seen_{unit.value}", *columns)


def _worth(unit: Unit) -> Table:
    """What each person has in each span."""
    values = [Column(metric.value, BigInteger) for metric in ADDITIVE]
    return _aside.table(f"rebuilt_worth_{unit.value}", Column("start", Date), Column("person", Integer), *values)


SEEN = {unit: _seen(unit) for unit in Unit}
WORTH = {unit: _worth(unit) for unit in Unit}


def rebuild_people(now: datetime) -> Iterator[None]:
    """Count everybody anew, from the folded shifts and the ledger; a step for each unit. The three tables are empty."""
    with _aside.made():
        _number(now)
        for unit, narrower in MADE_OF.items():
            if narrower is None:
                _see_days()
                _weigh_days()
            else:
                _see(unit, narrower)
                _weigh(unit, narrower)
            _count_heads(unit)
            _count_values(unit)
            _name(unit)
            if unit is Unit.ALL:
                _name_idle(now)
            yield


def _numbered(rows: Any, *columns: Any) -> Rows:
    return select(func.row_number().over(order_by=columns), *columns).select_from(rows)


def _number(now: datetime) -> None:
    present = select(RankingPresence.volunteer_id).union(select(ServiceRecord.volunteer_id)).subquery("present")
    numbered = _numbered(present, present.c.volunteer_id).subquery("numbered")
    is_named = case((may_be_named(adults_born_by(now)), true()), else_=false())
    people = select(*numbered.c, is_named).join_from(numbered, Volunteer, Volunteer.id == numbered.c.volunteer_id)
    fill(PEOPLE, people, to_be_joined=True)
    keys = [column.name for column in list(COMBINATIONS.c)[1:]]
    combined = select(*(getattr(RankingShift, key) for key in keys)).distinct().subquery("combined")
    fill(COMBINATIONS, _numbered(combined, *combined.c), to_be_joined=True)
    on_path = PathMember.path_id == COMBINATIONS.c.path_id
    of_path = select(COMBINATIONS.c.number, literal(Subject.ORGANIZATION.value), PathMember.ancestor_id)
    own = select(COMBINATIONS.c.number, literal(OWN), PathMember.ancestor_id)
    wholes = union_all(
        of_path.join_from(COMBINATIONS, PathMember, on_path),
        own.join_from(COMBINATIONS, PathMember, on_path).where(PathMember.depth == 0),
        *(
            select(COMBINATIONS.c.number, literal(kind.value), column).where(column.is_not(None))
            for kind, column in ((Subject.TEAM, COMBINATIONS.c.team_id), (Subject.STATION, COMBINATIONS.c.station_id))
        ),
    ).subquery("wholes")
    number, kind, ranked_id = wholes.c
    facets = [
        select(number, kind.concat(facet), ranked_id)
        .join_from(wholes, COMBINATIONS, COMBINATIONS.c.number == number)
        .where(facet.is_not(None))
        for facet in facets_in_sql(COMBINATIONS.c.category, COMBINATIONS.c.campaign_id)
    ]
    fill(SUBJECTS, select(union_all(*facets).subquery("facets")), to_be_joined=True)
    named = select(SUBJECTS.c.kind, SUBJECTS.c.ranked_id).distinct().subquery("named")
    fill(PLACES, _numbered(named, *named.c), to_be_joined=True)


def _see_days() -> None:
    same = (
        (COMBINATIONS.c.path_id == RankingShift.path_id)
        & (COMBINATIONS.c.category == RankingShift.category)
        & _equal(COMBINATIONS.c.team_id, RankingShift.team_id)
        & _equal(COMBINATIONS.c.station_id, RankingShift.station_id)
        & _equal(COMBINATIONS.c.campaign_id, RankingShift.campaign_id)
    )
    rows = (
        select(COMBINATIONS.c.number, RankingShift.on, PEOPLE.c.number.label("person"))
        .join_from(RankingShift, COMBINATIONS, same)
        .join(RankingPresence, RankingPresence.shift_id == RankingShift.shift_id)
        .join(PEOPLE, PEOPLE.c.volunteer_id == RankingPresence.volunteer_id)
        .distinct()
    )
    fill(SEEN[Unit.DAY], rows, to_be_joined=True)


def _see(unit: Unit, narrower: Unit) -> None:
    rows = SEEN[narrower]
    start = start_in_sql(unit, rows.c.start).label("start")
    fill(SEEN[unit], select(rows.c.combination, start, rows.c.person).distinct(), to_be_joined=True)


def _count_heads(unit: Unit) -> None:
    seen = SEEN[unit]
    same = (PLACES.c.kind == SUBJECTS.c.kind) & (PLACES.c.ranked_id == SUBJECTS.c.ranked_id)
    standing = select(SUBJECTS.c.combination, PLACES.c.number).join_from(SUBJECTS, PLACES, same).subquery("standing")
    counted = (
        select(standing.c.number, seen.c.start, func.count(distinct(seen.c.person)).label("amount"))
        .join_from(seen, standing, standing.c.combination == seen.c.combination)
        .group_by(standing.c.number, seen.c.start)
        .subquery("counted")
    )
    rows = select(PLACES.c.kind, literal(unit.value), counted.c.start, PLACES.c.ranked_id, counted.c.amount).join_from(
        counted, PLACES, PLACES.c.number == counted.c.number
    )
    db.session.execute(insert(RankingHeadcount).from_select(headcounts.COLUMNS, rows))


def _weigh_days() -> None:
    joined = RankingPresence.shift_id == RankingShift.shift_id
    present = (
        select(
            RankingShift.on,
            RankingPresence.volunteer_id,
            func.count(distinct(RankingShift.activity_id)).label(Metric.ACTIVITY_COUNT.value),
            func.count().label(Metric.ATTENDANCE_COUNT.value),
            literal(0).label(Metric.CREDITED_MINUTES.value),
        )
        .join_from(RankingPresence, RankingShift, joined)
        .group_by(RankingShift.on, RankingPresence.volunteer_id)
    )
    recorded = select(
        ServiceRecord.on, ServiceRecord.volunteer_id, literal(0), literal(0), func.sum(ServiceRecord.minutes)
    ).group_by(ServiceRecord.on, ServiceRecord.volunteer_id)
    both = union_all(present, recorded).subquery("both")
    values = [_whole(func.sum(both.c[metric.value])) for metric in ADDITIVE]
    rows = (
        select(both.c.on, PEOPLE.c.number, *values)
        .join_from(both, PEOPLE, PEOPLE.c.volunteer_id == both.c.volunteer_id)
        .group_by(both.c.on, PEOPLE.c.number)
    )
    fill(WORTH[Unit.DAY], rows)


def _weigh(unit: Unit, narrower: Unit) -> None:
    rows = WORTH[narrower]
    start = start_in_sql(unit, rows.c.start).label("start")
    parts = select(start, rows.c.person, *(rows.c[metric.value] for metric in ADDITIVE)).subquery("parts")
    values = [_whole(func.sum(parts.c[metric.value])) for metric in ADDITIVE]
    fill(WORTH[unit], select(parts.c.start, parts.c.person, *values).group_by(parts.c.start, parts.c.person))


def _count_values(unit: Unit) -> None:
    rows, names = WORTH[unit], ["metric", "unit", "starts_on", "value", "volunteer_count", "named_count"]
    named: Any = func.sum(case((PEOPLE.c.is_named, 1), else_=0))
    for metric in ADDITIVE:
        value = rows.c[metric.value]
        counted = (
            select(literal(metric.value), literal(unit.value), rows.c.start, value, func.count(), named)
            .join_from(rows, PEOPLE, PEOPLE.c.number == rows.c.person)
            .where(value != 0)
            .group_by(rows.c.start, value)
        )
        db.session.execute(insert(RankingHistogram).from_select(names, counted))


def _name(unit: Unit) -> None:
    """Keep what each of the named has; who has nothing in a span has no row of it."""
    rows = WORTH[unit]
    values = [rows.c[metric.value] for metric in ADDITIVE]
    named = (
        select(PEOPLE.c.volunteer_id, literal(unit.value), rows.c.start, *values)
        .join_from(rows, PEOPLE, PEOPLE.c.number == rows.c.person)
        .where(PEOPLE.c.is_named, or_(literal(unit is Unit.ALL), *(value != 0 for value in values)))
        # In the order of the key, or its index would be written all over.
        .order_by(PEOPLE.c.number, rows.c.start)
    )
    db.session.execute(insert(RankingNamed).from_select(named_folding.COLUMNS, named))


def _name_idle(now: datetime) -> None:
    """Who is named and never did anything has one row, of all time. Then all who are named can be counted."""
    nothing = [literal(0) for _ in ADDITIVE]
    known = exists().where(PEOPLE.c.volunteer_id == Volunteer.id)
    idle: Rows = select(Volunteer.id, literal(Unit.ALL.value), literal(BEGINNING, Date), *nothing)
    db.session.execute(
        insert(RankingNamed).from_select(named_folding.COLUMNS, idle.where(~known, may_be_named(adults_born_by(now))))
    )
    span = literal(Unit.ALL.value), literal(BEGINNING, Date)
    every = select(literal(NAMED), *span, literal(NO_SUBJECT, Uuid), func.count()).where(
        RankingNamed.unit == Unit.ALL.value
    )
    # A fold that names nobody counts none either.
    db.session.execute(insert(RankingHeadcount).from_select(headcounts.COLUMNS, every.having(func.count() > 0)))


def _equal(one: Any, other: Any) -> Any:
    return or_(one == other, one.is_(None) & other.is_(None))


def _whole(amount: Any) -> Any:
    # PostgreSQL sums whole numbers to a decimal.
    return cast(amount, BigInteger)
