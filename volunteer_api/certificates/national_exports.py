"""Batches of records for the national system, which takes flat files and is nobody's to call from here.

A row of the ledger is in one batch, found by not being in any: one that is committed late is in the next. A batch's
file can be made again at any time, so that a lost one loses nothing; it differs only where somebody took a consent
back or was erased. The resident ID stands in it only if the batch asks for it, and the person has given the number and
consents to just this: the consent to store it is for certificates and insurance alone [PIPL 14, 23, 29].
"""

from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update

from volunteer_api.accounts import consents, resident_ids
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.certificates import queries
from volunteer_api.certificates.models import NationalExport, NationalExportRecord
from volunteer_api.certificates.problems import AlreadySynced, NothingToExport
from volunteer_api.core import audit, clock
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.documents import PATIENCE_SECONDS, PLACES
from volunteer_api.core.downloads import CSV, XLSX, Download
from volunteer_api.core.exports import note_export
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import settings
from volunteer_api.core.spreadsheets import write_csv
from volunteer_api.core.statements import row_count
from volunteer_api.core.turns import in_turn
from volunteer_api.core.workbooks import Column, Sheet, Value, write_workbook
from volunteer_api.hours.models import Source
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.service import notify_each
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.models import Organization

MOST_RECORDS = 5_000
TITLE = "志愿服务记录"
# What order 67, articles 5 and 7, asks of a record, as far as it is known here.
COLUMNS = (
    Column("记录编号", 38),
    Column("记录类型", 10),
    Column("被冲销记录编号", 38),
    Column("志愿者编号", 14),
    Column("姓名", 12),
    Column("证件类型", 12),
    Column("证件号码", 22),
    Column("服务日期", 12),
    Column("开始时间", 18),
    Column("结束时间", 18),
    Column("服务时长（分钟）", 12),
    Column("服务时长（小时）", 12),
    Column("服务内容", 40),
    Column("服务地点", 30),
    Column("记录组织", 30),
    Column("活动负责人", 12),
    Column("记录方式", 10),
    Column("登记时间", 18),
)
RECORD, REVERSAL = "记录", "冲销"
SOURCE_WORDS = {Source.ATTENDED: "签到", Source.BACKFILLED: "补录"}
RESIDENT_ID = "居民身份证"


WITH_NUMBER = register(
    "resident_id_in_national_export",
    "Your records go to the national system",
    "Service records of yours are handed to the national volunteer system, with your resident ID, as you consented. "
    "You can take that consent back at any time.",
    Group.CERTIFICATES,
)


def make(organization: Organization, *, by: Principal, with_resident_ids: bool = False) -> NationalExport:
    """Put what no batch has of an organization and those below it into one: the oldest 5,000 rows, reversals too.

    Raises NothingToExport (409).
    """
    found = list(db.session.scalars(queries.not_exported(organization.id).limit(MOST_RECORDS)))
    if not found:
        raise NothingToExport()
    export = NationalExport(
        organization_id=organization.id,
        created_by=by.volunteer_id,
        record_count=len(found),
        with_resident_ids=with_resident_ids,
    )
    db.session.add(export)
    db.session.flush()
    # Whoever put one of them into another batch meanwhile wins: the unit runs again and takes what is left.
    db.session.execute(
        insert(NationalExportRecord), [{"record_id": record_id, "export_id": export.id} for record_id in found]
    )
    audit.record(
        AuditAction.NATIONAL_EXPORT_MADE,
        actor_id=by.volunteer_id,
        organization_id=organization.id,
        export_id=str(export.id),
        records=len(found),
        with_resident_ids=with_resident_ids,
    )
    _tell_of_numbers(export)
    return export


def _tell_of_numbers(export: NationalExport) -> None:
    """Tell those whose resident ID the batch's file has that it is to be handed over: they may still take it back."""
    if not export.with_resident_ids:
        return
    numbers = _resident_ids(set(db.session.scalars(queries.exported_volunteers(export.id))))
    values = {"export_id": str(export.id)}
    notify_each(sorted(numbers), WITH_NUMBER, values, once=str(export.id))


