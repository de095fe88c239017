"""What is counted, and how it adds up to organizations, teams and stations."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    cast,
    distinct,
    exists,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.settings import rules
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.stations.models import Station
from volunteer_api.teams.models import Team

SUBJECTS: dict[Subject, type[Organization] | type[Team] | type[Station]] = {
    Subject.ORGANIZATION: Organization,
    Subject.TEAM: Team,
    Subject.STATION: Station,
}
# One row of several columns, whose types the caller knows.
Rows = Select[*tuple[Any, ...]]
Column = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True)
class Question:
    """One ranking: local days `first` to `last`, both included, None where open; `now` is the moment of counting."""

    subject: Subject
    metric: Metric
    now: datetime
    level: str | None = None
    scope: UUID | None = None
    campaign_id: UUID | None = None
    category: str | None = None
    first: date | None = None
    last: date | None = None

    @property
    def additive(self) -> bool:
        """Whether own + children = parent. A person who serves two offices is one volunteer of the district."""
        return self.metric is not Metric.VOLUNTEER_COUNT


def ranked(question: Question) -> Subquery:
    """Every subject with its `id`, `name`, `rank`, `value` and `own`, those with zero too."""
    values = _values(question)
    subject = SUBJECTS[question.subject]
    value = func.coalesce(values.c.value, 0)
    own = func.coalesce(values.c.own, 0) if question.subject is Subject.ORGANIZATION else null()
    statement = (
        select(
            subject.id.label("id"),
            subject.name.label("name"),
            value.label("value"),
            cast(own, BigInteger).label("own"),
            func.rank().over(order_by=value.desc()).label("rank"),
        )
        .select_from(subject)
        .outerjoin(values, values.c.subject_id == subject.id)
    )
    if question.subject is Subject.ORGANIZATION:
        # What is closed keeps what it did, and has no place among those that did nothing.
        statement = statement.where(or_(values.c.subject_id.is_not(None), Organization.closed_at.is_(None)))
    if question.level is not None:
        statement = statement.where(Organization.kind == question.level)
    if question.scope is not None:
        statement = statement.where(or_(values.c.subject_id.is_not(None), _lies_in_scope_now(question, question.scope)))
    return statement.subquery("ranked")


def scope_total(question: Question) -> Rows:
    """One row: `value` of the whole scope, `own` of what was published for the scope's organization itself."""
    facts = _facts(question)
    member = aliased(PathMember)
    statement = select(*_measures(question, facts, own=member.depth == 0))
    return statement.join_from(facts, member, member.path_id == facts.c.path_id).where(
        member.ancestor_id == question.scope
    )


def _values(question: Question) -> Subquery:
    """`subject_id`, `value` and `own` of the subjects that have any."""
    facts = _facts(question)
    member, scope_member = aliased(PathMember), aliased(PathMember)
    if question.subject is Subject.ORGANIZATION:
        key: Column = member.ancestor_id
        statement: Rows = select(key.label("subject_id"), *_measures(question, facts, own=member.depth == 0)).join_from(
            facts, member, member.path_id == facts.c.path_id
        )
    else:
        key = facts.c.team_id if question.subject is Subject.TEAM else facts.c.station_id
        statement = (
            select(key.label("subject_id"), *_measures(question, facts, own=None))
            .select_from(facts)
            .where(key.is_not(None))
        )
    if question.scope is not None:
        # What was recorded keeps its path: an organization that moved in later brings nothing along, and one that
        # moved away still stands among the children of then. So own + children = parent, whatever moved since.
        statement = statement.join(
            scope_member,
            and_(scope_member.path_id == facts.c.path_id, scope_member.ancestor_id == question.scope),
        )
        if question.subject is Subject.ORGANIZATION:
            below = scope_member.depth - member.depth
            statement = statement.where(below == 1 if question.level is None else below >= 0)
    return statement.group_by(key).subquery("by_subject")


def _measures(
    question: Question, facts: Subquery, own: ColumnElement[bool] | None
) -> tuple[ColumnElement[int], ColumnElement[int]]:
    if question.additive:
        value: ColumnElement[Any] = func.coalesce(func.sum(facts.c.amount), 0)
        mine: ColumnElement[Any] = (
            func.coalesce(func.sum(case((own, facts.c.amount), else_=0)), 0) if own is not None else literal(0)
        )
    else:
        value = func.count(distinct(facts.c.volunteer_id))
        mine = func.count(distinct(case((own, facts.c.volunteer_id)))) if own is not None else literal(0)
    # PostgreSQL sums whole numbers to a decimal.
    return cast(value, BigInteger).label("value"), cast(mine, BigInteger).label("own")


