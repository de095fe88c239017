"""Closing a period: its rankings as they were counted then, and what has changed since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Subquery, and_, func, insert, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.core import audit, clock, ids, texts
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.periods import Period
from volunteer_api.core.settings import rules
from volunteer_api.hours import deadlines, tallies
from volunteer_api.hours.models import SubjectKind
from volunteer_api.organizations.models import Organization, OrganizationKind, PathMember
from volunteer_api.rankings import notices, words
from volunteer_api.rankings.facts import Question, Rows
from volunteer_api.rankings.models import RankingSnapshot, RankingSnapshotRow
from volunteer_api.rankings.problems import (
    AlreadyClosed,
    OtherScope,
    OtherSnapshotUnknown,
    PeriodBeforeScope,
    PeriodStillRunning,
)
from volunteer_api.rankings.queries import ranked, scope_total
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.service import rule_of
from volunteer_api.rankings.shapes import values_of

ROWS_AT_ONCE = 1000
# Beside the metrics, of the scope alone: what of its minutes waited for a review.
HELD = "held_minutes"
PUBLISHED = (Subject.ORGANIZATION, Subject.TEAM, Subject.STATION)


@dataclass(frozen=True)
class SnapshotView:
    """A snapshot with its scope's name."""

    id: UUID
    scope: Mapping[str, Any]
    period: str
    first: date
    last: date
    provisional: bool
    final_after: date
    final_after_is_certain: bool
    attendances_for_held_shift: int
    held_minutes: int | None
    closed_at: datetime


@dataclass(frozen=True)
class SnapshotPage:
    """A page of one ranking of a snapshot; `other` is the one beside it, in a comparison."""

    snapshot: SnapshotView
    items: Sequence[Mapping[str, Any]]
    rule: Mapping[str, Any]
    as_of: datetime
    next_cursor: str | None
    other: SnapshotView | None = None


def close_period(*, scope: Organization, period: Period, by: UUID) -> SnapshotView:
    """Publish the rankings of a period of a subtree: organizations of every level, teams and stations, by each metric.

    One statement for each ranking. Beside them is kept how many of its minutes waited for a review then. Those who
    answer for what lies below hear of it. Raises PeriodStillRunning, PeriodBeforeScope or AlreadyClosed (409).
    """
    now = clock.now()
    if period.first is None or period.last is None or period.last >= clock.local_date(now):
        raise PeriodStillRunning()
    if period.last < clock.local_date(scope.created_at) and not _has_any(scope, period, now):
        raise PeriodBeforeScope()
    deadline = deadlines.due_on(period.last)
    # While its day may still move, nobody knows whether service is still recorded in time.
    provisional = not deadline.is_surely_past(clock.local_date(now))
    closed = db.session.scalars(
        select(RankingSnapshot)
        .where(RankingSnapshot.scope_id == scope.id, RankingSnapshot.period == period.text)
        .order_by(RankingSnapshot.provisional)
        .limit(1)
    ).one_or_none()
    if closed is not None and (provisional or not closed.provisional):
        raise AlreadyClosed(members={"snapshot_id": str(closed.id)})
    snapshot = RankingSnapshot(
        id=ids.new_id(),
        created_at=now,
        scope_id=scope.id,
        period=period.text,
        first_on=period.first,
        last_on=period.last,
        provisional=provisional,
        final_after=deadline.on,
        attendances_for_held_shift=rules().attendances_for_held_shift,
        closed_by=by,
    )
    db.session.add(snapshot)
    db.session.flush()
    for subject in PUBLISHED:
        levels: Sequence[str | None] = list(OrganizationKind) if subject is Subject.ORGANIZATION else [None]
        for metric in Metric:
            for level in levels:
                _write(snapshot, _question(snapshot, subject, metric, level, now))
    held = _keep_held(snapshot, scope, period)
    notices.tell_of_closing(snapshot, scope, by=by)
    audit.record(
        AuditAction.RANKING_CLOSED,
        actor_id=by,
        organization_id=scope.id,
        snapshot_id=str(snapshot.id),
        period=period.text,
        provisional=provisional,
    )
    return _view(snapshot, scope.name, held)


