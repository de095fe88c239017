"""Rankings to take away: workbooks, csv, pictures. Each says the rule in words and when it was counted."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from heapq import nsmallest
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from volunteer_api.activities.models import Campaign
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.documents import PATIENCE_SECONDS, PLACES, Picture, photograph
from volunteer_api.core.downloads import CSV, PNG, SVG, XLSX, Download
from volunteer_api.core.spreadsheets import write_csv
from volunteer_api.core.turns import in_turn
from volunteer_api.core.workbooks import Column, Sheet, Value, write_workbook
from volunteer_api.organizations.models import Organization
from volunteer_api.rankings import charts, named, words
from volunteer_api.rankings.bases import add_up, on_basis, placed
from volunteer_api.rankings.by_day import days_are_read, values_by_day
from volunteer_api.rankings.charts import Bar, Caption, Frame, Runner
from volunteer_api.rankings.counting import answering, in_turn_unless, is_read
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.named import Part
from volunteer_api.rankings.problems import PeriodTooLong, RankingTooLong
from volunteer_api.rankings.queries import values_by_span
from volunteer_api.rankings.schemas import Basis, Step, Subject
from volunteer_api.rankings.service import (
    days_of,
    ended_of,
    question_of,
    require_known,
    rule_of,
    scope_of,
    told_value,
)
from volunteer_api.rankings.shapes import values_of
from volunteer_api.rankings.spans import Unit, start_of

# A city's stations and teams; a list of a million volunteers is no file that anybody reads.
MOST_ROWS = 10_000
MOST_FRAMES = charts.MOST_FRAMES
# 53 weeks: a picture of more has no room for its days.
MOST_DAYS = 371


def ranking_workbook(query: Mapping[str, Any]) -> Download:
    """All places of a ranking as an xlsx workbook, its numbers real ones.

    Raises NotFound (404) for an unknown scope or campaign, RankingTooLong (422).
    """
    question, organization = _question(query)
    caption, headers = _caption(question), _headers(question)
    places, scope = _places(question, organization)
    rows = [*_table(question, places), *_closing_rows(question, scope)]
    sheet = Sheet(
        name=words.measure_name(question),
        titles=(caption.title, caption.subtitle, caption.rule),
        columns=[Column(header, width) for header, width in zip(headers, (8, 40, 16, 16, 16), strict=False)],
        rows=rows,
    )

    def make() -> bytes:
        with in_turn(PLACES, PATIENCE_SECONDS):
            return write_workbook([sheet])

    return Download(make, XLSX, f"{_file_name(question)}.xlsx")


def ranking_csv(query: Mapping[str, Any]) -> Download:
    """All places of a ranking as csv: a header and rows. Raises as `ranking_workbook`.

    Of which days, counted when and by which rule stands in columns of each row: lines above the header would be taken
    for the table by a spreadsheet and by a program, and a line that is copied away takes them along.
    """
    question, organization = _question(query)
    places, scope = _places(question, organization)
    about: dict[str, Value] = _closing(question, scope) | {
        texts.translate("First day"): question.first,
        texts.translate("Last day"): question.last,
        texts.translate("Counted at"): words.told_moment(question.now),
        texts.translate("Rule"): rule_of(question)["text"],
    }
    headers = [*_headers(question), *about]
    rows = [[*row, *about.values()] for row in _table(question, places)]
    return Download(partial(write_csv, headers, rows), CSV, f"{_file_name(question)}.csv")


def _file_name(question: Question) -> str:
    # With its days: October's and November's lie in one folder.
    return f"{title_of(question)} {words.told_days(question.first, question.last)}"


def ranking_picture(query: Mapping[str, Any], *, photographed: bool) -> Download:
    """The first places of a ranking as bars: SVG, or `photographed` as PNG. Raises as `ranking_workbook`."""
    question, _ = _question(query)
    return _picture(draw_ranking(question, query["top"]), question.now, photographed=photographed)


def race_picture(query: Mapping[str, Any]) -> Download:
    """How the first places of a period came about, as an animated SVG: each frame is the ranking of the days to then.

    It costs what two rankings cost, however many frames it has: what each of them adds is summed up here.
    Raises NotFound (404), and PeriodTooLong (422) for more than 60 frames.
    """
    question, _ = _question(query)
    first, last = _whole_days(question, days_of(query), default_days=365)
    ends = _ends(first, last, query["step"])
    if len(ends) > MOST_FRAMES:
        raise PeriodTooLong(most=MOST_FRAMES)
    question = replace(question, first=first, last=last)
    runners, frames = _race(question, Unit(query["step"]), ends, query["top"])
    drawn = charts.bar_race(_caption(question), runners, frames, query["top"])
    return _picture(drawn, question.now, photographed=False)


def weeks_picture(query: Mapping[str, Any], *, photographed: bool) -> Download:
    """Each day of some weeks, the darker the more: SVG, or `photographed` as PNG.

    Raises NotFound (404) for an unknown scope or campaign, PeriodTooLong (422) for more than 371 days.
    """
    question, _ = _question({**query, "subject": Subject.ORGANIZATION})
    first, last = _whole_days(question, days_of(query), default_days=MOST_DAYS - 7)
    if (last - first).days >= MOST_DAYS:
        raise PeriodTooLong(most=MOST_DAYS)
    return _picture(draw_weeks(replace(question, first=first, last=last)), question.now, photographed=photographed)


def draw_ranking(question: Question, top: int) -> str:
    """The first places as SVG bars. Where the last of them is shared by others, a line says by how many."""
    with answering(question, is_read=is_read(question)):
        # Where these places alone are walked along, how many others there are is not known.
        is_counted = not named.can_tell(question)
        rows = placed(question, Part(top + 1))
        counts = func.count().over().label("places"), func.count().over(partition_by=rows.c.rank).label("sharing")
        statement = select(rows, *counts).order_by(rows.c.value.desc(), rows.c.id).limit(top + 1)
        found = list(db.session.execute(statement, values_of(question)))
    after = found.pop() if len(found) > top else None
    names = _names(question, found, briefly=True)
    bars = [Bar(row.rank, names[row.id], row.value, _told(question, row.value)) for row in found]
    caption, more = _caption(question), ""
    if after is not None and is_counted:
        part = texts.translate("the first %(shown)s of %(places)s", shown=len(found), places=after.places)
        caption = replace(caption, subtitle=f"{part} · {caption.subtitle}")
    if after is not None and after.rank == found[-1].rank:
        others = after.sharing - sum(row.rank == after.rank for row in found)
        more = (
            texts.translate("%(count)s more share place %(rank)s", count=others, rank=after.rank)
            if is_counted
            else texts.translate("Others share place %(rank)s", rank=after.rank)
        )
    return charts.bar_chart(caption, bars, more)


def title_of(question: Question, *, of_all: bool = False) -> str:
    """Of what the numbers are; `of_all`, of the scope as a whole and not of its subjects."""
    about = [words.measure_name(question)]
    if question.scope is not None:
        about.insert(0, db.session.get_one(Organization, question.scope).name)
    if question.category is not None:
        about.append(words.category_name(question.category))
    if question.campaign_id is not None:
        about.append(db.session.get_one(Campaign, question.campaign_id).name)
    if not of_all:
        about.append(words.subject_name(question.subject, question.level))
    return " · ".join(about)


def draw_weeks(question: Question) -> str:
    """The days of a question, which has a first and a last one, as an SVG heat map."""
    if question.first is None or question.last is None:
        raise ValueError("a heat map has a first and a last day")
    with in_turn_unless(days_are_read(question)):
        values = values_by_day(question)
    return charts.heat_map(
        _caption(question, of_all=True),
        values,
        question.first,
        question.last,
        words.weekday_names(),
    )


def _question(query: Mapping[str, Any]) -> tuple[Question, Organization | None]:
    """What is asked, and the organization that is looked at, None for all."""
    question = question_of(query)
    return question, require_known(question)


def _names(question: Question, rows: Sequence[Any], *, briefly: bool = False) -> dict[UUID, str]:
    gone = ended_of(question, rows)
    return {row.id: words.told_name(row.name, gone.get(row.id), briefly=briefly) for row in rows}


def _race(question: Question, unit: Unit, ends: Sequence[date], top: int) -> tuple[list[Runner], list[Frame]]:
    """The first places at each of the ends, and all who had one."""
    added: defaultdict[date, dict[UUID, int]] = defaultdict(dict)
    with answering(question, is_read=is_read(question)):
        subjects = db.session.execute(select(placed(question)), values_of(question)).all()
        for row in db.session.execute(values_by_span(question, unit)):
            added[row.starts_on][row.subject_id] = int(row.value)
    reached: dict[UUID, int] = {row.id: 0 for row in subjects}
    names = _names(question, subjects, briefly=True)
    runners: dict[str, str] = {}
    frames = []
    for end in ends:
        for subject_id, value in added[start_of(unit, end)].items():
            if subject_id in reached:
                reached[subject_id] += value
        values = {row.id: on_basis(question, reached[row.id], row.registered) for row in subjects}
        first = nsmallest(top, subjects, key=lambda row: (-values[row.id], row.id))
        runners |= {str(row.id): names[row.id] for row in first}
        frames.append(Frame(f"{end:%Y-%m-%d}", {str(row.id): told_value(question, values[row.id]) for row in first}))
    return [Runner(*runner) for runner in sorted(runners.items())], frames


def _headers(question: Question) -> list[str]:
    measure = words.measure_name(question)
    headers = [texts.translate("Rank"), words.subject_name(question.subject, question.level), measure]
    if question.basis is Basis.PER_VOLUNTEER:
        return [*headers, words.metric_name(question.metric), words.divisor_name(question)]
    if question.basis is Basis.GROWTH:
        return [*headers, words.metric_name(question.metric), texts.translate("The time before")]
    return [*headers, texts.translate("Of its own")] if question.subject is Subject.ORGANIZATION else headers


def _more_cells(question: Question, row: Any) -> list[Value]:
    """What stands beside a value, under the headers from the fourth on."""
    match question.basis:
        case Basis.PER_VOLUNTEER:
            return [row.raw, row.registered]
        case Basis.GROWTH:
            return [row.raw, row.before]
        case _:
            return [row.own] if question.subject is Subject.ORGANIZATION else []


def _places(question: Question, organization: Organization | None) -> tuple[Sequence[Any], Mapping[str, Any] | None]:
    """All places, and the figures of the organization that is looked at."""
    with answering(question, is_read=is_read(question)):
        rows = placed(question, Part(MOST_ROWS + 1))
        statement = select(rows).order_by(rows.c.value.desc(), rows.c.id).limit(MOST_ROWS + 1)
        found = db.session.execute(statement, values_of(question)).all()
        scope = scope_of(question, organization, found)
    if len(found) > MOST_ROWS:
        raise RankingTooLong(most=MOST_ROWS)
    return found, scope


def _table(question: Question, rows: Sequence[Any]) -> list[list[Value]]:
    names = _names(question, rows)
    return [[row.rank, names[row.id], told_value(question, row.value), *_more_cells(question, row)] for row in rows]


def _closing(question: Question, scope: Mapping[str, Any] | None) -> dict[str, Value]:
    """What the places are to be held against: what none of them has, where they add up, and what the scope has."""
    if scope is None:
        return {}
    if not add_up(question):
        return {texts.translate("In all (places do not add up)"): scope["value"]}
    return {texts.translate("In none of these places"): scope["elsewhere"], texts.translate("In all"): scope["value"]}


def _closing_rows(question: Question, scope: Mapping[str, Any] | None) -> list[list[Value]]:
    rows: list[list[Value]] = [[None, name, value] for name, value in _closing(question, scope).items()]
    if rows and scope is not None:
        rows[-1] += _more_cells(question, SimpleNamespace(**scope))
    return rows


def _told(question: Question, value: int) -> str:
    return charts.told_number(told_value(question, value))


def _caption(question: Question, *, of_all: bool = False) -> Caption:
    days = words.told_days(question.first, question.last)
    counted = texts.translate("counted at %(moment)s", moment=words.told_moment(question.now))
    return Caption(
        title=title_of(question, of_all=of_all),
        subtitle=f"{days} · {counted}",
        rule=rule_of(question)["text"],
    )


def _whole_days(question: Question, days: tuple[date | None, date | None], *, default_days: int) -> tuple[date, date]:
    """The first and the last day of a picture; where the query leaves one open, the last is today."""
    first, last = days
    today = clock.local_date(question.now)
    last = min(last or today, today) if first is None or first <= today else last or first
    return first or last - timedelta(days=default_days - 1), last


def _ends(first: date, last: date, step: Step) -> list[date]:
    """The last day of each week or month of the days, the last day of all for the last; one more than is allowed."""
    ends: list[date] = []
    day = first
    while day <= last and len(ends) <= MOST_FRAMES:
        if step is Step.WEEK:
            end = day + timedelta(days=6 - day.weekday())
        else:
            end = (day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        ends.append(min(end, last))
        day = end + timedelta(days=1)
    return ends


def _picture(drawn: str, made_at: datetime, *, photographed: bool) -> Download:
    if photographed:
        return Download(partial(photograph, Picture(drawn), made_at=made_at), PNG)
    return Download(drawn.encode(), SVG)
