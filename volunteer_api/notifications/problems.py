"""Refusals of push subscriptions."""

from volunteer_api.core.problems import Conflict


class PushProviderNotSetUp(Conflict):
    """`providers` are those that are."""

    title = "This deployment sends no pushes by this provider."
