"""Calling a lot back from every station of a subtree: it is quarantined wherever it lies, and comes in nowhere.

From the moment of the recall the ledger hands none of the lot out (see `ledger`). What lies on shelves is quarantined
station by station, each in a document and a unit of its own, so that no station waits for another; what a movement
brought in between is found by the next sweep. Broken off and started again, it goes on where it was.
"""

from collections.abc import Collection, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import Row, select, update

from volunteer_api.catalog.models import Item
from volunteer_api.catalog.service import load_items, named
from volunteer_api.core import audit, clock, ids
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.codes import fold
from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.core.problems import Problem
from volunteer_api.core.statements import row_count
from volunteer_api.core.tasks import enqueue
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.inventory import ledger, recall_queries
from volunteer_api.inventory.keepers import keepers_of
from volunteer_api.inventory.models import MovementKind, MovementReason, Recall
from volunteer_api.inventory.problems import RecallEnded, RecallOpen
from volunteer_api.inventory.recall_queries import RecallView
from volunteer_api.inventory.service import quarantine
from volunteer_api.notifications import templates
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import Notice, notify_all
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station

QUARANTINE_RECALLED = "inventory.quarantine_recalled"
# So many stations are done in the request itself; the worker does the others.
AT_ONCE = 20
LOT_RECALLED = templates.register(
    "lot_recalled",
    "A lot is recalled",
    "Lot %(lot_number)s of %(item)s is recalled. What %(station)s had of it is in quarantine: take it off the shelf.",
    Group.STOCK,
)
RECALLED_UNDER_WAY = templates.register(
    "recalled_under_way",
    "A recalled lot is on its way to you",
    "Lot %(lot_number)s of %(item)s is recalled, and %(quantity)s of it are on the way to %(station)s. Keep them off "
    "the shelf: they go into quarantine as they arrive.",
    Group.STOCK,
)
RECALLED_CAME_IN = templates.register(
    "recalled_came_in",
    "A recalled lot came in",
    "Lot %(lot_number)s of %(item)s is recalled. %(quantity)s of it came to %(station)s and are in quarantine: keep "
    "them off the shelf.",
    Group.STOCK,
)
RECALL_ENDED = templates.register(
    "recall_ended",
    "A recall has ended",
    "The recall of lot %(lot_number)s of %(item)s has ended. %(station)s has %(quantity)s of it in quarantine: release "
    "what is good.",
    Group.STOCK,
)


def recall_lot(*, organization: Organization, item_id: UUID, lot_number: str, reason: str, by: UUID) -> RecallView:
    """Recall a lot from all stations of the subtree. Raises ItemUnknown, RecallOpen (409)."""
    item, lot_number = load_items([item_id])[item_id], fold(lot_number)
    open_id = db.session.scalar(recall_queries.open_recall(organization.id, item_id, lot_number))
    if open_id is not None:
        raise RecallOpen(members={"recall_id": str(open_id), "item": named(item), "lot_number": lot_number})
    recall = Recall(
        id=ids.new_id(),
        organization_id=organization.id,
        item_id=item_id,
        lot_number=lot_number,
        reason=reason,
        recalled_by=by,
    )
    db.session.add(recall)
    db.session.flush()
    audit.record(AuditAction.LOT_RECALLED, actor_id=by, organization_id=organization.id, recall_id=str(recall.id))
    for station_id in db.session.scalars(recall_queries.holding_stations(recall.id).limit(AT_ONCE)).all():
        quarantine_at(recall.id, station_id)
    _tell_each(RECALLED_UNDER_WAY, recall, item, recall_queries.awaited_at(recall))
    enqueue(QUARANTINE_RECALLED)
    return recall_queries.read_recall(recall.id)


