"""Ways out of the outbox to a person."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from volunteer_api.core.logs import logger


@dataclass(frozen=True)
class Delivery:
    """What a channel is given. A phone that gets the same `notification_id` twice shows it once."""

    notification_id: UUID
    volunteer_id: UUID
    kind: str


class Channel(Protocol):
    """Brings notifications to people; any exception means that this one is tried again later."""

    def send(self, delivery: Delivery) -> None:
        """Send it within 30 seconds, or raise."""


class ConsoleChannel:
    """Writes a log line without personal data, for trying and testing."""

    def send(self, delivery: Delivery) -> None:
        """Log that the notification went out."""
        logger().info("notification_sent", notification_id=str(delivery.notification_id), kind=delivery.kind)
