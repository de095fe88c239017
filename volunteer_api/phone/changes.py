"""The log of what changed: read from a position on, and kept short.

On PostgreSQL transactions are committed in another order than they write. A position there is the oldest transaction
that had not ended when a phone was answered: from it on the log is read again, so that some rows come twice and none is
missed. SQLite has one writer, and a position is the last id.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    and_,
    cast,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    table,
    text,
    true,
    union,
    update,
)

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.ids import new_id
from volunteer_api.core.problems import Busy
from volunteer_api.core.statements import DELETED_AT_ONCE, delete_some, insert
from volunteer_api.organizations.models import Grant
from volunteer_api.phone.models import SyncChange, SyncEpoch, SyncType
from volunteer_api.phone.states import STATE_DAYS, Place, State
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.teams.models import Membership

# A row's moment is that of its transaction's beginning, by the clock of another host.
SLACK = timedelta(days=1)
# Which rows show something that is noted by itself: of their type the model, what names it, and which rows are told.
SHOWN_BY: dict[SyncType, tuple[Any, Any, ColumnElement[bool]]] = {
    SyncType.SIGN_UPS: (SignUp, SignUp.shift_id, true()),
    SyncType.MEMBERSHIPS: (Membership, Membership.team_id, true()),
    SyncType.GRANTS: (Grant, Grant.scope_id, Grant.revoked_at.is_(None)),
}


def present_state() -> State:
    """The state of a copy that has all of this moment. One statement.

    Raises Busy (503) where a restore has not come to its end, which would give the state away to what it puts back.
    """
    epoch: Any = SyncEpoch.name
    if db.engine.dialect.name == "postgresql":
        # A copy that was made by other hands has our row, but is of another cluster, or another database of this one.
        system: Select[Any] = select(column("system_identifier")).select_from(func.pg_control_system().alias("control"))
        known = table("pg_database", column("oid"), column("datname"))
        here = select(known.c.oid).where(known.c.datname == func.current_database())
        # The timeline is another after a recovery to an earlier moment, which gives numbers of transactions anew.
        timeline = func.substr(func.pg_walfile_name(func.pg_current_wal_lsn()), 1, 8)
        position: Any = cast(cast(func.pg_snapshot_xmin(func.pg_current_snapshot()), Text), BigInteger)
        epoch = func.concat_ws("/", epoch, system.scalar_subquery(), here.scalar_subquery(), timeline)
    else:
        given = table("sqlite_sequence", column("name"), column("seq"))
        last = select(given.c.seq).where(given.c.name == SyncChange.__tablename__)
        position = func.coalesce(last.scalar_subquery(), 0)
    row = db.session.execute(select(epoch.label("epoch"), position.label("position"), SyncEpoch.id)).one_or_none()
    if row is None:
        raise Busy()
    return State(row.epoch, row.position, clock.now())


def changed(
    volunteer_id: UUID, types: Collection[SyncType], since: int, place: Place | None
) -> Select[*tuple[Any, ...]]:
    """The type's number and the id of each row of hers that may have changed since, each once, behind the place.

    Each beside the log's floor, which so is of the same moment; where nothing changed, the floor alone.
    """
    found = union(_own(volunteer_id, types, since), *_by_shown(volunteer_id, types, since)).subquery()
    wanted: ColumnElement[bool] = true()
    if place is not None:
        behind = and_(found.c.type == place.type, found.c.row_id > place.row_id)
        wanted = or_(found.c.type > place.type, behind)
    return (
        select(SyncEpoch.floor, found.c.type, found.c.row_id)
        .select_from(SyncEpoch)
        .outerjoin(found, wanted)
        .order_by(found.c.type, found.c.row_id)
    )


def forget_old() -> int:
    """Delete what no state reaches back to any more, some at a time, the oldest first, and raise the floor to it.

    Returns how many rows were looked at, 0 where none of them is old. Ids follow time, but for a clock that was wrong:
    what it wrote goes with what was written after it.
    """
    oldest = select(SyncChange.id, SyncChange.changed_at).order_by(SyncChange.id).limit(DELETED_AT_ONCE).subquery()
    last = func.max(oldest.c.id).filter(oldest.c.changed_at < _over())
    looked_at, last_id = db.session.execute(select(func.count(), last).select_from(oldest)).one()
    if last_id is None:
        return 0
    # The least position from which on nothing of this is told: see `_later`.
    above = SyncChange.xid + 1 if db.engine.dialect.name == "postgresql" else SyncChange.id
    gone = delete(SyncChange).where(SyncChange.id <= last_id).returning(above)
    floor = max(db.session.scalars(gone.execution_options(synchronize_session=False)), default=0)
    db.session.execute(update(SyncEpoch).where(SyncEpoch.floor < floor).values(floor=floor))
    return int(looked_at)


def forget_erased() -> int:
    """Delete what is noted of erased people, their erasure itself included, some at a time; returns how many."""
    lately = select(Volunteer.id).where(Volunteer.erased_at > _over())
    return delete_some(SyncChange, SyncChange.volunteer_id.in_(lately))


def begin_anew() -> None:
    """Let every phone begin from nothing: for a database that was restored, or filled past the triggers."""
    db.session.execute(delete(SyncEpoch))
    begin()
    forget = text("TRUNCATE sync_changes") if db.engine.dialect.name == "postgresql" else delete(SyncChange)
    db.session.execute(forget)


def begin() -> None:
    """Give the database an epoch where it has none, as what was made of a backup has not."""
    first = insert(SyncEpoch).values(id=1, name=new_id().hex[-16:], floor=0)
    db.session.execute(first.on_conflict_do_nothing())


def _over() -> datetime:
    return clock.now() - timedelta(days=STATE_DAYS) - SLACK


def _own(volunteer_id: UUID, types: Collection[SyncType], since: int) -> Select[*tuple[Any, ...]]:
    numbers = [each.number for each in types]
    hers = select(SyncChange.type, SyncChange.row_id).where(
        SyncChange.volunteer_id == volunteer_id, SyncChange.type.in_(numbers), *_later(since)
    )
    # With nothing beside it, it is no union, which would tell each once.
    return hers.distinct()


def _by_shown(volunteer_id: UUID, types: Collection[SyncType], since: int) -> list[Select[*tuple[Any, ...]]]:
    statements: list[Select[*tuple[Any, ...]]] = []
    for each, (model, shown_id, told) in SHOWN_BY.items():
        if each in types:
            noted = exists().where(SyncChange.shown_id == shown_id, SyncChange.type == each.number, *_later(since))
            statements.append(
                select(literal(each.number, SyncChange.type.type), model.id).where(
                    model.volunteer_id == volunteer_id, told, noted
                )
            )
    return statements


def _later(since: int) -> tuple[ColumnElement[bool], ...]:
    if db.engine.dialect.name == "postgresql":
        return (SyncChange.xid >= since,)
    return SyncChange.xid == 0, SyncChange.id > since
