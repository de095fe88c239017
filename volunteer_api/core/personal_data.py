"""What each feature holds about a person, for `GET /me/export` [PIPL 45]: features register, one place collects."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select

from volunteer_api.core.database import db

# A section longer than this is cut, and the export says so.
MAXIMUM_ROWS = 10_000

Reader = Callable[[UUID], Sequence[Mapping[str, Any]]]

Mask = Callable[[str], str]

_readers: dict[str, Reader] = {}
_masks: dict[str, Mapping[str, Mask]] = {}


def exported(section: str, *, masks: Mapping[str, Mask] | None = None) -> Callable[[Reader], Reader]:
    """Decorate a feature's reader of all that it holds about a volunteer: rows of plain values, under `section`.

    `masks` are for the members that are shown whole only to who proves again to be their owner.
    """

    def register(reader: Reader) -> Reader:
        if section in _readers:
            raise ValueError(f"two features export {section!r}")
        _readers[section] = reader
        _masks[section] = masks or {}
        return reader

    return register


def collect(volunteer_id: UUID, *, whole: bool = True) -> dict[str, list[Mapping[str, Any]]]:
    """Every section with its rows; masked where it is not to be the `whole`."""
    return {
        section: [row if whole else _masked(row, _masks[section]) for row in reader(volunteer_id)]
        for section, reader in sorted(_readers.items())
    }


def _masked(row: Mapping[str, Any], masks: Mapping[str, Mask]) -> Mapping[str, Any]:
    hidden = {name: mask(row[name]) for name, mask in masks.items() if row.get(name) is not None}
    return {**row, **hidden}


def rows(statement: Select[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    """The rows of a statement as flat dicts by column name, as many as tell that there are more than may be shown."""
    return [dict(row) for row in db.session.execute(statement.limit(MAXIMUM_ROWS + 1)).mappings()]
