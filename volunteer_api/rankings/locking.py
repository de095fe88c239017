"""Whose turn it is to write what is folded: of all who would, one at a time, each seeing the rows of one moment."""

from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from volunteer_api.core.database import db
from volunteer_api.core.statements import set_limits

LOCK_NOT_AVAILABLE = "55P03"
# A fold is no request: what is long for one must not end it, or the next would begin with the same and end like it.
# A worker whose machine is gone gives its turn back all the same.
FOLDING = {"statement_timeout": "10min", "idle_in_transaction_session_timeout": "10min"}
# Ten million rows are sorted in memory rather than on disk; who has somebody else rebuild before waits for him.
REBUILDING = {"lock_timeout": "0", "statement_timeout": "60min", "work_mem": "256MB"}


def alone(*, waits: bool) -> bool:
    """Take the only turn, then the snapshot that everything of this unit sees; returns whether the turn was had.

    To be called first in a unit.
    """
    # SQLite has one writer, and it has begun.
    if db.engine.dialect.name != "postgresql":
        return True
    db.session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    if waits:
        set_limits(REBUILDING)
        db.session.execute(text("LOCK TABLE ranking_rules IN EXCLUSIVE MODE"))
        return True
    try:
        with db.session.begin_nested():
            db.session.execute(text("LOCK TABLE ranking_rules IN EXCLUSIVE MODE NOWAIT"))
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
            raise
        return False
    set_limits(FOLDING)
    return True
