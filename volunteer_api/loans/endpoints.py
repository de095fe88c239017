"""Routes of loans."""

from volunteer_api.core.endpoint import feature_blueprint

blueprint = feature_blueprint("loans", __name__, "Numbered assets and loans of durables")
