"""Background work of teams."""

from volunteer_api.core.tasks import Every, task
from volunteer_api.teams import invitations


@task("teams.forget_unanswered", every=Every.DAY)
def forget_unanswered() -> int:
    """Delete invitations that ran out, with the phones in them, and codes that open nothing any more."""
    return invitations.forget_unanswered()