def list_snapshots(query: Mapping[str, Any]) -> Page:
    """The snapshots of a scope, or all; the latest period first."""
    statement = _snapshots()
    if "scope" in query:
        statement = statement.where(RankingSnapshot.scope_id == query["scope"])
    keys = [
        Key(RankingSnapshot.last_on, lambda row: row.RankingSnapshot.last_on, descending=True),
        Key(RankingSnapshot.id, lambda row: row.RankingSnapshot.id, descending=True),
    ]
    found = page(statement, keys, query, scope=str(query.get("scope")))
    return Page([_view(*row) for row in found.items], found.next_cursor)


def read_snapshot(snapshot: RankingSnapshot, query: Mapping[str, Any]) -> SnapshotPage:
    """One of its rankings: the values of then beside those of now; adjustment = live − value.

    Also of who has something now and had no place then, without a rank: so adjustments add up as values do.
    """
    question = _asked(snapshot, query)
    rows = _beside_live(snapshot, question)
    keys = [Key(rows.c.value, attrgetter("value"), descending=True), Key(rows.c.id, attrgetter("id"))]
    found = page(select(rows), keys, query, scope=str(snapshot.id), values=values_of(question))
    return _page(snapshot, question, [_told_beside_live(row) for row in found.items], found.next_cursor)


def read_whole(snapshot: RankingSnapshot, query: Mapping[str, Any], most: int) -> SnapshotPage:
    """The same ranking with its first `most` places on one page."""
    question = _asked(snapshot, query)
    rows = _beside_live(snapshot, question)
    first = select(rows).order_by(rows.c.value.desc(), rows.c.id).limit(most)
    found = db.session.execute(first, values_of(question))
    return _page(snapshot, question, [_told_beside_live(row) for row in found], None)


def _beside_live(snapshot: RankingSnapshot, question: Question) -> Subquery:
    then, live = _rows(snapshot.id, question), ranked(question).alias("live")
    return (
        select(
            func.coalesce(then.c.id, live.c.id).label("id"),
            func.coalesce(then.c.name, live.c.name).label("name"),
            func.coalesce(then.c.value, 0).label("value"),
            then.c.own.label("own"),
            then.c.rank.label("rank"),
            func.coalesce(live.c.value, 0).label("live"),
        )
        .select_from(then)
        .join(live, live.c.id == then.c.id, full=True)
        .where(or_(then.c.id.is_not(None), live.c.value != 0))
        .subquery("beside")
    )


def _told_beside_live(row: Any) -> dict[str, Any]:
    return {**_told(row), "own": row.own, "live": int(row.live), "adjustment": int(row.live) - int(row.value)}


def compare(snapshot: RankingSnapshot, query: Mapping[str, Any]) -> SnapshotPage:
    """One of its rankings beside that of another snapshot of the same scope; difference = value − other_value.

    Also of a subject that only one of them has; it then has no rank in the other. Raises OtherSnapshotUnknown (409),
    OtherScope (409).
    """
    other, question = _other(snapshot, query), _asked(snapshot, query)
    rows = _compared(snapshot, other, question)
    keys = [Key(rows.c.value, attrgetter("value"), descending=True), Key(rows.c.id, attrgetter("id"))]
    found = page(select(rows), keys, query, scope=f"{snapshot.id} {other.id}")
    return _page(snapshot, question, [_told_compared(row) for row in found.items], found.next_cursor, other)


def compare_whole(snapshot: RankingSnapshot, query: Mapping[str, Any], most: int) -> SnapshotPage:
    """The same with its first `most` places on one page."""
    other, question = _other(snapshot, query), _asked(snapshot, query)
    rows = _compared(snapshot, other, question)
    first = select(rows).order_by(rows.c.value.desc(), rows.c.id).limit(most)
    found = db.session.execute(first)
    return _page(snapshot, question, [_told_compared(row) for row in found], None, other)


