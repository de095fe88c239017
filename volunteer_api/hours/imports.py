"""Backfills from a table: the sheet of paper that went round at an activity, typed in afterwards.

Whoever leads the shift brings it in; each row waits for a second person as any backfill does. A row names somebody by
phone; where it has the name too, the two must belong together, since a mistyped digit would give the hours away.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities import turnout
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.bodies import Upload
from volunteer_api.core.codes import folded
from volunteer_api.core.database import db
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.problems import Problem
from volunteer_api.core.schema import Fault
from volunteer_api.core.tables import (
    CellError,
    Column,
    Outcome,
    Record,
    Table,
    TableRefused,
    day_of,
    outcome,
    phone_of,
    receive,
    refusal,
    template_of,
    time_of,
)
from volunteer_api.core.unit_of_work import attempt
from volunteer_api.hours import backfills
from volunteer_api.hours.models import Backfill
from volunteer_api.hours.problems import BackfillOutsideShift, BackfillTooLate, PhoneUnknown, ServiceNotOver
from volunteer_api.hours.schemas import MOST_MINUTES, MOST_RECORDS

PHONE = Column("手机号", ("手机", "手机号码", "联系电话", "电话", "联系方式", "phone", "mobile"), required=True)
NAME = Column("姓名", ("名字", "志愿者", "志愿者姓名", "name"))
STARTS = Column("开始时间", ("签到时间", "到岗时间", "到达时间", "起始时间", "签到", "starts_at"))
ENDS = Column("结束时间", ("签退时间", "离岗时间", "离开时间", "签退", "ends_at"))
DURATION = Column(
    "服务时长", ("时长", "服务时间", "服务小时", "小时数", "小时", "服务分钟", "分钟数", "分钟", "duration")
)
REASON = Column("补录原因", ("原因", "事由", "补录事由", "reason"))
COLUMNS = (PHONE, NAME, STARTS, ENDS, DURATION, REASON)
HINTS = (
    "带 * 的列必填。时间可写 8:30、8时30分或 2026-01-05 08:30；服务时长须带单位，如 90分钟、1.5小时。",
    "只填手机号，即为整个班次；开始时间不填按班次开始，结束时间和服务时长只填一个。填写姓名可防止手机号写错。",
    "补录须另一人审批后才计入时长，志愿者会收到通知，可以申诉。",
)
AMOUNT = re.compile(r"(\d{1,4}(?:\.\d{1,2})?)(小时|个小时|钟头|h|hours?|分钟|分|min|minutes?)", re.ASCII)
IN_HOURS = ("小时", "个小时", "钟头", "h", "hour", "hours")
MAX_REASON = 500


class BackfillsRefused(TableRefused):
    """The rows are not recorded; whom the table named by phone stays counted."""

    keeps_writes = True


@dataclass(kw_only=True)
class Imported(Outcome):
    """What a table of backfills led to, or would lead to; `already_recorded` wait, or were approved, just so."""

    recorded: int
    already_recorded: int
    remarks: Sequence[Mapping[str, str]]


class _Undone(Exception):
    """What was tried is taken back: it was only to be judged, or not all of it is good."""


def receive_hours(principal: Principal, upload: Upload) -> Table:
    """The table of an upload; see `core.tables.receive`."""
    return receive(principal, upload, COLUMNS, max_rows=MOST_RECORDS)


def template() -> Download:
    """An empty workbook with the columns that `import_hours` reads."""
    return Download(template_of("服务时长补录", HINTS, COLUMNS), XLSX, "服务时长补录模板.xlsx")


def import_hours(
    at: tuple[Shift, Activity], table: Table, *, by: Principal, dry_run: bool, reason: str | None = None
) -> Imported:
    """Record everybody's hours at the shift, for a second person to decide on; all of the rows or none.

    `reason` is that of rows without one. The same table again records nothing twice. A dry run names each bad cell and
    records nothing. Raises BackfillsRefused (422) where something is wrong and it is no dry run, TooManyRequests (429)
    where it names more strangers by phone than anybody may look up.
    """
    shift, activity = at
    good, errors = _read(shift, activity, table, by, reason)
    there = _recorded_at(shift)
    new = [line for line in good if (line[1]["volunteer_id"], *_interval(line[1])) not in there]
    judged: list[CellError] = []

    def record() -> None:
        results = backfills.record_several(by=by, records=[given for _, given in new])
        judged.extend(
            _named(record, result.refusal)
            for (record, _), result in zip(new, results, strict=True)
            if result.refusal is not None
        )
        if judged or errors or dry_run:
            raise _Undone()

    try:
        attempt(record)
    except _Undone:
        errors = sorted([*errors, *judged], key=lambda error: error.row)
    if errors and not dry_run:
        raise refusal(errors, BackfillsRefused)
    return Imported(
        recorded=len(new) - len(judged),
        already_recorded=len(good) - len(new),
        remarks=turnout.remarks(Shift.id == shift.id),
        **outcome(table, errors, dry_run=dry_run),
    )


def _read(
    shift: Shift, activity: Activity, table: Table, by: Principal, reason: str | None
) -> tuple[list[tuple[Record, dict[str, Any]]], list[CellError]]:
    """The rows that can be understood, as BackfillCreate would have loaded them, and what is wrong with the others."""
    good: list[tuple[Record, dict[str, Any]]] = []
    errors: list[CellError] = []
    seen: dict[str, int] = {}
    phones = {record.row: phone_of(record.values[PHONE.name]) for record in table.records}
    known = backfills.known_at(shift, activity, {phone for phone in phones.values() if phone is not None})
    for record in table.records:
        phone = phones[record.row]
        given, faults = _times(record, shift)
        given["reason"] = record.values.get(REASON.name) or reason or ""
        if not given["reason"]:
            faults[REASON.name] = Fault("required")
        elif len(given["reason"]) > MAX_REASON:
            faults[REASON.name] = Fault("max_length", max=MAX_REASON)
        if phone is None:
            faults[PHONE.name] = Fault("not_phone" if record.values[PHONE.name] else "required")
        elif seen.setdefault(phone, record.row) != record.row:
            faults[PHONE.name] = Fault("repeated", "This stands in row %(row)s already.", row=seen[phone])
        else:
            volunteer = known.get(phone) or accounts.look_up(phone, by=by)
            faults |= _who(volunteer, record.values.get(NAME.name, ""))
            given |= {"shift_id": shift.id, "volunteer_id": volunteer.id if volunteer is not None else None}
        errors += [record.fault(column, found) for column, found in faults.items()]
        if not faults:
            good.append((record, given))
    return good, errors


def _who(volunteer: Volunteer | None, name: str) -> dict[str, Fault]:
    if volunteer is None:
        return {PHONE.name: Fault("phone_unknown", PhoneUnknown.title)}
    if name and folded(name) != folded(volunteer.name):
        return {NAME.name: Fault("name_differs", "The volunteer with this phone number has another name.")}
    return {}


def _times(record: Record, shift: Shift) -> tuple[dict[str, Any], dict[str, Fault]]:
    """`starts_at`, and `ends_at` or `minutes`, of a row: the whole shift where it says nothing."""
    given: dict[str, Any] = {"starts_at": shift.starts_at}
    faults: dict[str, Fault] = {}
    for column, name in ((STARTS, "starts_at"), (ENDS, "ends_at")):
        if text := record.values.get(column.name, ""):
            moment = _moment(text, shift)
            if moment is None:
                faults[column.name] = Fault("not_time", "Write a time such as 08:30 or 2026-01-05 08:30.")
            else:
                given[name] = moment
    if text := record.values.get(DURATION.name, ""):
        minutes = _minutes(text)
        if "ends_at" in given or ENDS.name in faults:
            faults[DURATION.name] = Fault("one_of", "Give either the end or the duration.")
        elif minutes is None:
            faults[DURATION.name] = Fault("not_duration", "Write a duration with its unit, such as 90分钟 or 1.5小时.")
        else:
            given["minutes"] = minutes
    if "ends_at" not in given and "minutes" not in given:
        given["ends_at"] = shift.ends_at
    if not faults and "ends_at" in given and given["ends_at"] <= given["starts_at"]:
        faults[ENDS.name] = Fault("ends_before_start", "The end must be after the start.")
    return given, faults


def _moment(text: str, shift: Shift) -> datetime | None:
    """The moment that a cell means: a time alone is of the shift's day, or of the next where the shift runs into it."""
    plain = unicodedata.normalize("NFKC", text)
    day_text, _, time_text = plain.rpartition(" ")
    told = time_of(time_text or plain)
    day = day_of(day_text) if day_text else clock.local_date(shift.starts_at)
    if told is None or day is None:
        return None
    moment = clock.at_local(day, told)
    # A night shift: 00:30 is not half a day before its start.
    later = moment + timedelta(days=1)
    return later if not day_text and moment < shift.starts_at and later <= shift.ends_at else moment


