"""The settings of the running application, for code that knows no request."""

from flask import current_app

from volunteer_api.config import Rules, Settings

EXTENSION = "volunteer_api.settings"


def settings() -> Settings:
    """The settings that `create_app` was given."""
    value: Settings = current_app.extensions[EXTENSION]
    return value


def rules() -> Rules:
    """The deployment's choices inside the domain's rules."""
    return settings().rules
