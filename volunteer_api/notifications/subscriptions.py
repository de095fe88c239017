"""Where devices are reached: told by the app after each sign-in, kept sealed, ended with the device's session."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete, select

from volunteer_api.accounts.models import DeviceSession
from volunteer_api.accounts.queries import is_open
from volunteer_api.accounts.reencryption import SealedColumn
from volunteer_api.core import clock, keyring, texts
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.core.statements import delete_some, insert
from volunteer_api.notifications.models import PushSubscription
from volunteer_api.notifications.problems import PushProviderNotSetUp
from volunteer_api.notifications.providers import providers
from volunteer_api.notifications.providers.base import ProviderName

PURPOSE = "push addresses"
SEALED = (SealedColumn(PURPOSE, PushSubscription.session_id, PushSubscription.session_id, PushSubscription.sealed),)


def subscribe(session: DeviceSession, *, provider: ProviderName, **address: Any) -> None:
    """Push to the device of an open session from now on, at this address alone and in the request's language.

    Where another session has the address, on whose account ever, it is reached there no more: the phone changed hands.
    Raises PushProviderNotSetUp (409), NotFound where the session has ended meanwhile, what the provider raises.
    """
    chosen = providers().get(provider)
    if chosen is None:
        raise PushProviderNotSetUp(members={"providers": sorted(providers())})
    row = {
        "provider": provider.value,
        "service": chosen.service_for(address),
        "sealed": keyring.encrypt(PURPOSE, orjson.dumps(address), session.id.bytes),
        "digest": keyring.look_up(PURPOSE, f"{provider}:{address.get('endpoint') or address['token']}"),
        "language": texts.language(),
        "created_at": clock.now(),
        "ends_at": None,
    }
    # Held, so that who signs out meanwhile waits, and then finds the subscription to end.
    held = select(DeviceSession.id).where(DeviceSession.id == session.id, *is_open()).with_for_update()
    if db.session.scalar(held) is None:
        raise NotFound()
    db.session.execute(
        delete(PushSubscription).where(
            PushSubscription.digest == row["digest"], PushSubscription.session_id != session.id
        )
    )
    statement = insert(PushSubscription).values(session_id=session.id, **row)
    db.session.execute(statement.on_conflict_do_update(index_elements=[PushSubscription.session_id], set_=row))


def unsubscribe(session_id: UUID) -> None:
    """Push nothing more to the device of a session, where that was done."""
    db.session.execute(delete(PushSubscription).where(PushSubscription.session_id == session_id))


def read(session_id: UUID) -> dict[str, Any] | None:
    """The subscription of a session's device, without its address; None where there is none."""
    row = db.session.execute(
        select(
            DeviceSession.device_id,
            PushSubscription.provider,
            PushSubscription.language,
            PushSubscription.created_at,
        )
        .join(DeviceSession, DeviceSession.id == PushSubscription.session_id)
        .where(PushSubscription.session_id == session_id)
    ).one_or_none()
    return dict(row._mapping) if row is not None else None


def unseal(sealed: bytes, session_id: UUID) -> Mapping[str, Any]:
    """The address in a subscription. Raises keyring.SealBroken, keyring.KeyringLocked."""
    address: Mapping[str, Any] = orjson.loads(keyring.decrypt(PURPOSE, sealed, session_id.bytes))
    return address


def forget() -> int:
    """Delete the subscriptions of sessions that ran out unused or have had their last news, some at a time.

    Returns how many.
    """
    live = select(DeviceSession.id).where(*is_open())
    has_last_news = PushSubscription.ends_at.is_not(None) & (PushSubscription.ends_at > clock.now())
    return delete_some(PushSubscription, PushSubscription.session_id.not_in(live), ~has_last_news)
