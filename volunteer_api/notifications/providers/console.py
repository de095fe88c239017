"""The provider for trying and testing: it has no devices."""

from collections.abc import Mapping
from typing import Any

from volunteer_api.config import Settings
from volunteer_api.core.logs import logger
from volunteer_api.notifications.providers.base import Message


class ConsoleProvider:
    """Writes a line without personal data."""

    is_read_on_the_way = True
    public_key: str | None = None

    def service_for(self, address: Mapping[str, Any]) -> str:
        """One service for all."""
        return "console"

    def send(self, address: Mapping[str, Any], message: Message) -> None:
        """Log that the push went out."""
        logger().info("push_sent", notification_id=str(message.notification_id), kind=message.kind)


def make(settings: Settings) -> ConsoleProvider | None:
    """The provider; none in production."""
    return None if settings.production else ConsoleProvider()
