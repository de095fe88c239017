"""Insured people and completed trainings from tables, as insurers and trainers send them; and the list back.

Somebody is known by the phone alone. Names and resident IDs that stand in such a table are not kept: of an ID it is
only looked whether it can be one, since a column that slid by a row, or digits that Excel rounded, show there first.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import select

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.resident_numbers import normalized
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.bodies import Upload
from volunteer_api.core.database import db
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.exports import export_table
from volunteer_api.core.schema import Fault
from volunteer_api.core.tables import (
    CellError,
    Column,
    Outcome,
    Record,
    Table,
    day_of,
    outcome,
    phone_of,
    receive,
    refusal,
    template_of,
)
from volunteer_api.qualifications import service
from volunteer_api.qualifications.models import Insured, Policy, Training, TrainingRecord
from volunteer_api.qualifications.problems import PolicyOver

PHONE = Column(
    "手机号", ("手机", "手机号码", "联系电话", "电话", "联系方式", "被保险人手机号", "phone", "mobile"), required=True
)
RESIDENT_ID = Column(
    "身份证号", ("身份证", "身份证号码", "证件号码", "证件号", "被保险人证件号", "被保险人证件号码", "resident_id")
)
STARTS = Column("起保日期", ("保险起期", "起始日期", "生效日期", "开始日期", "starts_on"))
ENDS = Column("终保日期", ("保险止期", "保险期止", "截止日期", "终止日期", "到期日期", "结束日期", "ends_on"))
COMPLETED = Column("完成日期", ("培训日期", "结业日期", "考核日期", "合格日期", "completed_on"))
INSURED_COLUMNS = (PHONE, RESIDENT_ID, STARTS, ENDS)
COMPLETED_COLUMNS = (PHONE, RESIDENT_ID, COMPLETED)
INSURED_HINTS = (
    "带 * 的列必填。日期可写 2026-01-05、2026年1月5日；不填起保日期按今日（或保单起日），不填终保日期按保单止日。",
    "尚未注册的人也会列入，用该手机号注册后生效。身份证号只作校验，不保存。",
)
COMPLETED_HINTS = (
    "带 * 的列必填。完成日期可写 2026-01-05、2026年1月5日，不填按导入时的选择。",
    "尚未注册的人也会记录，用该手机号注册后生效。身份证号只作校验，不保存。",
)
MAX_ROWS = 2000
EXPORTED_ROWS = 10_000


@dataclass(kw_only=True)
class Imported(Outcome):
    """What a table of people led to, or would lead to; `already_listed` are those that stood there the same before."""

    listed: int
    already_listed: int


@dataclass
class _Judged:
    """The good rows, a phone with its days each, and what is wrong with the others."""

    people: dict[str, tuple[Record, dict[str, Any]]] = field(default_factory=dict)
    errors: list[CellError] = field(default_factory=list)


def receive_insured(principal: Principal, upload: Upload) -> Table:
    """The table of an upload; see `core.tables.receive`."""
    return receive(principal, upload, INSURED_COLUMNS, max_rows=MAX_ROWS)


def receive_completions(principal: Principal, upload: Upload) -> Table:
    """The table of an upload; see `core.tables.receive`."""
    return receive(principal, upload, COMPLETED_COLUMNS, max_rows=MAX_ROWS)


def import_insured(policy: Policy, table: Table, *, by: Principal, dry_run: bool) -> Imported:
    """Let the policy cover everybody in the table, registered or not; all or nobody.

    Who is listed for the same days stays so. Whose cover has ended is named: a policy lists her once, and her end is
    moved there. A dry run changes nothing and names each bad cell. Nobody learns who is registered. Raises PolicyOver
    (409), TableRefused (422) where it is no dry run.
    """
    service.hold(policy)
    if policy.ends_on < clock.today():
        raise PolicyOver()
    judged = _judge(table, partial(_cover, policy))
    there = _by_digest(select(Insured).where(Insured.policy_id == policy.id), judged.people)
    new: dict[str, dict[str, Any]] = {}
    for phone, (record, days) in judged.people.items():
        known = there.get(accounts.phone_digest(phone))
        if known is None:
            new[phone] = days
        elif not _is_same(known, record, days):
            listed = Fault(
                "listed_otherwise",
                "This person is listed for %(first)s to %(last)s already.",
                first=known.starts_on.isoformat(),
                last=known.ends_on.isoformat(),
            )
            judged.errors.append(record.fault(PHONE.name, listed))
    made = _result(table, judged, new, dry_run=dry_run)
    if new and not dry_run:
        service.list_insured(policy, new, by=by)
    return made


def import_completions(
    training: Training, table: Table, *, by: Principal, dry_run: bool, completed_on: date | None = None
) -> Imported:
    """Record that everybody in the table completed the training, on the row's day or else on `completed_on`.

    All or nobody, registered or not; who is recorded for that day stays so. A dry run changes nothing and names each
    bad cell. Raises TableRefused (422) where it is no dry run.
    """
    judged = _judge(table, partial(_completion, completed_on))
    recorded = select(TrainingRecord).where(
        TrainingRecord.training_id == training.id, TrainingRecord.revoked_at.is_(None)
    )
    days_of: dict[bytes, set[date]] = {}
    for record in db.session.scalars(_of_phones(recorded, TrainingRecord, judged.people)):
        days_of.setdefault(record.phone_digest, set()).add(record.completed_on)
    new = {
        phone: days["completed_on"]
        for phone, (_, days) in judged.people.items()
        if days["completed_on"] not in days_of.get(accounts.phone_digest(phone), ())
    }
    made = _result(table, judged, new, dry_run=dry_run)
    if new and not dry_run:
        service.list_completions(training, new, by=by)
    return made


def insured_template() -> Download:
    """An empty workbook with the columns that `import_insured` reads."""
    return Download(template_of("参保名单导入", INSURED_HINTS, INSURED_COLUMNS), XLSX, "参保名单导入模板.xlsx")


def completions_template() -> Download:
    """An empty workbook with the columns that `import_completions` reads."""
    return Download(template_of("培训记录导入", COMPLETED_HINTS, COMPLETED_COLUMNS), XLSX, "培训记录导入模板.xlsx")


def export_insured(policy: Policy, *, by: Principal) -> Download:
    """Whom the policy lists, by masked phone, with what their cover is today; the audit log keeps who fetched it."""
    statement = select(Insured).where(Insured.policy_id == policy.id).order_by(Insured.id).limit(EXPORTED_ROWS)
    rows = [_insured_cells(one, policy) for one in db.session.scalars(statement)]
    return export_table(
        "qualifications",
        policy.organization_id,
        by=by,
        title="参保名单",
        headers=("手机号", "起保日期", "终保日期", "状态"),
        rows=rows,
        policy_id=str(policy.id),
    )


def export_completions(training: Training, *, by: Principal) -> Download:
    """Who completed the training, by masked phone, with whether it counts today; the audit log keeps who fetched it."""
    statement = (
        select(TrainingRecord)
        .where(TrainingRecord.training_id == training.id)
        .order_by(TrainingRecord.completed_on.desc(), TrainingRecord.id)
        .limit(EXPORTED_ROWS)
    )
    rows = [_completion_cells(one) for one in db.session.scalars(statement)]
    return export_table(
        "qualifications",
        training.organization_id,
        by=by,
        title="培训记录",
        headers=("手机号", "完成日期", "有效期至", "状态"),
        rows=rows,
        training_id=str(training.id),
    )


def _insured_cells(one: Insured, policy: Policy) -> list[str]:
    today, last = clock.today(), min(one.ends_on, policy.ends_on)
    state = "未开始" if today < one.starts_on else "已结束" if last < today else "保障中"
    return [one.masked_phone, one.starts_on.isoformat(), last.isoformat(), state]


def _completion_cells(one: TrainingRecord) -> list[str | None]:
    is_over = one.valid_until is not None and one.valid_until < clock.today()
    state = "已撤销" if one.revoked_at is not None else "已过期" if is_over else "有效"
    until = one.valid_until.isoformat() if one.valid_until is not None else "长期"
    return [one.masked_phone, one.completed_on.isoformat(), until, state]


def _judge(table: Table, days_in: Any) -> _Judged:
    """What the rows say, by themselves; `days_in(record)` gives the days of one, and its faults by column."""
    judged = _Judged()
    seen: dict[str, dict[str, int]] = {PHONE.name: {}, RESIDENT_ID.name: {}}
    for record in table.records:
        phone, faults = _identity(record, seen)
        days, others = days_in(record)
        faults |= others
        judged.errors += [record.fault(column, found) for column, found in faults.items()]
        if phone is not None and not faults:
            judged.people[phone] = (record, days)
    return judged


def _identity(record: Record, seen: Mapping[str, dict[str, int]]) -> tuple[str | None, dict[str, Fault]]:
    faults: dict[str, Fault] = {}
    text, identity = record.values[PHONE.name], record.values.get(RESIDENT_ID.name, "")
    phone, number = phone_of(text) if text else None, normalized(identity)
    if phone is None:
        faults[PHONE.name] = Fault("not_phone") if text else Fault("required")
    if identity and number is None:
        faults[RESIDENT_ID.name] = Fault("not_resident_id", "This is not a resident ID number.")
    for column, value in ((PHONE.name, phone), (RESIDENT_ID.name, number)):
        first = seen[column].setdefault(value, record.row) if value else record.row
        if first != record.row:
            faults.setdefault(column, Fault("repeated", "This stands in row %(row)s already.", row=first))
    return phone, faults


def _day(record: Record, column: Column, default: date | None) -> date | Fault:
    text = record.values.get(column.name, "")
    if not text:
        return default or Fault("required")
    return day_of(text) or Fault("not_day")


def _cover(policy: Policy, record: Record) -> tuple[dict[str, date | bool], dict[str, Fault]]:
    first = _day(record, STARTS, max(policy.starts_on, clock.today()))
    last = _day(record, ENDS, policy.ends_on)
    faults = {column.name: one for column, one in ((STARTS, first), (ENDS, last)) if isinstance(one, Fault)}
    outside = Fault(
        "outside_policy",
        "The policy is of %(first)s to %(last)s.",
        first=policy.starts_on.isoformat(),
        last=policy.ends_on.isoformat(),
    )
    for column, one in ((STARTS, first), (ENDS, last)):
        if isinstance(one, date) and not policy.starts_on <= one <= policy.ends_on:
            faults[column.name] = outside
    if isinstance(first, Fault) or isinstance(last, Fault):
        return {}, faults
    if not faults and last < first:
        faults[ENDS.name] = Fault("ends_before_start", "The last day is before the first.")
    return {"starts_on": first, "ends_on": last, "own_end": bool(record.values.get(ENDS.name))}, faults


def _completion(default: date | None, record: Record) -> tuple[dict[str, date], dict[str, Fault]]:
    day = _day(record, COMPLETED, default)
    if isinstance(day, Fault):
        return {}, {COMPLETED.name: day}
    if day > clock.today():
        return {}, {COMPLETED.name: Fault("in_future", "A training can't have been completed on a day to come.")}
    return {"completed_on": day}, {}


def _is_same(known: Insured, record: Record, days: Mapping[str, date | bool]) -> bool:
    """Whether the days that the row names are those that stand, and a cover to an end that it leaves open goes on."""
    named = [name for name, column in (("starts_on", STARTS), ("ends_on", ENDS)) if record.values.get(column.name)]
    is_over = "ends_on" not in named and known.ends_on < clock.today()
    return not is_over and all(getattr(known, name) == days[name] for name in named)


def _by_digest(statement: Any, phones: Collection[str]) -> dict[bytes, Insured]:
    found: Iterable[Insured] = db.session.scalars(_of_phones(statement, Insured, phones))
    return {one.phone_digest: one for one in found}


def _of_phones(statement: Any, model: Any, phones: Collection[str]) -> Any:
    return statement.where(model.phone_digest.in_([accounts.phone_digest(phone) for phone in phones]))


def _result(table: Table, judged: _Judged, new: Collection[str], *, dry_run: bool) -> Imported:
    """Raises TableRefused (422) where something is wrong and it is no dry run."""
    judged.errors.sort(key=lambda error: error.row)
    if judged.errors and not dry_run:
        raise refusal(judged.errors)
    return Imported(
        listed=len(new),
        already_listed=len(judged.people) - len(new),
        **outcome(table, judged.errors, dry_run=dry_run),
    )
