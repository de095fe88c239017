"""What is read from the hours ledger."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, ScalarSelect, Select, exists, func, or_, select, union_all
from sqlalchemy.orm import Bundle, aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import LONGEST_SHIFT
from volunteer_api.core import clock
from volunteer_api.core.periods import Period
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization
from volunteer_api.teams.models import Team

LOOKED_BACK = LONGEST_SHIFT + timedelta(days=1)


def records_of(volunteer_id: UUID) -> Select[*tuple[Any, ...]]:
    """A volunteer's records, with the names that a person reads."""
    leader = aliased(Volunteer)
    return (
        select(
            *ServiceRecord.__table__.columns,
            Bundle("organization", Organization.id, Organization.name),
            Team.name.label("team_name"),
            leader.name.label("leader_name"),
        )
        .join(Organization, Organization.id == ServiceRecord.organization_id)
        .outerjoin(Team, Team.id == ServiceRecord.team_id)
        .outerjoin(leader, leader.id == ServiceRecord.leader_id)
        .where(ServiceRecord.volunteer_id == volunteer_id)
    )


def reversal_of(record_id: UUID) -> Select[UUID]:
    """The id of the row that takes a record back."""
    return select(ServiceRecord.id).where(ServiceRecord.reverses_id == record_id)


def reversal_to_follow(attendance_id: UUID) -> ScalarSelect[UUID]:
    """The id of an attendance's reversal that no credit follows yet: what a corrected credit names. None of most."""
    reversal, follower = aliased(ServiceRecord), aliased(ServiceRecord)
    return (
        select(reversal.id)
        .where(
            *_corrections(reversal, attendance_id),
            reversal.reverses_id.is_not(None),
            ~exists().where(follower.follows_id == reversal.id),
        )
        .scalar_subquery()
    )


def standing_of_attendance(attendance_id: UUID) -> CompoundSelect[UUID]:
    """The id of the one record of an attendance that nothing takes back."""
    reversal = aliased(ServiceRecord)
    standing = select(ServiceRecord.id).where(
        ServiceRecord.reverses_id.is_(None), ~exists().where(reversal.reverses_id == ServiceRecord.id)
    )
    return union_all(
        standing.where(ServiceRecord.attendance_id == attendance_id, ServiceRecord.follows_id.is_(None)),
        standing.where(*_corrections(ServiceRecord, attendance_id), ServiceRecord.follows_id.is_not(None)),
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


def minutes_between(volunteer_id: UUID, starts_at: datetime, ends_at: datetime) -> Select[*tuple[Any, ...]]:
    """The intervals of a volunteer's records that touch the moments given, each with what is left of its minutes.

    Only the days around are looked at, however many years the volunteer has served: a record begins on its day or the
    next one, and is no longer than the longest shift.
    """
    first, last = clock.local_date(starts_at), clock.local_date(ends_at)
    return (
        select(ServiceRecord.starts_at, ServiceRecord.ends_at, func.sum(ServiceRecord.minutes).label("minutes"))
        .where(
            ServiceRecord.volunteer_id == volunteer_id,
            ServiceRecord.on.between(first - LOOKED_BACK, last),
            ServiceRecord.starts_at < ends_at,
            ServiceRecord.ends_at > starts_at,
        )
        .group_by(ServiceRecord.starts_at, ServiceRecord.ends_at)
        .having(func.sum(ServiceRecord.minutes) > 0)
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
