"""How counts are read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.queries import NamedItem
from volunteer_api.core.database import db
from volunteer_api.core.paging import MAX_LIMIT, Key, Page, page
from volunteer_api.core.settings import rules
from volunteer_api.inventory.models import QUARANTINED, Movement, RetainedName, opened_on
from volunteer_api.inventory.queries import Actor
from volunteer_api.stocktakes.models import Stocktake, StocktakeKind, StocktakeLine, StocktakeState
from volunteer_api.stocktakes.moments import is_before_start


@dataclass(frozen=True)
class LineView:
    """A line of a count, without what the reader must not see."""

    id: UUID
    item: NamedItem
    lot_number: str | None
    expires_on: date | None
    opened_on: date | None
    quarantined: bool
    listed: bool
    book: int | None
    book_at_start: int | None
    book_when_counted: int | None
    counted: int | None
    counted_at: datetime | None
    before_start: bool
    counted_by: Actor | None
    variance: int | None
    reason: str | None
    note: str | None
    delta: int | None
    movement_id: UUID | None


class Findings(NamedTuple):
    """What was counted of a count comes to.

    `variance` is the sum of what lines differ from the books by, `found` what they differed by as they were counted,
    `alone` what earlier counts posted of the items that differ, since an approver decided one. `guarded`: something
    medical or prohibited is among them; `before_start`: something was counted by other books before the count began.
    `told`: those who may approve heard that it is complete.
    """

    variance: int
    found: int
    alone: int
    guarded: bool
    before_start: bool
    told: bool

    @property
    def is_anything(self) -> bool:
        """Whether there is anything that somebody else should hear of."""
        return self.told or self.before_start or self.found > 0 or self.variance > 0


@dataclass(frozen=True)
class Summary:
    """A count as a list shows it."""

    id: UUID
    version: int
    station_id: UUID
    kind: str
    scope: str
    blind: bool
    state: str
    note: str | None
    started_at: datetime
    started_by: Actor
    from_volunteer: Actor | None
    to_volunteer: Actor | None
    decided_at: datetime | None
    decided_by: Actor | None
    decision_note: str | None
    line_count: int
    counted_count: int


@dataclass(frozen=True)
class StocktakeView(Summary):
    """A count with its first lines."""

    variance: int | None
    second_person_needed: bool | None
    lines: list[LineView]
    next_cursor: str | None


def list_stocktakes(station_id: UUID, query: Mapping[str, Any]) -> Page:
    """A station's counts, the latest first."""
    statement = _summaries().where(Stocktake.station_id == station_id)
    for name in ("state", "kind"):
        if name in query:
            statement = statement.where(getattr(Stocktake, name) == query[name])
    keys = [
        Key(Stocktake.created_at, lambda row: row.created_at, descending=True),
        Key(Stocktake.id, lambda row: row.id, descending=True),
    ]
    found = page(statement, keys, query, scope=str(station_id))
    return replace(found, items=[Summary(**_summary(row)) for row in found.items])


def read_stocktake(stocktake_id: UUID, *, by: UUID, approves: bool) -> StocktakeView:
    """A count that exists, as this reader may see it: `approves` says whether she may be its second person."""
    summary = _summary(db.session.execute(_summaries().where(Stocktake.id == stocktake_id)).one())
    hidden = is_hidden(stocktake_id, blind=summary["blind"], state=summary["state"], by=by, approves=approves)
    lines = list_lines(stocktake_id, {"limit": MAX_LIMIT}, hidden=hidden)
    findings = None if hidden else findings_of(stocktake_id)
    return StocktakeView(
        **summary,
        variance=None if findings is None else findings.variance,
        second_person_needed=None if findings is None else needs_second_person(summary["kind"], findings),
        lines=list(lines.items),
        next_cursor=lines.next_cursor,
    )


def is_hidden(stocktake_id: UUID, *, blind: bool, state: str, by: UUID, approves: bool) -> bool:
    """Whether what the books say is hidden from this reader: while a blind count goes on, from all but its approvers.

    Who counted something counts on, whatever else she may do.
    """
    if not blind or state != StocktakeState.COUNTING:
        return False
    return not approves or by in counters(stocktake_id)


def counters(stocktake_id: UUID) -> set[UUID]:
    """Who counted something of it."""
    people = db.session.scalars(
        select(StocktakeLine.counted_by).distinct().where(StocktakeLine.stocktake_id == stocktake_id)
    )
    return {person for person in people if person is not None}


