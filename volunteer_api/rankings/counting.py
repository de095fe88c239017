"""A turn for what is counted from folded shifts or the ledger: seconds of a thread and of the database, for anybody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from volunteer_api.core.turns import in_turn
from volunteer_api.rankings import headcounts, histograms, sums
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.schemas import Basis

# Of a worker's four threads: the others are left to people who check in. Whoever waits holds one of these too.
PLACES = threading.BoundedSemaphore(2)
PATIENCE_SECONDS = 0.2


@contextmanager
def in_turn_if_counted(question: Question) -> Iterator[None]:
    """Hold a place while a question is answered, but for one that is read from sums. Raises Busy (503)."""
    if _is_read(question):
        yield
        return
    with counting():
        yield


@contextmanager
def counting() -> Iterator[None]:
    """Hold a place while something is counted. Raises Busy (503)."""
    with in_turn(PLACES, PATIENCE_SECONDS):
        yield


def _is_read(question: Question) -> bool:
    if sums.can_tell(question) or headcounts.can_tell(question):
        return True
    return question.basis is Basis.RAW and histograms.can_tell(question)