def _other(snapshot: RankingSnapshot, query: Mapping[str, Any]) -> RankingSnapshot:
    other = db.session.get(RankingSnapshot, query["other"])
    if other is None:
        raise OtherSnapshotUnknown()
    if other.scope_id != snapshot.scope_id:
        raise OtherScope(members={"scope_id": str(other.scope_id)})
    return other


def _compared(snapshot: RankingSnapshot, other: RankingSnapshot, question: Question) -> Subquery:
    mine, others = _rows(snapshot.id, question), _rows(other.id, question, "others")
    value, other_value = func.coalesce(mine.c.value, 0), func.coalesce(others.c.value, 0)
    return (
        select(
            func.coalesce(mine.c.id, others.c.id).label("id"),
            func.coalesce(mine.c.name, others.c.name).label("name"),
            value.label("value"),
            mine.c.rank.label("rank"),
            other_value.label("other_value"),
            others.c.rank.label("other_rank"),
        )
        .select_from(mine)
        .join(others, others.c.id == mine.c.id, full=True)
        .subquery("compared")
    )


def _told_compared(row: Any) -> dict[str, Any]:
    return {
        **_told(row),
        "other_value": int(row.other_value),
        "other_rank": row.other_rank,
        "difference": int(row.value) - int(row.other_value),
    }


def _asked(snapshot: RankingSnapshot, query: Mapping[str, Any]) -> Question:
    return _question(snapshot, query["subject"], query["metric"], query.get("level"), clock.now())


def _question(
    snapshot: RankingSnapshot, subject: Subject, metric: Metric, level: str | None, now: datetime
) -> Question:
    return Question(
        subject=subject,
        metric=metric,
        now=now,
        level=level,
        scope=snapshot.scope_id,
        first=snapshot.first_on,
        last=snapshot.last_on,
    )


def published_figures(organization: Organization, period: str) -> tuple[SnapshotView, Mapping[str, int]] | None:
    """What was published of an organization for a period, by metric, with the snapshot; None where nothing was.

    Who closes it may be above. A final snapshot stands before a provisional one, and the nearest scope before others.
    """
    rows = db.session.execute(
        _snapshots()
        .add_columns(RankingSnapshotRow.metric, RankingSnapshotRow.value)
        .join(RankingSnapshotRow, RankingSnapshotRow.snapshot_id == RankingSnapshot.id)
        .join(PathMember, PathMember.ancestor_id == RankingSnapshot.scope_id)
        .where(
            PathMember.path_id == organization.path_id,
            RankingSnapshot.period == period,
            RankingSnapshotRow.subject == Subject.ORGANIZATION,
            RankingSnapshotRow.metric.in_(Metric),
            RankingSnapshotRow.ranked_id == organization.id,
        )
        .order_by(RankingSnapshot.provisional, PathMember.depth, RankingSnapshot.id)
    ).all()
    if not rows:
        return None
    snapshot = rows[0].RankingSnapshot
    values = {row.metric: int(row.value) for row in rows if row.RankingSnapshot is snapshot}
    return _view(*rows[0][:3]), values


def told_closing(snapshot: SnapshotView) -> list[str]:
    """When it was closed, and whether for good, in the reader's language."""
    closed = texts.translate("closed at %(moment)s", moment=words.told_moment(snapshot.closed_at))
    finality = words.told_finality(snapshot.final_after, snapshot.final_after_is_certain)
    told = [closed, finality] if snapshot.provisional else [closed]
    if not snapshot.held_minutes:
        return told
    held = texts.translate(
        "%(minutes)s minutes of %(scope)s waited for a review then",
        minutes=f"{snapshot.held_minutes:,}",
        scope=snapshot.scope["name"],
    )
    return [*told, held]


def _has_any(scope: Organization, period: Period, now: datetime) -> bool:
    """Whether anything is counted of a period: records of long ago may have been brought along."""
    asked = Question(
        Subject.ORGANIZATION, Metric.ACTIVITY_COUNT, now, None, scope.id, first=period.first, last=period.last
    )
    questions = [replace(asked, metric=one) for one in (Metric.ACTIVITY_COUNT, Metric.CREDITED_MINUTES)]
    return any(db.session.execute(scope_total(one), values_of(one)).one().value for one in questions)


