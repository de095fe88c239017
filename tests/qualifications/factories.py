"""Trainings and policies of an organization. Call them inside a unit."""

from datetime import date, timedelta
from uuid import UUID

from tests.factories import next_number
from volunteer_api.core import clock
from volunteer_api.qualifications import service
from volunteer_api.qualifications.models import Policy, Training


def make_training(organization_id: UUID, *, valid_days: int | None = None) -> Training:
    """A training with a name of its own."""
    return service.create_training(
        organization_id=organization_id, name=f"急救培训{next_number()}", valid_days=valid_days
    )


def make_policy(organization_id: UUID, *, starts_on: date | None = None, days: int = 365) -> Policy:
    """A policy from today on, unless another day is given."""
    first = starts_on or clock.today()
    return service.create_policy(
        organization_id=organization_id,
        insurer="人保财险",
        policy_number=f"P{next_number():08d}",
        starts_on=first,
        ends_on=first + timedelta(days=days),
    )
