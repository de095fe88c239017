"""What every provider of pushes is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Any, Protocol
from uuid import UUID


class ProviderName(StrEnum):
    """Who brings a push to a device."""

    WEBPUSH = "webpush"
    JPUSH = "jpush"
    CONSOLE = "console"


@dataclass(frozen=True)
class Message:
    """What a device is to show. One that gets the same `notification_id` twice shows it once.

    `ids` are those of the notification's values that say what to open, as in {"activity_id": "…"}. It is of no use
    after `seconds` from now; an `urgent` one may wake a sleeping phone.
    """

    notification_id: UUID
    kind: str
    title: str = field(repr=False)
    body: str = field(repr=False)
    ids: Mapping[str, str]
    seconds: int
    urgent: bool


class Gone(Exception):
    """The service knows the device no more: nothing will ever reach it at this address."""


class Blame(Enum):
    """For what a push was not taken: for the sake of its service, so that others would not be either; of this push
    alone; or of its address, at which nothing is to be hoped for."""

    SERVICE = "service"
    PUSH = "push"
    ADDRESS = "address"


class NotTaken(Exception):
    """The service did not take the push. `reason` has no person's data; `wait_seconds` is what it asked for, if so."""

    def __init__(self, reason: str, wait_seconds: int | None = None, *, blame: Blame = Blame.SERVICE) -> None:
        super().__init__(reason)
        self.reason, self.wait_seconds, self.blame = reason, wait_seconds, blame


class Provider(Protocol):
    """Brings pushes to devices, by one service or by several. Its methods know no database and no request."""

    # Whether somebody besides the device can read the text: it then names nobody.
    is_read_on_the_way: bool
    # What a device needs to know before it can subscribe; None where that is nothing.
    public_key: str | None

    def service_for(self, address: Mapping[str, Any]) -> str:
        """The service that reaches an address. Its name stands for what can fail together. Raises InvalidPayload."""

    def send(self, address: Mapping[str, Any], message: Message) -> None:
        """Hand it over within `transport.WHOLE_SECONDS`. Raises Gone, NotTaken."""
