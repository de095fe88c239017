"""Published rankings to take away."""

from collections.abc import Mapping, Sequence
from typing import Any

from volunteer_api.core import texts
from volunteer_api.core.documents import PATIENCE_SECONDS, PLACES
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.turns import in_turn
from volunteer_api.core.workbooks import Column, Sheet, Value, write_workbook
from volunteer_api.rankings import snapshots, words
from volunteer_api.rankings.files import MOST_ROWS
from volunteer_api.rankings.models import RankingSnapshot
from volunteer_api.rankings.problems import RankingTooLong
from volunteer_api.rankings.schemas import Subject
from volunteer_api.rankings.snapshots import SnapshotView

WIDTHS = (12, 40, 16, 16, 16, 16)


def snapshot_workbook(snapshot: RankingSnapshot, query: Mapping[str, Any]) -> Download:
    """All places of one of a snapshot's rankings, beside what is counted now. Raises RankingTooLong (422)."""
    found = snapshots.read_whole(snapshot, query, MOST_ROWS + 1)
    if len(found.items) > MOST_ROWS:
        raise RankingTooLong(most=MOST_ROWS)
    subject, measure = words.subject_name(query["subject"], query.get("level")), words.metric_name(query["metric"])
    title = f"{found.snapshot.scope['name']} · {measure} · {subject}"
    with_own = query["subject"] is Subject.ORGANIZATION
    more = [texts.translate("Of its own")] if with_own else []
    headers = [texts.translate("Rank"), subject, measure, *more, texts.translate("Now"), texts.translate("Adjustment")]
    counted = texts.translate("counted at %(moment)s", moment=words.told_moment(found.as_of))
    titles = (title, f"{_told_closing(found.snapshot)} · {counted}", found.rule["text"])
    rows = [_cells(item, with_own=with_own) for item in found.items]
    return _workbook(measure, titles, headers, rows, f"{title} {found.snapshot.period}.xlsx")


def comparison_workbook(snapshot: RankingSnapshot, query: Mapping[str, Any]) -> Download:
    """All places of one of a snapshot's rankings, beside those of another of the same scope.

    Raises OtherSnapshotUnknown, OtherScope (409), RankingTooLong (422).
    """
    found = snapshots.compare_whole(snapshot, query, MOST_ROWS + 1)
    if len(found.items) > MOST_ROWS or found.other is None:
        raise RankingTooLong(most=MOST_ROWS)
    subject, measure = words.subject_name(query["subject"], query.get("level")), words.metric_name(query["metric"])
    title = f"{found.snapshot.scope['name']} · {measure} · {subject}"
    one, other, rank = found.snapshot, found.other, texts.translate("Rank")
    headers = [
        f"{rank} {one.period}",
        subject,
        one.period,
        other.period,
        f"{rank} {other.period}",
        texts.translate("Difference"),
    ]
    titles = (title, *(f"{each.period}: {_told_closing(each)}" for each in (one, other)), found.rule["text"])
    rows: list[list[Value]] = [
        [
            item["rank"],
            item["subject"]["name"],
            item["value"],
            item["other_value"],
            item["other_rank"],
            item["difference"],
        ]
        for item in found.items
    ]
    return _workbook(measure, titles, headers, rows, f"{title} {one.period} {other.period}.xlsx")


def _workbook(
    name: str, titles: Sequence[str], headers: Sequence[str], rows: Sequence[Sequence[Value]], file_name: str
) -> Download:
    columns = [Column(header, width) for header, width in zip(headers, WIDTHS, strict=False)]
    sheet = Sheet(name=name, titles=titles, columns=columns, rows=rows)

    def make() -> bytes:
        with in_turn(PLACES, PATIENCE_SECONDS):
            return write_workbook([sheet])

    return Download(make, XLSX, file_name)


def _told_closing(snapshot: SnapshotView) -> str:
    """Of which days, closed when, whether for good, and what waited then."""
    return " · ".join([words.told_days(snapshot.first, snapshot.last), *snapshots.told_closing(snapshot)])


def _cells(item: Mapping[str, Any], *, with_own: bool) -> list[Value]:
    own = [item["own"]] if with_own else []
    return [item["rank"], item["subject"]["name"], item["value"], *own, item["live"], item["adjustment"]]
