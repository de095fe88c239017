"""Rankings as they are now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import reduce
from operator import add, attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, column, func, literal, select, table

from volunteer_api.activities.models import Campaign
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.paging import DEFAULT_LIMIT, Key, Page, cursor_values, page
from volunteer_api.core.problems import NotFound
from volunteer_api.core.settings import rules
from volunteer_api.organizations.models import Organization
from volunteer_api.rankings import histograms, named, volunteers
from volunteer_api.rankings.bases import PARTS, add_up, on_basis, period_before, placed
from volunteer_api.rankings.counting import answering, is_read
from volunteer_api.rankings.facts import Question, Rows
from volunteer_api.rankings.named import Part
from volunteer_api.rankings.names import why_unnamed
from volunteer_api.rankings.queries import Ended, ended, merged_with_any, scope_total
from volunteer_api.rankings.registered import count_in, divisions_of, merged_into
from volunteer_api.rankings.schemas import Basis, Metric, NotListed, Subject
from volunteer_api.rankings.shapes import kept_if_shared, values_of
from volunteer_api.rankings.volunteers import NEIGHBORS

HELD = (
    "A shift is held if it is over and was not canceled before, and at least this many people attended: "
    "%(attendances)s. What an activity held before it was canceled counts. "
)
TEXTS = {
    Metric.ACTIVITY_COUNT: HELD
    + "An activity counts once for each local date on which it had a held shift; hours that were only backfilled make "
    "no shift a held one.",
    Metric.ATTENDANCE_COUNT: HELD
    + "Everybody counts once for each held shift attended, unless all of it was rejected.",
    Metric.VOLUNTEER_COUNT: HELD + "Everybody who attended a held shift counts once, unless all of it was rejected.",
    Metric.CREDITED_MINUTES: "The credited minutes of the hours ledger; a reversal counts on the original date.",
}

# By what a cursor is bound, before there are rows to read behind it.
PLACED = table("placed", column("value"), column("id"))
# Among fewer it is known whose the values are: of two who swept one street, the other's; and she may be a child.
FEWEST_WITH_NEIGHBORS = 5
# What a basis adds to the rule, below organizations and below teams.
BASIS_TEXTS = {
    Basis.PER_VOLUNTEER: "It is divided by the registered volunteers who live in the organization's division now, and "
    "in those of what was merged into it and has no figures of its own here; what has no division is left out.",
    Basis.GROWTH: "From it is taken what was counted from %(first)s to %(last)s.",
}
# Where the period still runs, so that nobody takes a part for a fall.
RUNNING_TEXT = (
    "From it is taken what was counted from %(first)s to %(last)s: of the time before as many days as have begun of "
    "this period, which is not over yet."
)
NOT_BEGUN_TEXT = "The period has not begun yet."
TEAM_TEXT = "It is divided by the members that the team has now."
# For whom it counts; of volunteers, who is left out of the list, so that it does not look whole.
SUBJECT_TEXTS = {
    Subject.ORGANIZATION: "It counts for the organization it was published or recorded for, and those above it then.",
    Subject.TEAM: "It counts for the team that the activity was published for, whichever team was signed up for.",
    Subject.STATION: "It counts for the station for which it was published or recorded.",
    Subject.VOLUNTEER: "Only who consents to be named and is known to be of age is listed.",
}
# Hours stay with the team for which they were given; what was held is one team's.
TEAM_MINUTES_TEXT = (
    "Minutes count for the team that was signed up for, else for the activity's; those of a duty at a station "
    "for the volunteer's primary team, if that belongs to the station's organization or to one above it."
)
ONLY_WITH_ANY_TEXT = "Only who consents to be named, is known to be of age and has any is listed."


@dataclass(frozen=True)
class RankedRow:
    """One place of a ranking."""

    rank: int
    subject: dict[str, Any]
    value: float
    own: int | None
    raw: int
    registered: int | None
    before: int | None


@dataclass(frozen=True)
class Ranking:
    """One page. `scope` is the subtree looked at with its figures, on the same basis; None for all."""

    items: Sequence[RankedRow]
    scope: dict[str, Any] | None
    rule: dict[str, Any]
    additive: bool
    as_of: datetime
    next_cursor: str | None


@dataclass(frozen=True)
class Standing:
    """A volunteer's own place among the `ranked`, None with nothing; the values of two neighbors on each side.

    Among fewer than five no values of others are told. `not_listed_because` is None where the list names her.
    """

    rank: int | None
    value: int
    ranked: int
    above: list[int]
    below: list[int]
    listed: bool
    not_listed_because: NotListed | None
    rule: dict[str, Any]
    as_of: datetime


def rank(query: Mapping[str, Any]) -> Ranking:
    """The page of the ranking that a loaded `RankingQuery` asks for, counted from the rows as they are now.

    Raises NotFound (404) for an unknown scope or campaign, or for somebody around whom there is no place; InvalidCursor
    (400), Busy (503) where others count already.
    """
    question = question_of(query)
    organization = require_known(question)
    with answering(question, is_read=is_read(question)):
        found = Page(_around(question, query["around"]), None) if "around" in query else _page(question, query)
        scope = scope_of(question, organization, found.items)
    gone = ended_of(question, found.items)
    return Ranking(
        items=[_row(question, row, gone.get(row.id)) for row in found.items],
        scope=scope,
        rule=rule_of(question),
        additive=add_up(question),
        as_of=question.now,
        next_cursor=found.next_cursor,
    )


def question_of(query: Mapping[str, Any]) -> Question:
    """The question that a loaded `RankingFilter` asks, counted at this moment."""
    now, (first, last) = clock.now(), days_of(query)
    basis = query.get("basis", Basis.RAW)
    grows = basis is Basis.GROWTH and first is not None and last is not None
    return Question(
        subject=query["subject"],
        metric=query["metric"],
        now=now,
        level=query.get("level"),
        scope=query.get("scope"),
        campaign_id=query.get("campaign_id"),
        category=query.get("category"),
        first=first,
        last=last,
        basis=basis,
        before=period_before(first, last, query.get("period"), clock.local_date(now))
        if grows and first and last
        else None,
    )


def told_value(question: Question, value: int) -> float:
    """The value as a person reads it: whole, or per volunteer with four decimals."""
    return value / PARTS if question.basis is Basis.PER_VOLUNTEER else value


def my_standing(volunteer_id: UUID, query: Mapping[str, Any]) -> Standing:
    """Where a volunteer stands among all who have any, named or not. Raises NotFound (404) for what is unknown."""
    question = question_of({**query, "subject": Subject.VOLUNTEER})
    require_known(question)
    with answering(question, is_read=histograms.can_tell(question)):
        rows = db.session.execute(volunteers.standing(question, volunteer_id)).all()
    [own] = [row for row in rows if row.side == volunteers.OWN]
    sides: dict[str, list[int]] = {volunteers.ABOVE: [], volunteers.BELOW: []}
    if own.ranked >= FEWEST_WITH_NEIGHBORS:
        for row in sorted(rows, key=attrgetter("value"), reverse=True):
            if row is not own:
                sides[row.side].append(row.value)
    hindrance = why_unnamed(volunteer_id, question.now)
    if hindrance is None and own.value == 0 and question.is_part:
        hindrance = NotListed.NOTHING_COUNTED
    return Standing(
        rank=own.ahead + 1 if own.value > 0 else None,
        value=own.value,
        ranked=own.ranked,
        above=sides[volunteers.ABOVE],
        below=sides[volunteers.BELOW],
        listed=hindrance is None,
        not_listed_because=hindrance,
        rule=rule_of(question, everybody=True),
        as_of=question.now,
    )


def days_of(query: Mapping[str, Any]) -> tuple[date | None, date | None]:
    """The first and the last local day that a query asks for, None where it leaves them open."""
    if "period" in query:
        return query["period"].first, query["period"].last
    return query.get("first"), query.get("last")


def _row(question: Question, row: Any, ended: Ended | None) -> RankedRow:
    return RankedRow(
        rank=row.rank,
        subject={
            "id": row.id,
            "name": row.name,
            "closed_on": ended.on if ended else None,
            "merged_into": ended.into if ended else None,
        },
        value=told_value(question, row.value),
        own=row.own,
        raw=row.raw,
        registered=row.registered,
        before=row.before,
    )


def _page(question: Question, query: Mapping[str, Any]) -> Page:
    """The page that a query asks for. Raises InvalidCursor (400)."""
    behind = cursor_values(_keys(PLACED), query)
    rows = placed(question, Part((query.get("limit") or DEFAULT_LIMIT) + 1, (behind[0], behind[1]) if behind else None))
    return page(*_listed(rows), query, values=values_of(question))


@kept_if_shared
def _listed(rows: FromClause) -> tuple[Rows, tuple[Key, ...]]:
    return select(rows), _keys(rows)


def _sum_of_places(question: Question, items: Sequence[Any]) -> int:
    """What all places have, of which these are a page; behind the last of them nobody has it beside him."""
    if items:
        return int(items[0].sum)
    total = select(func.coalesce(func.sum(placed(question).c.value), 0))
    return db.session.scalar(total, values_of(question)) or 0


def _keys(rows: FromClause) -> tuple[Key, ...]:
    # Their id breaks the tie of equal values, so that pages never tear.
    return Key(rows.c.value, attrgetter("value"), descending=True), Key(rows.c.id, attrgetter("id"))


def _around(question: Question, subject_id: UUID) -> Sequence[Any]:
    """One subject's place and two neighbors on each side. Raises NotFound (404) where it has no place."""
    if named.can_tell(question):
        near = named.around(question, subject_id, NEIGHBORS)
        if near is None:
            raise NotFound()
        return db.session.execute(select(near).order_by(near.c.value.desc(), near.c.id)).all()
    rows = placed(question)
    place = func.row_number().over(order_by=(rows.c.value.desc(), rows.c.id))
    placed_rows = select(rows, place.label("place")).cte("numbered")
    own = select(placed_rows.c.place).where(placed_rows.c.id == subject_id).scalar_subquery()
    found = db.session.execute(
        select(placed_rows)
        .where(placed_rows.c.place.between(own - NEIGHBORS, own + NEIGHBORS))
        .order_by(placed_rows.c.place),
        values_of(question),
    ).all()
    if not found:
        raise NotFound()
    return found


