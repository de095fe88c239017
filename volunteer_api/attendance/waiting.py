"""Check-outs that come before the check-in that they name: kept, carried out when it arrives, never lost in silence."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select

from volunteer_api.attendance.check_outs import check_out
from volunteer_api.attendance.evidence import usable
from volunteer_api.attendance.judging import tapped
from volunteer_api.attendance.models import Attendance, WaitingCheckOut
from volunteer_api.attendance.problems import AlreadyCheckedOut, AlreadyReviewed, TooManyWaiting
from volunteer_api.attendance.sameness import same_check_out
from volunteer_api.attendance.schemas import CheckOutCreate
from volunteer_api.attendance.timeline import Followers
from volunteer_api.core import clock, idempotency
from volunteer_api.core.database import db
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.statements import insert
from volunteer_api.notifications import service as notifications
from volunteer_api.notifications.templates import register

CHECK_OUT_UNMATCHED = register(
    "check_out_unmatched",
    "A check-out was not counted",
    "Your check-out of %(time)s belongs to a check-in that never arrived. Ask the leader to enter your time.",
)
# More than any phone collects in three days; without a bound a broken one would fill the table.
MOST_WAITING = 300
BATCH = 1000


def keep(*, volunteer_id: UUID, key: str, check_in_key: str, evidence: dict[str, Any], received_at: datetime) -> None:
    """Keep a check-out, as it was sent, until its check-in arrives. Raises TooManyWaiting (409)."""
    waiting = select(func.count()).where(WaitingCheckOut.volunteer_id == volunteer_id)
    if db.session.scalars(waiting.select_from(WaitingCheckOut)).one() >= MOST_WAITING:
        raise TooManyWaiting()
    # Its key was forgotten, or its answer got lost with the unit: it is the same one.
    db.session.execute(
        insert(WaitingCheckOut)
        .values(
            volunteer_id=volunteer_id, key=key, check_in_key=check_in_key, evidence=evidence, received_at=received_at
        )
        .on_conflict_do_nothing()
    )


def carry_out(check_in_key: str, attendance: Attendance, followers: Followers | None = None) -> None:
    """Carry out what waited for a check-in that has arrived, as of the time at which it was received."""
    came = db.session.scalars(
        delete(WaitingCheckOut)
        .where(WaitingCheckOut.volunteer_id == attendance.volunteer_id, WaitingCheckOut.check_in_key == check_in_key)
        .returning(WaitingCheckOut)
    ).all()
    for waited in sorted(came, key=lambda one: (one.received_at, one.key)):
        # Refused where another phone's check-out, made earlier, has counted.
        with suppress(AlreadyCheckedOut, AlreadyReviewed):
            check_out(
                attendance=attendance,
                evidence=_loaded(waited),
                received_at=waited.received_at,
                followers=followers,
            )
        # Its own phone may ask again, and by then knows the attendance.
        idempotency.rename_request(
            attendance.volunteer_id,
            waited.key,
            same_check_out({"evidence": waited.evidence}, {"attendance_id": attendance.id}),
        )


def tell_unmatched() -> int:
    """Give up the check-outs that have waited for 72 hours and let their volunteers hear of it; returns how many."""
    latest = clock.now() - timedelta(hours=rules().late_evidence_hours)
    due = (
        select(WaitingCheckOut.volunteer_id, WaitingCheckOut.key)
        .where(WaitingCheckOut.received_at <= latest)
        .order_by(WaitingCheckOut.received_at, WaitingCheckOut.volunteer_id, WaitingCheckOut.key)
        .limit(BATCH)
    )
    count = 0
    for volunteer_id, key in db.session.execute(due).all():
        # Whoever deletes it has it: a check-in that arrives at this moment, or this task.
        waited = db.session.scalars(
            delete(WaitingCheckOut)
            .where(WaitingCheckOut.volunteer_id == volunteer_id, WaitingCheckOut.key == key)
            .returning(WaitingCheckOut)
        ).one_or_none()
        if waited is None:
            continue
        # Sent once more, it is not answered that it is kept.
        idempotency.forget_key(volunteer_id, key)
        moment = tapped(usable(_loaded(waited)), waited.received_at).moment.astimezone(settings().zone)
        notifications.notify(
            volunteer_id=volunteer_id,
            kind=CHECK_OUT_UNMATCHED,
            values={"time": f"{moment:%Y-%m-%d %H:%M}"},
            dedup_key=f"{CHECK_OUT_UNMATCHED}:{volunteer_id}:{key}:{waited.received_at.timestamp():.0f}",
        )
        count += 1
    return count


def _loaded(waited: WaitingCheckOut) -> dict[str, Any]:
    evidence: dict[str, Any] = CheckOutCreate().load({"evidence": waited.evidence})["evidence"]
    return evidence
