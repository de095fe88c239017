"""How what a station holds stands today, as Python for a row and as SQL for a choice of rows."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select
from sqlalchemy.orm import aliased

from volunteer_api.catalog.models import Item, ItemKind
from volunteer_api.catalog.queries import named_like
from volunteer_api.core.settings import rules
from volunteer_api.inventory.models import QUARANTINED, StockBalance, StockState


def state_of(quantity: int, portion: str, expires_on: date | None, today: date, *, low: bool = False) -> StockState:
    """How a portion of a lot stands on a day. It is usable to the end of the day on which it expires.

    What is wrong with the portion itself goes before `low`, that the station holds too little of the item.
    """
    if quantity == 0:
        return StockState.EMPTY
    if portion == QUARANTINED:
        return StockState.QUARANTINED
    good = StockState.LOW if low else StockState.OK
    if expires_on is None:
        return good
    if expires_on < today:
        return StockState.EXPIRED
    return StockState.NEAR_EXPIRY if expires_on <= _last_near(today) else good


def held_of_item(station_id: UUID, today: date) -> ColumnElement[Any]:
    """What a station holds of the Item of the statement around it, as SQL: usable, with what is lent of a durable."""
    held = aliased(StockBalance)
    lent = case((Item.kind == ItemKind.DURABLE, held.on_loan), else_=0)
    usable = and_(held.portion != QUARANTINED, or_(held.expires_on.is_(None), held.expires_on >= today))
    return (
        select(func.sum(case((usable, held.quantity), else_=0) + lent))
        .where(held.station_id == station_id, held.item_id == Item.id)
        .correlate(Item)
        .scalar_subquery()
    )


def chosen(
    query: Mapping[str, Any], station_id: UUID, today: date, minimums: Mapping[UUID, int]
) -> list[ColumnElement[bool]]:
    """The balances and items that a StockFilter keeps."""
    conditions: list[ColumnElement[bool]] = []
    if "held" in query:
        beside = StockBalance.quantity + StockBalance.on_loan + StockBalance.in_transit
        conditions.append(beside > 0 if query["held"] else beside == 0)
    if "state" in query:
        conditions.append(_state(station_id, today, minimums) == query["state"])
    if "kind" in query:
        conditions.append(Item.kind == query["kind"])
    if "q" in query:
        conditions.append(named_like(query["q"]))
    return conditions


def _state(station_id: UUID, today: date, minimums: Mapping[UUID, int]) -> ColumnElement[str]:
    """What `state_of` says of a balance, in its order."""
    minimum = case(dict(minimums), value=Item.id, else_=0) if minimums else literal(0)
    return case(
        (StockBalance.quantity == 0, StockState.EMPTY),
        (or_(StockBalance.portion == QUARANTINED, Item.prohibited), StockState.QUARANTINED),
        (StockBalance.expires_on < today, StockState.EXPIRED),
        (StockBalance.expires_on <= _last_near(today), StockState.NEAR_EXPIRY),
        (held_of_item(station_id, today) < minimum, StockState.LOW),
        else_=StockState.OK,
    )


def _last_near(today: date) -> date:
    return today + timedelta(days=rules().near_expiry_days)
