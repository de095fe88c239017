"""What leaves the house as a file: the audit log keeps who fetched it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from volunteer_api.core import audit, clock
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.spreadsheets import write_table


def note_export(
    what: str,
    organization_id: UUID,
    *,
    by: Principal,
    subject_id: UUID | None = None,
    **details: Any,
) -> None:
    """Record as a part of the running unit that somebody fetched data of an organization; see `audit.record`."""
    audit.record(
        AuditAction.DATA_EXPORTED,
        actor_id=by.volunteer_id,
        subject_id=subject_id,
        organization_id=organization_id,
        what=what,
        **details,
    )


def export_table(
    what: str,
    organization_id: UUID,
    *,
    by: Principal,
    title: str,
    headers: Sequence[str],
    rows: Sequence[Sequence[str | int | float | None]],
    whose: str | None = None,
    **details: Any,
) -> Download:
    """The rows as a workbook named by whose they are, its title and the day; recorded with their number."""
    note_export(what, organization_id, by=by, rows=len(rows), **details)
    name = "-".join(part for part in (whose, title, str(clock.today())) if part is not None)
    return Download(lambda: write_table(headers, rows, title), XLSX, f"{name}.xlsx")