def _minutes(text: str) -> int | None:
    found = AMOUNT.fullmatch(folded(text))
    if found is None:
        return None
    minutes = float(found[1]) * (60 if found[2] in IN_HOURS else 1)
    return int(minutes) if minutes.is_integer() and 1 <= minutes <= MOST_MINUTES else None


def _interval(given: Mapping[str, Any]) -> tuple[datetime, datetime]:
    starts_at: datetime = given["starts_at"]
    return starts_at, given["ends_at"] if "ends_at" in given else starts_at + timedelta(minutes=given["minutes"])


def _recorded_at(shift: Shift) -> set[tuple[UUID, datetime, datetime]]:
    """Whose hours of the shift, from when to when, wait already or were approved."""
    found = select(Backfill.volunteer_id, Backfill.starts_at, Backfill.ends_at).where(
        Backfill.activity_id == shift.activity_id, Backfill.shift_id == shift.id, Backfill.state != backfills.REJECTED
    )
    return {(row.volunteer_id, row.starts_at, row.ends_at) for row in db.session.execute(found)}


def _named(record: Record, found: Problem) -> CellError:
    """A refusal of a whole row, at the cell that it is about."""
    of_times = isinstance(found, BackfillOutsideShift | BackfillTooLate | ServiceNotOver)
    column = STARTS if of_times and record.values.get(STARTS.name) else PHONE
    return record.error(column.name, found.code, found.sentence())
