"""What is read of notifications."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.statements import count_some
from volunteer_api.notifications.models import Notification, Push
from volunteer_api.notifications.templates import render


@dataclass(frozen=True)
class NotificationView:
    """A notification in the reader's language; `values` are what its sentence was made of."""

    id: UUID
    kind: str
    title: str
    body: str
    values: Mapping[str, str]
    created_at: datetime
    read_at: datetime | None


def inbox(volunteer_id: UUID, query: Mapping[str, Any]) -> Page:
    """A volunteer's notifications, newest first; `unread` keeps those not read yet (true) or read (false)."""
    statement = select(Notification).where(Notification.volunteer_id == volunteer_id)
    if query.get("unread") is not None:
        is_unread = Notification.read_at.is_(None)
        statement = statement.where(is_unread if query["unread"] else ~is_unread)
    found = page(
        statement,
        [
            Key(Notification.created_at, read=lambda item: item.created_at, descending=True),
            Key(Notification.id, read=lambda item: item.id, descending=True),
        ],
        query,
        scope=str(volunteer_id),
    )
    return Page(_views(found.items), found.next_cursor)


def own_notifications(volunteer_id: UUID, *those: ColumnElement[bool], limit: int) -> list[NotificationView]:
    """The first of a volunteer's notifications, by their ids, that meet the conditions."""
    statement = select(Notification).where(Notification.volunteer_id == volunteer_id, *those)
    return _views(db.session.scalars(statement.order_by(Notification.id).limit(limit)).all())


def named(contents: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The values of notifications with the `name` that each `person_id` has now. One statement where there is any.

    Older rows end their moments otherwise than phones are told: `+00:00` becomes `Z`.
    """
    wanted = {UUID(values["person_id"]) for values in contents if "person_id" in values}
    names: dict[str, str] = {}
    if wanted:
        known = db.session.execute(select(Volunteer.id, Volunteer.name).where(Volunteer.id.in_(wanted)))
        names = {str(volunteer_id): name for volunteer_id, name in known}
    return [
        {
            name: value.removesuffix("+00:00") + "Z" if _ends_otherwise(name, value) else value
            for name, value in one.items()
        }
        | ({"name": names[one["person_id"]]} if "person_id" in one else {})
        for one in contents
    ]


def _ends_otherwise(name: str, value: str) -> bool:
    return name.endswith("_at") and value.endswith("+00:00")


def unread_count(volunteer_id: UUID) -> int:
    """How many notifications a volunteer has not read yet."""
    counted = db.session.scalar(
        select(func.count())
        .select_from(Notification)
        .where(Notification.volunteer_id == volunteer_id, Notification.read_at.is_(None))
    )
    return counted or 0


def _views(notifications: Sequence[Notification]) -> list[NotificationView]:
    values = named([notification.values for notification in notifications])
    return [_view(*both) for both in zip(notifications, values, strict=True)]


def waiting_count(most: int) -> int:
    """How many notifications, and pushes of them, are to be sent still, each counted up to `most`."""
    kept = count_some(select(Notification.id).where(Notification.next_attempt_at.is_not(None)), most)
    return kept + count_some(select(Push.session_id), most)


def next_due_at() -> datetime | None:
    """When the first of them is or was due; None where none waits."""
    kept = select(func.min(Notification.next_attempt_at)).where(Notification.next_attempt_at.is_not(None))
    due = db.session.scalars(kept.union_all(select(func.min(Push.next_attempt_at))))
    return min((moment for moment in due if moment is not None), default=None)


def _view(notification: Notification, values: Mapping[str, str]) -> NotificationView:
    title, body = render(notification.kind, values)
    return NotificationView(
        id=notification.id,
        kind=notification.kind,
        title=title,
        body=body,
        values=values,
        created_at=notification.created_at,
        read_at=notification.read_at,
    )