def ended_of(question: Question, rows: Sequence[Any]) -> dict[UUID, Ended]:
    """Which of the ranked organizations are closed by now."""
    return ended([row.id for row in rows]) if question.subject is Subject.ORGANIZATION else {}


def scope_of(question: Question, organization: Organization | None, items: Sequence[Any]) -> dict[str, Any] | None:
    """The figures of the subtree that is looked at, beside places of it; None where all is looked at."""
    if organization is None:
        return None
    scope = _figures_of(question, organization)
    if add_up(question):
        scope["elsewhere"] = scope["value"] - _sum_of_places(question, items)
    return scope


def _figures_of(question: Question, organization: Organization) -> dict[str, Any]:
    total = db.session.execute(scope_total(question), values_of(question)).one()
    found = {"id": organization.id, "name": organization.name, "raw": total.value, "elsewhere": None}
    match question.basis:
        case Basis.GROWTH:
            earlier = question.earlier
            before = db.session.execute(scope_total(earlier), values_of(earlier)).one().value
            return {**found, "value": total.value - before, "own": None, "registered": None, "before": before}
        case _ if question.is_of_members:
            # Only teams have members: of a scope there is nothing to divide by.
            return {**found, "value": None, "own": None, "registered": None, "before": None}
        case Basis.PER_VOLUNTEER:
            registered = registered_in(divisions_counted(question, organization))
            value = told_value(question, on_basis(question, total.value, registered))
            return {**found, "value": value, "own": None, "registered": registered, "before": None}
        case _:
            return {**found, "value": total.value, "own": total.own, "registered": None, "before": None}


