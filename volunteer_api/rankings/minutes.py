"""Minutes of activities, folded by day: the ledger has a dozen rows for each of these.

The category is not in them. It is the activity's own, and may be put right after the minutes were recorded.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Subquery, cast, func, insert, select, union_all

from volunteer_api.activities.models import Activity
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.rankings.changes import Marked, in_period, marked, waiting_records
from volunteer_api.rankings.facts import Question, Rows, filtered
from volunteer_api.rankings.models import RankingMinutes
from volunteer_api.rankings.spans import Unit, bounds_of

KEYS = ("on", "activity_id", "path_id")


def minutes(question: Question) -> Subquery:
    """`on`, `activity_id`, `path_id` and `credited_minutes` of the question's period, campaign and category.

    Rows of one key are to be added up. Duties have no activity, and are not among these.
    """
    names = (*KEYS, "credited_minutes")
    lacking = _rows().where(ServiceRecord.id.in_(marked(question.now).record_ids)).subquery("lacking")
    every: list[Rows] = [
        select(*(rows[name] for name in names)).where(*in_period(question, rows.on))
        for rows in (RankingMinutes.__table__.c, lacking.c)
    ]
    found = union_all(*every).subquery("minutes")
    statement: Rows = select(*(found.c[name] for name in names))
    if question.is_filtered:
        statement = filtered(statement.join(Activity, Activity.id == found.c.activity_id), question)
    return statement.subquery("minutes_of_activities")


def changes_of_minutes(what: Marked) -> Mapping[Any, Mapping[str, int]]:
    """What is to be added to each row."""
    rows = _rows().where(ServiceRecord.id.in_(what.record_ids)).subquery("records")
    keys = [rows.c[name] for name in KEYS]
    total = func.sum(rows.c.credited_minutes).label("total")
    found = db.session.execute(select(*keys, total).group_by(*keys))
    return {(row.on, row.activity_id, row.path_id): {"credited_minutes": int(row.total)} for row in found}


def folded_and_recorded(day: date) -> tuple[Rows, Rows]:
    """What is folded of a day's month, and what should be, taken from nothing: rows of the keys and the minutes."""
    month = bounds_of(Unit.MONTH, day)
    folded, live = RankingMinutes.__table__.c, _rows().where(ServiceRecord.id.not_in(waiting_records())).subquery().c
    return (
        select(*(folded[name] for name in KEYS), folded.credited_minutes).where(folded.on.between(*month)),
        select(*(live[name] for name in KEYS), -live.credited_minutes).where(live.on.between(*month)),
    )


def rebuild_minutes() -> None:
    """Make all rows anew."""
    rows = _rows().subquery("records")
    keys = [rows.c[name] for name in KEYS]
    total = cast(func.sum(rows.c.credited_minutes), BigInteger)
    db.session.execute(
        insert(RankingMinutes).from_select([*KEYS, "credited_minutes"], select(*keys, total).group_by(*keys))
    )


def _rows() -> Rows:
    return select(
        ServiceRecord.on,
        ServiceRecord.activity_id,
        ServiceRecord.organization_path_id.label("path_id"),
        ServiceRecord.minutes.label("credited_minutes"),
    ).where(ServiceRecord.activity_id.is_not(None))