def list_lines(stocktake_id: UUID, query: Mapping[str, Any], *, hidden: bool) -> Page:
    """The lines of a count by the name of the item."""
    counter, kept = aliased(Volunteer), aliased(RetainedName)
    statement = (
        select(
            StocktakeLine.id,
            StocktakeLine.item_id,
            Item.name,
            Item.unit,
            Item.kind,
            StocktakeLine.lot_number,
            StocktakeLine.portion,
            StocktakeLine.expires_on,
            StocktakeLine.listed,
            StocktakeLine.book,
            StocktakeLine.book_at_start,
            StocktakeLine.book_when_counted,
            StocktakeLine.counted,
            StocktakeLine.counted_at,
            Stocktake.created_at.label("started_at"),
            StocktakeLine.counted_by,
            func.coalesce(kept.name, counter.name).label("counter_name"),
            StocktakeLine.reason,
            StocktakeLine.note,
            StocktakeLine.delta,
            StocktakeLine.movement_id,
        )
        .join(Item, Item.id == StocktakeLine.item_id)
        .join(Stocktake, Stocktake.id == StocktakeLine.stocktake_id)
        .outerjoin(counter, counter.id == StocktakeLine.counted_by)
        .outerjoin(kept, kept.volunteer_id == StocktakeLine.counted_by)
        .where(StocktakeLine.stocktake_id == stocktake_id)
    )
    keys = [
        Key(Item.name, lambda row: row.name),
        Key(StocktakeLine.item_id, lambda row: row.item_id),
        Key(StocktakeLine.lot_number, lambda row: row.lot_number),
        Key(StocktakeLine.portion, lambda row: row.portion),
    ]
    found = page(statement, keys, {"limit": query.get("limit"), "cursor": query.get("cursor")}, scope=str(stocktake_id))
    return replace(found, items=[_line(row, hidden) for row in found.items])


def findings_of(stocktake_id: UUID) -> Findings:
    """What the lines that are counted come to. One statement."""
    guarded = or_(Item.kind == ItemKind.MEDICAL, Item.prohibited)
    row = db.session.execute(
        select(
            func.coalesce(func.sum(func.abs(StocktakeLine.counted - StocktakeLine.book)), 0),
            func.coalesce(func.sum(func.abs(StocktakeLine.counted - _found_book())), 0),
            _posted_alone(stocktake_id).scalar_subquery(),
            func.count().filter(guarded),
            func.count().filter(
                StocktakeLine.counted_at < Stocktake.created_at,
                StocktakeLine.book.is_distinct_from(StocktakeLine.book_at_start),
            ),
            func.count().filter(Stocktake.told_version.is_not(None)),
        )
        .select_from(StocktakeLine)
        .join(Item, Item.id == StocktakeLine.item_id)
        .join(Stocktake, Stocktake.id == StocktakeLine.stocktake_id)
        .where(StocktakeLine.stocktake_id == stocktake_id, StocktakeLine.counted.is_not(None))
    ).one()
    return Findings(int(row[0]), int(row[1]), int(row[2]), row[3] > 0, row[4] > 0, row[5] > 0)


def _posted_alone(stocktake_id: UUID) -> Select[int]:
    """What approved counts at the station posted of the items that differ in this one, and was not undone.

    Each is taken by its sign. From before a count of the item that an approver decided, nothing: she vouched for it.
    """
    earlier, line = aliased(Stocktake), aliased(StocktakeLine)
    decided, vouched = aliased(Stocktake), aliased(StocktakeLine)
    here = select(Stocktake.station_id).where(Stocktake.id == stocktake_id).scalar_subquery()
    differing = select(StocktakeLine.item_id).where(
        StocktakeLine.stocktake_id == stocktake_id,
        or_(StocktakeLine.counted != StocktakeLine.book, StocktakeLine.counted != _found_book()),
    )
    # Those who may approve were told of it: one of them decided.
    by_another = (
        select(vouched.item_id, func.max(decided.decided_at).label("decided_at"))
        .join(decided, decided.id == vouched.stocktake_id)
        .where(
            decided.station_id == here,
            decided.state == StocktakeState.APPROVED,
            decided.told_version.is_not(None),
            vouched.counted_by != decided.decided_by,
        )
        .group_by(vouched.item_id)
        .subquery()
    )
    undone = select(Movement.id).where(Movement.reverses_id == line.movement_id).correlate(line).exists()
    return (
        select(func.coalesce(func.sum(func.abs(line.delta)), 0))
        .join(earlier, earlier.id == line.stocktake_id)
        .outerjoin(by_another, by_another.c.item_id == line.item_id)
        .where(
            earlier.station_id == here,
            earlier.id != stocktake_id,
            earlier.state == StocktakeState.APPROVED,
            line.delta != 0,
            line.item_id.in_(differing),
            ~undone,
            or_(by_another.c.decided_at.is_(None), earlier.decided_at > by_another.c.decided_at),
        )
    )


def _found_book() -> ColumnElement[int]:
    """What the books said as a line was counted; of lines from before that was kept, what they say now."""
    return func.coalesce(StocktakeLine.book_when_counted, StocktakeLine.book)


