"""Why compliance refuses."""

from volunteer_api.core.problems import Conflict


class AlertClosed(Conflict):
    title = "The cause of this alert is gone already."


class AlertAcknowledged(Conflict):
    title = "Somebody acknowledged this alert before."
