"""Whom counts tell what came of them."""

from collections.abc import Collection, Mapping
from uuid import UUID

from volunteer_api.inventory.keepers import approvers_of
from volunteer_api.inventory.recall_queries import name_of_station
from volunteer_api.notifications import templates
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify_each
from volunteer_api.stocktakes import queries
from volunteer_api.stocktakes.models import Stocktake

STOCKTAKE_TO_APPROVE = templates.register(
    "stocktake_to_approve",
    "A count waits for you",
    "%(name)s finished the count at %(station)s. It differs from the books by %(variance)s and needs your approval.",
    Group.STOCK,
    without={"variance": "The count at %(station)s is finished and needs your approval."},
)
STOCKTAKE_CANCELED = templates.register(
    "stocktake_canceled",
    "A count was given up",
    "%(name)s gave up the count at %(station)s, which differed from the books by %(variance)s: %(reason)s",
    Group.STOCK,
)
HANDOVER_SIGNED = templates.register(
    "handover_signed",
    "A hand-over stands with your name",
    "The hand-over at %(station)s names you: %(variance)s pieces differ from the books. Tell the desk if it is not so.",
    Group.STOCK,
)


def tell_approvers_of_end(stocktake: Stocktake, *, variance: int, by: UUID) -> None:
    """Let those hear who may approve the count, now that it is complete, and counted nothing of it."""
    # Of a blind count she may have to count something herself.
    values = {} if stocktake.blind else {"variance": str(variance)}
    others = set(approvers_of(stocktake.station_id)) - queries.counters(stocktake.id)
    _tell(STOCKTAKE_TO_APPROVE, stocktake, others, by, values)


def tell_approvers_of_cancellation(stocktake: Stocktake, *, variance: int, reason: str, by: UUID) -> None:
    """Let those hear who would have had to approve the count."""
    values = {"variance": str(variance), "reason": reason}
    _tell(STOCKTAKE_CANCELED, stocktake, set(approvers_of(stocktake.station_id)) - {by}, by, values)


def tell_who_signed(stocktake: Stocktake, *, by: UUID) -> None:
    """Let those hear whom a hand-over names and who did not close it: it speaks for them."""
    others = {one for one in (stocktake.from_volunteer_id, stocktake.to_volunteer_id) if one not in (None, by)}
    if others:
        variance = queries.findings_of(stocktake.id).variance
        _tell(HANDOVER_SIGNED, stocktake, others, by, {"variance": str(variance)})


def _tell(
    kind: str, stocktake: Stocktake, people: Collection[UUID | None], by: UUID, values: Mapping[str, str]
) -> None:
    if not people:
        return
    all_values = {
        "station": name_of_station(stocktake.station_id),
        "stocktake_id": str(stocktake.id),
        "person_id": str(by),
        **values,
    }
    hearers = (one for one in people if one is not None)
    notify_each(hearers, kind, all_values, once=str(stocktake.id))
