"""What notifications hear of erasure, and hold about a person."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from volunteer_api.accounts.events import (
    DeviceSessionEnded,
    ErasureIsNear,
    ErasureRequested,
    ErasureTakenBack,
    GuardianWithdrew,
    PasswordChanged,
    PhoneChanged,
    PhoneReleased,
    SignedInElsewhere,
    TokenReused,
    VolunteerErased,
)
from volunteer_api.accounts.models import DeviceSession
from volunteer_api.accounts.service import masked_phone
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.core.texts import LANGUAGES, speaking
from volunteer_api.notifications import subscriptions
from volunteer_api.notifications.handing_over import hand_over_last
from volunteer_api.notifications.models import (
    Notification,
    NotificationKind,
    NotificationPreference,
    PushSubscription,
)
from volunteer_api.notifications.queries import named
from volunteer_api.notifications.service import notify
from volunteer_api.notifications.templates import render


@on(ErasureRequested)
def tell_of_request(event: ErasureRequested) -> None:
    """Tell all the person's phones: whoever asked may be somebody else."""
    if event.can_be_taken_back:
        _tell(event.volunteer_id, NotificationKind.ERASURE_REQUESTED, event.erases_at)


@on(ErasureTakenBack)
def tell_that_it_stays(event: ErasureTakenBack) -> None:
    """The newest word is no longer that the account goes."""
    _tell_now(event.volunteer_id, NotificationKind.ERASURE_TAKEN_BACK)


@on(TokenReused)
def tell_of_reuse(event: TokenReused) -> None:
    """The owner may have another device, and a thief a copy of this one's key."""
    notify(
        volunteer_id=event.volunteer_id,
        kind=NotificationKind.TOKEN_REUSED,
        values={"session_id": str(event.session_id)},
        dedup_key=f"{NotificationKind.TOKEN_REUSED}:{event.session_id}",
    )


@on(ErasureIsNear)
def remind(event: ErasureIsNear) -> None:
    """Tell of the last day, once."""
    _tell(event.volunteer_id, NotificationKind.ERASURE_NEAR, event.erases_at)


@on(PhoneChanged)
def tell_of_new_number(event: PhoneChanged) -> None:
    """Whoever changed the number may be somebody else."""
    _tell_now(event.volunteer_id, NotificationKind.PHONE_CHANGED, phone=masked_phone(event.phone))


@on(PhoneReleased)
def tell_of_lost_number(event: PhoneReleased) -> None:
    """The owner needs to give another number before she is signed out everywhere."""
    _tell_now(event.volunteer_id, NotificationKind.PHONE_RELEASED, phone=masked_phone(event.phone))


@on(PasswordChanged)
def tell_of_new_password(event: PasswordChanged) -> None:
    """Whoever set it may be somebody else."""
    _tell_now(event.volunteer_id, NotificationKind.PASSWORD_CHANGED)


@on(GuardianWithdrew)
def tell_of_withdrawal(event: GuardianWithdrew) -> None:
    """A consent is missing now; whoever needs none any more has nothing to do."""
    if event.erases_at is not None:
        _tell(event.volunteer_id, NotificationKind.GUARDIAN_NEEDED, event.erases_at)
    elif event.somebody_is_missing:
        _tell_now(event.volunteer_id, NotificationKind.GUARDIAN_WITHDREW)


@on(SignedInElsewhere)
def tell_of_new_device(event: SignedInElsewhere) -> None:
    """With a stolen card or a guessed password it is the moment in which the owner can still act."""
    notify(
        volunteer_id=event.volunteer_id,
        kind=NotificationKind.SIGNED_IN_ELSEWHERE,
        values={"session_id": str(event.session_id)},
        dedup_key=f"{NotificationKind.SIGNED_IN_ELSEWHERE}:{event.session_id}",
    )


@on(DeviceSessionEnded)
def stop_pushing(event: DeviceSessionEnded) -> None:
    """Whoever has the phone now, it tells nothing more of the person who signed out, or was signed out.

    Save that the account was changed, where it was signed out by that.
    """
    if event.account_changed:
        hand_over_last(event.session_id)
    else:
        subscriptions.unsubscribe(event.session_id)


@on(VolunteerErased)
def empty_inbox(event: VolunteerErased) -> None:
    """Delete the inbox, with what of it was not sent yet, and the preferences. Subscriptions go with their sessions."""
    for table in (Notification, NotificationPreference):
        db.session.execute(delete(table).where(table.volunteer_id == event.volunteer_id))


@exported("notifications")
def notifications(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The inbox, the latest first, with what it reads like in Chinese; no words for a kind of a release to come."""
    found = rows(
        select(
            Notification.id,
            Notification.kind,
            Notification.values.label("content"),
            Notification.created_at,
            Notification.sent_at,
            Notification.read_at,
        )
        .where(Notification.volunteer_id == volunteer_id)
        .order_by(Notification.created_at.desc(), Notification.id)
    )
    contents = named([row["content"] for row in found])
    with speaking(LANGUAGES[0]):
        told = [_words(row["kind"], content) for row, content in zip(found, contents, strict=True)]
    return [
        {**row, "content": content, "title": title, "body": body}
        for row, content, (title, body) in zip(found, contents, told, strict=True)
    ]


def _words(kind: str, content: dict[str, str]) -> tuple[str | None, str | None]:
    try:
        return render(kind, content)
    except KeyError:
        return None, None


@exported("push_subscriptions")
def push_subscriptions(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The devices that news is pushed to, the latest first; not their addresses, which open nothing to their owner."""
    return rows(
        select(
            DeviceSession.device_id,
            PushSubscription.provider,
            PushSubscription.language,
            PushSubscription.created_at,
        )
        .join(PushSubscription, PushSubscription.session_id == DeviceSession.id)
        .where(DeviceSession.volunteer_id == volunteer_id)
        .order_by(PushSubscription.created_at.desc(), DeviceSession.id)
    )


@exported("notification_preferences")
def notification_preferences(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person wants to be pushed, where she said so; quiet hours in minutes of the local day."""
    return rows(
        select(
            NotificationPreference.muted,
            NotificationPreference.quiet_from_minute,
            NotificationPreference.quiet_to_minute,
        ).where(NotificationPreference.volunteer_id == volunteer_id)
    )


def _tell(volunteer_id: UUID, kind: NotificationKind, erases_at: datetime) -> None:
    notify(
        volunteer_id=volunteer_id,
        kind=kind,
        values={"day": clock.local_date(erases_at).isoformat(), "erases_at": clock.stamp(erases_at)},
        dedup_key=f"{kind}:{volunteer_id}:{erases_at.isoformat()}",
    )


def _tell_now(volunteer_id: UUID, kind: NotificationKind, **values: str) -> None:
    notify(
        volunteer_id=volunteer_id,
        kind=kind,
        values=values,
        dedup_key=f"{kind}:{volunteer_id}:{clock.now().isoformat()}",
    )