def confirm(export: NationalExport, *, by: Principal) -> NationalExport:
    """Note that the national system has a batch. Raises AlreadySynced (409)."""
    done = db.session.execute(
        update(NationalExport)
        .where(NationalExport.id == export.id, NationalExport.synced_at.is_(None))
        .values(synced_at=clock.now(), synced_by=by.volunteer_id)
        .execution_options(synchronize_session=False)
    )
    if row_count(done) == 0:
        raise AlreadySynced()
    audit.record(
        AuditAction.NATIONAL_EXPORT_SYNCED,
        actor_id=by.volunteer_id,
        organization_id=export.organization_id,
        export_id=str(export.id),
    )
    return db.session.scalars(
        select(NationalExport).where(NationalExport.id == export.id).execution_options(populate_existing=True)
    ).one()


def exports_of(organization: Organization, query: dict[str, object]) -> Page:
    """An organization's batches, the latest first."""
    keys = [Key(NationalExport.id, read=lambda export: export.id, descending=True)]
    return page(queries.exports(organization.id), keys, query, scope=str(organization.id))


def workbook(export: NationalExport, *, by: Principal) -> Download:
    """A batch's file as a workbook; the audit log keeps who fetched it."""
    rows = _rows(export, by)
    return Download(partial(_workbook, rows), XLSX, f"{_name(export)}.xlsx")


def table(export: NationalExport, *, by: Principal) -> Download:
    """A batch's file as CSV: UTF-8 with its mark, as Excel needs it; the audit log keeps who fetched it."""
    content = write_csv([column.header for column in COLUMNS], _rows(export, by))
    return Download(content, CSV, f"{_name(export)}.csv")


def _workbook(rows: Sequence[Sequence[Value]]) -> bytes:
    with in_turn(PLACES, PATIENCE_SECONDS):
        return write_workbook([Sheet(TITLE, (), COLUMNS, rows)])


def _name(export: NationalExport) -> str:
    return f"{TITLE}-{clock.local_date(export.created_at)}-{export.id}"


def _rows(export: NationalExport, by: Principal) -> list[list[Value]]:
    records = db.session.execute(queries.exported_rows(export.id)).all()
    numbers = _resident_ids({record.volunteer_id for record in records}) if export.with_resident_ids else {}
    whose, this = export.organization_id, str(export.id)
    note_export("national_export", whose, by=by, export_id=this, records=len(records), resident_ids=len(numbers))
    # Whose number leaves the house reads it in her own log, and in her export.
    for volunteer_id in sorted(numbers):
        note_export("resident_id", whose, by=by, subject_id=volunteer_id, export_id=this)
    return [_cells(record, numbers.get(record.volunteer_id)) for record in records]


def _resident_ids(volunteer_ids: set[UUID]) -> dict[UUID, str]:
    """The numbers of those who have given one and consent to its being handed over, as of this moment."""
    willing = consents.consenting(volunteer_ids, ConsentKind.NATIONAL_SYSTEM)
    return resident_ids.numbers_of(willing & consents.consenting(volunteer_ids, ConsentKind.RESIDENT_ID))


def _cells(record: Row[*tuple[Any, ...]], number: str | None) -> list[Value]:
    def moment(value: Any) -> str:
        return f"{value.astimezone(settings().zone):%Y-%m-%d %H:%M}"

    return [
        str(record.id),
        RECORD if record.reverses_id is None else REVERSAL,
        str(record.reverses_id) if record.reverses_id is not None else "",
        record.volunteer_number,
        record.volunteer_name,
        RESIDENT_ID if number is not None else "",
        number or "",
        record.on,
        moment(record.starts_at),
        moment(record.ends_at),
        record.minutes,
        round(record.minutes / 60, 2),
        record.content,
        record.place_name or "",
        record.organization_name,
        record.leader_name or "",
        SOURCE_WORDS[Source(record.source)],
        moment(record.recorded_at),
    ]
