"""What people hear of disputes."""

from uuid import UUID

from volunteer_api.disputes.models import Dispute
from volunteer_api.disputes.parties import parties_to
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.access import Permission, holders_near

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
DUE = register(
    "dispute_due", "A dispute is due", "The dispute about %(content)s is to be answered by %(due_on)s.", Group.DISPUTES
)


def tell_volunteer(kind: str, dispute: Dispute, step_id: UUID, **values: str) -> None:
    """Tell who filed the dispute of a step."""
    _send(kind, dispute, dispute.volunteer_id, once=str(step_id), **values)


def tell_deciders(kind: str, dispute: Dispute, once: object) -> None:
    """Tell those who can decide: of the nearest organization where somebody holds the right and is no party."""
    without = parties_to(dispute)
    for volunteer_id in holders_near(dispute.organization_id, Permission.HOURS_REVIEW, without=without):
        _send(kind, dispute, volunteer_id, once=f"{once}:{volunteer_id}")


def ask_to_confirm(dispute: Dispute, witness_ids: list[UUID]) -> None:
    """Ask those who can say it whether the volunteer was there."""
    for volunteer_id in witness_ids:
        if volunteer_id != dispute.volunteer_id:
            about, once = str(dispute.volunteer_id), f"{dispute.id}:{volunteer_id}"
            _send(TO_CONFIRM, dispute, volunteer_id, once=once, person_id=about)


def _send(kind: str, dispute: Dispute, volunteer_id: UUID, *, once: str, **values: str) -> None:
    values = {
        "content": dispute.content,
        "dispute_id": str(dispute.id),
        "due_on": dispute.due_on.isoformat(),
        **values,
    }
    notify(volunteer_id=volunteer_id, kind=kind, values=values, dedup_key=f"{kind}:{once}")
