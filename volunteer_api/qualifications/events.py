"""What features to the right must hear of trainings and insurance."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CredentialsWithdrawn:
    """A training or an insurance counts no more, or not as long, for somebody or for many."""
