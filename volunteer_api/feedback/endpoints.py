"""Routes of feedback."""

from volunteer_api.core.endpoint import feature_blueprint

blueprint = feature_blueprint("feedback", __name__, "Feedback")
