"""What happens to trainings and policies when something happens to a person or an organization."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from volunteer_api.accounts.events import PhoneChanged, PhoneProven, PhoneReleased, VolunteerErased
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.organizations.events import OrganizationMerged
from volunteer_api.organizations.holdings import hand_over, register_holding
from volunteer_api.qualifications import service
from volunteer_api.qualifications.models import Insured, Policy, Training, TrainingRecord
from volunteer_api.qualifications.queries import COVER_ENDS_ON


@on(PhoneProven)
def give_what_was_recorded(event: PhoneProven) -> None:
    """Trainings and covers that name the phone count for its owner from now on."""
    service.take_effect(volunteer_id=event.volunteer_id, phone=event.phone)


@on(PhoneReleased)
def keep_without_number(event: PhoneReleased) -> None:
    """The number's new owner can be listed by it."""
    service.let_numbers_go(event.volunteer_id)


@on(PhoneChanged)
def keep_without_former_number(event: PhoneChanged) -> None:
    """So can whoever gets the former number, some day."""
    service.let_numbers_go(event.volunteer_id, besides=event.phone)


@on(VolunteerErased)
def forget_person(event: VolunteerErased) -> None:
    """Nothing sums them up, and their digests would find the phone again."""
    for model in (TrainingRecord, Insured):
        db.session.execute(
            delete(model).where(model.volunteer_id == event.volunteer_id).execution_options(synchronize_session=False)
        )


register_holding(
    "trainings",
    lambda organization_id: select(Training.id, Training.name).where(Training.organization_id == organization_id),
)
register_holding(
    "insurance_policies",
    lambda organization_id: select(Policy.id, Policy.policy_number.label("name")).where(
        Policy.organization_id == organization_id
    ),
)


@on(OrganizationMerged)
def go_over(event: OrganizationMerged) -> None:
    """The successor keeps them; of two trainings with one name, the former's says when it came."""
    hand_over(Training, event.organization_id, event.into_id, one_of_a_name=True)
    hand_over(Policy, event.organization_id, event.into_id)


@exported("trainings")
def trainings(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person completed, the latest first, revoked records too."""
    return rows(
        select(
            TrainingRecord.id,
            Training.name,
            TrainingRecord.completed_on,
            TrainingRecord.valid_until,
            TrainingRecord.revoked_at,
            TrainingRecord.revocation_reason,
        )
        .join(Training, Training.id == TrainingRecord.training_id)
        .where(TrainingRecord.volunteer_id == volunteer_id)
        .order_by(TrainingRecord.completed_on.desc(), TrainingRecord.id)
    )


@exported("insurance")
def insurance(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The policies that name the person."""
    return rows(
        select(
            Insured.id,
            Policy.insurer,
            Policy.policy_number,
            Insured.starts_on,
            COVER_ENDS_ON.label("ends_on"),
        )
        .join(Policy, Policy.id == Insured.policy_id)
        .where(Insured.volunteer_id == volunteer_id)
        .order_by(Insured.starts_on.desc(), Insured.id)
    )


@exported("qualifications_recorded")
def qualifications_recorded(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The trainings and covers of others that the person recorded, without who they are."""
    recorded = rows(
        select(TrainingRecord.id, TrainingRecord.training_id, TrainingRecord.created_at)
        .where(TrainingRecord.recorded_by == volunteer_id)
        .order_by(TrainingRecord.id)
    )
    insured = rows(
        select(Insured.id, Insured.policy_id, Insured.created_at)
        .where(Insured.recorded_by == volunteer_id)
        .order_by(Insured.id)
    )
    return recorded + insured
