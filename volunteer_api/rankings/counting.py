"""A turn for what is counted from folded shifts or the ledger: seconds of a thread and of the database, for anybody."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from volunteer_api.core.turns import in_turn
from volunteer_api.rankings import headcounts, named, sums
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.schemas import Basis, Subject
from volunteer_api.rankings.spans import single

# Of a worker's four threads: the others are left to people who check in. Whoever waits holds one of these too.
PLACES = threading.BoundedSemaphore(2)
PATIENCE_SECONDS = 0.2


@contextmanager
def in_turn_unless(is_read: bool) -> Iterator[None]:
    """Hold a place while a question is answered, but for one that is read from sums. Raises Busy (503)."""
    with nullcontext() if is_read else counting():
        yield


@contextmanager
def counting() -> Iterator[None]:
    """Hold a place while something is counted. Raises Busy (503)."""
    with in_turn(PLACES, PATIENCE_SECONDS):
        yield


def is_read(question: Question) -> bool:
    """Whether a ranking is read from sums, and so are the days that its growth is set against."""
    if question.before is not None and question.basis is Basis.GROWTH:
        first, last = question.before
        before = replace(question, first=first, last=last, before=None)
        return _can_tell(question) and _can_tell(before)
    return _can_tell(question)


def _can_tell(question: Question) -> bool:
    if question.subject is Subject.VOLUNTEER:
        span = single(question.first, question.last)
        return named.can_tell(question) and span is not None and span[0] in named.UNITS
    return sums.can_tell(question) or headcounts.can_tell(question)
