"""Routes of rankings."""

from functools import partial
from http.client import BAD_REQUEST
from typing import Any

from flask import Response, request

from volunteer_api.activities.access import to_see_campaign
from volunteer_api.activities.models import Campaign
from volunteer_api.core.access import Principal, public, signed_in
from volunteer_api.core.downloads import CSV, HTML, PDF, PNG, SVG, XLSX, Download, respond_with
from volunteer_api.core.endpoint import endpoint, feature_blueprint, page_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.problems import MEDIA_TYPE
from volunteer_api.core.schema import page_of
from volunteer_api.core.tasks import this_application
from volunteer_api.core.written import Written
from volunteer_api.organizations.models import Organization
from volunteer_api.rankings import (
    access,
    board,
    files,
    kept,
    outcomes,
    progress,
    report,
    service,
    snapshot_files,
    snapshots,
    statistics,
    sums,
)
from volunteer_api.rankings.counting import counting, in_turn_unless
from volunteer_api.rankings.models import RankingSnapshot
from volunteer_api.rankings.schemas import (
    BoardQuery,
    FactsFilter,
    MyRankingQuery,
    MyRankingRead,
    OutcomeFilter,
    OutcomeSums,
    PictureQuery,
    ProgressQuery,
    ProgressRead,
    RaceQuery,
    RankingFilter,
    RankingQuery,
    RankingRead,
    ReportQuery,
    WeeksQuery,
)
from volunteer_api.rankings.snapshot_schemas import (
    ClosedRankingRead,
    ComparisonFileQuery,
    ComparisonQuery,
    ComparisonRead,
    SnapshotCreate,
    SnapshotFileQuery,
    SnapshotListQuery,
    SnapshotQuery,
    SnapshotRead,
)
from volunteer_api.rankings.statistics_schemas import StatisticsRead

blueprint = feature_blueprint("rankings", __name__, "Leaderboards and the rule by which they are counted")
pages = page_blueprint("ranking_pages", __name__, "Leaderboards for the screen in the hall")
# Counted over all that ever was, by a dozen statements: more than a hall's screens and an office's people ask for.
FIGURES = "600/10 minutes"
# A file of all places, or a picture that a child process sets: a second of a core each.
FILES = "60/10 minutes"


def _keep_what_took_long(response: Response) -> Response:
    """Have it noted once the answer is on its way, whatever that is: also that the database gave up."""
    if wanted := kept.wanted():
        response.call_on_close(partial(kept.note, this_application(), wanted))
    return response


for _each in (blueprint, pages):
    _each.after_request(_keep_what_took_long)


@endpoint(
    blueprint, "GET", "/rankings", access=access.to_read, query=RankingQuery, returns=RankingRead, at_one_moment=True
)
def read_ranking(principal: Principal | None, query: dict[str, Any]) -> Written:
    """Rank organizations, teams, stations or volunteers, counted from the rows as they are now."""
    access.require_may_name(principal, query)
    # A screen that polls is answered with 304 until a place or a value has changed.
    return Written(RankingRead().dump(service.rank(query)), untagged=("as_of",))


@endpoint(
    blueprint,
    "GET",
    "/statistics",
    access=access.to_read,
    query=FactsFilter,
    returns=StatisticsRead,
    limit=FIGURES,
    at_one_moment=True,
)
def read_statistics(query: dict[str, Any]) -> Written:
    """Read the figures of a subtree, a campaign or all, in sum and in parts."""
    with counting():
        found = statistics.read_statistics(query)
    return Written(StatisticsRead().dump(found), untagged=("as_of",))


@endpoint(
    blueprint, "GET", "/me/ranking", access=signed_in, query=MyRankingQuery, returns=MyRankingRead, at_one_moment=True
)
def read_my_ranking(principal: Principal, query: dict[str, Any]) -> Written:
    """Read my own place among all volunteers, which nobody else is shown."""
    return Written(MyRankingRead().dump(service.my_standing(principal.volunteer_id, query)), untagged=("as_of",))


