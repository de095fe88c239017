"""Routes of catalog."""

from volunteer_api.core.endpoint import feature_blueprint

blueprint = feature_blueprint(
    "catalog", __name__, "The catalogue of items, and the kits that stations of a kind must keep"
)
