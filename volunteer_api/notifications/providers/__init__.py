"""How a push reaches its device: the providers that the deployment has set up, by name.

Another one is a module beside these with `make(settings)`, its name in `ProviderName` and its settings in config.py.
"""

from types import ModuleType

from flask import Flask, current_app

from volunteer_api.config import Settings
from volunteer_api.notifications.providers import console, jpush, webpush
from volunteer_api.notifications.providers.base import Provider, ProviderName

EXTENSION = "volunteer_api.push_providers"
MODULES: dict[ProviderName, ModuleType] = {
    ProviderName.WEBPUSH: webpush,
    ProviderName.JPUSH: jpush,
    ProviderName.CONSOLE: console,
}


def configure_providers(app: Flask, settings: Settings) -> None:
    """Give the application its providers. Raises BadEnvironment."""
    made = {name: module.make(settings) for name, module in MODULES.items()}
    app.extensions[EXTENSION] = {name: provider for name, provider in made.items() if provider is not None}


def providers() -> dict[ProviderName, Provider]:
    """The application's providers."""
    found: dict[ProviderName, Provider] = current_app.extensions[EXTENSION]
    return found
