"""Routes of disputes."""

from volunteer_api.core.endpoint import feature_blueprint

blueprint = feature_blueprint("disputes", __name__, "Disputes")
