"""Background work of transfers."""

from volunteer_api.core import clock
from volunteer_api.core.logs import logger
from volunteer_api.core.settings import rules
from volunteer_api.core.tasks import Every, task
from volunteer_api.transfers import journal, queries

MOST_NAMED = 100


@task("transfers.remind", every=Every.DAY)
def remind() -> int:
    """Remind both sides of what should have arrived, every seven* days again; returns of how many transfers."""
    days = rules().transfer_reminder_days
    late = queries.overdue(days)
    for transfer, shipped_at in late:
        under_way = (clock.now() - shipped_at).days
        journal.remind(transfer, days=under_way, turn=under_way // days)
    return len(late)


@task("transfers.check_in_transit", every=Every.DAY)
def check_in_transit() -> int:
    """Compare what stations count as under way with the open shipments; returns how many differ. Repairs nothing."""
    found = queries.differences(MOST_NAMED)
    for row in found:
        logger().error(
            "in_transit_differs",
            station_id=str(row.station_id),
            item_id=str(row.item_id),
            lot_number=row.lot_number,
            counted=int(row.counted),
            under_way=int(row.under_way),
        )
    return len(found)
