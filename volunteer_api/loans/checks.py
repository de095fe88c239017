"""Whether what is counted as on loan is what is lent: it alarms, it never repairs."""

from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.loans import queries


class LoansDiffer(Exception):
    """What is counted beside some shelf is not what its loans took; the log names where."""


def check() -> None:
    """Compare every balance's `on_loan` with its open loans, loans with their lines and returns, pieces with shelves.

    Logs each difference by ids. Raises LoansDiffer.
    """
    found = 0
    for row in db.session.execute(queries.differences()):
        found += 1
        logger().error(
            "on_loan_differs",
            station_id=str(row.station_id),
            item_id=str(row.item_id),
            lot_number=row.lot_number,
            difference=int(row.difference),
        )
    for loan_id in db.session.scalars(queries.torn_loans()):
        found += 1
        logger().error("loan_does_not_add_up", loan_id=str(loan_id))
    for row in db.session.execute(queries.overnumbered()):
        found += 1
        logger().error("more_numbers_than_pieces", station_id=str(row.station_id), item_id=str(row.item_id))
    if found:
        raise LoansDiffer(f"{found} differences")