def divisions_counted(question: Question, organization: Organization, *metrics: Metric) -> list[str]:
    """The codes of the divisions whose people an organization's figures are set against.

    What was merged in is left out where it has figures of its own in these days, by the question's metric or one of
    several: they are set against its people, and the successor's are not.
    """
    if not merged_into(organization):
        return [organization.division_code] if organization.division_code is not None else []
    each = [merged_with_any(replace(question, metric=metric)) for metric in metrics or (question.metric,)]
    apart = [db.session.scalars(rows, values_of(question)) for rows in each]
    return divisions_of(organization, set().union(*apart))


def registered_in(codes: Sequence[str]) -> int | None:
    """How many volunteers live in divisions of which none is inside another; None where there are none."""
    return db.session.scalar(select(reduce(add, (count_in(literal(code)) for code in codes)))) if codes else None


def require_known(question: Question) -> Organization | None:
    """The scope, None where there is none. Raises NotFound (404) for an unknown scope or campaign."""
    if question.campaign_id is not None and db.session.get(Campaign, question.campaign_id) is None:
        raise NotFound()
    if question.scope is None:
        return None
    organization = db.session.get(Organization, question.scope)
    if organization is None:
        raise NotFound()
    return organization


def rule_of(question: Question, *, attendances: int | None = None, everybody: bool = False) -> dict[str, Any]:
    """How it is counted, in words and in figures; `attendances` is how many a held shift needed then, if not now.

    Of volunteers it tells who is listed, but where `everybody` is counted.
    """
    needed = attendances or rules().attendances_for_held_shift
    text = texts.translate(TEXTS[question.metric], attendances=needed)
    before_first, before_last = question.before or (None, None)
    additions = [] if everybody else [_subject_text(question)]
    if question.basis is not Basis.RAW:
        additions.append(_basis_text(question))
    if question.first is not None and question.first > clock.local_date(question.now):
        additions.append(NOT_BEGUN_TEXT)
    for one in additions:
        addition = texts.translate(one, first=before_first, last=before_last)
        text = texts.translate("%(rule)s %(addition)s", rule=text, addition=addition)
    return {
        "metric": question.metric,
        "basis": question.basis,
        "text": text,
        "before_first": before_first,
        "before_last": before_last,
        "attendances_for_held_shift": needed,
        "first": question.first,
        "last": question.last,
    }


def _basis_text(question: Question) -> str:
    if question.is_of_members:
        return TEAM_TEXT
    today = clock.local_date(question.now)
    if question.basis is Basis.GROWTH and question.first and question.last and question.first <= today <= question.last:
        return RUNNING_TEXT
    return BASIS_TEXTS[question.basis]


def _subject_text(question: Question) -> str:
    if question.subject is Subject.VOLUNTEER and question.is_part:
        return ONLY_WITH_ANY_TEXT
    if question.subject is Subject.TEAM and question.metric is Metric.CREDITED_MINUTES:
        return TEAM_MINUTES_TEXT
    return SUBJECT_TEXTS[question.subject]
