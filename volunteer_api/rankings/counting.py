"""A turn for what is counted from folded shifts or the ledger: seconds of a thread and of the database, for anybody."""

import threading
from contextlib import AbstractContextManager, nullcontext

from volunteer_api.core.turns import in_turn
from volunteer_api.rankings import headcounts, named, sums
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.schemas import Subject
from volunteer_api.rankings.spans import single

# Of a worker's four threads: the others are left to people who check in. Whoever waits holds one of these too.
PLACES = threading.BoundedSemaphore(2)
PATIENCE_SECONDS = 0.2


def in_turn_unless(is_read: bool) -> AbstractContextManager[None]:
    """Hold a place while a question is answered, but for one that is read from sums. Raises Busy (503)."""
    return nullcontext() if is_read else counting()


def counting() -> AbstractContextManager[None]:
    """Hold a place while something is counted. Raises Busy (503)."""
    return in_turn(PLACES, PATIENCE_SECONDS)


def is_read(question: Question) -> bool:
    """Whether a ranking is read from sums, and so are the days that its growth is set against."""
    return _can_tell(question) and (question.before is None or _can_tell(question.earlier))


def _can_tell(question: Question) -> bool:
    if question.subject is Subject.VOLUNTEER:
        return named.can_tell(question) and single(question.first, question.last) is not None
    return sums.can_tell(question) or headcounts.can_tell(question)
