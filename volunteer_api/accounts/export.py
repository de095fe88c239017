"""One's own data, all of it [PIPL 45]: as JSON, and as a page for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from jinja2 import Environment, FileSystemLoader

from volunteer_api.accounts import queries, recycling
from volunteer_api.accounts.export_labels import INNER, MEMBERS, MEMBERS_IN, SECTIONS, UNSHOWN
from volunteer_api.accounts.export_words import CODED, VALUES, VALUES_IN
from volunteer_api.accounts.models import CodePurpose, Volunteer
from volunteer_api.accounts.reauthentication import prove_by_code
from volunteer_api.core import audit, clock, personal_data
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.downloads import HTML, Download
from volunteer_api.core.limits import spend
from volunteer_api.core.settings import settings

# Per person: each reads every table, and a stolen phone must not be drained again and again unseen.
EXPORTS = "10/hour"
NOTHING = "—"
_pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)


@dataclass(frozen=True)
class Export:
    """What is known of a person. `truncated` names the sections that have more rows than the 10,000 shown."""

    as_of: datetime
    sections: dict[str, list[dict[str, Any]]]
    truncated: list[str]


def export_data(principal: Principal) -> Export:
    """All that is held about the caller, masked where a stolen session must not read it: see `export_whole`.

    Raises TooManyRequests (429) after ten in an hour.
    """
    return _collect(principal)


def export_whole(
    principal: Principal, *, password: str | None = None, code: str | None = None, resident_id: str | None = None
) -> Export:
    """The same with the resident ID and other people's phones in full, for who proves again to be the owner.

    By the password, or by a code to the own phone (purpose `export`), which is used up; without a phone the resident ID
    does too. Raises what reauthentication.prove_by_code raises.
    """
    volunteer = db.session.get_one(Volunteer, principal.volunteer_id)
    device = queries.device_of(principal.session_id)
    row = prove_by_code(volunteer, device, CodePurpose.EXPORT, code=code, password=password, resident_id=resident_id)
    if row is not None:
        row.used_at = clock.now()
        recycling.note_proof(principal.volunteer_id)
        db.session.flush()
    return _collect(principal, whole=True)


def export_page(principal: Principal) -> Download:
    """The same as a page in Chinese, to be read, saved or printed on a phone; it loads nothing from elsewhere.

    Raises TooManyRequests (429) after ten in an hour, both kinds together.
    """
    found = _collect(principal)
    return Download(lambda: _page(found), HTML, file_name=f"我的数据-{clock.today()}.html")


def _page(found: Export) -> bytes:
    page: str = _pages.get_template("export.html").render(
        as_of=_shown(found.as_of),
        sections=[
            {
                "title": SECTIONS.get(name, name),
                "rows": [_readable(name, row) for row in rows],
                "truncated": name in found.truncated,
            }
            for name, rows in found.sections.items()
        ],
        maximum=personal_data.MAXIMUM_ROWS,
    )
    return page.encode()


def _collect(principal: Principal, *, whole: bool = False) -> Export:
    spend(EXPORTS, "exports", who=str(principal.volunteer_id))
    own_id = principal.volunteer_id
    audit.record(AuditAction.DATA_EXPORTED, actor_id=own_id, subject_id=own_id, whole=whole)
    maximum = personal_data.MAXIMUM_ROWS
    collected = personal_data.collect(own_id, whole=whole)
    return Export(
        as_of=clock.now(),
        sections={name: [dict(row) for row in rows[:maximum]] for name, rows in collected.items()},
        truncated=[name for name, rows in collected.items() if len(rows) > maximum],
    )


def _readable(section: str, row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A row's labels and values as a person reads them. Ids, which say nothing to her, are in the JSON alone."""
    return [
        (label(section, member), _value(member, value))
        for member, value in row.items()
        if (section, member) not in UNSHOWN and not _is_id(member, value)
    ]


def label(section: str, member: str) -> str:
    """What a member of a section is called."""
    return MEMBERS_IN.get((section, member)) or MEMBERS.get(member, member)


def worded(member: str, value: Any) -> Any:
    """The value with words for codes."""
    if member not in CODED:
        return value
    if isinstance(value, list):
        return [worded(member, one) for one in value]
    if not isinstance(value, str):
        return value
    found = VALUES_IN.get((member, value)) or VALUES.get(value)
    if found is None and "," in value:
        # Several codes of one detail.
        return "、".join(VALUES.get(one, one) for one in value.split(","))
    return value if found is None else found


def _is_id(member: str, value: Any) -> bool:
    if isinstance(value, UUID):
        return True
    return value is None and member.endswith("_id") and member not in ("resident_id", "masked_resident_id")


def _value(member: str, value: Any) -> str:
    if member.endswith("_minute") and isinstance(value, int):
        return f"{value // 60:02d}:{value % 60:02d}"
    return _shown(worded(member, value))


def _shown(value: Any) -> str:
    """The value as a person reads it; moments in local time."""
    if isinstance(value, Mapping):
        told = [
            f"{INNER.get(name) or MEMBERS.get(name, name)}：{_shown(worded(name, inner))}"
            for name, inner in value.items()
            if not name.endswith(("_id", "_ids")) or name == "resident_ids"
        ]
        return "；".join(told) or NOTHING
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "、".join(_shown(inner) for inner in value) or NOTHING
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, datetime):
        return f"{value.astimezone(settings().zone):%Y-%m-%d %H:%M}"
    return str(value)
