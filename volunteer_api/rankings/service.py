"""Rankings as they are now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import select

from volunteer_api.activities.models import Campaign
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, page
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.organizations.models import Organization
from volunteer_api.rankings.queries import Question, ranked, scope_total
from volunteer_api.rankings.schemas import Metric

HELD = "A shift is held if it is over and not canceled, and at least this many people attended: %(attendances)s. "
TEXTS = {
    Metric.ACTIVITY_COUNT: HELD + "An activity counts once for each local date on which it had a held shift.",
    Metric.ATTENDANCE_COUNT: HELD
    + "Everybody counts once for each held shift attended, unless all of it was rejected.",
    Metric.VOLUNTEER_COUNT: HELD + "Everybody who attended a held shift counts once, unless all of it was rejected.",
    Metric.CREDITED_MINUTES: "The credited minutes of the hours ledger; a reversal counts on the original date.",
}


@dataclass(frozen=True)
class RankedRow:
    """One place of a ranking."""

    rank: int
    subject: dict[str, Any]
    value: int
    own: int | None


@dataclass(frozen=True)
class Ranking:
    """One page. `scope` has id, name, value and own of the subtree looked at, None for all."""

    items: Sequence[RankedRow]
    scope: dict[str, Any] | None
    rule: dict[str, Any]
    additive: bool
    as_of: datetime
    next_cursor: str | None


def rank(query: Mapping[str, Any]) -> Ranking:
    """The page of the ranking that a loaded `RankingQuery` asks for, counted from the rows as they are now.

    Raises NotFound (404) for an unknown scope or campaign, InvalidCursor (400).
    """
    question = question_of(query)
    require_known(question)
    scope = _scope(question)
    rows = ranked(question)
    # Their id breaks the tie of equal values, so that pages never tear.
    keys = [Key(rows.c.value, attrgetter("value"), descending=True), Key(rows.c.id, attrgetter("id"))]
    found = page(select(rows), keys, query)
    return Ranking(
        items=[RankedRow(row.rank, {"id": row.id, "name": row.name}, row.value, row.own) for row in found.items],
        scope=scope,
        rule=rule_of(question),
        additive=question.additive,
        as_of=question.now,
        next_cursor=found.next_cursor,
    )


def question_of(query: Mapping[str, Any]) -> Question:
    """The question that a loaded `RankingFilter` asks, counted at this moment."""
    first, last = days_of(query)
    return Question(
        subject=query["subject"],
        metric=query["metric"],
        now=clock.now(),
        level=query.get("level"),
        scope=query.get("scope"),
        campaign_id=query.get("campaign_id"),
        category=query.get("category"),
        first=first,
        last=last,
    )


def days_of(query: Mapping[str, Any]) -> tuple[date | None, date | None]:
    """The first and the last local day that a query asks for, None where it leaves them open."""
    if "period" in query:
        return query["period"].first, query["period"].last
    return query.get("first"), query.get("last")


def _scope(question: Question) -> dict[str, Any] | None:
    if question.scope is None:
        return None
    organization = db.session.get_one(Organization, question.scope)
    total = db.session.execute(scope_total(question)).one()
    return {"id": organization.id, "name": organization.name, "value": total.value, "own": total.own}


def require_known(question: Question) -> None:
    """Raises NotFound (404) for an unknown scope or campaign."""
    for model, asked in ((Organization, question.scope), (Campaign, question.campaign_id)):
        if asked is not None and db.session.get(model, asked) is None:
            raise NotFound()


def rule_of(question: Question) -> dict[str, Any]:
    """How it is counted, in words and in figures."""
    needed = rules().attendances_for_held_shift
    return {
        "metric": question.metric,
        "text": texts.translate(TEXTS[question.metric], attendances=needed),
        "attendances_for_held_shift": needed,
        "first": question.first,
        "last": question.last,
    }
