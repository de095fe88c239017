"""What came of activities, in sum: it stands beside what was held, and so follows the rule of the rankings."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select

from volunteer_api.activities.models import THOUSANDTHS, Activity, ActivityState, Outcome
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.organizations.queries import path_ids_under
from volunteer_api.rankings.facts import has_held

MOST_OUTCOMES = 100


def sum_outcomes(query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What came of completed activities that held a shift, by kind and unit, the most frequent first."""
    statement = (
        select(
            Outcome.kind,
            Outcome.unit,
            func.sum(Outcome.quantity).label("quantity"),
            func.count().label("activity_count"),
        )
        .join(Activity, Activity.id == Outcome.activity_id)
        .where(Activity.state == ActivityState.COMPLETED, has_held())
        .group_by(Outcome.kind, Outcome.unit)
        .order_by(func.count().desc(), Outcome.kind, Outcome.unit)
        .limit(MOST_OUTCOMES)
    )
    if query.get("organization_id"):
        statement = statement.where(Activity.organization_path_id.in_(path_ids_under(query["organization_id"])))
    for name in ("campaign_id", "category"):
        if query.get(name):
            statement = statement.where(getattr(Activity, name) == query[name])
    if query.get("first_day"):
        statement = statement.where(Activity.completed_at >= clock.start_of(query["first_day"]))
    if query.get("last_day"):
        statement = statement.where(Activity.completed_at < clock.days_between(query["last_day"], query["last_day"])[1])
    return [
        {
            "kind": row.kind,
            "unit": row.unit,
            "quantity": int(row.quantity) / THOUSANDTHS,
            "activity_count": row.activity_count,
        }
        for row in db.session.execute(statement)
    ]
