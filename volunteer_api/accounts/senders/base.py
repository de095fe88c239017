"""What every sender of codes is."""

from typing import Protocol
from urllib.parse import urlsplit

CONNECT_SECONDS = 3
READ_SECONDS = 5


class CodeSender(Protocol):
    """Brings a code to a phone; called once the code is committed."""

    # Whether it waits for somebody else's server.
    is_remote: bool

    def send(self, *, phone: str, code: str, purpose: str) -> None:
        """Send it; `phone` is E.164. Raises SendFailed."""


class SendFailed(Exception):
    """The provider did not take the code; `reason` is its own code for that, without a person's data."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def host_of(endpoint: str) -> tuple[str, str]:
    """SMS_ENDPOINT as (scheme, host); a bare host is asked by https."""
    parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    return parts.scheme, parts.netloc
