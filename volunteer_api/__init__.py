"""The mobile backend of a city's volunteer service stations."""

__version__ = "0.1.0"
