"""Who keeps trainings and policies, and who sees them."""

from uuid import UUID

from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.organizations.access import Permission, require, require_anywhere
from volunteer_api.qualifications.models import Insured, Policy, Training, TrainingRecord


def require_keeping(principal: Principal, organization_id: UUID) -> None:
    """Let pass whoever manages the organization. Raises Forbidden (403), NotFound (404)."""
    require(principal, Permission.ORGANIZATION_MANAGE, organization_id=organization_id)


@for_signed_in
def to_see_training(principal: Principal, training_id: UUID) -> Training:
    """Anybody who is signed in: one must know what a shift asks for."""
    return _training(training_id)


@for_signed_in
def to_keep_training(principal: Principal, training_id: UUID) -> Training:
    """Whoever manages its organization."""
    training = _training(training_id)
    require_keeping(principal, training.organization_id)
    return training


@for_signed_in
def to_keep_record(principal: Principal, record_id: UUID) -> TrainingRecord:
    """Whoever manages the training's organization."""
    record = db.session.get(TrainingRecord, record_id)
    if record is None:
        raise NotFound()
    require_keeping(principal, _training(record.training_id).organization_id)
    return record


@for_signed_in
def to_list_policies(principal: Principal) -> None:
    """Whoever manages some organization; of whose policies, the query says."""
    require_anywhere(principal, Permission.ORGANIZATION_MANAGE)


@for_signed_in
def to_keep_policy(principal: Principal, policy_id: UUID) -> Policy:
    """Whoever manages its organization."""
    return _policy(principal, policy_id)


@for_signed_in
def to_keep_insured(principal: Principal, insured_id: UUID) -> Insured:
    """Whoever manages the policy's organization."""
    insured = db.session.get(Insured, insured_id)
    if insured is None:
        raise NotFound()
    _policy(principal, insured.policy_id)
    return insured


def _training(training_id: UUID) -> Training:
    training = db.session.get(Training, training_id)
    if training is None:
        raise NotFound()
    return training


def _policy(principal: Principal, policy_id: UUID) -> Policy:
    policy = db.session.get(Policy, policy_id)
    if policy is None:
        raise NotFound()
    require_keeping(principal, policy.organization_id)
    return policy
