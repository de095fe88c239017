"""How what is counted adds up to organizations, teams, stations and volunteers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Subquery,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Shift
from volunteer_api.attendance.models import Attendance
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.statements import among
from volunteer_api.organizations.models import Organization, OrganizationPath, PathMember
from volunteer_api.rankings import changes, headcounts, sums, volunteers
from volunteer_api.rankings.facts import Column, Question, Rows, activity_days, attended_shifts, records
from volunteer_api.rankings.local_days import local_day
from volunteer_api.rankings.names import adults_born_by, may_be_named
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.shapes import built
from volunteer_api.rankings.spans import Unit, start_in_sql, whole
from volunteer_api.stations.models import Station, StationStatus
from volunteer_api.teams.models import Team

SUBJECTS: dict[Subject, type[Organization] | type[Team] | type[Station] | type[Volunteer]] = {
    Subject.VOLUNTEER: Volunteer,
    Subject.ORGANIZATION: Organization,
    Subject.TEAM: Team,
    Subject.STATION: Station,
}
OPEN: dict[Subject, ColumnElement[bool]] = {
    Subject.ORGANIZATION: Organization.closed_at.is_(None),
    Subject.TEAM: Team.closed_at.is_(None),
    Subject.STATION: Station.status != StationStatus.CLOSED,
}


NAMES = (("amount", "value"), ("own", "own"))


class Ended(NamedTuple):
    """When an organization was closed, and into which it went (`id`, `name`), if into any."""

    on: date
    into: dict[str, Any] | None


def ended(organization_ids: Sequence[UUID]) -> dict[UUID, Ended]:
    """Those of the organizations that are closed by now, by their ids. One statement."""
    into = aliased(Organization)
    rows = db.session.execute(
        select(Organization.id, Organization.closed_at, into.id.label("into_id"), into.name.label("into_name"))
        .outerjoin(into, into.id == Organization.merged_into_id)
        .where(Organization.closed_at.is_not(None), among(Organization.id, organization_ids))
    )
    return {
        row.id: Ended(
            clock.local_date(row.closed_at), {"id": row.into_id, "name": row.into_name} if row.into_id else None
        )
        for row in rows
    }


def ranked(question: Question, prefix: str = "") -> Subquery:
    """Every subject with its `id`, `name`, `rank`, `value` and `own`, those with zero too.

    Of volunteers only those who may be named, and with a scope or a filter those who have any. To be executed with
    `values_of` the question; the `prefix` is that of its parameters.
    """
    if question.subject is Subject.VOLUNTEER:
        return _ranked(question)
    apart = headcounts.parted(question) if headcounts.can_tell_parts(question) else ()
    return _ranked(question, apart) if apart else built(_ranked, question, prefix)


def _ranked(question: Question, apart: Sequence[UUID] = ()) -> Subquery:
    values = _values(question, apart)
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
    if question.subject in OPEN:
        # What is closed, or came later, keeps what it did, and has no place among those that did nothing.
        there = [OPEN[question.subject]]
        if question.over_at is not None:
            there.append(subject.created_at < question.over_at)
        statement = statement.where(or_(values.c.subject_id.is_not(None), and_(*there)))
    if question.level is not None:
        statement = statement.where(Organization.kind == question.level)
    if question.subject is Subject.VOLUNTEER:
        statement = statement.where(may_be_named(adults_born_by(question.now)))
        if question.is_part:
            statement = statement.where(values.c.subject_id.is_not(None))
        return statement.subquery("ranked")
    if question.scope is not None:
        statement = statement.where(or_(values.c.subject_id.is_not(None), _lay_in_scope(question, question.scope)))
    return statement.subquery("ranked")


def merged_with_any(question: Question) -> Rows:
    """The ids of the merged organizations that have a value of their own, wherever they stood.

    To be executed with `values_of` the question.
    """
    # Who has volunteers has attendances, and these add up.
    metric = Metric.ATTENDANCE_COUNT if question.metric is Metric.VOLUNTEER_COUNT else question.metric
    anywhere = replace(question, subject=Subject.ORGANIZATION, metric=metric, level=None, scope=None)
    return built(_merged, anywhere)


def _merged(question: Question) -> Rows:
    merged = select(Organization.id).where(Organization.merged_into_id.is_not(None))
    return select(_counted(question, merged).subquery("merged").c.subject_id)


def scope_total(question: Question) -> Rows:
    """One row: `value` of the whole scope, `own` of what was published for the scope's organization itself.

    To be executed with `values_of` the question.
    """
    return built(_scope_total, question)


def _scope_total(question: Question) -> Rows:
    if headcounts.can_tell(question):
        return headcounts.scope_total(question)
    # What a scope has is what its paths have, whatever is ranked in it.
    facts = facts_of(replace(question, subject=Subject.ORGANIZATION))
    member = aliased(PathMember)
    rows: Rows = select().join_from(facts, member, member.path_id == facts.c.path_id)
    each = _each(question, facts, rows.where(member.ancestor_id == question.scope), own=member.depth == 0)
    return select(*_sums(each.subquery("each")))


def _values(question: Question, apart: Sequence[UUID]) -> Subquery:
    """`subject_id`, `value` and `own` of the subjects that have any."""
    if question.subject is Subject.VOLUNTEER:
        return volunteers.values(question)
    if not headcounts.can_tell_parts(question):
        return _counted(question).subquery("by_subject")
    values = headcounts.values(question, apart)
    return union_all(select(values), _counted(question, apart)).subquery("by_subject") if apart else values


def values_by_span(question: Question, unit: Unit) -> Rows:
    """`subject_id`, `starts_on` and `value` for each of the spans of a unit in which a subject has any.

    Only of what adds up: who comes in two months is one volunteer of both. A span that the period cuts has what lies in
    the period.
    """
    return _counted(question, unit=unit)


def _counted(question: Question, only: Sequence[UUID] | Rows | None = None, *, unit: Unit | None = None) -> Rows:
    """The values of all subjects, or of some `only`; where a unit is given, for each of its spans."""
    facts = facts_of(question, unit)
    member, scope_member = aliased(PathMember), aliased(PathMember)
    own: ColumnElement[bool] | None = None
    if question.subject is Subject.ORGANIZATION:
        key: Column = member.ancestor_id
        own = member.depth == 0
        rows: Rows = select().join_from(facts, member, member.path_id == facts.c.path_id)
        if question.level is not None:
            # Before anything is counted: what lies above and below is most of the rows.
            rows = rows.where(key.in_(select(Organization.id).where(Organization.kind == question.level)))
    else:
        key = facts.c.team_id if question.subject is Subject.TEAM else facts.c.station_id
        rows = select().select_from(facts).where(key.is_not(None))
    if question.scope is not None:
        # What was recorded keeps its path: an organization that moved in later brings nothing along, and one that
        # moved away still stands among the children of then. So own + children = parent, whatever moved since.
        rows = rows.join(
            scope_member,
            and_(scope_member.path_id == facts.c.path_id, scope_member.ancestor_id == question.scope),
        )
        if question.subject is Subject.ORGANIZATION:
            below = scope_member.depth - member.depth
            rows = rows.where(below == 1 if question.level is None else below >= 0)
    if only is not None:
        rows = rows.where(key.in_(only))
    keys = [key.label("subject_id"), *([start_in_sql(unit, facts.c.on).label("starts_on")] if unit else [])]
    each = _each(question, facts, rows, *keys, own=own).subquery("each")
    names = [each.c[key.name] for key in keys]
    return select(*names, *_sums(each)).group_by(*names).having(func.sum(each.c.amount) != 0)


def _each(
    question: Question, facts: FromClause, rows: Rows, *keys: ColumnElement[Any], own: ColumnElement[bool] | None
) -> Rows:
    """What is to be added up for the keys: its `amount`, and the part of it that is their `own`.

    Of volunteers a row for each that is different: to sort them all by subject, as COUNT(DISTINCT) does, takes longer.
    """
    if question.additive:
        amount = facts.c.amount
        return rows.add_columns(*keys, amount.label("amount"), _if(own, amount).label("own"))
    one = literal(1)
    different = rows.add_columns(*keys, one.label("amount"), func.max(_if(own, one)).label("own"))
    return different.group_by(*keys, facts.c.volunteer_id)


def _if(own: ColumnElement[bool] | None, amount: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal(0) if own is None else case((own, amount), else_=0)


def _sums(each: Subquery) -> tuple[ColumnElement[int], ColumnElement[int]]:
    # PostgreSQL sums whole numbers to a decimal.
    value, own = (cast(func.coalesce(func.sum(each.c[name]), 0), BigInteger).label(label) for name, label in NAMES)
    return value, own


def facts_of(question: Question, unit: Unit | None = None) -> FromClause:
    """What is counted, once for each path, team and station (and volunteer), before it fans out to the ancestors.

    Of these three ids at least what is ranked. Where a unit is given, for days or its spans, by the first day `on`.
    """
    if sums.can_tell(question):
        return sums.amounts(question, whole(unit, question.first, question.last) if unit else None)
    if question.metric is Metric.VOLUNTEER_COUNT:
        return present(question)
    rows, amount = amounts(question)
    keys = [rows.c[name] for name in ("path_id", "team_id", "station_id", *(["on"] if unit else []))]
    return select(*keys, amount.label("amount")).select_from(rows).group_by(*keys).subquery("facts")


def present(question: Question, *each: Column) -> Subquery:
    """Who attended, with what else is asked for where it is counted live."""
    return (
        changes.presences(question) if sums.is_folded() else attended_shifts(question, Attendance.volunteer_id, *each)
    )


def amounts(question: Question) -> tuple[Subquery, ColumnElement[Any]]:
    """What adds up: rows with the day `on` and for whom they count, and what is counted of them."""
    is_folded = sums.is_folded()
    match question.metric:
        case Metric.ACTIVITY_COUNT:
            return changes.activity_days(question) if is_folded else activity_days(question), func.count()
        case Metric.CREDITED_MINUTES:
            rows = records(question)
            return rows, func.sum(rows.c.minutes)
        case _ if is_folded:
            rows = changes.shifts(question)
            return rows, func.sum(rows.c.attended)
        case _:
            # Whoever checks in to one shift twice has attended it once.
            day = local_day(Shift.starts_at).label("on")
            return attended_shifts(question, Shift.id, Attendance.volunteer_id, day), func.count()


def _lay_in_scope(question: Question, scope: UUID) -> ColumnElement[bool]:
    """Whether somebody with nothing stood in the scope when the period ended, or stands there while it runs.

    Of an organization its paths tell; a team or a station stood where its organization did.
    """
    path, later, place = aliased(OrganizationPath), aliased(OrganizationPath), aliased(PathMember)
    standing = select(path.organization_id).join(place, place.path_id == path.id).where(place.ancestor_id == scope)
    if question.subject is Subject.ORGANIZATION and question.level is None:
        standing = standing.where(place.depth == 1)
    moved_on = later.organization_id == path.organization_id, later.id > path.id, later.created_at <= question.stood_at
    standing = standing.where(path.created_at <= question.stood_at, ~exists().where(*moved_on))
    owner = {
        Subject.ORGANIZATION: Organization.id,
        Subject.TEAM: Team.organization_id,
        Subject.STATION: Station.organization_id,
    }[question.subject]
    return owner.in_(standing)
