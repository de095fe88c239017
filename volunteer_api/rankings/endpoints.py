"""Routes of rankings."""

from typing import Any

from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.rankings import access, service
from volunteer_api.rankings.schemas import RankingQuery, RankingRead

blueprint = feature_blueprint("rankings", __name__, "Leaderboards and the rule by which they are counted")


@endpoint(blueprint, "GET", "/rankings", access=access.to_read, query=RankingQuery, returns=RankingRead)
def read_ranking(query: dict[str, Any]) -> service.Ranking:
    """Rank organizations, teams or stations, counted from the rows as they are now."""
    return service.rank(query)
