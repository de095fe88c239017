"""What is counted, before it is added up: the question, and the rows that the rule of the rankings names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Select, Subquery, and_, distinct, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from volunteer_api.activities.models import Activity, ActivityState, Shift
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.settings import rules
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import PathMember
from volunteer_api.rankings.facets import facet_of
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.schemas import Basis, Metric, Subject
from volunteer_api.rankings.spans import Run, runs

# One row of several columns, whose types the caller knows.
Rows = Select[*tuple[Any, ...]]
Column = ColumnElement[Any] | InstrumentedAttribute[Any]
# Made once, like the aliases of changes and turnout: each makes all columns anew, which took half of an answer's time.
_PRESENT = aliased(Attendance)


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
    basis: Basis = Basis.RAW
    # The days that growth is set against.
    before: tuple[date, date] | None = None

    @property
    def is_filtered(self) -> bool:
        """Whether it asks for one campaign or category."""
        return self.campaign_id is not None or self.category is not None

    @property
    def is_part(self) -> bool:
        """Whether it asks for less than all that counts: of volunteers only those have a place then who have any."""
        return self.scope is not None or self.is_filtered

    @property
    def facet(self) -> str:
        """What stands behind the name of what is folded."""
        return facet_of(self.category, self.campaign_id)

    def kind_of(self, name: str) -> str:
        """The name of what is folded, in the question's campaign and category."""
        return name + self.facet

    @property
    def tiles(self) -> list[Run]:
        """The spans that tile its days."""
        return runs(self.first, self.last)

    @property
    def begins_at(self) -> datetime | None:
        """The moment at which its first day begins."""
        return clock.start_of(self.first) if self.first is not None else None

    @property
    def over_at(self) -> datetime | None:
        """The moment at which its last day is over."""
        return clock.days_between(self.last, self.last)[1] if self.last is not None else None

    @property
    def stood_at(self) -> datetime:
        """When its days ended, or the moment of counting while they run."""
        return min(self.over_at or self.now, self.now)

    @property
    def raw(self) -> "Question":
        """The same, set against nothing."""
        return replace(self, basis=Basis.RAW, before=None)

    @property
    def earlier(self) -> "Question":
        """The same of the days that growth is set against, and so set against nothing itself."""
        first, last = self.before or (None, None)
        return replace(self.raw, first=first, last=last)

    @property
    def additive(self) -> bool:
        """Whether the metric adds up. A person who serves two offices is one volunteer of the district."""
        return self.metric is not Metric.VOLUNTEER_COUNT

    @property
    def is_of_members(self) -> bool:
        """Whether it is set against the members of teams, and not against those who live in a division."""
        return self.subject is Subject.TEAM and self.basis is Basis.PER_VOLUNTEER


@dataclass(frozen=True)
class Pattern(Question):
    """What all questions of one shape are: parameters stand for the values, and for what is made of them."""

    tiles: Any = ()
    begins_at: Any = None
    over_at: Any = None
    stood_at: Any = None
    span: tuple[Any, Any] | None = None
    kinds: Mapping[str, Any] = field(default_factory=dict)

    def kind_of(self, name: str) -> Any:
        """The parameter of the name."""
        return self.kinds[name]


def activity_days(question: Question) -> Subquery:
    """Each activity once for each local day, `on`, on which it had a held shift, with `id` and its attribution."""
    return (
        held_shifts(
            question,
            Activity.id,
            local_day(Shift.starts_at).label("on"),
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


def records(question: Question, *others: Column) -> Subquery:
    """The ledger's rows: `minutes`, `on`, their attribution, and what else is asked for."""
    statement: Rows = select(
        *attribution(ServiceRecord), ServiceRecord.activity_id, ServiceRecord.minutes, ServiceRecord.on, *others
    )
    if question.first is not None:
        statement = statement.where(ServiceRecord.on >= question.first)
    if question.last is not None:
        statement = statement.where(ServiceRecord.on <= question.last)
    if question.is_filtered:
        statement = statement.join(Activity, Activity.id == ServiceRecord.activity_id)
        statement = filtered(statement, question)
    return statement.subquery("records")


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
    statement = (
        select(*columns)
        .select_from(Shift)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Shift.canceled_at.is_(None),
            or_(Shift.ends_at <= question.now, Activity.state == ActivityState.COMPLETED),
            _enough(Shift),
        )
    )
    if question.begins_at is not None:
        statement = statement.where(Shift.starts_at >= question.begins_at)
    if question.over_at is not None:
        statement = statement.where(Shift.starts_at < question.over_at)
    return filtered(statement, question)


def has_held() -> ColumnElement[bool]:
    """Whether a completed activity, that of the statement around, held a shift: outcomes stand beside what was held."""
    shift = aliased(Shift)
    return exists().where(shift.activity_id == Activity.id, shift.canceled_at.is_(None), _enough(shift))


def held_back(question: Question) -> Rows:
    """One number: how many attendances of held shifts wait for a review. They count until somebody rejects them.

    It begins with the few that wait, whatever else was attended.
    """
    waiting = aliased(Attendance)
    facts = (
        held_shifts(question, waiting.id, *attribution(Activity))
        .join(waiting, waiting.shift_id == Shift.id)
        .where(waiting.state == State.HELD)
        .subquery("waiting")
    )
    return in_scope(select(func.count()).select_from(facts), facts, question)


def filtered(statement: Rows, question: Question) -> Rows:
    """The rows of the question's campaign and category."""
    return statement.where(*in_facet(question, Activity))


def in_facet(question: Question, row: Any) -> list[ColumnElement[bool]]:
    """The condition that a row is of the question's campaign and category."""
    return [
        *([row.campaign_id == question.campaign_id] if question.campaign_id is not None else []),
        *([row.category == question.category] if question.category is not None else []),
    ]


def in_scope(statement: Rows, facts: FromClause, question: Question) -> Rows:
    """Of the facts that a statement is about, those that count for the question's scope, on whatever path below it."""
    if question.scope is None:
        return statement
    member = aliased(PathMember)
    return statement.join(member, member.path_id == facts.c.path_id).where(member.ancestor_id == question.scope)


def _enough(shift: type[Shift]) -> ColumnElement[bool]:
    attended = and_(_PRESENT.shift_id == shift.id, _PRESENT.state != State.REJECTED)
    needed = rules().attendances_for_held_shift
    if needed == 1:
        return exists().where(attended)
    return select(func.count(distinct(_PRESENT.volunteer_id))).where(attended).scalar_subquery() >= needed
