"""How a one-time code reaches its phone."""

import sys
from typing import Protocol


class CodeSender(Protocol):
    """Brings a code to a phone; called once the code is committed."""

    def send(self, *, phone: str, code: str, purpose: str) -> None:
        """Send it; `phone` is E.164."""


class ConsoleSender:
    """Prints the code on standard output, for trying and testing: the one place where a code is ever shown."""

    def send(self, *, phone: str, code: str, purpose: str) -> None:
        """Write one line, whole, so that the lines of several workers don't mix."""
        sys.stdout.write(f"code {code} for {phone} ({purpose})\n")
        sys.stdout.flush()


sender: CodeSender = ConsoleSender()
