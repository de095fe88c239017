"""Routes of transfers."""

from volunteer_api.core.endpoint import feature_blueprint

blueprint = feature_blueprint("transfers", __name__, "Stock on its way between stations")
