"""Routes of certificates."""

from volunteer_api.core.endpoint import feature_blueprint

blueprint = feature_blueprint("certificates", __name__, "Certificates and star levels")
