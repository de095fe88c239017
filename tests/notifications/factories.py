"""Makers for the tests of notifications: phones that are pushed to, and a provider that needs no network."""

from datetime import timedelta
from typing import Any

from tests.factories import factory
from volunteer_api.accounts.models import DeviceSession, Volunteer
from volunteer_api.core import clock, ids, texts
from volunteer_api.core.database import db
from volunteer_api.notifications import subscriptions
from volunteer_api.notifications.providers.base import Message, ProviderName


class Postbox:
    """A provider that remembers what it was given; `fails` is asked for the exception that a push ends in."""

    is_read_on_the_way = False
    public_key = None

    def __init__(self, fails: Any = None) -> None:
        self.sent: list[tuple[str, Message]] = []
        self.fails = fails or (lambda _token: None)

    def service_for(self, address: Any) -> str:
        """The first part of a token, like "north" of north-1."""
        return str(address["token"]).partition("-")[0]

    def send(self, address: Any, message: Message) -> None:
        """Remember it, or fail."""
        error = self.fails(address["token"])
        if error is not None:
            raise error
        self.sent.append((address["token"], message))

    @property
    def tokens(self) -> list[str]:
        """Where pushes arrived, in order of their names."""
        return sorted(token for token, _ in self.sent)


@factory
def make_phone(
    owner: Volunteer, token: str, *, language: str = "zh-CN", provider: ProviderName = ProviderName.CONSOLE
) -> DeviceSession:
    """A device on which somebody is signed in, subscribed at a token."""
    now = clock.now()
    session = DeviceSession(
        id=ids.new_id(),
        volunteer_id=owner.id,
        device_id=f"phone of {token}",
        device_name="a phone",
        platform="harmony",
        last_used_at=now,
        expires_at=now + timedelta(days=60),
    )
    db.session.add(session)
    db.session.flush()
    with texts.speaking(language):
        subscriptions.subscribe(session, provider=provider, token=token)
    return session