def _keep_held(snapshot: RankingSnapshot, scope: Organization, period: Period) -> int:
    """Keep how many minutes of the scope wait for a review at this moment: what may still be added to its figures."""
    held = int(db.session.execute(tallies.total(SubjectKind.ORGANIZATION, scope.id, period)).one().held_minutes)
    row = {"subject": Subject.ORGANIZATION, "metric": HELD, "ranked_id": scope.id, "name": scope.name, "value": held}
    db.session.add(RankingSnapshotRow(snapshot_id=snapshot.id, **row))
    return held


def _write(snapshot: RankingSnapshot, question: Question) -> None:
    found = db.session.execute(select(ranked(question)), values_of(question))
    for rows in found.partitions(ROWS_AT_ONCE):
        db.session.execute(
            insert(RankingSnapshotRow),
            [
                {
                    "id": ids.new_id(),
                    "created_at": snapshot.created_at,
                    "snapshot_id": snapshot.id,
                    "subject": question.subject,
                    "metric": question.metric,
                    "ranked_id": row.id,
                    "level": question.level,
                    "name": row.name,
                    "value": row.value,
                    "own": row.own,
                }
                for row in rows
            ],
        )


def _rows(snapshot_id: UUID, question: Question, name: str = "then") -> Subquery:
    row = RankingSnapshotRow
    statement: Rows = select(
        row.ranked_id.label("id"),
        row.name.label("name"),
        row.value.label("value"),
        row.own.label("own"),
        func.rank().over(order_by=row.value.desc()).label("rank"),
    ).where(row.snapshot_id == snapshot_id, row.subject == question.subject, row.metric == question.metric)
    if question.level is not None:
        statement = statement.where(row.level == question.level)
    return statement.subquery(name)


def _told(row: Any) -> dict[str, Any]:
    return {"rank": row.rank, "subject": {"id": row.id, "name": row.name}, "value": int(row.value)}


def _page(
    snapshot: RankingSnapshot,
    question: Question,
    items: Sequence[Mapping[str, Any]],
    next_cursor: str | None,
    other: RankingSnapshot | None = None,
) -> SnapshotPage:
    rule = rule_of(question, attendances=snapshot.attendances_for_held_shift)
    asked = [snapshot.id, *([other.id] if other is not None else [])]
    found = {row.RankingSnapshot.id: _view(*row) for row in db.session.execute(_snapshots(asked))}
    views = [found[one] for one in asked]
    return SnapshotPage(views[0], items, rule, question.now, next_cursor, *views[1:])


def _snapshots(ids: Sequence[UUID] = ()) -> Rows:
    """Snapshots, all or some, each with its scope's name and the `held` minutes, None where these were not kept."""
    held = aliased(RankingSnapshotRow)
    kept = and_(
        held.snapshot_id == RankingSnapshot.id,
        held.subject == Subject.ORGANIZATION,
        held.metric == HELD,
        held.ranked_id == RankingSnapshot.scope_id,
    )
    statement: Rows = (
        select(RankingSnapshot, Organization.name, held.value.label("held"))
        .join(Organization, Organization.id == RankingSnapshot.scope_id)
        .outerjoin(held, kept)
    )
    return statement.where(RankingSnapshot.id.in_(ids)) if ids else statement


def _view(snapshot: RankingSnapshot, scope_name: str, held_minutes: int | None) -> SnapshotView:
    # By the calendar as it is known now: what was closed before an announcement tells the day that came of it.
    deadline = deadlines.due_on(snapshot.last_on)
    return SnapshotView(
        id=snapshot.id,
        scope={"id": snapshot.scope_id, "name": scope_name},
        period=snapshot.period,
        first=snapshot.first_on,
        last=snapshot.last_on,
        provisional=snapshot.provisional,
        final_after=deadline.on,
        final_after_is_certain=deadline.is_certain,
        attendances_for_held_shift=snapshot.attendances_for_held_shift,
        held_minutes=held_minutes,
        closed_at=snapshot.created_at,
    )
