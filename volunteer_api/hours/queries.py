"""What is read from the hours ledger."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, ScalarSelect, Select, exists, func, or_, select, union_all
from sqlalchemy.orm import aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import LONGEST_SHIFT, Activity, ActivityLeader
from volunteer_api.core import clock
from volunteer_api.core.periods import Period
from volunteer_api.core.statements import among, first_and_last
from volunteer_api.hours.models import Backfill, RecordState, ServiceRecord
from volunteer_api.organizations.models import Organization
from volunteer_api.sign_ups.models import SignUp, SignUpState
from volunteer_api.teams.models import Membership, MembershipState

SIGNED_UP = (SignUpState.PENDING, SignUpState.CONFIRMED, SignUpState.WAITLISTED)
LOOKED_BACK = LONGEST_SHIFT + timedelta(days=1)
# Made once: that takes longer than the database takes for their statement, which every check-out asks.
Reversal, Follower = aliased(ServiceRecord), aliased(ServiceRecord)


def reversal_of(record_id: UUID) -> Select[UUID]:
    """The id of the row that takes a record back."""
    return select(ServiceRecord.id).where(ServiceRecord.reverses_id == record_id)


def reversal_to_follow(attendance_id: UUID) -> ScalarSelect[UUID]:
    """The id of an attendance's reversal that no credit follows yet: what a corrected credit names. None of most."""
    return (
        select(Reversal.id)
        .where(
            *_corrections(Reversal, attendance_id),
            Reversal.reverses_id.is_not(None),
            ~exists().where(Follower.follows_id == Reversal.id),
        )
        .scalar_subquery()
    )


def standing_of_attendance(attendance_id: UUID) -> CompoundSelect[UUID]:
    """The id of the one record of an attendance that nothing takes back."""
    standing = select(ServiceRecord.id).where(
        ServiceRecord.reverses_id.is_(None), ~exists().where(Reversal.reverses_id == ServiceRecord.id)
    )
    return union_all(
        standing.where(ServiceRecord.attendance_id == attendance_id, ServiceRecord.follows_id.is_(None)),
        standing.where(*_corrections(ServiceRecord, attendance_id), ServiceRecord.follows_id.is_not(None)),
    )


def standing_between(volunteer_id: UUID, starts_at: datetime, ends_at: datetime) -> Select[UUID]:
    """The id of a record of the volunteer that nothing takes back and that has minutes in the time given."""
    return (
        select(ServiceRecord.id)
        .where(
            *_touching([volunteer_id], starts_at, ends_at),
            ServiceRecord.reverses_id.is_(None),
            ~exists().where(Reversal.reverses_id == ServiceRecord.id),
        )
        .order_by(ServiceRecord.on, ServiceRecord.id)
        .limit(1)
    )


def pending_between(volunteer_id: UUID, starts_at: datetime, ends_at: datetime) -> Select[UUID]:
    """The id of a backfill that waits, of the same volunteer at the same time."""
    return (
        select(Backfill.id)
        .where(
            Backfill.volunteer_id == volunteer_id,
            Backfill.state == RecordState.PENDING,
            Backfill.starts_at < ends_at,
            Backfill.ends_at > starts_at,
        )
        .order_by(Backfill.id)
        .limit(1)
    )


def was_member(volunteer_id: UUID, team_id: UUID, starts_at: datetime, ends_at: datetime) -> Select[UUID]:
    """The membership of the team that the volunteer had at the time."""
    return (
        select(Membership.id)
        .where(
            Membership.team_id == team_id,
            Membership.volunteer_id == volunteer_id,
            Membership.joined_at < ends_at,
            or_(Membership.left_at.is_(None), Membership.left_at > starts_at),
        )
        .limit(1)
    )


def team_signed_up_for(volunteer_id: UUID, shift_id: UUID) -> Select[UUID | None]:
    """The team that the volunteer's confirmed sign-up for a shift names: what she serves there, she serves for it."""
    return select(SignUp.team_id).where(
        SignUp.volunteer_id == volunteer_id, SignUp.shift_id == shift_id, SignUp.state == SignUpState.CONFIRMED
    )


def is_known_at(volunteer_id: Any, shift_id: Any, team_id: Any) -> ColumnElement[bool]:
    """Whether whoever leads the shift knows the volunteer: she signed up for it, or is of the activity's team.

    Columns or values. Whom a leader invited, and who did not say yes, she does not know.
    """
    signed_up = exists().where(
        SignUp.shift_id == shift_id, SignUp.volunteer_id == volunteer_id, SignUp.state.in_(SIGNED_UP)
    )
    member = exists().where(
        Membership.team_id == team_id,
        Membership.volunteer_id == volunteer_id,
        Membership.state == MembershipState.ACTIVE,
    )
    return or_(signed_up, member)


