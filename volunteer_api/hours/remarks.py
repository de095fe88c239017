"""What else is on record of the service that a backfill is about: whoever decides on it must see it.

A feature to the right knows it, and registers here how to look.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

Remarks = Mapping[UUID, Sequence[Mapping[str, Any]]]
LookBeside = Callable[[Collection[UUID]], Remarks]

_beside: list[LookBeside] = []


def register_beside(look: LookBeside) -> None:
    """`look(backfill_ids)` tells what is on record beside each: rows as RecordRemarkRead has them."""
    _beside[:] = [look]


def beside(backfill_ids: Collection[UUID]) -> Remarks:
    """What is on record beside each of these backfills; of those without anything, nothing."""
    return _beside[0](backfill_ids) if backfill_ids else {}
