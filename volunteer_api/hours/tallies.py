"""Tallies: exact at every moment, and read in the same time whatever the ledger holds.

Whoever writes minutes inserts one row beside them and updates nothing, so a crowd that checks out together never queues
on a counter. A task folds these rows into totals for each subject and span. A tally is the totals and what is not
folded in yet, read by one statement: the fold commits both at once, so no snapshot has a minute twice or not at all.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, select, union_all

from volunteer_api.activities.models import Activity
from volunteer_api.core import clock, events, ids
from volunteer_api.core.database import db
from volunteer_api.core.periods import ALL_TIME, Period
from volunteer_api.core.statements import among, insert, insert_all
from volunteer_api.hours.events import MinutesFolded
from volunteer_api.hours.models import (
    HeldAttribution,
    ServiceRecord,
    SubjectKind,
    TallyChange,
    TallyTotal,
    TallyUnit,
)
from volunteer_api.organizations.models import Organization, PathMember
from volunteer_api.organizations.queries import path_ids_under
from volunteer_api.stations.models import Station

# Where the span of all time begins.
BEGINNING = date(1, 1, 1)
# Folded in one transaction: a backlog is worked off in many short ones.
FOLDED_AT_ONCE = 1000
ROWS_AT_ONCE = 500

Attribution = Mapping[str, Any]
# Subject kind, subject, unit, first day: the key of a total.
Span = tuple[str, UUID, str, date]


@dataclass(frozen=True)
class Part:
    """The minutes of one local day (`2026-11-23`) or month (`2026-11`)."""

    period: str
    credited_minutes: int
    held_minutes: int


@dataclass(frozen=True)
class SubjectTally:
    """The minutes of a period, credited and waiting for review, and their parts in order; the parts add up to it."""

    credited_minutes: int
    held_minutes: int
    by_period: list[Part]


@dataclass(frozen=True)
class HeldChange:
    """A signed change of what waits for review of an attendance, and whose and where the minutes are; see `held`."""

    attribution: Attribution
    minutes: int
    attendance_id: UUID | None = None


def attribution_of(record: ServiceRecord) -> Attribution:
    """Whose and where a record's minutes are."""
    return {
        "volunteer_id": record.volunteer_id,
        "team_id": record.team_id,
        "station_id": record.station_id,
        "campaign_id": record.campaign_id,
        "organization_id": record.organization_id,
        "organization_path_id": record.organization_path_id,
        "on": record.on,
    }


def credited(record: ServiceRecord) -> None:
    """Count a record that is about to be written. The caller flushes."""
    db.session.add(TallyChange(**attribution_of(record), credited_minutes=record.minutes))


def held(
    *,
    volunteer_id: UUID,
    activity: Activity | None,
    station: Station | None,
    on: date,
    team_id: UUID | None,
    minutes: int,
    attendance_id: UUID | None = None,
    gathered: list[HeldChange] | None = None,
) -> None:
    """Count a signed change of what waits for review of an attendance, whenever `held_minutes` of a held one changes.

    The minutes belong where a credit of them would: to the activity's organization, or without one to the station's.
    With `attendance_id`, later changes are counted where the first was, whatever was moved since; without it, a station
    that went to another organization in between leaves its own behind. Zero changes nothing. With `gathered`, the
    change goes there, for `count_held`.
    """
    if minutes == 0:
        return
    attribution = {"volunteer_id": volunteer_id, "on": on, **place_of(activity, station, team_id)}
    change = HeldChange(attribution, minutes, attendance_id)
    if gathered is not None:
        gathered.append(change)
    else:
        count_held([change])


def count_held(changes: Sequence[HeldChange]) -> None:
    """Count several changes at once, each where the first of its attendance was counted."""
    if not changes:
        return
    first = _first_attributions(changes)
    now = clock.now()
    rows = [
        {
            "id": ids.new_id(),
            "created_at": now,
            "credited_minutes": 0,
            "held_minutes": change.minutes,
            **(change.attribution if change.attendance_id is None else first[change.attendance_id]),
        }
        for change in changes
    ]
    insert_all(TallyChange, rows)


