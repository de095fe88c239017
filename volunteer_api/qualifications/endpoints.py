"""Routes of qualifications."""

from volunteer_api.core.endpoint import feature_blueprint

blueprint = feature_blueprint("qualifications", __name__, "Trainings, and insurance policies with whom they cover")
