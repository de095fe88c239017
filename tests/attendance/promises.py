"""What the database keeps of some people's attendance, and what must be true of that whatever happened."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

from sqlalchemy import Table, func, select

from volunteer_api.attendance.models import Attendance, State, WaitingCheckOut
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.core.periods import Period
from volunteer_api.core.settings import settings
from volunteer_api.hours import tallies
from volunteer_api.hours.days import spread, whole_minutes
from volunteer_api.hours.models import ServiceRecord, SubjectKind
from volunteer_api.notifications.models import Notification

Row = Mapping[str, Any]
# What a tally is of: its kind, the column of the ledger that names it, and the id there.
Subject = tuple[SubjectKind, str, UUID]
# Of a tally: day by day, and in all; each as (credited, held).
Sums = tuple[dict[str, tuple[int, int]], tuple[int, int]]
DAYS = timedelta(days=20)


@dataclass(frozen=True)
class Kept:
    """All rows of some people: by id, the ledger in the order of writing; check-outs that wait by whose and key."""

    attendances: dict[UUID, Row]
    records: dict[UUID, Row]
    waiting: dict[tuple[UUID, str], Row]
    key_count: int
    notification_count: int

    def standing(self, volunteer_id: UUID | None = None) -> list[Row]:
        """The credits in the ledger that nothing takes back."""
        reversed_ids = {row["reverses_id"] for row in self.records.values()}
        return [
            row
            for row in self.records.values()
            if row["reverses_id"] is None
            and row["id"] not in reversed_ids
            and volunteer_id in (None, row["volunteer_id"])
        ]

    def of(self, volunteer_id: UUID) -> list[Row]:
        """Somebody's attendances in the order in which they were made."""
        return [row for row in self.attendances.values() if row["volunteer_id"] == volunteer_id]


def read(people: Collection[UUID]) -> Kept:
    """What is kept of these people; in a unit."""

    def rows(model: Any, *order: Any) -> list[Row]:
        table: Table = model.__table__
        found = select(table).where(table.c.volunteer_id.in_(people)).order_by(*order)
        return [dict(row._mapping) for row in db.session.execute(found)]

    def count(model: Any, owner: Any) -> int:
        return db.session.scalars(select(func.count()).select_from(model).where(owner.in_(people))).one()

    return Kept(
        attendances={row["id"]: row for row in rows(Attendance, Attendance.id)},
        records={row["id"]: row for row in rows(ServiceRecord, ServiceRecord.recorded_at, ServiceRecord.id)},
        waiting={(row["volunteer_id"], row["key"]): row for row in rows(WaitingCheckOut, WaitingCheckOut.key)},
        key_count=count(IdempotencyKey, IdempotencyKey.owner_id),
        notification_count=count(Notification, Notification.volunteer_id),
    )


def tallies_of(subjects: Sequence[Subject], first: date) -> dict[UUID | tuple[str, UUID], Sums]:
    """The tallies of subjects from a day on; in a unit."""
    period = Period(first, first + DAYS, "")
    found: dict[Any, Sums] = {}
    for kind, _, subject_id in subjects:
        parts = tallies.tally(kind, subject_id, period).by_period
        whole = db.session.execute(tallies.total(kind, subject_id)).one()
        by_day = {part.period: (part.credited_minutes, part.held_minutes) for part in parts}
        found[kind.value, subject_id] = (by_day, (whole.credited_minutes, whole.held_minutes))
    return found


def ledger_only_grew(before: Kept, after: Kept) -> None:
    """What was written stays as it was written."""
    assert {key: after.records.get(key) for key in before.records} == before.records
    assert before.attendances.keys() <= after.attendances.keys()


def attendances_are_whole(kept: Kept) -> None:
    """Each attendance fits the ledger and itself; nobody is at two places."""
    sums: defaultdict[UUID | None, int] = defaultdict(int)
    for record in kept.records.values():
        sums[record["attendance_id"]] += record["minutes"]
    open_now = [row["volunteer_id"] for row in kept.attendances.values() if row["state"] == State.OPEN]
    assert len(open_now) == len(set(open_now))
    for row in kept.attendances.values():
        assert row["credited_minutes"] == sums[row["id"]] >= 0
        assert row["held_minutes"] == 0 or row["state"] == State.HELD
        assert row["credited_minutes"] == 0 or row["state"] in (State.CREDITED, State.HELD)
        assert row["state"] != State.HELD or row["reasons"]
        assert row["state"] != State.CREDITED or row["checked_out_at"] is not None or row["reviewed_by"] is not None
        people = ("reviewed_by", "check_in_recorder_id", "check_out_recorder_id")
        scans = ("check_in_scanned_by", "check_out_scanned_by")
        assert row["volunteer_id"] not in [row[name] for name in (*people, *scans)]
    for record in kept.records.values():
        assert record["volunteer_id"] not in (record["recorder_id"], record["approver_id"])


def minutes_fit(kept: Kept, people: Collection[UUID], organizers: Collection[UUID], *, limit: int, most: int) -> None:
    """No minute is credited twice, and no day has more than those may give who gave it."""
    for volunteer_id in people:
        standing = kept.standing(volunteer_id)
        by_itself = [row for row in standing if row["approver_id"] is None]
        assert all(_shared(one, other) == 0 for one, other in combinations(by_itself, 2))
        # What reviewers gave of longer times: between any two moments are no more minutes than time.
        for begins in {row["starts_at"] for row in standing}:
            for ends in {row["ends_at"] for row in standing}:
                inside = [row for row in standing if begins <= row["starts_at"] and row["ends_at"] <= ends]
                assert sum(row["minutes"] for row in inside) <= whole_minutes(begins, ends)
        assert all(minutes <= limit for minutes in _by_day(by_itself).values())
        given = [row for row in standing if row["approver_id"] not in organizers]
        assert all(minutes <= most for minutes in _by_day(given).values())


def tallies_are_sums(kept: Kept, subjects: Sequence[Subject], found: Mapping[Any, Sums]) -> None:
    """Each tally is the sum of its rows of the ledger; each person's has what waits of hers beside it."""
    for kind, column, subject_id in subjects:
        by_day, whole = found[kind.value, subject_id]
        days: defaultdict[str, int] = defaultdict(int)
        for record in kept.records.values():
            if record[column] == subject_id:
                days[record["on"].isoformat()] += record["minutes"]
        assert {day: part[0] for day, part in by_day.items() if part[0]} == {day: n for day, n in days.items() if n}
        assert whole[0] == sum(days.values())
        assert whole[1] == sum(part[1] for part in by_day.values())
        if kind is SubjectKind.VOLUNTEER:
            assert whole[1] == sum(row["held_minutes"] for row in kept.of(subject_id))
        elif column == "organization_id":
            assert whole[1] == sum(row["held_minutes"] for row in kept.attendances.values())


def _shared(one: Row, other: Row) -> int:
    return whole_minutes(max(one["starts_at"], other["starts_at"]), min(one["ends_at"], other["ends_at"]))


def _by_day(rows: Sequence[Row]) -> dict[date, int]:
    days: defaultdict[date, int] = defaultdict(int)
    for row in rows:
        for day, minutes in spread(row["minutes"], row["starts_at"], row["ends_at"], settings().zone).items():
            days[day] += minutes
    return days
