"""Who hears that a period was closed."""

from uuid import UUID

from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify_each
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.access import Permission, holders_below
from volunteer_api.organizations.models import Organization
from volunteer_api.rankings.models import RankingSnapshot

RANKING_CLOSED = register(
    "ranking_closed",
    "Figures were published",
    "%(organization)s published the figures of %(period)s, its own and those of all below it. They stay as they are; "
    "what changes from now on stands beside them.",
    Group.ACTIVITIES,
)


def tell_of_closing(snapshot: RankingSnapshot, scope: Organization, *, by: UUID) -> None:
    """Let those who could close a period of an organization below the scope hear that this one is published.

    Each hears once, however many organizations are hers. Two statements.
    """
    values = {"organization": scope.name, "period": snapshot.period, "snapshot_id": str(snapshot.id)}
    hearers = (one for one in holders_below(scope.id, Permission.RANKING_CLOSE) if one != by)
    notify_each(hearers, RANKING_CLOSED, values, once=str(snapshot.id))