@endpoint(
    blueprint,
    "GET",
    "/campaigns/<uuid:campaign_id>/progress",
    access=to_see_campaign,
    query=ProgressQuery,
    returns=ProgressRead,
    limit=FIGURES,
    at_one_moment=True,
)
def read_progress(campaign: Campaign, query: dict[str, Any]) -> Written:
    """Read how far a campaign has come towards its goals, counted from the rows as they are now."""
    with in_turn_unless(sums.is_folded()):
        found = progress.progress_of(campaign, query.get("level"))
    return Written(ProgressRead().dump(found), untagged=("as_of",))


@endpoint(
    blueprint,
    "GET",
    "/activity-outcomes",
    access=public,
    query=OutcomeFilter,
    returns=OutcomeSums,
    limit=FIGURES,
)
def sum_outcomes(query: dict[str, Any]) -> dict[str, Any]:
    """Add up what came of activities, in a subtree or a campaign.

    Of those that are completed and held a shift by the rankings' rule: what is reported of an activity that nobody
    attended stands with it, and in no sum.
    """
    return {"items": outcomes.sum_outcomes(query)}


@endpoint(
    blueprint,
    "GET",
    "/rankings.xlsx",
    access=access.to_read,
    query=RankingFilter,
    produces=XLSX,
    limit=FILES,
    at_one_moment=True,
)
def fetch_ranking_workbook(principal: Principal | None, query: dict[str, Any]) -> Download:
    """Fetch all places of a ranking as a workbook."""
    access.require_may_name(principal, query)
    return files.ranking_workbook(query)


@endpoint(
    blueprint,
    "GET",
    "/rankings.csv",
    access=access.to_read,
    query=RankingFilter,
    produces=CSV,
    limit=FILES,
    at_one_moment=True,
)
def fetch_ranking_csv(principal: Principal | None, query: dict[str, Any]) -> Download:
    """Fetch all places of a ranking as csv."""
    access.require_may_name(principal, query)
    return files.ranking_csv(query)


@endpoint(
    blueprint,
    "GET",
    "/rankings.svg",
    access=access.to_read,
    query=PictureQuery,
    produces=SVG,
    limit=FIGURES,
    at_one_moment=True,
)
def draw_ranking(principal: Principal | None, query: dict[str, Any]) -> Download:
    """Draw the first places of a ranking as bars."""
    access.require_may_name(principal, query)
    return files.ranking_picture(query, photographed=False)


@endpoint(
    blueprint,
    "GET",
    "/rankings.png",
    access=access.to_read,
    query=PictureQuery,
    produces=PNG,
    limit=FILES,
    at_one_moment=True,
)
def photograph_ranking(principal: Principal | None, query: dict[str, Any]) -> Download:
    """Draw the first places of a ranking as bars, for a chat or a slide."""
    access.require_may_name(principal, query)
    return files.ranking_picture(query, photographed=True)


@endpoint(
    blueprint,
    "GET",
    "/rankings/race.svg",
    access=access.to_read,
    query=RaceQuery,
    produces=SVG,
    limit=FILES,
    at_one_moment=True,
)
def draw_race(query: dict[str, Any]) -> Download:
    """Draw how the first places came about, as bars that race through the period."""
    return files.race_picture(query)


@endpoint(blueprint, "GET", "/rankings/weeks.svg", access=access.to_read, query=WeeksQuery, produces=SVG, limit=FIGURES)
def draw_weeks(query: dict[str, Any]) -> Download:
    """Draw each day of some weeks, the darker the more."""
    return files.weeks_picture(query, photographed=False)


@endpoint(blueprint, "GET", "/rankings/weeks.png", access=access.to_read, query=WeeksQuery, produces=PNG, limit=FILES)
def photograph_weeks(query: dict[str, Any]) -> Download:
    """Draw each day of some weeks, the darker the more, for a chat or a slide."""
    return files.weeks_picture(query, photographed=True)


@endpoint(
    blueprint,
    "POST",
    "/ranking-snapshots",
    access=signed_in,
    body=SnapshotCreate,
    returns=SnapshotRead,
    status=201,
    limit=FILES,
    at_one_moment=True,
)
def close_period(principal: Principal, body: dict[str, Any]) -> snapshots.SnapshotView:
    """Close a period: publish its rankings as they are now."""
    scope = access.require_closing(principal, body["scope"])
    return snapshots.close_period(scope=scope, period=body["period"], by=principal.volunteer_id)


