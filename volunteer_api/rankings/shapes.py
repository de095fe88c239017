"""The SQL of rankings, built once for all questions of one shape: building it took most of a page's time.

That of volunteers is built for each question, and so is one that counts some subjects in part (`headcounts.parted`).

What is built has a parameter for each value of its question, and is executed with `values_of` that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

from sqlalchemy import FromClause, String, bindparam

from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.paging import SHAPES_KEPT
from volunteer_api.core.settings import rules, settings
from volunteer_api.core.unit_of_work import sees_one_moment
from volunteer_api.rankings import headcounts, sums
from volunteer_api.rankings.facts import Pattern, Question
from volunteer_api.rankings.kept import span_of
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.spans import Run

FIELDS = ("now", "scope", "level", "campaign_id", "category", "first", "last")
MOMENTS = ("begins_at", "over_at", "stood_at")
# What is folded by facets, under names of its own for each.
KINDS = (*sums.SLICES.values(), *sums.SLICES, headcounts.OWN)
# Before the names of the parameters of the second, where two questions stand in one statement.
EARLIER = "earlier_"

Built = TypeVar("Built")
Rows = TypeVar("Rows", bound=FromClause)
Others = ParamSpec("Others")

# What was built for more than one question.
_shared: WeakSet[Any] = WeakSet()


@dataclass(frozen=True)
class Shape:
    """What the SQL for a question depends on, beside the values that are bound to it."""

    subject: Subject
    metric: Metric
    # The names of its values.
    asked: frozenset[str]
    tiles: int
    # Of the deployment and of the unit of work: how SQL is written there, and what is folded.
    around: tuple[Any, ...]
    prefix: str

    def pattern(self) -> Pattern:
        """The question with its parameters, each of the type of the column that it is compared with."""
        parameters: dict[str, Any] = {name: bindparam(self.prefix + name) for name in self.asked}
        tiles = [
            Run(
                parameters[f"tile_{place}_unit"],
                parameters[f"tile_{place}_first"],
                parameters.get(f"tile_{place}_last"),
            )
            for place in range(self.tiles)
        ]
        asked: dict[str, Any] = {name: parameters.get(name) for name in (*FIELDS, *MOMENTS)}
        return Pattern(
            subject=self.subject,
            metric=self.metric,
            **asked,
            tiles=tiles,
            span=(parameters["span_unit"], parameters["span_start"]) if "span_unit" in parameters else None,
            # In an IN of several, nothing tells their type.
            kinds={kind: bindparam(f"{self.prefix}kind_{kind}", type_=String()) for kind in KINDS},
        )


def built(build: Callable[[Question], Built], question: Question, prefix: str = "") -> Built:
    """What `build` makes of a question, made once for all questions of its shape: what it makes of their pattern."""
    shape = Shape(
        subject=question.subject,
        metric=question.metric,
        asked=frozenset(_values(question)),
        tiles=len(question.tiles),
        around=(
            db.engine.dialect.name,
            settings().zone.key,
            clock.now().year,
            rules().attendances_for_held_shift,
            sums.is_folded(),
            sums.all_is_folded(),
            sees_one_moment(),
        ),
        prefix=prefix,
    )
    return _built(build, shape)  # type: ignore[no-any-return]  # what is kept is of any type


def values_of(question: Question) -> dict[str, Any]:
    """The values of a question's parameters, and those of the question that growth is set against."""
    values = _values(question.raw)
    if question.before is None:
        return values
    return values | {EARLIER + name: value for name, value in _values(question.earlier).items()}


def kept_if_shared(
    make: Callable[Concatenate[Rows, Others], Built],
) -> Callable[Concatenate[Rows, Others], Built]:
    """Keep what `make` makes of SQL that questions share; what it makes of a single question's goes with its answer."""
    keep = lru_cache(maxsize=SHAPES_KEPT)(make)

    @wraps(make)
    def made(rows: Rows, /, *others: Others.args, **named: Others.kwargs) -> Built:
        if not all(one in _shared for one in (rows, *others) if isinstance(one, FromClause)):
            return make(rows, *others, **named)
        found = keep(rows, *others, **named)  # type: ignore[arg-type]  # they are hashable
        if isinstance(found, FromClause):
            _shared.add(found)
        return found

    return made


@lru_cache(maxsize=SHAPES_KEPT)
def _built(build: Callable[[Question], Any], shape: Shape) -> Any:
    found = build(shape.pattern())
    _shared.add(found)
    return found


def _values(question: Question) -> dict[str, Any]:
    values = {name: getattr(question, name) for name in (*FIELDS, *MOMENTS)}
    for place, run in enumerate(question.tiles):
        values |= {f"tile_{place}_{name}": value for name, value in vars(run).items()}
    if headcounts.can_tell(question) and (span := span_of(question)) is not None:
        values |= dict(zip(("span_unit", "span_start"), span, strict=True))
    values |= {f"kind_{kind}": question.kind_of(kind) for kind in KINDS}
    return {name: value for name, value in values.items() if value is not None}
