"""Routes of rankings."""

from typing import Any

from volunteer_api.activities.access import to_see_campaign
from volunteer_api.activities.models import Campaign
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.written import Written
from volunteer_api.rankings import access, progress, service
from volunteer_api.rankings.schemas import ProgressQuery, ProgressRead, RankingQuery, RankingRead

blueprint = feature_blueprint("rankings", __name__, "Leaderboards and the rule by which they are counted")


@endpoint(blueprint, "GET", "/rankings", access=access.to_read, query=RankingQuery, returns=RankingRead)
def read_ranking(query: dict[str, Any]) -> service.Ranking:
    """Rank organizations, teams or stations, counted from the rows as they are now."""
    return service.rank(query)


@endpoint(
    blueprint,
    "GET",
    "/campaigns/<uuid:campaign_id>/progress",
    access=to_see_campaign,
    query=ProgressQuery,
    returns=ProgressRead,
)
def read_progress(campaign: Campaign, query: dict[str, Any]) -> Written:
    """Read how far a campaign has come towards its goals, counted from the rows as they are now."""
    found = progress.progress_of(campaign, query.get("level"))
    return Written(ProgressRead().dump(found), untagged=("as_of",))
