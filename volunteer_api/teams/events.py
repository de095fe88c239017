"""What features to the right must hear of a team."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class TeamClosing:
    """It is about to close; a handler raises where something of its own still stands in the way."""

    team_id: UUID


@dataclass(frozen=True)
class TeamRenamed:
    """It has another name."""

    team_id: UUID
