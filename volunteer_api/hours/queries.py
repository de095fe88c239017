"""What is read from the hours ledger."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Bundle, aliased

from volunteer_api.accounts.models import Volunteer
from volunteer_api.core.periods import Period
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization
from volunteer_api.teams.models import Team


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


def minutes_by_day(volunteer_id: UUID, period: Period) -> Select[date, int]:
    """The sum of a volunteer's ledger on each local day of the period that has any, in order."""
    return (
        select(ServiceRecord.on, func.sum(ServiceRecord.minutes))
        .where(ServiceRecord.volunteer_id == volunteer_id, *_within(period))
        .group_by(ServiceRecord.on)
        .order_by(ServiceRecord.on)
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
    """The intervals of a volunteer's records that touch the moments given, each with what is left of its minutes."""
    return (
        select(ServiceRecord.starts_at, ServiceRecord.ends_at, func.sum(ServiceRecord.minutes).label("minutes"))
        .where(
            ServiceRecord.volunteer_id == volunteer_id,
            ServiceRecord.starts_at < ends_at,
            ServiceRecord.ends_at > starts_at,
        )
        .group_by(ServiceRecord.starts_at, ServiceRecord.ends_at)
        .having(func.sum(ServiceRecord.minutes) > 0)
    )


def _within(period: Period) -> list[ColumnElement[bool]]:
    bounds = []
    if period.first is not None:
        bounds.append(ServiceRecord.on >= period.first)
    if period.last is not None:
        bounds.append(ServiceRecord.on <= period.last)
    return bounds
