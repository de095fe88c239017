"""Routes of stocktakes."""

from volunteer_api.core.endpoint import feature_blueprint

blueprint = feature_blueprint("stocktakes", __name__, "Counts of a station's stock")
