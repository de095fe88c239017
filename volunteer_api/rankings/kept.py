"""Questions that took long to count: what each of them asks about is kept like a span of the calendar.

Volunteers of one office, or over days that no span fits, are counted from who attended, and that grows with what was
ever recorded. Who asks is likely to turn the page, or to come back tomorrow. So what took long is noted, the worker
folds it as a span with a name of its own (`keeping.py`), and each fold keeps it up with the others. Until then, and of
whatever nobody asks, everything is counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import or_, select

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.logs import logger
from volunteer_api.core.statements import among, insert, set_limits
from volunteer_api.core.tasks import enqueue
from volunteer_api.core.unit_of_work import run_unit, sees_one_moment
from volunteer_api.rankings.facts import Pattern, Question
from volunteer_api.rankings.models import KeptQuestion
from volunteer_api.rankings.schemas import Basis, Metric, Subject
from volunteer_api.rankings.spans import BEGINNING, single
from volunteer_api.rankings.sums import SLICES, all_is_folded, has_facet

KEEP = "rankings.keep"
# To count so long once more is dearer than to keep it.
LONG_SECONDS = 0.15
# So often it is noted that somebody still asks.
NOTED_EACH = timedelta(hours=1)
# Nobody's thread is held for it.
BRIEFLY = {"lock_timeout": "100ms"}
WANTED = "volunteer_api_wanted_rankings"
FOUND = "volunteer_api_kept_rankings"

# The name of a unit, and the first day of one of its spans.
Span = tuple[str, date]


class Counts(StrEnum):
    """Of what the sums are."""

    # What each volunteer has, of all that adds up.
    PEOPLE = "people"
    # How many different volunteers each organization, team and station had.
    HEADS = "heads"


@dataclass(frozen=True)
class Kept:
    """What a question asks about, whichever metric, page or place in it."""

    counts: Counts
    first: date | None
    last: date | None
    scope: UUID | None
    category: str | None
    campaign_id: UUID | None
    # The days that growth is set against.
    before_first: date | None = None
    before_last: date | None = None

    @property
    def key(self) -> str:
        """All of it, for a unique column: what is null would be equal to nothing."""
        parts = [getattr(self, one.name) for one in fields(self)]
        if self.before_first is None:
            # As it stands where it was noted before growth was kept.
            parts = parts[:-2]
        return "/".join("" if part is None else str(part) for part in parts)


def unit_of(number: int) -> str:
    """The name of the unit under which sums are kept for one question."""
    return f"k{number}"


def span_of(question: Question) -> Span | None:
    """The span whose folded people or heads have the answer, of the calendar or kept; None where these must be counted.

    What is kept may be dropped at any time, so a unit must see one moment to read it.
    """
    if isinstance(question, Pattern):
        return question.span
    if (calendar := _of_calendar(question)) is not None:
        return calendar
    about = _about(question)
    if about is None or not all_is_folded() or not sees_one_moment():
        return None
    row = _found(about.key)
    return (unit_of(row.id), BEGINNING) if row is not None and row.made_at is not None else None


def raw_unit_of(unit: Any) -> Any:
    """The unit beside that of growth, a text or a column: what each has before anything is taken away from it."""
    return unit + "r"


def kept_questions() -> Sequence[KeptQuestion]:
    """Those that are kept by now, for a fold that keeps them up."""
    made = select(KeptQuestion).where(KeptQuestion.made_at.is_not(None))
    return db.session.scalars(made.order_by(KeptQuestion.id)).all()


def want(question: Question) -> None:
    """Remember that it took long to count."""
    for about in _parts(question):
        _wanted()[about.key] = about, clock.now()


def still_wanted(question: Question) -> None:
    """Remember that somebody asked for what is kept, if nobody did lately."""
    for about in _parts(question):
        row = _found(about.key)
        if row is not None and row.asked_at < clock.now() - NOTED_EACH:
            _wanted()[about.key] = about, clock.now()


def wanted() -> Mapping[str, tuple[Kept, datetime]]:
    """What the units of this session wanted to be kept, which is handed over: by its keys, and when."""
    found: dict[str, tuple[Kept, datetime]] = db.session().info.pop(WANTED, {})
    return found


def note(app: Flask, wanted: Mapping[str, tuple[Kept, datetime]]) -> None:
    """Write down what is wanted and ask the worker to keep it, once the answer is on its way.

    Never fails: a note that is lost costs whoever asks next some time.
    """
    with app.app_context():
        try:
            if run_unit(partial(note_all, wanted), writes=True):
                enqueue(KEEP)
        except Exception as error:
            logger().warning("kept_ranking_not_noted", error=type(error).__name__)


def note_all(wanted: Mapping[str, tuple[Kept, datetime]]) -> bool:
    """Write down what is wanted, by its keys, and when; returns whether anything is. Needs a unit.

    What was noted or tried lately stays as it is: who folds it for a minute would lose that to each who asks meanwhile.
    """
    set_limits(BRIEFLY)
    since = clock.now() - NOTED_EACH
    lately = select(KeptQuestion.key).where(
        among(KeptQuestion.key, wanted), or_(KeptQuestion.asked_at >= since, KeptQuestion.tried_at >= since)
    )
    known = set(db.session.scalars(lately))
    rows = [
        {"key": key, **{one.name: getattr(about, one.name) for one in fields(about)}, "asked_at": at, "row_count": 0}
        for key, (about, at) in sorted(wanted.items())
        if key not in known
    ]
    if rows:
        statement = insert(KeptQuestion).values(rows)
        later = {"asked_at": statement.excluded.asked_at}
        db.session.execute(statement.on_conflict_do_update(index_elements=["key"], set_=later))
    return bool(rows)


def _of_calendar(question: Question) -> Span | None:
    span = single(question.first, question.last)
    is_plain = question.subject is not Subject.VOLUNTEER or (question.basis is Basis.RAW and not question.is_part)
    return (span[0].value, span[1]) if span is not None and is_plain else None


def _parts(question: Question) -> Iterator[Kept]:
    """What would be kept for a question, and for the one that it is set against where that is asked by itself."""
    is_asked = question.before is not None and question.subject is not Subject.VOLUNTEER
    for one in (question, *([question.earlier] if is_asked else [])):
        if _of_calendar(one) is None and (about := _about(one)) is not None:
            yield about


def _about(question: Question) -> Kept | None:
    where = (question.first, question.last)
    facet = (question.category, question.campaign_id)
    if question.subject is Subject.VOLUNTEER:
        return Kept(Counts.PEOPLE, *where, question.scope, *facet, *(question.before or ()))
    if question.metric is Metric.VOLUNTEER_COUNT and question.subject in SLICES and has_facet(question):
        return Kept(Counts.HEADS, *where, None, *facet)
    return None


def _found(key: str) -> Any:
    """The row of a key, looked up once in a transaction."""
    info, transaction = db.session().info, db.session().get_transaction()
    if FOUND not in info or info[FOUND][0] is not transaction:
        info[FOUND] = transaction, {}
    known: dict[str, Any] = info[FOUND][1]
    if key not in known:
        columns = (KeptQuestion.id, KeptQuestion.made_at, KeptQuestion.asked_at)
        known[key] = db.session.execute(select(*columns).where(KeptQuestion.key == key)).one_or_none()
    return known[key]


def _wanted() -> dict[str, tuple[Kept, datetime]]:
    wanted: dict[str, tuple[Kept, datetime]] = db.session().info.setdefault(WANTED, {})
    return wanted