def is_known_of_backfill() -> ColumnElement[bool]:
    """Whether the volunteer of a Backfill, joined to its activity, is known where it was.

    Also by hours that she has there: whoever leads there reads whose these are.
    """
    served = exists().where(
        ServiceRecord.volunteer_id == Backfill.volunteer_id,
        or_(
            ServiceRecord.activity_id == Backfill.activity_id,
            ServiceRecord.activity_id.is_(None) & (ServiceRecord.station_id == Backfill.station_id),
        ),
    )
    return or_(is_known_at(Backfill.volunteer_id, Backfill.shift_id, Activity.team_id), served)


def is_known_of(backfill_id: UUID) -> Select[bool]:
    """Whether the volunteer of a backfill is known where it was."""
    return (
        select(is_known_of_backfill())
        .outerjoin_from(Backfill, Activity, Activity.id == Backfill.activity_id)
        .where(Backfill.id == backfill_id)
    )


def known_at(shift_id: UUID, team_id: UUID | None, phones: Collection[str]) -> Select[Volunteer]:
    """Who of the owners of these phones is known at a shift."""
    return select(Volunteer).where(Volunteer.phone.in_(phones), is_known_at(Volunteer.id, shift_id, team_id))


def leader_id_of(activity_id: UUID) -> Select[UUID]:
    """Who is named to lead an activity: the first, as a check-out takes it."""
    return (
        select(ActivityLeader.volunteer_id)
        .where(ActivityLeader.activity_id == activity_id)
        .order_by(ActivityLeader.volunteer_id)
        .limit(1)
    )


def waiting_by_organization(first_on: date | None, last_on: date) -> Select[Organization, int, str, str]:
    """Where backfills wait of service that ended on these local days (None: ever), both included, and how many.

    With the first and the last of the ids of who recorded them: where these are one, nobody else did.
    """
    since, until = clock.days_between(first_on or last_on, last_on)
    ended = Backfill.ends_at < until if first_on is None else (Backfill.ends_at >= since) & (Backfill.ends_at < until)
    return (
        select(Organization, func.count(), *first_and_last(Backfill.recorder_id))
        .join(Backfill, Backfill.organization_id == Organization.id)
        .where(Backfill.state == RecordState.PENDING, ended)
        .group_by(Organization.id)
        .order_by(Organization.id)
    )


def taken_back_by(person_id: UUID, attendance_id: UUID) -> Select[UUID]:
    """A reversal of the attendance's minutes that this person made, if there is one."""
    return (
        select(ServiceRecord.id)
        .where(
            ServiceRecord.attendance_id == attendance_id,
            ServiceRecord.reverses_id.is_not(None),
            ServiceRecord.recorder_id == person_id,
        )
        .limit(1)
    )


def activity_count(volunteer_id: UUID, period: Period) -> Select[int]:
    """How many activities have minutes left in the ledger, after all reversals."""
    counted = (
        select(ServiceRecord.activity_id)
        .where(ServiceRecord.volunteer_id == volunteer_id, ServiceRecord.activity_id.is_not(None), *_within(period))
        .group_by(ServiceRecord.activity_id)
        .having(func.sum(ServiceRecord.minutes) > 0)
        .subquery()
    )
    return select(func.count()).select_from(counted)


def minutes_for_team(team_id: UUID, period: Period) -> Select[UUID, int]:
    """Whoever has records given for the team, with their sum after all reversals."""
    return (
        select(ServiceRecord.volunteer_id, func.sum(ServiceRecord.minutes))
        .where(ServiceRecord.team_id == team_id, *_within(period))
        .group_by(ServiceRecord.volunteer_id)
    )


def records_between(
    volunteer_ids: Collection[UUID], starts_at: datetime, ends_at: datetime
) -> Select[*tuple[Any, ...]]:
    """The intervals of volunteers' records that touch the moments given, reversals too, with their signed minutes.

    Only the days around are looked at, however many years they have served: a record begins on its day or the
    next one, and is no longer than the longest shift.
    """
    return select(
        ServiceRecord.volunteer_id,
        ServiceRecord.starts_at,
        ServiceRecord.ends_at,
        ServiceRecord.minutes,
        ServiceRecord.attendance_id,
    ).where(*_touching(volunteer_ids, starts_at, ends_at))


def _touching(
    volunteer_ids: Collection[UUID], starts_at: datetime, ends_at: datetime
) -> tuple[ColumnElement[bool], ...]:
    first, last = clock.local_date(starts_at), clock.local_date(ends_at)
    return (
        among(ServiceRecord.volunteer_id, volunteer_ids),
        ServiceRecord.on.between(first - LOOKED_BACK, last),
        ServiceRecord.starts_at < ends_at,
        ServiceRecord.ends_at > starts_at,
    )


def _corrections(record: type[ServiceRecord], attendance_id: UUID) -> tuple[ColumnElement[bool], ...]:
    """What came after an attendance's first credit, in the words of the index that has these few alone."""
    return (
        record.attendance_id == attendance_id,
        or_(record.reverses_id.is_not(None), record.follows_id.is_not(None)),
    )


def _within(period: Period) -> list[ColumnElement[bool]]:
    bounds = []
    if period.first is not None:
        bounds.append(ServiceRecord.on >= period.first)
    if period.last is not None:
        bounds.append(ServiceRecord.on <= period.last)
    return bounds
