"""What features to the right must hear of a team."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class TeamRenamed:
    """It has another name."""

    team_id: UUID
