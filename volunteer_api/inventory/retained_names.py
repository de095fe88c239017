"""Names of erased people that stock documents must show for their retention period, and not a day longer."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import insert, row_count
from volunteer_api.inventory.models import Movement, RetainedName

DAYS_IN_A_YEAR = 365.25


def retain_name(volunteer_id: UUID, name: str) -> None:
    """Keep the name of somebody who made stock documents until the last of these need not name anybody any more.

    Of somebody who made none, or only ones that are older, nothing is kept. A name that is kept already stays as it is.
    """
    last = db.session.scalar(select(func.max(Movement.recorded_at)).where(Movement.actor_id == volunteer_id))
    if last is not None:
        retain_name_since(volunteer_id, name, last)


def retain_name_since(volunteer_id: UUID, name: str, last: datetime) -> None:
    """Keep the name of somebody whose last signature on a stock document is of the moment `last`.

    A name that is kept already stays as it is, for the longer of both times.
    """
    kept_until = last + timedelta(days=rules().stock_document_years * DAYS_IN_A_YEAR)
    if kept_until > clock.now():
        db.session.execute(
            insert(RetainedName)
            .values(volunteer_id=volunteer_id, name=name, kept_until=kept_until)
            .on_conflict_do_update(
                index_elements=["volunteer_id"],
                set_={"kept_until": kept_until},
                where=RetainedName.kept_until < kept_until,
            )
        )


def forget_names() -> int:
    """Delete the names past their time; returns how many."""
    return row_count(
        db.session.execute(
            delete(RetainedName)
            .where(RetainedName.kept_until <= clock.now())
            .execution_options(synchronize_session=False)
        )
    )
