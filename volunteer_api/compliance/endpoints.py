"""Routes of compliance."""

from volunteer_api.core.endpoint import feature_blueprint

blueprint = feature_blueprint(
    "compliance", __name__, "What stations lack of their kit standards, alerts and restocking"
)
