"""A turn for what is counted from folded shifts or the ledger: seconds of a thread and of the database, for anybody."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from volunteer_api.core.turns import in_turn
from volunteer_api.rankings import headcounts, kept, named, sums
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.schemas import Subject

# Of a worker's four threads: the others are left to people who check in. Whoever waits holds one of these too.
PLACES = threading.BoundedSemaphore(2)
PATIENCE_SECONDS = 0.2


def in_turn_unless(is_read: bool) -> AbstractContextManager[None]:
    """Hold a place while a question is answered, but for one that is read from sums. Raises Busy (503)."""
    return nullcontext() if is_read else counting()


def counting() -> AbstractContextManager[None]:
    """Hold a place while something is counted. Raises Busy (503)."""
    return in_turn(PLACES, PATIENCE_SECONDS)


@contextmanager
def answering(question: Question, *, is_read: bool) -> Iterator[None]:
    """Hold a place while a question is answered, but for one that is read from sums; have it kept if that took long.

    Raises Busy (503).
    """
    if is_read:
        kept.still_wanted(question)
        yield
        return
    with counting():
        begun = time.perf_counter()
        try:
            yield
        finally:
            # Also where the database gave up: who asks again after the worker did it has an answer.
            if time.perf_counter() - begun > kept.LONG_SECONDS:
                kept.want(question)


def is_read(question: Question) -> bool:
    """Whether a ranking is read from sums, and so are the days that its growth is set against."""
    if question.subject is Subject.VOLUNTEER:
        return named.can_tell(question) and kept.span_of(question) is not None
    return all(
        sums.can_tell(one) or headcounts.can_tell(one)
        for one in (question, *([question.earlier] if question.before is not None else []))
    )
