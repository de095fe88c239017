"""Refusals of push subscriptions."""

from volunteer_api.core.problems import Conflict


class PushProviderNotSetUp(Conflict):
    """`providers` are those that are."""

    title = "This deployment sends no pushes by this provider."
    # The operator may set it up tomorrow.
    is_outcome = False
