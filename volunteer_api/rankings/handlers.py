"""What rankings hold about a person: that she closed a period. Its numbers are published, and stay."""

from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.core.personal_data import exported, rows
from volunteer_api.rankings.models import RankingSnapshot


@exported("rankings_closed")
def rankings_closed(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The periods that the person closed."""
    return rows(
        select(RankingSnapshot.id, RankingSnapshot.scope_id, RankingSnapshot.period, RankingSnapshot.created_at)
        .where(RankingSnapshot.closed_by == volunteer_id)
        .order_by(RankingSnapshot.id.desc())
    )
