"""Whether what is counted as on loan is what is lent: a part of the nightly check of a station's ledger."""

from collections.abc import Iterator
from uuid import UUID

from volunteer_api.core.database import db
from volunteer_api.inventory.verification import Fault, register_check
from volunteer_api.loans import check_queries


@register_check
def check_loans(station_id: UUID) -> Iterator[Fault]:
    """Compare each balance's `on_loan` with the open loans, loans with their lines and returns, pieces with shelves."""
    for row in db.session.execute(check_queries.differences(station_id)):
        subject = f"{row.item_id}/{row.lot_number}"
        yield Fault("on_loan", subject, {"difference": int(row.difference)})
    for loan_id in db.session.scalars(check_queries.torn_loans(station_id)):
        yield Fault("loan_sum", str(loan_id), {})
    for row in db.session.execute(check_queries.overnumbered(station_id)):
        yield Fault("numbered_pieces", str(row.item_id), {})
