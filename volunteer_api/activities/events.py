"""What features to the right must hear of activities and shifts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class ActivityChanged:
    """What of a published activity is not as it was: `fields` are members of its update."""

    activity_id: UUID
    fields: tuple[str, ...]


@dataclass(frozen=True)
class AddedLate:
    """Somebody added a shift that had begun: whoever can do that can have been there as she likes."""

    shift_id: UUID
    ends_at: datetime
    by: UUID


@dataclass(frozen=True)
class CampaignChanging:
    """A published activity is about to belong to another campaign, or to none; nobody can check in meanwhile.

    A handler raises CampaignFrozen where somebody came or was recorded: her minutes stay with the campaign of then.
    """

    activity_id: UUID


@dataclass(frozen=True)
class ShiftBefore:
    """A shift as it was before a change."""

    id: UUID
    starts_at: datetime
    ends_at: datetime
    capacity: int | None
    canceled_at: datetime | None


@dataclass(frozen=True)
class ShiftsChanged:
    """Shifts of one activity were canceled, cut, moved or given another capacity: all that sign-ups depend on.

    They are held and flushed, as are the `companion_ids`: shifts that the change touches too (see `changes.changing`).
    `reason` is what the people hear, None where they need not be told why. `lost` is None but where what the activity
    asks of those who take part is not what it was: a handler adds the sign-ups that have no place any more. `by` is who
    moved them: what she did need not be told her, nor whether she still comes be asked.
    """

    activity_id: UUID
    before: tuple[ShiftBefore, ...]
    companion_ids: tuple[UUID, ...]
    reason: str | None = None
    lost: list[UUID] | None = None
    by: UUID | None = None


@dataclass(frozen=True)
class RolesChanging:
    """Roles of a held shift are about to go, or to be called otherwise.

    A handler raises RoleTaken where somebody is signed up for one of the `removed` and lets go of them otherwise.
    `renamed` are the ids of roles with the names that they had and get.
    """

    activity_id: UUID
    shift_id: UUID
    removed: tuple[UUID, ...]
    renamed: tuple[tuple[UUID, str, str], ...]
