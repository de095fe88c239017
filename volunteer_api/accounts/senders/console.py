"""The sender for trying and testing."""

import sys

from volunteer_api.accounts.senders.base import CodeSender, Notice
from volunteer_api.config import SmsAccount


class ConsoleSender:
    """Prints the code on standard output: the one place where a code is ever shown."""

    is_remote = False

    def send(self, *, phone: str, code: str, purpose: str) -> None:
        """Write one line, whole, so that the lines of several workers don't mix."""
        sys.stdout.write(f"code {code} for {phone} ({purpose})\n")
        sys.stdout.flush()

    def notify(self, *, phone: str, notice: Notice) -> None:
        """Write one line, whole."""
        sys.stdout.write(f"notice {notice} for {phone}\n")
        sys.stdout.flush()


def make(_account: SmsAccount) -> CodeSender:
    """The sender; it needs no account."""
    return ConsoleSender()
