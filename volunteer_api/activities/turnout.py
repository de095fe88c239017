"""Whether anybody came; a feature to the right knows it, and registers here how to look."""

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from volunteer_api.core.schema import Fault

Attended = Callable[[Collection[UUID]], bool]
NOBODY_CAME = "No attendance is on record, so rankings do not count it as held, whatever hours are backfilled."

_attended: list[Attended] = []


def register_attended(attended: Attended) -> None:
    """`attended(shift_ids)` tells whether somebody's attendance at one of these shifts counts."""
    _attended[:] = [attended]


def remarks(shift_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """[{code, detail}]: what whoever completes shifts, or backfills hours of them, may not expect."""
    if _attended[0](shift_ids):
        return []
    return [{"code": "not_counted_as_held", "detail": Fault("not_counted_as_held", NOBODY_CAME).sentence()}]