def place_of(activity: Activity | None, station: Station | None, team_id: UUID | None) -> dict[str, Any]:
    """What minutes of an activity, or of a duty at a station, are attributed to, as it is now."""
    if activity is not None:
        return {
            "team_id": team_id or activity.team_id,
            "station_id": activity.station_id,
            "campaign_id": activity.campaign_id,
            "organization_id": activity.organization_id,
            "organization_path_id": activity.organization_path_id,
        }
    if station is None:
        raise ValueError("minutes belong to an activity or to a station")
    return {
        "team_id": team_id,
        "station_id": station.id,
        "campaign_id": None,
        "organization_id": station.organization_id,
        "organization_path_id": db.session.scalars(
            select(Organization.path_id).where(Organization.id == station.organization_id)
        ).one(),
    }


def tally(kind: SubjectKind, subject_id: UUID, period: Period) -> SubjectTally:
    """A subject's minutes in a period: by day where it has at most 31 days, else by month. One statement.

    A part without minutes is left out.
    """
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in db.session.execute(_parts(kind, subject_id, period)):
        part = sums[row.on.isoformat() if period.by_day else f"{row.on:%Y-%m}"]
        part[0] += int(row.credited_minutes)
        part[1] += int(row.held_minutes)
    parts = [Part(name, *sums[name]) for name in sorted(sums) if any(sums[name])]
    return SubjectTally(
        credited_minutes=sum(part.credited_minutes for part in parts),
        held_minutes=sum(part.held_minutes for part in parts),
        by_period=parts,
    )


def total(kind: SubjectKind, subject_id: UUID, period: Period = ALL_TIME) -> Select[int, int]:
    """One row of `credited_minutes` and `held_minutes`: a tally without its parts."""
    parts = _parts(kind, subject_id, period, whole=True).subquery()
    return select(
        func.coalesce(func.sum(parts.c.credited_minutes), 0).label("credited_minutes"),
        func.coalesce(func.sum(parts.c.held_minutes), 0).label("held_minutes"),
    )


def fold() -> int:
    """Add changes to the totals, at most a thousand; returns how many. To be run in a unit of its own.

    The changes are deleted in the same transaction. Two that fold at once take different changes, and touch the totals
    in one order; a change that is committed late is simply folded later.
    """
    changes = db.session.execute(
        select(TallyChange.__table__).order_by(TallyChange.id).limit(FOLDED_AT_ONCE).with_for_update(skip_locked=True)
    ).all()
    if not changes:
        return 0
    above = _ancestors({row.organization_path_id for row in changes})
    sums: defaultdict[Span, list[int]] = defaultdict(lambda: [0, 0])
    for row in changes:
        for kind, subject_id in subjects_of(row, above[row.organization_path_id]):
            for unit, starts_on in spans_of(row.on):
                span = sums[kind, subject_id, unit, starts_on]
                span[0] += row.credited_minutes
                span[1] += row.held_minutes
    _add(sums)
    everything = (SubjectKind.VOLUNTEER.value, TallyUnit.ALL.value)
    changed = {key[1]: span[0] for key, span in sums.items() if (key[0], key[2]) == everything and span[0]}
    if changed:
        events.publish(MinutesFolded(changed))
    db.session.execute(delete(TallyChange).where(TallyChange.id.in_([row.id for row in changes])))
    return len(changes)


def subjects_of(row: Any, ancestor_ids: Sequence[UUID]) -> Iterator[tuple[str, UUID]]:
    """Whose tallies a change is in; `ancestor_ids` are its path's, its own organization among them."""
    yield SubjectKind.VOLUNTEER.value, row.volunteer_id
    yield SubjectKind.ORGANIZATION_OWN.value, row.organization_id
    for kind, subject_id in (
        (SubjectKind.TEAM, row.team_id),
        (SubjectKind.STATION, row.station_id),
        (SubjectKind.CAMPAIGN, row.campaign_id),
    ):
        if subject_id is not None:
            yield kind.value, subject_id
    for ancestor_id in ancestor_ids:
        yield SubjectKind.ORGANIZATION.value, ancestor_id


def spans_of(day: date) -> Iterator[tuple[str, date]]:
    """The unit and the first day of each span that a local day is in."""
    yield TallyUnit.DAY.value, day
    yield TallyUnit.MONTH.value, day.replace(day=1)
    yield TallyUnit.YEAR.value, day.replace(month=1, day=1)
    yield TallyUnit.ALL.value, BEGINNING


