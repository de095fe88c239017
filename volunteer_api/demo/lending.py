"""What the home desk lent since yesterday: to passers-by and to a volunteer, some of it overdue, some of it back."""

from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.catalog.models import Item
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.demo.stage import HOME_STATION, STATION_MANAGER, VOLUNTEER, Stage
from volunteer_api.loans import assets
from volunteer_api.loans.models import Asset, Loan, ReturnCondition
from volunteer_api.loans.returns import take_back
from volunteer_api.loans.service import lend

# The one wheelchair of a desk, as its label says.
WHEELCHAIR = "HX-LY-001"


def begin(stage: Stage) -> None:
    """Number the wheelchair, then lend: after everything else that moved the desk's stock."""
    morning, evening = stage.local(-1, time(11, 30)), stage.local(-1, time(18))
    with clock.at(morning):
        wheelchair = assets.number_piece(station_id=_desk(stage), item_id=_item("轮椅"), code=WHEELCHAIR)
    asset = db.session.get_one(Asset, wheelchair.id)
    # Borrowed for the day, and not back: both are overdue.
    _lend(stage, morning + timedelta(minutes=5), evening, _passer_by("郑大爷", 1), item_id=_item("雨伞"), quantity=2)
    _lend(stage, morning + timedelta(minutes=20), evening, _volunteer(stage), item_id=_item("扳手"))
    chair = _lend(stage, morning + timedelta(minutes=40), evening, _passer_by("孙女士", 2), asset_id=asset.id)
    _take_back(stage, morning + timedelta(hours=4), chair)
    _lend(stage, stage.now - timedelta(hours=2), None, _passer_by("马先生", 3), item_id=_item("雨伞"))


def _lend(stage: Stage, moment: datetime, due_at: datetime | None, borrower: dict[str, Any], **what: Any) -> UUID:
    with clock.at(moment):
        return lend(
            station_id=_desk(stage),
            actor_id=stage.volunteers[STATION_MANAGER],
            borrower=borrower,
            due_at=due_at,
            **what,
        ).id


def _take_back(stage: Stage, moment: datetime, loan_id: UUID) -> None:
    with clock.at(moment):
        take_back(
            db.session.get_one(Loan, loan_id),
            station_id=_desk(stage),
            actor_id=stage.volunteers[STATION_MANAGER],
            condition=ReturnCondition.GOOD,
        )


def _passer_by(name: str, number: int) -> dict[str, Any]:
    return {"name": name, "phone": f"+8613700000{900 + number}"}


def _volunteer(stage: Stage) -> dict[str, Any]:
    return {"volunteer_id": stage.volunteers[VOLUNTEER]}


def _desk(stage: Stage) -> UUID:
    return stage.desks[HOME_STATION]


def _item(name: str) -> UUID:
    return db.session.scalars(select(Item.id).where(Item.name == name)).one()
