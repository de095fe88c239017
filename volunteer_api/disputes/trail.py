"""How a dispute is changed: the volunteer held, then the dispute, and a step written of it."""

from uuid import UUID

from volunteer_api.core.database import db
from volunteer_api.disputes import queries
from volunteer_api.disputes.models import Dispute, DisputeState, DisputeStep, DisputeWords, StepKind
from volunteer_api.disputes.problems import DisputeOver, TooManySteps
from volunteer_api.sign_ups.queries import lock_volunteer


def hold_open(dispute: Dispute) -> Dispute:
    """The dispute as it is now, held with its volunteer until the unit ends. Raises DisputeOver (409).

    The volunteer first, as everywhere: what a decision carries out holds the volunteer too.
    """
    lock_volunteer(dispute.volunteer_id)
    held = queries.locked(dispute.id)
    if held.state != DisputeState.OPEN:
        raise DisputeOver(members={"state": held.state})
    return held


def write_step(
    dispute: Dispute, kind: StepKind, actor_id: UUID, words: str | None = None, *, most: int | None = None
) -> DisputeStep:
    """Append a step to the trail of a held dispute. Raises TooManySteps (409) where it has `most` already."""
    sequence = queries.next_sequence(dispute.id)
    if most is not None and sequence > most:
        raise TooManySteps(most=most)
    step = DisputeStep(dispute_id=dispute.id, sequence=sequence, kind=kind, actor_id=actor_id)
    db.session.add(step)
    db.session.flush()
    if words is not None:
        db.session.add(DisputeWords(step_id=step.id, words=words))
        db.session.flush()
    return step
