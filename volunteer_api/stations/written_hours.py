"""Weekly hours as people write them in one cell: 周一至周五 08:00-18:00;周六、周日 09:00-17:00. Pure, both ways."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from volunteer_api.core.codes import folded
from volunteer_api.core.schema import Fault
from volunteer_api.core.tables import time_of

EVERY_DAY = "每天"
ALL_DAY = ("00:00", "24:00")
DAYS = "一二三四五六日"
# What stands for several days; a text is folded when it is looked up. Hours with no days before them are of every day.
WORDS: Mapping[str, Sequence[int]] = {
    **dict.fromkeys(("", EVERY_DAY, "每日", "天天", "全周", "全年"), range(1, 8)),
    **dict.fromkeys(("工作日", "平日"), range(1, 6)),
    **dict.fromkeys(("周末", "双休日"), (6, 7)),
}
TIME = r"\d{1,2}(?::\d{2}(?::\d{2})?|[点时](?:\d{1,2}分?)?)"
SPAN = rf"(?:{TIME}[-~–—−至到](?:次日|翌日|第二天)?{TIME}|全天|24小时)"
PART = re.compile(rf"(?P<days>[^\d;]*?):?(?P<spans>{SPAN}(?:[,、和及]?{SPAN})*)[;,、。]*", re.ASCII)
TIMES = re.compile(TIME, re.ASCII)
SPANS = re.compile(SPAN, re.ASCII)
WEEK = r"(?:周|星期|礼拜)?"
RANGE = re.compile(rf"{WEEK}([一二三四五六日天])[-~–—−至到]{WEEK}([一二三四五六日天])")
SOME = re.compile(rf"{WEEK}([一二三四五六日天]+)")
# As many days on end are written as a range.
RANGE_FROM = 3


def hours_of(text: str) -> list[dict[str, Any]] | Fault:
    """The hours of a week, as `opening_hours` has them, by day and opening; whether they overlap the schema judges.

    Days are named (周一, 星期二, 周六日), joined by 、 or as a range by 至, or every day is meant; spans of one day are
    joined by commas, groups of days by semicolons; hours that name none are of the days before.
    次日 may stand before a closing of the next morning.
    """
    plain, at, named = folded(text), 0, ""
    found: list[dict[str, Any]] = []
    while at < len(plain):
        part = PART.match(plain, at)
        # 周一至周五 08:00-12:00;14:00-18:00 are two openings of the same days, whatever parts them.
        named = (part["days"] or named) if part is not None else named
        days = _days(named) if part is not None else None
        spans = [_span(one) for one in SPANS.findall(part["spans"])] if part is not None else []
        if part is None or days is None or None in spans:
            return Fault(
                "hours_unread", "Write hours like 周一至周五 08:00-18:00;周六 09:00-12:00, or 每天 08:00-20:00."
            )
        found += [{"weekday": day, "opens": span[0], "closes": span[1]} for day in days for span in spans if span]
        at = part.end()
    return ordered(found)


def written(opening_hours: Iterable[Mapping[str, Any]]) -> str:
    """The hours as `hours_of` reads them: days with the same hours together, "" where there are none."""
    spans_of: dict[int, str] = {
        weekday: ",".join(f"{one['opens']}-{one['closes']}" for one in group)
        for weekday, group in groupby(ordered(opening_hours), key=lambda one: int(one["weekday"]))
    }
    together: dict[str, list[int]] = {}
    for weekday, spans in spans_of.items():
        together.setdefault(spans, []).append(weekday)
    return ";".join(f"{_named(days)} {spans}" for spans, days in together.items())


def ordered(opening_hours: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same hours by day and opening."""
    return sorted((dict(one) for one in opening_hours), key=lambda one: (one["weekday"], one["opens"], one["closes"]))


def _span(text: str) -> tuple[str, str] | None:
    times = TIMES.findall(text)
    if not times:
        return ALL_DAY
    opens, closes = (_time(one) for one in times)
    return (opens, closes) if opens is not None and closes is not None else None


def _time(text: str) -> str | None:
    if text.rstrip("分") in ("24:00", "24点", "24时", "24点00", "24时00"):
        return ALL_DAY[1]
    found = time_of(text)
    return None if found is None else f"{found:%H:%M}"


def _days(text: str) -> list[int] | None:
    """The days that a text names, each once; None where it names something else."""
    if text in WORDS:
        return list(WORDS[text])
    found: list[int] = []
    for one in re.split("[,、和及]", text):
        if one in WORDS and one:
            found += WORDS[one]
        elif (days := RANGE.fullmatch(one)) is not None:
            first, last = (_day(name) for name in days.groups())
            found += [(first - 1 + number) % 7 + 1 for number in range((last - first) % 7 + 1)]
        elif (days := SOME.fullmatch(one)) is not None:
            found += [_day(name) for name in days[1]]
        else:
            return None
    return sorted(set(found))


def _day(name: str) -> int:
    return DAYS.index("日" if name == "天" else name) + 1


def _named(days: Sequence[int]) -> str:
    if len(days) == len(DAYS):
        return EVERY_DAY
    return "、".join(_runs(days))


def _runs(days: Sequence[int]) -> Iterator[str]:
    for _, group in groupby(enumerate(days), key=lambda pair: pair[1] - pair[0]):
        run = [f"周{DAYS[day - 1]}" for _, day in group]
        yield from [f"{run[0]}至{run[-1]}"] if len(run) >= RANGE_FROM else run
