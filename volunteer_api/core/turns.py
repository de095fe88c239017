"""Work of which only so much may go on at once in a process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from volunteer_api.core.problems import Busy


@contextmanager
def in_turn(places: threading.BoundedSemaphore, patience_seconds: float) -> Iterator[None]:
    """Hold one of the places. Raises Busy (503) where none is free within the patience."""
    if not places.acquire(timeout=patience_seconds):
        raise Busy()
    try:
        yield
    finally:
        places.release()
