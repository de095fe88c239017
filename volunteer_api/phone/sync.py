"""The copy that a phone keeps of its owner's rows: all of it, or what changed since a state.

What belongs to a type, and which of it is kept, stands in KINDS. A row is told as the lists of its feature show it. It
is told again when it changes itself, and when the shift, the activity, the place on the waitlist, the team of a
membership or the name of what a grant is over changes. Other names inside it, like those of people, of what a service
record names and of a loan's item, are those of its last change; what time alone changes, like `overdue`, the phone
knows itself.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from volunteer_api.accounts import profile
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Shift
from volunteer_api.attendance import queries as attendance
from volunteer_api.attendance.models import Attendance
from volunteer_api.attendance.models import State as AttendanceState
from volunteer_api.core import clock, texts
from volunteer_api.core.database import db
from volunteer_api.core.statements import among
from volunteer_api.hours import listing as hours
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.loans import queries as loans
from volunteer_api.loans.models import Loan
from volunteer_api.notifications import queries as notifications
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations import held_roles
from volunteer_api.organizations.models import Grant
from volunteer_api.phone.changes import changed, present_state
from volunteer_api.phone.models import SyncType
from volunteer_api.phone.problems import StateTooOld
from volunteer_api.phone.states import Place, opened, require_good, sealed
from volunteer_api.sign_ups import queries as sign_ups
from volunteer_api.sign_ups.models import SignUp
from volunteer_api.teams import service as teams
from volunteer_api.teams.models import Membership

RECENT = timedelta(days=30)
RECORDED = timedelta(days=366)

Conditions = tuple[ColumnElement[bool], ...]
# Of a volunteer, the first rows by their ids that meet the conditions, so many at most.
Read = Callable[..., Sequence[Any]]


@dataclass(frozen=True)
class Kind:
    """How the rows of a type are read, by which id, and which of them a copy holds that is made at a moment."""

    id: Any
    read: Read
    kept: Callable[[datetime], Conditions] = lambda _now: ()


@dataclass(frozen=True)
class Synced:
    """What a phone is told; `has_more`: ask again at once, with this state."""

    state: str
    changed: Mapping[str, Sequence[Any]]
    removed: Mapping[str, Sequence[UUID]]
    has_more: bool


def sync(volunteer_id: UUID, since: str | None, asked: Collection[SyncType], limit: int) -> Synced:
    """What of a volunteer's rows a copy lacks or has too many of, at most `limit` rows and removals.

    Without `since`, all that a copy holds; of all types where none is asked for. One statement, one more with `since`,
    and those of the types that are told. Raises SyncStateInvalid (400), StateTooOld (410), Busy (503).
    """
    types = asked or set(SyncType)
    bound = volunteer_id, ",".join(sorted(asked)), texts.language()
    # First: what is committed while the rest is read is told again the next time, and none of it is missed.
    present = present_state()
    if not asked:
        # A copy of all that an earlier release knew lacks what this one knows more: it is too old, and begun anew.
        present = replace(present, epoch=f"{present.epoch}/{len(SyncType)}")
    begun = present
    position, place = None, None
    if since is not None:
        state = opened(since, *bound)
        require_good(state, present)
        position, place = state.since, state.place
        begun = present if place is None else state
    if position is None:
        rows, removed, last = _whole(volunteer_id, types, begun.made_at, place, limit)
    else:
        rows, removed, last = _changes(volunteer_id, types, position, place, limit)
    following = Place(position, *last) if last is not None else None
    told = replace(begun, place=following)
    return Synced(sealed(told, *bound), rows, removed, has_more=following is not None)


Part = tuple[dict[str, Sequence[Any]], dict[str, Sequence[UUID]], tuple[int, UUID] | None]


def _whole(volunteer_id: UUID, types: Collection[SyncType], now: datetime, place: Place | None, limit: int) -> Part:
    """The next rows of all, and behind which type and row there are more."""
    found: list[tuple[SyncType, Any]] = []
    for each in sorted(types, key=lambda one: one.number):
        if len(found) > limit or (place is not None and each.number < place.type):
            continue
        kind = KINDS[each]
        behind = (kind.id > place.row_id,) if place is not None and each.number == place.type else ()
        rows = kind.read(volunteer_id, *kind.kept(now), *behind, limit=limit + 1 - len(found))
        found += [(each, row) for row in rows]
    told = found[:limit]
    by_type: dict[str, Sequence[Any]] = {
        each.value: [row for _, row in rows] for each, rows in groupby(told, key=lambda pair: pair[0])
    }
    return by_type, {}, (told[-1][0].number, _id(told[-1][1])) if len(found) > limit else None


def _changes(volunteer_id: UUID, types: Collection[SyncType], since: int, place: Place | None, limit: int) -> Part:
    """What changed since a position, and behind which type and row there is more. Raises StateTooOld (410)."""
    found = db.session.execute(changed(volunteer_id, types, since, place).limit(limit + 1)).all()
    if any(since < row.floor for row in found):
        raise StateTooOld()
    noted = [row for row in found if row.type is not None]
    rows: dict[str, Sequence[Any]] = {}
    removed: dict[str, Sequence[UUID]] = {}
    for number, group in groupby(noted[:limit], key=lambda row: row.type):
        ids = [row.row_id for row in group]
        each = SyncType.of(number)
        kind = KINDS[each]
        there = kind.read(volunteer_id, among(kind.id, ids), limit=limit)
        known = {_id(row) for row in there}
        if there:
            rows[each.value] = there
        if gone := [row_id for row_id in ids if row_id not in known]:
            removed[each.value] = gone
    return rows, removed, (noted[limit - 1].type, noted[limit - 1].row_id) if len(noted) > limit else None


def _id(row: Any) -> UUID:
    found: UUID = row["id"] if isinstance(row, Mapping) else row.id
    return found


def _profile(volunteer_id: UUID, *those: ColumnElement[bool], limit: int) -> list[profile.Me]:
    found = db.session.scalars(select(Volunteer).where(Volunteer.id == volunteer_id, *those).limit(limit))
    return [profile.read(volunteer) for volunteer in found]


def _attendances(volunteer_id: UUID, *those: ColumnElement[bool], limit: int) -> Sequence[Attendance]:
    statement = attendance.of_volunteer(volunteer_id).where(*those)
    return db.session.scalars(statement.order_by(Attendance.id).limit(limit)).all()


KINDS = {
    SyncType.PROFILE: Kind(Volunteer.id, _profile),
    SyncType.SIGN_UPS: Kind(SignUp.id, sign_ups.own_sign_ups, lambda now: (Shift.ends_at > now - RECENT,)),
    SyncType.ATTENDANCES: Kind(
        Attendance.id,
        _attendances,
        lambda now: (or_(Attendance.checked_in_at > now - RECENT, Attendance.state == AttendanceState.OPEN),),
    ),
    SyncType.NOTIFICATIONS: Kind(
        Notification.id, notifications.own_notifications, lambda now: (Notification.created_at > now - RECENT,)
    ),
    SyncType.MEMBERSHIPS: Kind(Membership.id, teams.own_memberships),
    SyncType.GRANTS: Kind(Grant.id, held_roles.own_grants),
    SyncType.LOANS: Kind(
        Loan.id, loans.own_loans, lambda now: (or_(Loan.closed_at.is_(None), Loan.closed_at > now - RECENT),)
    ),
    SyncType.SERVICE_RECORDS: Kind(
        ServiceRecord.id,
        hours.own_records,
        lambda now: (ServiceRecord.on > clock.local_date(now - RECORDED),),
    ),
}
