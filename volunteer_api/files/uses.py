"""Who uses a file. Files can't import the features to its right, so each of them registers its columns here."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, select, true

from volunteer_api.files.models import StoredFile

FileIds = Callable[[], Select[UUID | None]]

_uses: dict[str, FileIds] = {}


def register_use(name: str, file_ids: FileIds) -> None:
    """`file_ids()` selects one column: the ids of the files that rows of a feature show; NULLs don't matter.

    `name` is for people, like "accounts.photo". What no registered select has is deleted a week after it was sent.
    """
    _uses[name] = file_ids


def unused() -> ColumnElement[bool]:
    """The condition that nothing uses a StoredFile."""
    found = (file_ids().subquery() for file_ids in _uses.values())
    return and_(true(), *(~exists(select(1).select_from(ids).where(ids.c[0] == StoredFile.id)) for ids in found))


def registered() -> tuple[str, ...]:
    """The names of all uses."""
    return tuple(sorted(_uses))