def belongs_to(
    model: type[TallyChange] | type[ServiceRecord], kind: SubjectKind, subject_id: UUID
) -> ColumnElement[bool]:
    """The rows that a subject's tally sums."""
    if kind is SubjectKind.ORGANIZATION:
        return model.organization_path_id.in_(path_ids_under(subject_id))
    column = {
        SubjectKind.VOLUNTEER: model.volunteer_id,
        SubjectKind.TEAM: model.team_id,
        SubjectKind.STATION: model.station_id,
        SubjectKind.CAMPAIGN: model.campaign_id,
        SubjectKind.ORGANIZATION_OWN: model.organization_id,
    }[kind]
    return column == subject_id


def _parts(kind: SubjectKind, subject_id: UUID, period: Period, *, whole: bool = False) -> Select[Any]:
    """Rows of `on`, `credited_minutes`, `held_minutes`: totals of the widest spans that tile the period, and changes.

    Not `whole`, the spans are those that the parts are shown by.
    """
    unit = _unit_of(period, whole=whole)
    totals = select(TallyTotal.starts_on.label("on"), TallyTotal.credited_minutes, TallyTotal.held_minutes).where(
        TallyTotal.subject_kind == kind, TallyTotal.subject_id == subject_id, TallyTotal.unit == unit
    )
    changes = select(
        TallyChange.on,
        func.sum(TallyChange.credited_minutes).label("credited_minutes"),
        func.sum(TallyChange.held_minutes).label("held_minutes"),
    ).where(belongs_to(TallyChange, kind, subject_id))
    if period.first is not None and period.last is not None:
        totals = totals.where(TallyTotal.starts_on.between(period.first, period.last))
        changes = changes.where(TallyChange.on.between(period.first, period.last))
    both = union_all(totals, changes.group_by(TallyChange.on)).subquery()
    return select(both.c.on, both.c.credited_minutes, both.c.held_minutes)


def _unit_of(period: Period, *, whole: bool) -> TallyUnit:
    """The unit of the spans that tile a named period; `whole`, the widest, else the one that it is shown by."""
    first, last = period.first, period.last
    if whole and (first is None or last is None):
        return TallyUnit.ALL
    if whole and first is not None and last is not None and first.day == 1:
        if (first.month, last.month, last.day) == (1, 12, 31):
            return TallyUnit.YEAR
        if first.month == last.month and (last + timedelta(days=1)).day == 1:
            return TallyUnit.MONTH
    return TallyUnit.DAY if period.by_day else TallyUnit.MONTH


def _first_attributions(changes: Sequence[HeldChange]) -> dict[UUID, Attribution]:
    """The attribution of each attendance's first held minutes, by its id; that of these, where they are the first."""
    told: dict[UUID, Attribution] = {}
    for change in changes:
        if change.attendance_id is not None:
            told.setdefault(change.attendance_id, change.attribution)
    if not told:
        return {}
    rows = [{"attendance_id": attendance_id, **attribution} for attendance_id, attribution in told.items()]
    new = insert_all(HeldAttribution, rows, skip_known=True)
    known = told.keys() - {row.attendance_id for row in new}
    if known:
        held = HeldAttribution.__table__
        for row in db.session.connection().execute(select(held).where(among(held.c.attendance_id, known))):
            told[row.attendance_id] = {name: getattr(row, name) for name in told[row.attendance_id]}
    return told


def _ancestors(path_ids: set[UUID]) -> Mapping[UUID, Sequence[UUID]]:
    above: defaultdict[UUID, list[UUID]] = defaultdict(list)
    members = select(PathMember.path_id, PathMember.ancestor_id).where(PathMember.path_id.in_(path_ids))
    for path_id, ancestor_id in db.session.execute(members):
        above[path_id].append(ancestor_id)
    return above


def _add(sums: Mapping[Span, Sequence[int]]) -> None:
    """Add to the totals, in the order of their keys: two that do so at once can't lock each other out."""
    names = ("subject_kind", "subject_id", "unit", "starts_on")
    keys = iter(sorted(sums))
    while chunk := list(islice(keys, ROWS_AT_ONCE)):
        statement = insert(TallyTotal).values(
            [
                dict(zip(names, key, strict=True)) | {"credited_minutes": sums[key][0], "held_minutes": sums[key][1]}
                for key in chunk
            ]
        )
        db.session.execute(
            statement.on_conflict_do_update(
                index_elements=names,
                set_={
                    "credited_minutes": TallyTotal.credited_minutes + statement.excluded.credited_minutes,
                    "held_minutes": TallyTotal.held_minutes + statement.excluded.held_minutes,
                },
            )
        )
