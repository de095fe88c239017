"""Who approves hears of much that one person wrote off as lost: a count that found it missing would have needed her."""

from uuid import UUID

from volunteer_api.core.settings import rules
from volunteer_api.inventory.keepers import approvers_of
from volunteer_api.inventory.queries import Document
from volunteer_api.inventory.recall_queries import name_of_station
from volunteer_api.notifications import templates
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify_each

STOCK_LOST = templates.register(
    "stock_lost",
    "Stock was written off as lost",
    "%(name)s wrote off %(quantity)s pieces at %(station)s as lost, by document %(document_number)s.",
    Group.STOCK,
)


def tell_of_loss(document: Document, *, by: UUID) -> None:
    """Tell those who approve, where it is much*: more than one person may say of a count."""
    quantity = -sum(entry.quantity for entry in document.entries)
    if quantity <= rules().stocktake_variance:
        return
    values = {
        "person_id": str(by),
        "quantity": str(quantity),
        "station": name_of_station(document.station_id),
        "station_id": str(document.station_id),
        "movement_id": str(document.id),
        "document_number": document.document_number,
    }
    hearers = (one for one in approvers_of(document.station_id) if one != by)
    notify_each(hearers, STOCK_LOST, values, once=str(document.id))
