"""Rows of the access matrix: the hours ledger, backfill and tallies."""

import dataclasses
from datetime import timedelta

from tests.access_scene import (
    LEADS_ACTIVITY,
    MANAGES_STATION,
    ORGANIZES,
    PASSES,
    PUBLIC,
    READS_ATTENDANCE,
    READS_STOCK,
    SIGNED_IN,
    Call,
    Entry,
    Rule,
    World,
)
from tests.attendance.factories import make_shift
from tests.hours.factories import acting
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours import backfills, service
from volunteer_api.hours.models import Backfill

READS_TALLY_OF_TEAM = Rule("the team's members, and whoever reads attendances there", "member", insider=PASSES)
READS_RECORDS_OF_TEAM = Rule("the team's leaders, and whoever reads attendances there", "leader", insider=PASSES)
READS_TALLY = Rule("whoever reads attendances there", "organizer", insider=PASSES)
# Who leads the activity has no say over hours, but knows of it.
RECORDED = Rule("only who recorded it; the organizers see that it is there", "leader")
REVERSES = dataclasses.replace(ORGANIZES, name="the organizers, but who served herself")
DECIDES = dataclasses.replace(ORGANIZES, name="the organizers, but who recorded it or served herself")


def held_shift(world: World) -> Shift:
    """One that is over."""
    starts_at = clock.now() - timedelta(hours=30)
    with clock.at(starts_at - timedelta(hours=3)):
        return make_shift(
            organization=world.office,
            created_by=world.district.organizer,
            starts_at=starts_at,
            team_id=world.team.id,
            station_id=world.station.id,
        )


def new_backfill(world: World) -> Call:
    """Of somebody new."""
    body = {"volunteer_id": str(world.stranger().id), "shift_id": str(held_shift(world).id)}
    return Call(body=body | {"minutes": 60, "reason": "手机没电"})


def new_duty(world: World) -> Call:
    """Of somebody new, at the station's desk."""
    starts_at = (clock.now() - timedelta(hours=30)).isoformat().replace("+00:00", "Z")
    body = {"volunteer_id": str(world.stranger().id), "station_id": str(world.station.id), "starts_at": starts_at}
    return Call(body=body | {"minutes": 60, "reason": "手机没电"})


def table_of_hours(world: World) -> Call:
    """Somebody new, who did not give her phone's number wrong."""
    content = f"手机号\n{world.stranger().phone}\n".encode()
    return Call(at={"shift_id": held_shift(world).id}, query={"reason": "手机没电"}, file=("hours.csv", content))


def pending(world: World) -> Backfill:
    """Hours of somebody new that the team's leader recorded."""
    return backfills.record(
        by=acting(world.leader),
        volunteer_id=world.stranger().id,
        shift_id=held_shift(world).id,
        minutes=60,
        reason="手机没电",
    )


def decision(world: World) -> Call:
    return Call(at={"record_id": pending(world).id}, body={"reason": "已核实"})


def reversal(world: World) -> Call:
    """Of a record of somebody new."""
    shift = held_shift(world)
    record = service.credit(
        volunteer_id=world.stranger().id,
        minutes=60,
        activity=db.session.get_one(Activity, shift.activity_id),
        shift=shift,
        starts_at=shift.starts_at,
        ends_at=shift.starts_at + timedelta(hours=1),
    )
    return Call(at={"record_id": record.id if record is not None else None}, body={"reason": "误记"})


ROWS: dict[str, Entry] = {
    "GET /service-records": READS_ATTENDANCE(lambda world: Call(query={"activity_id": str(world.activity.id)})),
    "GET /service-records · of an organization": READS_TALLY(
        lambda world: Call(query={"organization_id": str(world.office.id)})
    ),
    "GET /service-records · of a station": READS_STOCK(lambda world: Call(query={"station_id": str(world.station.id)})),
    "GET /service-records · of a team": READS_RECORDS_OF_TEAM(
        lambda world: Call(query={"team_id": str(world.team.id)})
    ),
    "POST /service-records": LEADS_ACTIVITY(new_backfill),
    "POST /service-records · of a duty": MANAGES_STATION(new_duty),
    # Each line of it is judged for itself, and answered for itself.
    "POST /service-records/batch": SIGNED_IN(lambda world: Call(body={"records": [new_backfill(world).body]})),
    "GET /service-records-import-template.xlsx": SIGNED_IN(),
    "POST /shifts/{shift_id}/service-records/import": LEADS_ACTIVITY(table_of_hours),
    # As is each decision.
    "POST /service-records/decisions": SIGNED_IN(
        lambda world: Call(
            body={"decisions": [{"service_record_id": str(pending(world).id), "decision": "reject", "reason": "无"}]}
        )
    ),
    "POST /service-records/{record_id}/approval": DECIDES(decision),
    "POST /service-records/{record_id}/rejection": DECIDES(decision),
    "POST /service-records/{record_id}/withdrawal": RECORDED(lambda world: Call(at={"record_id": pending(world).id})),
    "POST /service-records/{record_id}/reversal": REVERSES(reversal),
    "GET /organizations/{organization_id}/tally": READS_TALLY(),
    "GET /teams/{team_id}/tally": READS_TALLY_OF_TEAM(lambda world: Call(at={"team_id": world.membership.team_id})),
    "GET /stations/{station_id}/tally": READS_STOCK(),
    "GET /campaigns/{campaign_id}/tally": PUBLIC(),
}
