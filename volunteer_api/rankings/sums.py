"""What adds up, from the folded sums: read in the same time whatever was ever counted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import CTE, BigInteger, cast, func, literal, select, union_all

from volunteer_api.core.database import db
from volunteer_api.core.settings import rules, settings
from volunteer_api.rankings.changes import changes, in_period, marked, once
from volunteer_api.rankings.facts import Question, Rows, in_facet, in_scope
from volunteer_api.rankings.models import RankingRule, RankingSum
from volunteer_api.rankings.schemas import Metric, Subject
from volunteer_api.rankings.spans import Run, within

KNOWN = "volunteer_api_ranking_rule"
# Of what is folded: the second has days and weeks of the named too, the third has facets, the fourth a category in a
# campaign, how many are named, and of kept growth what each has beside it.
FORM = 4
SLICES = {Subject.ORGANIZATION: "path", Subject.TEAM: "team", Subject.STATION: "station"}


class Known(NamedTuple):
    """What is folded by the rule in use."""

    sums: bool
    all: bool


def is_folded() -> bool:
    """Whether the folded tables are made, and by the rule and in the zone in use. Asked once in a session."""
    return _known().sums


def all_is_folded() -> bool:
    """Whether that is folded too which earlier releases did not fold: what named volunteers have, and facets."""
    return _known().all


def has_facet(question: Question) -> bool:
    """Whether what a question asks for is folded: all, or a facet."""
    return all_is_folded() if question.is_filtered else is_folded()


def _known() -> Known:
    known = db.session().info
    if KNOWN not in known:
        rule = db.session.execute(select(*RankingRule.__table__.c)).one_or_none()
        ours = (rules().attendances_for_held_shift, settings().zone.key)
        is_ours = rule is not None and (rule.attendances_for_held_shift, rule.zone) == ours
        known[KNOWN] = Known(is_ours, is_ours and rule is not None and rule.form == FORM)
    found: Known = known[KNOWN]
    return found


def forget() -> None:
    """Ask again: the folded tables are about to change."""
    db.session().info.pop(KNOWN, None)


@contextmanager
def counting_live() -> Iterator[None]:
    """Count live inside the block, whatever is folded: to compare the two."""
    forget()
    db.session().info[KNOWN] = Known(sums=False, all=False)
    try:
        yield
    finally:
        forget()


def can_tell(question: Question) -> bool:
    """Whether the folded sums have the answer."""
    return question.additive and question.subject in SLICES and has_facet(question)


def amounts(question: Question, tiles: list[Run] | None = None) -> CTE:
    """A row with `path_id`, `team_id` or `station_id` if these are ranked, and the `amount` in the question's period.

    With `tiles` of the period a row also for each first day of these, `on`, and for each day that is not folded yet.
    """
    name = SLICES[question.subject]
    ids = [] if name == "path" else [f"{name}_id"]
    folded = select(
        RankingSum.path_id,
        *(RankingSum.ranked_id.label(one) for one in ids),
        RankingSum.starts_on.label("on"),
        getattr(RankingSum, question.metric).label("amount"),
    ).where(
        RankingSum.slice == question.kind_of(name),
        within(RankingSum.unit, RankingSum.starts_on, tiles or question.tiles),
    )
    rows = once(changes(question.metric, marked(question.now)))
    lacking = select(rows.c.path_id, *(rows.c[one] for one in ids), rows.c.on, rows.c.amount).where(
        *in_period(question, rows.c.on), *in_facet(question, rows.c)
    )
    every = union_all(folded, lacking).subquery("every")
    keys = [every.c[key] for key in ("path_id", *ids, *(["on"] if tiles else []))]
    # Before paths fan out to what is above them: PostgreSQL read the days of a free range again for each path.
    amount = func.sum(every.c.amount)
    return once(select(*keys, cast(amount, BigInteger).label("amount")).group_by(*keys).having(amount != 0))


def by_span(question: Question, metrics: Sequence[Metric], tiles: list[Run]) -> Rows:
    """Rows of `starts_on` and each of the metrics, in the question's scope: a row for each of the spans that has any.

    The tiles are those of the question's period. What is not folded yet stands at its own day.
    """
    folded = select(
        RankingSum.path_id, RankingSum.starts_on, *(getattr(RankingSum, metric).label(metric) for metric in metrics)
    ).where(RankingSum.slice == f"path{question.facet}", within(RankingSum.unit, RankingSum.starts_on, tiles))
    what = marked(question.now)
    parts = [folded]
    for metric in metrics:
        lacking = changes(metric, what).subquery()
        amounts_of = [(lacking.c.amount if one is metric else literal(0)).label(one) for one in metrics]
        asked = *in_period(question, lacking.c.on), *in_facet(question, lacking.c)
        parts.append(select(lacking.c.path_id, lacking.c.on, *amounts_of).where(*asked))
    rows = union_all(*parts).subquery("facts")
    # PostgreSQL sums whole numbers to a decimal.
    values = [cast(func.sum(rows.c[metric]), BigInteger).label(metric) for metric in metrics]
    statement: Rows = select(rows.c.starts_on, *values).select_from(rows)
    return in_scope(statement, rows, question).group_by(rows.c.starts_on)
