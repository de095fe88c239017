"""How trainings, policies and whom they name are read."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, case, func, select

from volunteer_api.core.database import db
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.statements import among
from volunteer_api.organizations.queries import subtree_ids
from volunteer_api.qualifications.models import Insured, Policy, Training, TrainingRecord

# A policy that is ended early covers nobody beyond, whatever was written for its people.
COVER_ENDS_ON = case((Insured.ends_on < Policy.ends_on, Insured.ends_on), else_=Policy.ends_on)


@dataclass(frozen=True)
class Span:
    """Days on which something counts, both included; `last` is None where it counts for ever."""

    first: date
    last: date | None

    def covers(self, day: date) -> bool:
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True)
class Credentials:
    """What one volunteer has: spans by training, and by the organization whose policy covers them."""

    trained: dict[UUID, list[Span]] = field(default_factory=lambda: defaultdict(list))
    insured: dict[UUID, list[Span]] = field(default_factory=lambda: defaultdict(list))

    def missing(self, training_ids: Collection[UUID], day: date) -> list[UUID]:
        """Which of the trainings do not count on that day, in the order of their ids."""
        return sorted(one for one in training_ids if not _covered(self.trained.get(one, ()), day))

    def is_insured(self, organization_ids: Collection[UUID], day: date) -> bool:
        """Whether a policy of one of the organizations covers that day [regulation on volunteering, art. 17].

        The organizations are those that stand above who holds the activity, or stood there when it was published: a
        policy covers what its subtree does, and a merger or a move takes nobody's cover.
        """
        return any(_covered(self.insured.get(one, ()), day) for one in organization_ids)


def credentials_of(volunteer_ids: Collection[UUID]) -> dict[UUID, Credentials]:
    """What each of the volunteers has, those without anything included. Two statements, however many they are."""
    found = {volunteer_id: Credentials() for volunteer_id in volunteer_ids}
    for row in db.session.execute(
        select(
            TrainingRecord.volunteer_id,
            TrainingRecord.training_id,
            TrainingRecord.completed_on,
            TrainingRecord.valid_until,
        ).where(among(TrainingRecord.volunteer_id, found), TrainingRecord.revoked_at.is_(None))
    ):
        found[row.volunteer_id].trained[row.training_id].append(Span(row.completed_on, row.valid_until))
    for row in db.session.execute(
        select(Insured.volunteer_id, Policy.organization_id, Insured.starts_on, COVER_ENDS_ON.label("ends_on"))
        .join(Policy, Policy.id == Insured.policy_id)
        .where(among(Insured.volunteer_id, found))
    ):
        found[row.volunteer_id].insured[row.organization_id].append(Span(row.starts_on, row.ends_on))
    return found


def list_trainings(query: Mapping[str, Any]) -> Page:
    """Trainings by name."""
    statement = select(Training)
    if "organization_id" in query:
        statement = statement.where(Training.organization_id.in_(subtree_ids(query["organization_id"])))
    if "q" in query:
        statement = statement.where(Training.name.icontains(query["q"], autoescape=True))
    return page(statement, [Key(Training.name, lambda one: one.name), Key(Training.id, lambda one: one.id)], query)


def list_policies(reach: Select[UUID], query: Mapping[str, Any], caller_id: UUID) -> Page:
    """The policies of the organizations in `reach`, the one that ends last first, with how many each covers."""
    covered = select(func.count()).where(Insured.policy_id == Policy.id).scalar_subquery()
    statement = select(Policy, covered.label("insured_count")).where(Policy.organization_id.in_(reach))
    if "organization_id" in query:
        statement = statement.where(Policy.organization_id.in_(subtree_ids(query["organization_id"])))
    if "on" in query:
        statement = statement.where(Policy.starts_on <= query["on"], Policy.ends_on >= query["on"])
    keys = [
        Key(Policy.ends_on, lambda row: row.Policy.ends_on, descending=True),
        Key(Policy.id, lambda row: row.Policy.id),
    ]
    return page(statement, keys, query, scope=str(caller_id))


def count_insured(policy_id: UUID) -> int:
    """How many people a policy lists."""
    return db.session.scalar(select(func.count()).where(Insured.policy_id == policy_id)) or 0


def list_records(training: Training, query: Mapping[str, Any]) -> Page:
    """Who completed a training, the latest first; revoked records too."""
    statement = select(TrainingRecord).where(TrainingRecord.training_id == training.id)
    keys = [
        Key(TrainingRecord.completed_on, lambda one: one.completed_on, descending=True),
        Key(TrainingRecord.id, lambda one: one.id, descending=True),
    ]
    return page(statement, keys, query, scope=str(training.id))


def list_insured(policy: Policy, query: Mapping[str, Any]) -> Page:
    """Whom a policy lists, in the order of listing."""
    statement = select(Insured).where(Insured.policy_id == policy.id)
    return page(statement, [Key(Insured.id, lambda one: one.id)], query, scope=str(policy.id))


def list_own_trainings(volunteer_id: UUID, query: Mapping[str, Any]) -> Page:
    """What somebody completed, with the training's name, the latest first; what was revoked is left out."""
    statement = (
        select(
            TrainingRecord.id,
            TrainingRecord.training_id,
            Training.name,
            TrainingRecord.completed_on,
            TrainingRecord.valid_until,
        )
        .join(Training, Training.id == TrainingRecord.training_id)
        .where(TrainingRecord.volunteer_id == volunteer_id, TrainingRecord.revoked_at.is_(None))
    )
    keys = [
        Key(TrainingRecord.completed_on, lambda row: row.completed_on, descending=True),
        Key(TrainingRecord.id, lambda row: row.id, descending=True),
    ]
    return page(statement, keys, query, scope=str(volunteer_id))


def list_own_insurance(volunteer_id: UUID, query: Mapping[str, Any]) -> Page:
    """The policies that list somebody, with the days on which they cover her."""
    statement = (
        select(Insured.id, Policy.insurer, Policy.policy_number, Insured.starts_on, COVER_ENDS_ON.label("ends_on"))
        .join(Policy, Policy.id == Insured.policy_id)
        .where(Insured.volunteer_id == volunteer_id)
    )
    keys = [
        Key(COVER_ENDS_ON, lambda row: row.ends_on, descending=True),
        Key(Insured.id, lambda row: row.id),
    ]
    return page(statement, keys, query, scope=str(volunteer_id))


def _covered(spans: Collection[Span], day: date) -> bool:
    return any(span.covers(day) for span in spans)
