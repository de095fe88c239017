"""Where and when an attendance counts, and what it is judged by."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from volunteer_api.activities.models import Activity, Shift
from volunteer_api.attendance.grading import Fence
from volunteer_api.core.settings import rules


@dataclass(frozen=True)
class Scene:
    """The frame of an attendance, in which its minutes count, and the volunteer's part in it.

    `sees_code` where the volunteer can see the presence code without being there, `expected` where nobody must ask why
    they came: a confirmed sign-up.
    """

    activity: Activity
    shift: Shift
    starts_at: datetime
    ends_at: datetime
    fence: Fence | None
    expected: bool
    sees_code: bool
    canceled: bool
    team_id: UUID | None
    leader_id: UUID | None


def of_shift(row: Any) -> Scene:
    """The scene of a shift from a row of `queries.scene_of_check_in` or `queries.scene_of_check_out`."""
    shift: Shift = row.Shift
    activity: Activity = row.Activity
    center = activity.place
    return Scene(
        activity=activity,
        shift=shift,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        fence=Fence((center["lat"], center["lng"]), activity.radius_m or rules().fence_m) if center else None,
        expected=row.sign_up_id is not None,
        sees_code=bool(row.leads),
        canceled=shift.canceled_at is not None,
        team_id=row.team_id,
        leader_id=getattr(row, "leader_id", None),
    )
