"""Published rankings to take away."""

from collections.abc import Mapping
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
from volunteer_api.rankings.snapshots import SnapshotPage

WIDTHS = (8, 40, 16, 16, 16, 16)


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
    sheet = Sheet(
        name=measure,
        titles=(title, _told_closing(found), found.rule["text"]),
        columns=[Column(header, width) for header, width in zip(headers, WIDTHS, strict=False)],
        rows=[_cells(item, with_own=with_own) for item in found.items],
    )

    def make() -> bytes:
        with in_turn(PLACES, PATIENCE_SECONDS):
            return write_workbook([sheet])

    return Download(make, XLSX, f"{title} {found.snapshot.period}.xlsx")


def _told_closing(found: SnapshotPage) -> str:
    """Of which days, closed when, whether for good, and when it was set beside what is counted now."""
    snapshot = found.snapshot
    return " · ".join(
        [
            words.told_days(snapshot.first, snapshot.last),
            *snapshots.told_closing(snapshot),
            texts.translate("counted at %(moment)s", moment=words.told_moment(found.as_of)),
        ]
    )


def _cells(item: Mapping[str, Any], *, with_own: bool) -> list[Value]:
    own = [item["own"]] if with_own else []
    return [item["rank"], item["subject"]["name"], item["value"], *own, item["live"], item["adjustment"]]
