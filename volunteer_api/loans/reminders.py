"""Reminding of what is overdue: once at each stage, the borrower in the app and the desk's managers."""

from collections import defaultdict
from uuid import UUID

from sqlalchemy import select

from volunteer_api.catalog.models import Item
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.inventory.keepers import managers_of
from volunteer_api.loans import news
from volunteer_api.loans.models import Loan
from volunteer_api.loans.service import next_reminder
from volunteer_api.stations.models import Station

BATCH = 200


def remind() -> int:
    """Remind of up to a batch of loans that have reached a stage; returns of how many. To be run until it is 0.

    The stage that comes next is noted in the same unit, so that none is told twice.
    """
    now = clock.now()
    due = db.session.execute(
        select(Loan, Item)
        .join(Item, Item.id == Loan.item_id)
        .where(Loan.remind_at <= now)
        .order_by(Loan.remind_at, Loan.id)
        .limit(BATCH)
        .with_for_update(of=Loan, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    by_station: dict[UUID, list[Loan]] = defaultdict(list)
    stages: dict[UUID, str] = {}
    for loan, item in due:
        stages[loan.id] = (loan.remind_at or now).isoformat()
        news.tell_borrower(loan, item, news.LOAN_OVERDUE, stage=stages[loan.id])
        loan.remind_at = next_reminder(loan.due_at, now)
        by_station[loan.station_id].append(loan)
    _tell_desks(by_station, stages)
    db.session.flush()
    return len(due)


def _tell_desks(by_station: dict[UUID, list[Loan]], stages: dict[UUID, str]) -> None:
    names = {
        row.id: row.name
        for row in db.session.execute(select(Station.id, Station.name).where(Station.id.in_(list(by_station))))
    }
    for station_id, volunteer_id in db.session.execute(managers_of(list(by_station))):
        loans = by_station[station_id]
        news.tell_manager(
            volunteer_id,
            station_id=station_id,
            station=names[station_id],
            count=len(loans),
            first=loans[0].id,
            stage=stages[loans[0].id],
        )
