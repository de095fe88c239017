"""Whether anybody came; a feature to the right knows it, and registers here how to look."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement

from volunteer_api.core.schema import Fault

Attended = Callable[[ColumnElement[bool]], bool]
NOBODY_CAME = "No attendance is on record, so rankings do not count it as held, whatever hours are backfilled."

_attended: list[Attended] = []


def register_attended(attended: Attended) -> None:
    """`attended(shifts)` tells whether somebody's attendance counts at a shift of which `shifts` is true."""
    _attended[:] = [attended]


def remarks(shifts: ColumnElement[bool]) -> list[dict[str, Any]]:
    """[{code, detail}]: what whoever completes shifts, or backfills hours of them, may not expect. One statement."""
    if _attended[0](shifts):
        return []
    return [{"code": "not_counted_as_held", "detail": Fault("not_counted_as_held", NOBODY_CAME).sentence()}]