def needs_second_person(kind: str, findings: Findings) -> bool:
    """Where something guarded was counted, something by other books before the count began, or much* is missing.

    Much is by what it came to as it was counted, too: an entry dated earlier explains it, and takes nobody's eyes off
    it; and with what earlier counts took of the items by one person's word: three times a little is much.
    Of a hand-over without a variance only where somebody was told, or something was counted by other books: they may
    agree by chance. Pure: what the refusal and what the reader is told come from here.
    """
    if findings.before_start or findings.told:
        return True
    if kind == StocktakeKind.HANDOVER and findings.variance == 0:
        return False
    most = max(findings.variance, findings.found) + findings.alone
    return findings.guarded or most > rules().stocktake_variance


def items_corrected_by(movement_id: UUID) -> Select[UUID]:
    """The items whose count posted this movement; none where it is no count's."""
    return select(StocktakeLine.item_id).where(StocktakeLine.movement_id == movement_id).distinct()


def last_counted(station_id: UUID, item_ids: Collection[UUID]) -> dict[UUID, datetime | None]:
    """When each item was last counted by an approved count that nobody undid; None where it never was."""
    line, other = aliased(StocktakeLine), aliased(StocktakeLine)
    undone = (
        select(other.id)
        .join(Movement, Movement.reverses_id == other.movement_id)
        .where(other.stocktake_id == line.stocktake_id, other.item_id == line.item_id)
        .correlate(line)
        .exists()
    )
    rows = db.session.execute(
        select(line.item_id, func.max(line.counted_at))
        .join(Stocktake, Stocktake.id == line.stocktake_id)
        .where(
            Stocktake.station_id == station_id,
            Stocktake.state == StocktakeState.APPROVED,
            line.item_id.in_(list(item_ids)),
            ~undone,
        )
        .group_by(line.item_id)
    )
    return dict.fromkeys(item_ids) | {row[0]: row[1] for row in rows}


def uncounted_count(stocktake_id: UUID) -> int:
    """How many lines are not counted yet."""
    return (
        db.session.scalar(
            select(func.count())
            .select_from(StocktakeLine)
            .where(StocktakeLine.stocktake_id == stocktake_id, StocktakeLine.counted.is_(None))
        )
        or 0
    )


def _summaries() -> Select[*tuple[Any, ...]]:
    people = {
        "started_by": Stocktake.started_by,
        "from_volunteer": Stocktake.from_volunteer_id,
        "to_volunteer": Stocktake.to_volunteer_id,
        "decided_by": Stocktake.decided_by,
    }
    lines = select(func.count()).where(StocktakeLine.stocktake_id == Stocktake.id).correlate(Stocktake)
    statement: Select[*tuple[Any, ...]] = select(
        Stocktake.id,
        Stocktake.version,
        Stocktake.station_id,
        Stocktake.kind,
        Stocktake.scope,
        Stocktake.blind,
        Stocktake.state,
        Stocktake.note,
        Stocktake.created_at,
        Stocktake.decided_at,
        Stocktake.decision_note,
        lines.scalar_subquery().label("line_count"),
        lines.where(StocktakeLine.counted.is_not(None)).scalar_subquery().label("counted_count"),
    )
    for name, column in people.items():
        person, kept = aliased(Volunteer), aliased(RetainedName)
        statement = (
            statement.add_columns(
                column.label(f"{name}_id"), func.coalesce(kept.name, person.name).label(f"{name}_name")
            )
            .outerjoin(person, person.id == column)
            .outerjoin(kept, kept.volunteer_id == column)
        )
    return statement


def _summary(row: Row[Any]) -> dict[str, Any]:
    values = row._mapping
    people = {
        name: None if values[f"{name}_id"] is None else Actor(values[f"{name}_id"], values[f"{name}_name"])
        for name in ("started_by", "from_volunteer", "to_volunteer", "decided_by")
    }
    plain = (
        "id",
        "version",
        "station_id",
        "kind",
        "scope",
        "blind",
        "state",
        "note",
        "decided_at",
        "decision_note",
        "line_count",
        "counted_count",
    )
    return {name: values[name] for name in plain} | people | {"started_at": row.created_at}


def _line(row: Row[Any], hidden: bool) -> LineView:
    known = not hidden and row.counted is not None
    return LineView(
        id=row.id,
        item=NamedItem(id=row.item_id, name=row.name, unit=row.unit, kind=row.kind),
        lot_number=row.lot_number or None,
        expires_on=row.expires_on,
        opened_on=opened_on(row.portion),
        quarantined=row.portion == QUARANTINED,
        listed=row.listed,
        book=None if hidden else row.book,
        book_at_start=None if hidden else row.book_at_start,
        book_when_counted=None if hidden else row.book_when_counted,
        counted=row.counted,
        counted_at=row.counted_at,
        before_start=is_before_start(row.counted_at, row.started_at),
        counted_by=None if row.counted_by is None else Actor(row.counted_by, row.counter_name),
        variance=row.counted - row.book if known else None,
        reason=row.reason,
        note=row.note,
        delta=row.delta,
        movement_id=row.movement_id,
    )
