"""What people hear of disputes."""

from collections.abc import Sequence
from uuid import UUID

from volunteer_api.disputes.models import Dispute
from volunteer_api.disputes.parties import parties_to
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.access import Permission, administrators_near, holders_near

FILED = register(
    "dispute_filed", "Your dispute is filed", "About %(content)s. You have an answer by %(due_on)s.", Group.DISPUTES
)
ASKED = register("dispute_asked", "A question about your dispute", "About %(content)s: %(text)s", Group.DISPUTES)
CONFIRMED = register(
    "dispute_confirmed",
    "Your service was confirmed",
    "%(minutes)s minutes of %(content)s. A decision follows.",
    Group.DISPUTES,
)
UPHELD = register(
    "dispute_upheld",
    "Your dispute was upheld",
    "%(content)s counts for %(minutes)s minutes: %(reason)s",
    Group.DISPUTES,
)
PARTLY = register(
    "dispute_partly",
    "Your dispute was upheld in part",
    "%(content)s counts for %(minutes)s minutes: %(reason)s",
    Group.DISPUTES,
)
REJECTED = register("dispute_rejected", "Your dispute was rejected", "About %(content)s: %(reason)s", Group.DISPUTES)
WITHDRAWN = register(
    "dispute_withdrawn", "Your dispute is withdrawn", "About %(content)s. Nothing changes.", Group.DISPUTES
)
WAITS = register(
    "dispute_waits",
    "A dispute waits for a decision",
    "A volunteer disputes %(content)s. It is due on %(due_on)s.",
    Group.DISPUTES,
)
ANSWERED = register("dispute_answered", "A question was answered", "Of the dispute about %(content)s.", Group.DISPUTES)
TO_CONFIRM = register(
    "dispute_to_confirm",
    "Was somebody there?",
    "%(name)s disputes what is recorded of %(content)s. Say whether they were there.",
    Group.DISPUTES,
)
MINUTES_TO_CONFIRM = register(
    "dispute_minutes_to_confirm",
    "For how long was somebody there?",
    "A volunteer says that she served %(minutes)s minutes at %(content)s; %(known)s are known. Confirm how many they "
    "were.",
    Group.DISPUTES,
)
DUE = register(
    "dispute_due", "A dispute is due", "The dispute about %(content)s is to be answered by %(due_on)s.", Group.DISPUTES
)


UNDECIDABLE = register(
    "dispute_without_decider",
    "Nobody may decide a dispute",
    "Whoever could decide the dispute about %(content)s had a part in it. Make somebody else an organizer there; it is "
    "to be answered by %(due_on)s.",
    Group.DISPUTES,
)
INHERITED = register(
    "disputes_wait",
    "Disputes wait for you",
    "Disputes that you may decide wait: %(count)s. The first is to be answered by %(due_on)s.",
    Group.DISPUTES,
)


def tell_volunteer(kind: str, dispute: Dispute, step_id: UUID, **values: str) -> None:
    """Tell who filed the dispute of a step."""
    _send(kind, dispute, dispute.volunteer_id, once=str(step_id), **values)


def tell_deciders(kind: str, dispute: Dispute, once: object) -> None:
    """Tell those who can decide: of the nearest organization where somebody holds the right and is no party.

    Where nobody is left, the administrators hear that somebody must be given the right, parties or not.
    """
    deciders = _deciders(dispute)
    for volunteer_id in deciders:
        _send(kind, dispute, volunteer_id, once=f"{once}:{volunteer_id}")
    if not deciders:
        _ask_for_decider(dispute, f"{kind}:{once}")


def tell_confirmed(dispute: Dispute, step_id: UUID, minutes: int) -> None:
    """Tell who filed it that somebody vouched for the service; and who can decide, where only she could until then."""
    tell_volunteer(CONFIRMED, dispute, step_id, minutes=str(minutes))
    deciders = _deciders(dispute)
    if dispute.confirmed_by in holders_near(dispute.organization_id, Permission.HOURS_REVIEW):
        # Those further up had not heard of it while somebody nearer could decide; whoever had is told once.
        for volunteer_id in deciders:
            _send(WAITS, dispute, volunteer_id, once=f"{dispute.id}:{volunteer_id}")
    if not deciders:
        _ask_for_decider(dispute, str(step_id))


def tell_inherited(volunteer_id: UUID, disputes: Sequence[Dispute], grant_organization_id: UUID) -> None:
    """Tell somebody who has the right from now on what waits for a decision, the first that is due first."""
    first = disputes[0]
    once = f"{grant_organization_id}:{first.id}:{len(disputes)}:{volunteer_id}"
    _send(INHERITED, first, volunteer_id, once=once, count=str(len(disputes)))


def _deciders(dispute: Dispute) -> list[UUID]:
    return holders_near(dispute.organization_id, Permission.HOURS_REVIEW, without=parties_to(dispute))


def _ask_for_decider(dispute: Dispute, once: str) -> None:
    for volunteer_id in administrators_near(dispute.organization_id):
        _send(UNDECIDABLE, dispute, volunteer_id, once=f"{once}:{volunteer_id}")


def ask_to_confirm(dispute: Dispute, witness_ids: list[UUID], known_minutes: int | None) -> None:
    """Ask those who can say it whether the volunteer was there; for how long, where so many minutes are known."""
    kind, values = TO_CONFIRM, {}
    if known_minutes is not None:
        kind = MINUTES_TO_CONFIRM
        values = {"minutes": str(dispute.claimed_minutes or 0), "known": str(known_minutes)}
    for volunteer_id in witness_ids:
        if volunteer_id != dispute.volunteer_id:
            about, once = str(dispute.volunteer_id), f"{dispute.id}:{volunteer_id}"
            _send(kind, dispute, volunteer_id, once=once, person_id=about, **values)


def _send(kind: str, dispute: Dispute, volunteer_id: UUID, *, once: str, **values: str) -> None:
    values = {
        "content": dispute.content,
        "dispute_id": str(dispute.id),
        "due_on": dispute.due_on.isoformat(),
        **values,
    }
    notify(volunteer_id=volunteer_id, kind=kind, values=values, dedup_key=f"{kind}:{once}")
