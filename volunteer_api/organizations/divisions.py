"""The official divisions: looked up, and brought in from their file."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import select

from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.pinyin import spelled
from volunteer_api.core.statements import insert
from volunteer_api.organizations import queries
from volunteer_api.organizations.models import Division, DivisionLevel
from volunteer_api.organizations.problems import ImportRefused

CODE_LENGTHS = {
    DivisionLevel.CITY: 4,
    DivisionLevel.DISTRICT: 6,
    DivisionLevel.SUBDISTRICT: 9,
    DivisionLevel.COMMUNITY: 12,
}
IMPORTED = ("parent_code", "level", "name", "initials", "pinyin")
PARENT_LENGTHS = {4: 0, 6: 4, 9: 6, 12: 9}


def list_divisions(query: Mapping[str, Any]) -> Page:
    """Divisions by code. One statement."""
    statement = queries.divisions(query.get("parent"), query.get("q"))
    return page(statement, [Key(Division.code, read=lambda division: division.code)], query)


def import_divisions(rows: Iterable[Mapping[str, str | None]]) -> int:
    """Insert or rename divisions from rows with the columns code, parent_code, level, name; returns how many rows.

    All or nothing. Raises ImportRefused with the line of the first bad row; the first row is line 2, below the header.
    """
    divisions = list(_judged(rows))
    divisions.sort(key=lambda division: (len(division["code"] or ""), division["code"]))
    if divisions:
        statement = insert(Division)
        db.session.connection().execute(
            statement.on_conflict_do_update(
                index_elements=[Division.code],
                set_={name: statement.excluded[name] for name in IMPORTED},
            ),
            divisions,
        )
    return len(divisions)


def _judged(rows: Iterable[Mapping[str, str | None]]) -> Iterator[dict[str, str | None]]:
    """The rows, cleaned, once they are known to be a forest. Raises ImportRefused."""
    lines: dict[str, int] = {}
    parents: dict[str, int] = {}
    for line, row in enumerate(rows, start=2):
        values = {name: (row.get(name) or "").strip() for name in ("code", "parent_code", "level", "name")}
        reason = _fault_of(values)
        if reason is None and values["code"] in lines:
            reason = f"the code {values['code']} stands on line {lines[values['code']]} already"
        if reason is not None:
            raise ImportRefused(line, reason)
        lines[values["code"]] = line
        parents.setdefault(values["parent_code"], line)
        spelling = spelled(values["name"])
        yield {
            **values,
            "parent_code": values["parent_code"] or None,
            "initials": spelling.initials,
            "pinyin": spelling.pinyin,
        }
    missing = {code: line for code, line in parents.items() if code and code not in lines}
    if missing:
        known = set(db.session.scalars(select(Division.code).where(Division.code.in_(missing))))
        for code, line in missing.items():
            if code not in known:
                raise ImportRefused(line, f"the parent {code} is neither in the file nor known")


def _fault_of(values: Mapping[str, str]) -> str | None:
    """What is wrong with one row, None where nothing is."""
    code, name = values["code"], values["name"]
    if values["level"] not in list(DivisionLevel):
        return f"the level {values['level']!r} is none of {', '.join(DivisionLevel)}"
    length = CODE_LENGTHS[DivisionLevel(values["level"])]
    if len(code) != length or not (code.isascii() and code.isdigit()):
        return f"the code {code!r} is not {length} digits, as a {values['level']}'s is"
    if values["parent_code"] != code[: PARENT_LENGTHS[length]]:
        return f"the parent of {code} must be {code[: PARENT_LENGTHS[length]] or 'empty'}"
    if not 1 <= len(name) <= 100 or not name.isprintable():
        return "the name is empty, longer than 100 characters, or has characters that can't be shown"
    return None
