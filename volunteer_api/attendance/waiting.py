"""Check-outs that come before the check-in that they name: kept, carried out when it arrives, never lost in silence."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Select, delete, func, select, tuple_

from volunteer_api.attendance import whereabouts
from volunteer_api.attendance.check_outs import check_out
from volunteer_api.attendance.evidence import bounded, usable
from volunteer_api.attendance.judging import tapped, told
from volunteer_api.attendance.models import Attendance, WaitingCheckOut
from volunteer_api.attendance.problems import AlreadyCheckedOut, AlreadyReviewed, TooManyWaiting
from volunteer_api.attendance.sameness import same_check_out
from volunteer_api.attendance.schemas import CheckOutCreate
from volunteer_api.attendance.timeline import Followers
from volunteer_api.core import clock, idempotency
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.core.logs import logger
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.statements import insert
from volunteer_api.core.unit_of_work import attempt, concerns_whole_unit
from volunteer_api.notifications import service as notifications
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.templates import register
from volunteer_api.sign_ups.queries import lock_volunteers

CHECK_OUT_UNMATCHED = register(
    "check_out_unmatched",
    "A check-out was not counted",
    "Your check-out of %(time)s belongs to a check-in that never arrived. Ask the leader to enter your time.",
    Group.HOURS,
)
CHECK_OUT_TOO_LATE = register(
    "check_out_too_late",
    "A check-out was not counted",
    "Your check-out of %(time)s came after somebody had decided on your attendance. If it is not right as it is, open "
    "the attendance and dispute it.",
    Group.HOURS,
)
# More than any phone collects in three days; without a bound a broken one would fill the table.
MOST_WAITING = 300
BATCH = 1000
CREATED = 201


def keep(*, volunteer_id: UUID, key: str, check_in_key: str, evidence: dict[str, Any], received_at: datetime) -> None:
    """Keep a check-out, as it was sent, until its check-in arrives. Raises TooManyWaiting (409).

    A place that may not be kept is judged now, wherever the check-in may have been.
    """
    waiting = select(func.count()).where(WaitingCheckOut.volunteer_id == volunteer_id)
    if db.session.scalars(waiting.select_from(WaitingCheckOut)).one() >= MOST_WAITING:
        raise TooManyWaiting()
    kept, inside = whereabouts.kept_until_judged(volunteer_id, evidence, received_at)
    kept = bounded(kept)
    # Its key was forgotten, or its answer got lost with the unit: it is the same one.
    db.session.execute(
        insert(WaitingCheckOut)
        .values(
            volunteer_id=volunteer_id,
            key=key,
            check_in_key=check_in_key,
            evidence=kept,
            received_at=received_at,
            inside=inside,
        )
        .on_conflict_do_nothing()
    )


def waits(volunteer_id: UUID, key: str) -> bool:
    """Whether a check-out still waits for its check-in."""
    return db.session.get(WaitingCheckOut, (volunteer_id, key), populate_existing=True) is not None


def carry_out(check_in_key: str, attendance: Attendance, followers: Followers | None = None) -> None:
    """Carry out what waited for a check-in that has arrived, as of the time at which it was received."""
    came = db.session.scalars(
        delete(WaitingCheckOut)
        .where(WaitingCheckOut.volunteer_id == attendance.volunteer_id, WaitingCheckOut.check_in_key == check_in_key)
        .returning(WaitingCheckOut)
    ).all()
    for waited in sorted(came, key=lambda one: (one.received_at, one.key)):
        # Refused where another phone's check-out, made earlier, has counted.
        with suppress(AlreadyCheckedOut):
            _carry_out(waited, attendance, followers)
        # Its own phone may ask again, and by then knows the attendance.
        idempotency.rename_request(
            attendance.volunteer_id,
            waited.key,
            same_check_out({"evidence": waited.evidence}, {"attendance_id": attendance.id}),
        )


def _carry_out(waited: WaitingCheckOut, attendance: Attendance, followers: Followers | None) -> None:
    end = told(_loaded(waited), waited.received_at)
    if waited.inside is not None:
        end = replace(end, inside=frozenset(map(UUID, waited.inside)))
    try:
        check_out(attendance=attendance, evidence=end, followers=followers)
    except AlreadyReviewed:
        _tell(waited, CHECK_OUT_TOO_LATE, end.evidence, attendance_id=str(attendance.id))


def carry_out_stranded() -> int:
    """Carry out what waits for a check-in that is there; returns for how many check-ins.

    A check-in of one statement looks for what waits before it holds the volunteer: a batch that ends between the two
    leaves its check-out to nobody. The check-in's kept answer says which attendance it began.
    """
    count, last = 0, None
    while found := db.session.execute(_arrived(last)).all():
        for volunteer_id, check_in_key in sorted({(row.volunteer_id, row.check_in_key) for row in found}):
            # Whom somebody else holds is looked at again in a minute.
            if lock_volunteers({volunteer_id}, wait=False):
                count += _is_carried_out(volunteer_id, check_in_key)
        last = (found[-1].volunteer_id, found[-1].key)
    return count


def _is_carried_out(volunteer_id: UUID, check_in_key: str) -> bool:
    """Carry out what waits for one check-in, if that is one; what can't be keeps nobody else's waiting."""
    answers = idempotency.kept_answers(volunteer_id, [check_in_key])
    attendance = _begun(volunteer_id, answers[check_in_key].body) if check_in_key in answers else None
    if attendance is None:
        return False
    try:
        attempt(partial(carry_out, check_in_key, attendance))
    except Exception as error:
        if concerns_whole_unit(error):
            raise
        logger().warning("stranded_check_out_failed", error=type(error).__name__)
        return False
    return True


def _arrived(last: tuple[UUID, str] | None) -> Select[UUID, str, str]:
    """The next check-outs that wait although something was made under the key that they name.

    What is no check-in of hers stays until it is given up, and never stands before the others.
    """
    statement = (
        select(WaitingCheckOut.volunteer_id, WaitingCheckOut.key, WaitingCheckOut.check_in_key)
        .join(
            IdempotencyKey,
            (IdempotencyKey.owner_id == WaitingCheckOut.volunteer_id)
            & (IdempotencyKey.key == WaitingCheckOut.check_in_key),
        )
        .where(IdempotencyKey.status == CREATED)
        .order_by(WaitingCheckOut.volunteer_id, WaitingCheckOut.key)
        .limit(BATCH)
    )
    return (
        statement if last is None else statement.where(tuple_(WaitingCheckOut.volunteer_id, WaitingCheckOut.key) > last)
    )


def _begun(volunteer_id: UUID, body: bytes) -> Attendance | None:
    """The volunteer's attendance that an answer shows; None where it shows something else."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        attendance_id = UUID(orjson.loads(body)["id"])
        return db.session.scalars(
            select(Attendance)
            .where(Attendance.id == attendance_id, Attendance.volunteer_id == volunteer_id)
            .execution_options(populate_existing=True)
        ).one_or_none()
    return None


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
        _tell(waited, CHECK_OUT_UNMATCHED, _loaded(waited))
        count += 1
    return count


def _tell(waited: WaitingCheckOut, kind: str, evidence: dict[str, Any], **values: str) -> None:
    """Tell the volunteer that this check-out did not count."""
    moment = tapped(usable(evidence), waited.received_at).moment.astimezone(settings().zone)
    notifications.notify(
        volunteer_id=waited.volunteer_id,
        kind=kind,
        values={"time": f"{moment:%Y-%m-%d %H:%M}", **values},
        dedup_key=f"{kind}:{waited.volunteer_id}:{waited.key}:{waited.received_at.timestamp():.0f}",
    )


def _loaded(waited: WaitingCheckOut) -> dict[str, Any]:
    evidence: dict[str, Any] = CheckOutCreate().load({"evidence": waited.evidence})["evidence"]
    return evidence
