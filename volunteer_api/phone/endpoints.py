"""Routes of the app's screens."""

from typing import Any
from uuid import UUID

from volunteer_api.accounts.access import own_account
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.calendar import MEDIA_TYPE
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import Download
from volunteer_api.core.endpoint import NONE, endpoint, feature_blueprint, page_blueprint
from volunteer_api.core.written import Written
from volunteer_api.phone import access, feed, recommendations, service, sync
from volunteer_api.phone.schemas import (
    CalendarFeedRead,
    CalendarFeedState,
    HomeQuery,
    HomeRead,
    RecommendedActivities,
    RecommendedQuery,
    SyncQuery,
    SyncRead,
)

blueprint = feature_blueprint("phone", __name__, "What the app's screens need in one answer")
pages = page_blueprint("calendar_feeds", __name__, "Calendars that follow somebody's sign-ups")
# Against who tries tokens; so many feeds' reads come from one of Google's addresses.
FEED_LIMIT = "1200/10 minutes"


@endpoint(blueprint, "GET", "/me/home", access=own_account, query=HomeQuery, returns=HomeRead)
def read_home(volunteer: Volunteer, query: dict[str, Any]) -> service.Home:
    """All that the app's first screen shows."""
    return service.home(volunteer, query.get("near"))


@endpoint(
    blueprint,
    "GET",
    "/me/recommended-activities",
    access=own_account,
    query=RecommendedQuery,
    returns=RecommendedActivities,
)
def list_recommended_activities(volunteer: Volunteer, query: dict[str, Any]) -> Written:
    """List activities that suit the caller and have a place for her, with the reasons why, the best first."""
    return Written({"items": recommendations.recommend(volunteer, query.get("near"), query["limit"])})


@endpoint(
    blueprint,
    "GET",
    "/sync",
    access=signed_in,
    query=SyncQuery,
    returns=SyncRead,
    refuses=(400, 410),
)
def sync_phone(principal: Principal, query: dict[str, Any]) -> sync.Synced:
    """Bring the copy up to date that a phone keeps of its owner's rows, for when there is no network.

    Without `since` all that a copy holds comes, in the place of what the phone has: coming sign-ups and those whose
    shift ended in the last 30 days, attendances, notifications and closed loans of the last 30 days with what is open,
    service records of a year (not what waits for approval), memberships, grants and the profile. With the state of the
    last answer comes what changed, older rows too; a change is told once it is committed, however long that took. A
    state is good for 30 days (410), in the same language and for the same types (400): then ask without it. A 410 with
    `Retry-After` is told to every phone at once, as after a restore: ask for all of it when that time is over.
    Names of people inside a row are those of its last change.
    """
    return sync.sync(principal.volunteer_id, query.get("since"), set(query.get("types") or ()), query["limit"])


@endpoint(blueprint, "GET", "/me/calendar-feed", access=signed_in, returns=CalendarFeedState)
def read_calendar_feed(principal: Principal) -> dict[str, Any]:
    """Read whether a calendar may follow the caller's sign-ups."""
    return feed.feed_state(principal.volunteer_id)


# No key: a stored answer would keep the secret that is told once. Who lost the answer asks for another address.
@endpoint(
    blueprint,
    "POST",
    "/me/calendar-feed",
    access=signed_in,
    returns=CalendarFeedRead,
    status=201,
    idempotency=NONE,
    limit="30/hour",
)
def open_calendar_feed(principal: Principal) -> dict[str, str]:
    """Make the secret address at which a calendar follows the caller's sign-ups; an earlier one is dead from now on."""
    return feed.open_feed(principal.volunteer_id)


@endpoint(blueprint, "DELETE", "/me/calendar-feed", access=signed_in, status=204)
def close_calendar_feed(principal: Principal) -> None:
    """Make the caller's secret address dead."""
    feed.close_feed(principal.volunteer_id)


@endpoint(pages, "GET", "/c/cal/<string:token>.ics", access=access.to_read_feed, produces=MEDIA_TYPE, limit=FEED_LIMIT)
def follow_calendar_feed(owner_id: UUID) -> Download:
    """Read the confirmed sign-ups of the address's owner, as a calendar does."""
    return feed.feed(owner_id)