@endpoint(
    blueprint,
    "GET",
    "/ranking-snapshots",
    access=public,
    query=SnapshotListQuery,
    returns=page_of(SnapshotRead),
)
def list_snapshots(query: dict[str, Any]) -> Page:
    """List closed periods, the latest first."""
    return snapshots.list_snapshots(query)


@endpoint(
    blueprint,
    "GET",
    "/ranking-snapshots/<uuid:snapshot_id>",
    access=access.to_see_snapshot,
    query=SnapshotQuery,
    returns=ClosedRankingRead,
    at_one_moment=True,
)
def read_snapshot(snapshot: RankingSnapshot, query: dict[str, Any]) -> Written:
    """Read a ranking as it was closed, with what has changed since."""
    return Written(ClosedRankingRead().dump(snapshots.read_snapshot(snapshot, query)), untagged=("as_of",))


@endpoint(
    blueprint,
    "GET",
    "/ranking-snapshots/<uuid:snapshot_id>.xlsx",
    access=access.to_see_snapshot,
    query=SnapshotFileQuery,
    produces=XLSX,
    limit=FILES,
    at_one_moment=True,
)
def fetch_snapshot_workbook(snapshot: RankingSnapshot, query: dict[str, Any]) -> Download:
    """Fetch all places of a ranking as it was closed, with what has changed since, as a workbook."""
    return snapshot_files.snapshot_workbook(snapshot, query)


@endpoint(
    blueprint,
    "GET",
    "/ranking-snapshots/<uuid:snapshot_id>/comparison",
    access=access.to_see_snapshot,
    query=ComparisonQuery,
    returns=ComparisonRead,
)
def compare_snapshots(snapshot: RankingSnapshot, query: dict[str, Any]) -> Written:
    """Read a ranking as it was closed, beside that of another snapshot."""
    return Written(ComparisonRead().dump(snapshots.compare(snapshot, query)), untagged=("as_of",))


@endpoint(
    blueprint,
    "GET",
    "/ranking-snapshots/<uuid:snapshot_id>/comparison.xlsx",
    access=access.to_see_snapshot,
    query=ComparisonFileQuery,
    produces=XLSX,
    limit=FILES,
)
def fetch_comparison_workbook(snapshot: RankingSnapshot, query: dict[str, Any]) -> Download:
    """Fetch all places of a ranking as it was closed, beside those of another snapshot, as a workbook."""
    return snapshot_files.comparison_workbook(snapshot, query)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/report.pdf",
    access=access.to_report,
    query=ReportQuery,
    produces=PDF,
    limit=FILES,
    at_one_moment=True,
)
def print_report(organization: Organization, query: dict[str, Any]) -> Download:
    """Print the monthly report of an organization and all below it, with pictures."""
    return report.monthly_report(organization, query.get("month"))


def keep_asking(response: Response) -> Response:
    """A screen that is told of a restart or of too many requests asks again, as a page that it was shown does.

    What is wrong it is told as a page too, where it asks for pages.
    """
    if response.status_code < BAD_REQUEST:
        return response
    told = request.accept_mimetypes
    if response.is_json and told["text/html"] > told[MEDIA_TYPE]:
        page = respond_with(board.fault_page(response.get_json()))
        page.status_code = response.status_code
        if "Retry-After" in response.headers:
            page.headers["Retry-After"] = response.headers["Retry-After"]
        page.vary.update(("Accept", "Accept-Language"))
        response = page
    response.headers["Refresh"] = str(board.SECONDS)
    return response


pages.after_request(keep_asking)


@endpoint(
    pages,
    "GET",
    "/board",
    access=access.to_read,
    query=BoardQuery,
    produces=HTML,
    limit=FIGURES,
    at_one_moment=True,
)
def show_board(query: dict[str, Any]) -> Download:
    """Show the first places of a ranking on a screen, counted anew every half minute."""
    return board.board_page(query)
