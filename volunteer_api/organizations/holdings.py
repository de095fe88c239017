"""What an organization runs: what whoever merges it must know before, for nothing of it is taken back.

Features to the right know it, and register here how to look.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from volunteer_api.core.database import db

MOST_NAMED = 20
# Rows of an id and a name of what stands open in the organization itself.
Look = Callable[[UUID], Select[*tuple[Any, ...]]]


@dataclass(frozen=True)
class Holding:
    """Things of one kind (`what`, a plural): how many, and what the first of them are called."""

    what: str
    count: int
    names: list[str]
    goes_over: bool


@dataclass(frozen=True)
class _Kind:
    look: Look
    goes_over: bool


_kinds: dict[str, _Kind] = {}


def register_holding(what: str, look: Look, *, goes_over: bool = True) -> None:
    """Where the organization is merged, what `look` finds becomes its successor's, or stays to be finished there."""
    _kinds[what] = _Kind(look, goes_over)


def holdings(organization_id: UUID) -> list[Holding]:
    """What the organization itself runs, by kind; kinds of which it has none are left out. One statement for each."""
    found = []
    for what, kind in sorted(_kinds.items()):
        rows = kind.look(organization_id).subquery()
        listed = select(rows.c.name, func.count().over().label("number")).order_by(rows.c.name).limit(MOST_NAMED)
        those = db.session.execute(listed).all()
        if those:
            found.append(Holding(what, those[0].number, [row.name for row in those], kind.goes_over))
    return found
