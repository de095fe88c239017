"""Whom presence codes were given to: what somebody could have kept proves nothing of her, whoever she is by then."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete

from volunteer_api.attendance.models import GivenCodes
from volunteer_api.attendance.presence_code import LONGEST_GOOD
from volunteer_api.attendance.views import ShownCodes
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import insert, row_count

# Longer than evidence may be late, and than an attendance waits for its other end.
KEPT_LONGER = timedelta(days=30)


def give(codes: ShownCodes, *, target_id: UUID, to: UUID) -> ShownCodes:
    """The codes of a shift or a station, and note that this volunteer has them now.

    A row is written once for each set: a phone that shows codes asks for them again and again.
    """
    note(target_id, to=to, good_until=max([codes.valid_until, *(code.valid_until for code in codes.codes)]))
    return codes


def note(target_id: UUID, *, to: UUID, good_until: datetime) -> None:
    """Note that somebody has, or could have had, the codes that are shown until then."""
    new = insert(GivenCodes).values(volunteer_id=to, target_id=target_id, good_until=good_until + LONGEST_GOOD)
    longer = GivenCodes.good_until < new.excluded.good_until
    known = (GivenCodes.volunteer_id, GivenCodes.target_id)
    db.session.execute(
        new.on_conflict_do_update(index_elements=known, set_={"good_until": new.excluded.good_until}, where=longer)
    )


def forget() -> int:
    """Delete what no tap is judged by any more; returns how many."""
    last = clock.now() - timedelta(hours=rules().late_evidence_hours) - KEPT_LONGER
    return row_count(db.session.execute(delete(GivenCodes).where(GivenCodes.good_until < last)))
