"""What a neighboring desk of the home office has sent to the home desk, and what is not there yet."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.demo.stage import ADMINISTRATOR, HOME_STATION, ORGANIZER, STATION_MANAGER, Stage
from volunteer_api.transfers import service
from volunteer_api.transfers.models import Transfer

# The home desk used up the first, and is short of the second.
LINES = (("弹性绷带", 1), ("针线包", 2))
ASKED_AGO, APPROVED_AGO, SENT_AGO = timedelta(days=2), timedelta(days=1), timedelta(hours=3)


def send(stage: Stage, items: Mapping[str, UUID]) -> None:
    """The home desk's manager asked, the office's organizer approved less, and it left this morning."""
    neighbor = next(one for one in stage.stations_of(stage.home_office) if one.division_code != HOME_STATION)
    with clock.at(stage.now - ASKED_AGO):
        transfer_id = service.request(
            actor_id=stage.volunteers[STATION_MANAGER],
            from_station_id=stage.desks[neighbor.division_code],
            to_station_id=stage.desks[HOME_STATION],
            lines=[{"item_id": items[name], "quantity": quantity} for name, quantity in LINES],
            needs_organizer=False,
            note="处理扭伤用完，请支援",
        ).id
    transfer = db.session.get_one(Transfer, transfer_id)
    with clock.at(stage.now - APPROVED_AGO):
        name, quantity = LINES[-1]
        lowered: service.Line = {"item_id": items[name], "quantity": quantity - 1}
        service.approve(transfer, actor_id=stage.volunteers[ORGANIZER], lines=[lowered], note="针线包各站都紧")
    with clock.at(stage.now - SENT_AGO):
        service.ship(transfer, actor_id=stage.volunteers[ADMINISTRATOR], note="由社区通讯员捎带")
