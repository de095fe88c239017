"""What an organization runs: what whoever merges it must know before, for nothing of it is taken back.

Features to the right know it, and register here how to look.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import chain, count
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, update

from volunteer_api.core import clock
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


def hand_over(model: Any, organization_id: UUID, into_id: UUID, *, one_of_a_name: bool = False) -> None:
    """Make versioned rows of a merged organization its successor's.

    Where that has but `one_of_a_name`, of two the former's says when it came.
    """
    if one_of_a_name:
        theirs = select(model.name).where(model.organization_id == into_id)
        twice = select(model).where(model.organization_id == organization_id, model.name.in_(theirs)).order_by(model.id)
        both = select(model.name).where(model.organization_id.in_([organization_id, into_id]))
        taken: set[str] | None = None
        for one in db.session.scalars(twice).all():
            taken = set(db.session.scalars(both)) if taken is None else taken
            one.name = _free_name(one.name, taken)
            taken.add(one.name)
        db.session.flush()
    db.session.execute(
        update(model)
        .where(model.organization_id == organization_id)
        .values(organization_id=into_id, version=model.version + 1)
        .execution_options(synchronize_session=False)
    )


def _free_name(name: str, taken: Collection[str]) -> str:
    """The name with the day behind it, and with a number where another merger of the day had that."""
    dated = f"{name} ({clock.today():%Y%m%d}"
    return next(one for one in chain([f"{dated})"], (f"{dated}-{n})" for n in count(2))) if one not in taken)