def _facts(question: Question) -> Subquery:
    """What is counted, once for each path, team and station (and volunteer), before it fans out to the ancestors."""
    match question.metric:
        case Metric.ACTIVITY_COUNT:
            return _summed(activity_days(question), func.count())
        case Metric.CREDITED_MINUTES:
            return _minutes(question)
        case _:
            return _attendances(question)


def activity_days(question: Question) -> Subquery:
    """Each activity once for each local `day` on which it had a held shift, with `id` and its attribution."""
    return (
        held_shifts(
            question,
            Activity.id,
            local_day(Shift.starts_at).label("day"),
            *attribution(Activity),
        )
        .distinct()
        .subquery("activity_days")
    )


def attended_shifts(question: Question, *each: Column) -> Subquery:
    """Who attended a held shift, with the shift's attribution; rows that are equal in all columns stand once."""
    return (
        held_shifts(question, *each, *attribution(Activity))
        .join(Attendance, Attendance.shift_id == Shift.id)
        .where(Attendance.state != State.REJECTED)
        .distinct()
        .subquery("attended")
    )


def records(question: Question) -> Subquery:
    """The ledger's rows: `minutes`, `on`, and their attribution."""
    statement: Rows = select(*attribution(ServiceRecord), ServiceRecord.minutes, ServiceRecord.on)
    if question.first is not None:
        statement = statement.where(ServiceRecord.on >= question.first)
    if question.last is not None:
        statement = statement.where(ServiceRecord.on <= question.last)
    if question.campaign_id is not None or question.category is not None:
        statement = statement.join(Activity, Activity.id == ServiceRecord.activity_id)
        statement = filtered(statement, question)
    return statement.subquery("records")


def _attendances(question: Question) -> Subquery:
    # Whoever checks in to one shift twice has attended it once.
    each: tuple[Column, ...] = (Shift.id, Attendance.volunteer_id) if question.additive else (Attendance.volunteer_id,)
    attended = attended_shifts(question, *each)
    return _summed(attended, func.count()) if question.additive else attended


def _minutes(question: Question) -> Subquery:
    rows = records(question)
    return _summed(rows, func.sum(rows.c.minutes))


def _summed(rows: Subquery, amount: ColumnElement[Any]) -> Subquery:
    keys = (rows.c.path_id, rows.c.team_id, rows.c.station_id)
    return select(*keys, amount.label("amount")).select_from(rows).group_by(*keys).subquery("facts")


def attribution(model: type[Activity] | type[ServiceRecord]) -> tuple[ColumnElement[Any], ...]:
    """For whom it counts: `path_id`, `team_id`, `station_id`."""
    return (
        model.organization_path_id.label("path_id"),
        model.team_id.label("team_id"),
        model.station_id.label("station_id"),
    )


def held_shifts(question: Question, *columns: Column) -> Rows:
    """The shifts of the counting rule (domain.md, Rankings 2): over, not canceled, and somebody attended.

    A cancellation of the activity cancels the shifts that were not over; what it held before stays held.
    """
    present = aliased(Attendance)
    attended = and_(present.shift_id == Shift.id, present.state != State.REJECTED)
    needed = rules().attendances_for_held_shift
    enough = (
        exists().where(attended)
        if needed == 1
        else select(func.count(distinct(present.volunteer_id))).where(attended).scalar_subquery() >= needed
    )
    statement = (
        select(*columns)
        .select_from(Shift)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Shift.canceled_at.is_(None),
            or_(Shift.ends_at <= question.now, Activity.state == ActivityState.COMPLETED),
            enough,
        )
    )
    if question.first is not None:
        statement = statement.where(Shift.starts_at >= clock.start_of(question.first))
    if question.last is not None:
        statement = statement.where(Shift.starts_at < clock.days_between(question.last, question.last)[1])
    return filtered(statement, question)


def filtered(statement: Rows, question: Question) -> Rows:
    """The rows of the question's campaign and category."""
    if question.campaign_id is not None:
        statement = statement.where(Activity.campaign_id == question.campaign_id)
    if question.category is not None:
        statement = statement.where(Activity.category == question.category)
    return statement


def _lies_in_scope_now(question: Question, scope: UUID) -> ColumnElement[bool]:
    if question.subject is Subject.ORGANIZATION and question.level is None:
        return Organization.parent_id == scope
    within = subtree_ids(scope)
    place = {
        Subject.ORGANIZATION: Organization.id,
        Subject.TEAM: Team.organization_id,
        Subject.STATION: Station.organization_id,
    }[question.subject]
    return place.in_(within)
