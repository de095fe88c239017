"""The verbs of qualifications: give trainings, record who completed them, insure people."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select, update

from volunteer_api.accounts import service as accounts
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import audit, clock, ids, statements
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.paging import Page
from volunteer_api.organizations.access import Permission, permitted_organization_ids, require_open
from volunteer_api.qualifications import queries
from volunteer_api.qualifications.events import CredentialsWithdrawn
from volunteer_api.qualifications.models import Insured, Policy, Training, TrainingRecord
from volunteer_api.qualifications.problems import (
    AlreadyRecorded,
    AlreadyRevoked,
    CompletedInFuture,
    OutsidePolicy,
    PolicyExists,
    PolicyOver,
    TrainingExists,
)

RowT = TypeVar("RowT", TrainingRecord, Insured)


@dataclass(frozen=True)
class PolicyView:
    """A policy, and how many people it lists."""

    id: UUID
    version: int
    organization_id: UUID
    insurer: str
    policy_number: str
    starts_on: date
    ends_on: date
    note: str | None
    insured_count: int


def list_policies(*, by: Principal, query: Mapping[str, Any]) -> Page:
    """The policies of the organizations that `by` manages, the one that ends last first. One statement."""
    reach = permitted_organization_ids(by.volunteer_id, Permission.ORGANIZATION_MANAGE)
    found = queries.list_policies(reach, query, by.volunteer_id)
    return Page([view(row.Policy, row.insured_count) for row in found.items], found.next_cursor)


def view(policy: Policy, insured_count: int | None = None) -> PolicyView:
    """A policy as it is answered; counts its people where the count is not given."""
    db.session.flush()
    return PolicyView(
        id=policy.id,
        version=policy.version,
        organization_id=policy.organization_id,
        insurer=policy.insurer,
        policy_number=policy.policy_number,
        starts_on=policy.starts_on,
        ends_on=policy.ends_on,
        note=policy.note,
        insured_count=queries.count_insured(policy.id) if insured_count is None else insured_count,
    )


def create_training(
    *, organization_id: UUID, name: str, description: str | None = None, valid_days: int | None = None
) -> Training:
    """A training of an organization. Raises OrganizationClosed, TrainingExists (409)."""
    require_open(organization_id)
    training = Training(organization_id=organization_id, name=name, description=description, valid_days=valid_days)
    _require_free_name(training, name)
    db.session.add(training)
    db.session.flush()
    return training


def change_training(training: Training, **changes: Any) -> Training:
    """Change what is given. Records keep the days that they were written with. Raises TrainingExists (409)."""
    if changes.get("name", training.name) != training.name:
        _require_free_name(training, changes["name"])
    for member, value in changes.items():
        setattr(training, member, value)
    return training


def record_completions(
    training: Training, *, by: Principal, phones: Sequence[str], completed_on: date
) -> list[TrainingRecord]:
    """Record that the owners of these phones completed the training on that day, registered or not; all or nobody.

    Nobody learns who of them is registered. Raises CompletedInFuture, AlreadyRecorded (409).
    """
    if completed_on > clock.today():
        raise CompletedInFuture()
    return list_completions(training, dict.fromkeys(phones, completed_on), by=by)


def list_completions(training: Training, days: Mapping[str, date], *, by: Principal) -> list[TrainingRecord]:
    """Record that the owner of each phone completed the training on that day. Raises AlreadyRecorded (409)."""
    lasts = timedelta(days=training.valid_days) if training.valid_days is not None else None
    rows = [
        {
            "training_id": training.id,
            "completed_on": days[phone],
            "valid_until": days[phone] + lasts if lasts is not None else None,
            **person,
        }
        for phone, person in _people(days, by=by)
    ]
    made = _insert(TrainingRecord, rows)
    audit.record(
        AuditAction.QUALIFICATIONS_RECORDED,
        actor_id=by.volunteer_id,
        organization_id=training.organization_id,
        training_id=str(training.id),
        people=len(made),
    )
    return made


def revoke(record: TrainingRecord, *, by: Principal, reason: str) -> TrainingRecord:
    """Say that a record was wrong; it stays and counts no more. Raises AlreadyRevoked (409)."""
    db.session.refresh(record, with_for_update=True)
    if record.revoked_at is not None:
        raise AlreadyRevoked()
    record.revoked_at, record.revocation_reason = clock.now(), reason
    training = db.session.get_one(Training, record.training_id)
    audit.record(
        AuditAction.QUALIFICATIONS_RECORDED,
        actor_id=by.volunteer_id,
        subject_id=record.volunteer_id,
        organization_id=training.organization_id,
        training_id=str(training.id),
        revoked=1,
    )
    publish(CredentialsWithdrawn())
    return record


def create_policy(
    *, organization_id: UUID, insurer: str, policy_number: str, by: UUID | None = None, **rest: Any
) -> Policy:
    """A policy of an organization. Raises OrganizationClosed, PolicyExists (409)."""
    require_open(organization_id)
    known = select(Policy.id).where(Policy.insurer == insurer, Policy.policy_number == policy_number)
    if db.session.scalar(known) is not None:
        raise PolicyExists(insurer=insurer, policy_number=policy_number)
    policy = Policy(organization_id=organization_id, insurer=insurer, policy_number=policy_number, **rest)
    db.session.add(policy)
    db.session.flush()
    _audit_policy(AuditAction.POLICY_ADDED, policy, by, ends_on=str(policy.ends_on))
    return policy


def change_policy(policy: Policy, *, by: UUID | None = None, ends_on: date | None = None, **changes: Any) -> Policy:
    """Change the note, or end the policy on another day: who was covered to its end is so still.

    A cover goes with the policy's end, but for one that ends on a day of its own (see `end_cover`).
    Raises OutsidePolicy where it would end before it starts (409).
    """
    if ends_on is not None and ends_on != policy.ends_on:
        before = policy.ends_on
        _move_end(policy, ends_on)
        _audit_policy(AuditAction.POLICY_CHANGED, policy, by, ends_on_before=str(before), ends_on=str(ends_on))
    for member, value in changes.items():
        setattr(policy, member, value)
    return policy


def insure(
    policy: Policy, *, by: Principal, phones: Sequence[str], starts_on: date | None = None, ends_on: date | None = None
) -> list[Insured]:
    """Let the policy cover the owners of these phones, registered or not; all or nobody.

    From today, or from the policy's first day where that is later, to its last, unless other days are given.
    Nobody learns who of them is registered. Raises PolicyOver, OutsidePolicy, AlreadyRecorded (409).
    """
    hold(policy)
    if policy.ends_on < clock.today():
        raise PolicyOver()
    first = starts_on or max(policy.starts_on, clock.today())
    last = ends_on or policy.ends_on
    if not policy.starts_on <= first <= last <= policy.ends_on:
        raise _outside(policy)
    days: dict[str, date | bool] = {"starts_on": first, "ends_on": last, "own_end": ends_on is not None}
    return list_insured(policy, {phone: days for phone in phones}, by=by)  # noqa: C420  # read only


def hold(policy: Policy) -> None:
    """Have the policy as it is, and keep its days so until the unit ends: who is listed goes with its end."""
    db.session.refresh(policy, with_for_update={"read": True})


def list_insured(policy: Policy, days: Mapping[str, Mapping[str, date | bool]], *, by: Principal) -> list[Insured]:
    """Let the held policy cover the owner of each phone on these days of its own. Raises AlreadyRecorded (409)."""
    rows = [{"policy_id": policy.id, **days[phone], **person} for phone, person in _people(days, by=by)]
    made = _insert(Insured, rows)
    audit.record(
        AuditAction.QUALIFICATIONS_RECORDED,
        actor_id=by.volunteer_id,
        organization_id=policy.organization_id,
        policy_id=str(policy.id),
        people=len(made),
    )
    return made


def end_cover(insured: Insured, *, on: date, by: Principal) -> Insured:
    """Let the cover of one person end with that day of the policy: earlier, or later where it was ended by mistake.

    Raises OutsidePolicy (409).
    """
    policy = db.session.get_one(Policy, insured.policy_id)
    hold(policy)
    if not insured.starts_on <= on <= policy.ends_on:
        raise _outside(policy)
    is_shorter = on < insured.ends_on
    # Whose end was a mistake is covered with the policy again.
    insured.own_end = on < policy.ends_on or on <= insured.ends_on
    insured.ends_on = on
    if is_shorter:
        publish(CredentialsWithdrawn())
    audit.record(
        AuditAction.QUALIFICATIONS_RECORDED,
        actor_id=by.volunteer_id,
        subject_id=insured.volunteer_id,
        organization_id=policy.organization_id,
        policy_id=str(policy.id),
        ends_on=on.isoformat(),
    )
    return insured


def take_effect(*, volunteer_id: UUID, phone: str) -> None:
    """Give what names a phone to who has just proven to have it."""
    digest = accounts.phone_digest(phone)
    for model in (TrainingRecord, Insured):
        db.session.execute(
            update(model)
            .where(model.phone_digest == digest, model.volunteer_id.is_(None))
            .values(volunteer_id=volunteer_id)
            .execution_options(synchronize_session=False)
        )


def let_numbers_go(volunteer_id: UUID, *, besides: str | None = None) -> None:
    """Let what names somebody by numbers that are not hers any more name only her account: all but `besides`."""
    kept = accounts.phone_digest(besides) if besides is not None else b""
    for model in (TrainingRecord, Insured):
        others = select(model).where(model.volunteer_id == volunteer_id, model.phone_digest != kept)
        rows: Iterable[Any] = db.session.scalars(others)
        for one in rows:
            # The digest of no phone; rows of one policy have different ones.
            one.phone_digest = accounts.phone_digest(str(one.id))
    db.session.flush()


def _people(phones: Iterable[str], *, by: Principal) -> list[tuple[str, dict[str, Any]]]:
    """Each phone with the columns of `Listed`, in the order of their digests, so that two writers never cross."""
    phones = list(dict.fromkeys(phones))
    owners = {
        volunteer.phone: volunteer.id
        for volunteer in db.session.scalars(select(Volunteer).where(Volunteer.phone.in_(phones)))
    }
    people = [
        (
            phone,
            {
                "volunteer_id": owners.get(phone),
                "phone_digest": accounts.phone_digest(phone),
                "masked_phone": accounts.masked_phone(phone),
                "recorded_by": by.volunteer_id,
            },
        )
        for phone in phones
    ]
    return sorted(people, key=lambda person: bytes(person[1]["phone_digest"]))


def _insert(model: type[RowT], rows: Sequence[dict[str, Any]]) -> list[RowT]:
    """Insert all, or raise AlreadyRecorded with the masked phones of those that are there."""
    moment = clock.now()
    values = [{"id": ids.new_id(), "created_at": moment, **row} for row in rows]
    made = set(db.session.scalars(statements.insert(model).values(values).on_conflict_do_nothing().returning(model.id)))
    there = [row["masked_phone"] for row in values if row["id"] not in made]
    if there:
        raise AlreadyRecorded(members={"masked_phones": there})
    return list(db.session.scalars(select(model).where(model.id.in_(made)).order_by(model.id)))


def _move_end(policy: Policy, ends_on: date) -> None:
    # Whoever lists people at this moment does so before, or sees the new end.
    db.session.execute(select(Policy.id).where(Policy.id == policy.id).with_for_update(key_share=True))
    if ends_on < policy.starts_on:
        raise _outside(policy)
    if ends_on < policy.ends_on:
        publish(CredentialsWithdrawn())
    else:
        db.session.execute(
            update(Insured)
            .where(Insured.policy_id == policy.id, ~Insured.own_end, Insured.ends_on < ends_on)
            .values(ends_on=ends_on)
            .execution_options(synchronize_session=False)
        )
    # One that ends earlier covers nobody beyond: whoever reads looks at both days.
    policy.ends_on = ends_on


def _audit_policy(action: AuditAction, policy: Policy, by: UUID | None, **details: Any) -> None:
    if by is not None:
        audit.record(
            action,
            actor_id=by,
            organization_id=policy.organization_id,
            policy_id=str(policy.id),
            policy_number=policy.policy_number,
            **details,
        )


def _outside(policy: Policy) -> OutsidePolicy:
    return OutsidePolicy(members={"starts_on": policy.starts_on.isoformat(), "ends_on": policy.ends_on.isoformat()})


def _require_free_name(training: Training, name: str) -> None:
    there = select(Training.id).where(Training.organization_id == training.organization_id, Training.name == name)
    if db.session.scalar(there) is not None:
        raise TrainingExists(name=name)
