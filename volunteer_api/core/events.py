"""News that must travel right: a feature publishes what happened, features to its right handle it in the same unit.

A feature's `handlers.py` decorates its functions with `on`; `app.py` imports it. Handlers write rows only, and run at
once; one that raises undoes everything, so a handler may also refuse. Their order is not promised.
"""

from collections.abc import Callable
from typing import Any, TypeVar

Event = TypeVar("Event")
Handler = Callable[[Any], None]

_handlers: dict[type, list[Handler]] = {}


def on(event: type[Event]) -> Callable[[Callable[[Event], None]], Callable[[Event], None]]:
    """Decorate a handler of an event: a frozen dataclass of the feature that publishes it."""

    def register(handler: Callable[[Event], None]) -> Callable[[Event], None]:
        _handlers.setdefault(event, []).append(handler)
        return handler

    return register


def publish(event: object) -> None:
    """Let every handler of this event do its part in the running unit. Raises what a handler raises."""
    for handler in _handlers.get(type(event), ()):
        handler(event)
