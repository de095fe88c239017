"""Who has what is prohibited from now on hears of it: somebody there takes it off the shelf, with a witness."""

from uuid import UUID

from sqlalchemy import func, select

from volunteer_api.catalog.models import Item
from volunteer_api.core.database import db
from volunteer_api.inventory.keepers import keepers_of
from volunteer_api.inventory.models import QUARANTINED, StockBalance
from volunteer_api.notifications import templates
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import Notice, notify_all
from volunteer_api.stations.models import Station

ITEM_PROHIBITED = templates.register(
    "item_prohibited",
    "Something is prohibited from now on",
    "%(item)s is prohibited at stations. %(station)s has %(quantity)s on its shelf: take them off, and record with a "
    "witness that they are in quarantine.",
    Group.STOCK,
)


def tell_of_prohibited(item_id: UUID) -> None:
    """Tell the keepers of all stations that have a prohibited item outside of quarantine. Some statements in all."""
    item = db.session.get_one(Item, item_id)
    if not item.prohibited:
        return
    held = db.session.execute(
        select(Station.id, Station.name, func.sum(StockBalance.quantity).label("quantity"))
        .join(StockBalance, StockBalance.station_id == Station.id)
        .where(StockBalance.item_id == item_id, StockBalance.portion != QUARANTINED, StockBalance.quantity > 0)
        .group_by(Station.id, Station.name)
        .order_by(Station.id)
    ).all()
    keepers = keepers_of([row.id for row in held])
    notify_all(
        [
            Notice(
                volunteer_id,
                ITEM_PROHIBITED,
                {
                    "item": item.name,
                    "item_id": str(item_id),
                    "station": row.name,
                    "station_id": str(row.id),
                    "quantity": f"{row.quantity} {item.unit}",
                },
                f"{ITEM_PROHIBITED}:{item_id}:{item.version}:{row.id}:{volunteer_id}",
            )
            for row in held
            for volunteer_id in sorted(keepers[row.id])
        ]
    )