def end_recall(recall: Recall, *, reason: str, by: UUID) -> RecallView:
    """End a recall: the lot may come in again, and what is in quarantine may be released; its keepers hear of it.

    Raises RecallEnded (409).
    """
    ended = db.session.execute(
        update(Recall)
        .where(Recall.id == recall.id, Recall.ended_at.is_(None))
        .values(ended_at=clock.now(), ended_by=by, end_reason=reason)
        .execution_options(synchronize_session=False)
    )
    if row_count(ended) == 0:
        raise RecallEnded()
    audit.record(
        AuditAction.RECALL_ENDED, actor_id=by, organization_id=recall.organization_id, recall_id=str(recall.id)
    )
    item = load_items([recall.item_id])[recall.item_id]
    _tell_each(RECALL_ENDED, recall, item, recall_queries.quarantined_at(recall))
    return recall_queries.read_recall(recall.id)


def quarantine_at(recall_id: UUID, station_id: UUID) -> None:
    """Quarantine what a station has on its shelf of a recalled lot, and tell its keepers. In a unit; twice is once."""
    recall = db.session.execute(select(Recall).where(Recall.id == recall_id)).scalar_one()
    posting = ledger.begin(station_id, [recall.item_id])
    item = posting.items[recall.item_id]
    held = posting.shelf.booked(item, lot_number=recall.lot_number, expires_on=None)
    if recall.ended_at is not None or held == 0:
        return
    posting.write(
        quarantine(posting.shelf, item, held, lot_number=recall.lot_number),
        actor_id=recall.recalled_by,
        kind=MovementKind.QUARANTINE,
        reason=MovementReason.RECALLED,
        note=recall.reason,
    )
    _tell(LOT_RECALLED, recall, item, station_id, recall_queries.name_of_station(station_id), held)


def tell_of_arrival(*, station_id: UUID, item_id: UUID, lot_number: str, quantity: int, document_number: str) -> None:
    """Let who keeps a station hear that something of a recalled lot came in: the books can't take it off the shelf."""
    station = db.session.get_one(Station, station_id)
    recall = db.session.scalars(
        recall_queries.open_recall(station.organization_id, item_id, lot_number).with_only_columns(Recall).limit(1)
    ).one_or_none()
    if recall is not None:
        item = load_items([item_id])[item_id]
        _tell(RECALLED_CAME_IN, recall, item, station_id, station.name, quantity, stage=document_number)


def quarantine_all() -> int:
    """Quarantine what any station has of a lot that is recalled; returns how many stations. Runs in no unit."""
    done: set[tuple[UUID, UUID]] = set()
    while left := run_unit(partial(recall_queries.left_over, done), writes=False):
        for recall_id, station_id in left:
            # Marked whatever comes: one that is refused must not keep the others waiting for ever.
            done.add((recall_id, station_id))
            try:
                run_unit(partial(quarantine_at, recall_id, station_id), writes=True)
            except Problem as problem:
                logger().error("recall_refused", station_id=str(station_id), code=problem.code)
    return len(done)


def _tell_each(kind: str, recall: Recall, item: Item, found: Sequence[Row[UUID, str, int]]) -> None:
    keepers = keepers_of([station_id for station_id, _, _ in found])
    for station_id, name, quantity in found:
        _tell(kind, recall, item, station_id, name, int(quantity), keepers=keepers[station_id])


def _tell(
    kind: str,
    recall: Recall,
    item: Item,
    station_id: UUID,
    station: str,
    quantity: int,
    *,
    keepers: Collection[UUID] | None = None,
    stage: str = "",
) -> None:
    """Let who keeps the stock of a station hear of what it has of the lot."""
    if keepers is None:
        keepers = keepers_of([station_id])[station_id]
    values = {
        "item": item.name,
        "lot_number": recall.lot_number,
        "station": station,
        "station_id": str(station_id),
        "recall_id": str(recall.id),
        "quantity": f"{quantity} {item.unit}",
    }
    notify_all(
        [
            Notice(volunteer_id, kind, values, f"{kind}:{recall.id}:{station_id}:{volunteer_id}{stage}")
            for volunteer_id in sorted(keepers)
        ]
    )
