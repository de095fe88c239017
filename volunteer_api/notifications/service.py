"""The verbs of the inbox: notify, mark as read, forget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, update

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.ids import new_id
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import delete_some, insert_all
from volunteer_api.core.tasks import enqueue
from volunteer_api.notifications.models import Notification
from volunteer_api.notifications.templates import render

DELIVER = "notifications.deliver"


@dataclass(frozen=True)
class Notice:
    """What a volunteer is to hear of; see `notify`."""

    volunteer_id: UUID
    kind: str
    values: dict[str, str]
    dedup_key: str
    happens_at: datetime | None = None


def notify(
    *, volunteer_id: UUID, kind: str, values: dict[str, str], dedup_key: str, happens_at: datetime | None = None
) -> None:
    """Let a volunteer hear of something once: a second call with the same `dedup_key` changes nothing.

    The row is part of the caller's transaction and is sent after its commit. `values` fill the kind's template (see
    templates.py); more may be given for the phone, like the id of what to open. A person is named by `person_id`: the
    name is read with the inbox, so that none outlives its account in another's. `happens_at` is when what it tells of
    begins: such news does not wait for the end of quiet hours that is later, and is not pushed long after. Raises
    KeyError for an unknown kind or a missing value: a fault of the caller's code.
    """
    notify_all([Notice(volunteer_id, kind, values, dedup_key, happens_at)])


def notify_all(notices: Sequence[Notice]) -> None:
    """The same for several, in one statement."""
    if not notices:
        return
    for notice in notices:
        # A row that can't be rendered would break the inbox for ever; better to fail where it is written.
        render(notice.kind, {"name": ""} | notice.values if "person_id" in notice.values else notice.values)
    now = clock.now()
    rows = [
        {
            "id": new_id(),
            "created_at": now,
            "volunteer_id": notice.volunteer_id,
            "kind": notice.kind,
            "values": notice.values,
            "dedup_key": notice.dedup_key,
            "attempts": 0,
            "next_attempt_at": now,
            "happens_at": notice.happens_at,
        }
        for notice in notices
    ]
    if insert_all(Notification, rows, skip_known=True):
        enqueue(DELIVER)


def notify_each(volunteer_ids: Iterable[UUID], kind: str, values: dict[str, str], *, once: str) -> None:
    """The same of one kind for several people, in one statement: each hears it once for all calls with this `once`."""
    notify_all([Notice(one, kind, values, f"{kind}:{once}:{one}") for one in volunteer_ids])


def mark_read(volunteer_id: UUID, *, ids: Sequence[UUID] = (), until: datetime | None = None) -> None:
    """Mark one's own notifications as read: those named, or all written up to `until`. Others' ids change nothing."""
    chosen: ColumnElement[bool] = Notification.id.in_(ids) if until is None else Notification.created_at <= until
    db.session.execute(
        update(Notification)
        .where(Notification.volunteer_id == volunteer_id, Notification.read_at.is_(None), chosen)
        .values(read_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def forget() -> int:
    """Delete notifications of more than a year ago, read or not, and those of erased people, some at a time.

    Something may still be written to an erased person's inbox, like the return of an activity that they planned.
    Returns how many.
    """
    over = clock.now() - timedelta(days=rules().notification_days)
    erased = select(Volunteer.id).where(Volunteer.erased_at.is_not(None))
    return delete_some(Notification, or_(Notification.created_at <= over, Notification.volunteer_id.in_(erased)))
