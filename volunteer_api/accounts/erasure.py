"""Erasure [PIPL 47]: asked for with a code, taken back within days, or carried out for good; the sums stay."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, update

from volunteer_api.accounts import queries, recycling
from volunteer_api.accounts.ages import needs_guardian
from volunteer_api.accounts.events import ErasureIsNear, ErasureRequested, ErasureTakenBack, VolunteerErased
from volunteer_api.accounts.models import (
    CodePurpose,
    Consent,
    DeviceSession,
    Guardian,
    Password,
    ResidentId,
    SignInCode,
    Volunteer,
)
from volunteer_api.accounts.problems import GuardianNeeded, NotRequested
from volunteer_api.accounts.reauthentication import prove_by_code
from volunteer_api.core import audit, clock, events, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.core.problems import SessionEnded
from volunteer_api.core.settings import rules
from volunteer_api.files.service import delete_files_of

ANONYMOUS_NAME = "已注销用户"
REMINDED_BEFORE = timedelta(days=1)
# Longer than any request that was under way when its sender was erased, and than two turns of the hourly task.
LOOKED_AT_AGAIN_FOR = timedelta(hours=2)


@dataclass(frozen=True)
class Erasure:
    """An erasure that was asked for, and when it comes."""

    erases_at: datetime


def request(
    *, principal: Principal, code: str | None = None, password: str | None = None, resident_id: str | None = None
) -> Erasure:
    """Have the caller's account erased in seven days; the code went to its phone.

    An account without a number goes by its password or its resident ID [PIPL 47]. Asked again, the same answer is given
    whatever the proof: it changes nothing. Raises what reauthentication.prove_by_code raises.
    """
    volunteer = _hold(principal.volunteer_id)
    if volunteer.erases_at is not None:
        return Erasure(volunteer.erases_at)
    session = db.session.get(DeviceSession, principal.session_id)
    if session is None:
        raise SessionEnded()
    if volunteer.phone is not None:
        # A password is copied more easily than a phone: with a number nothing but the code erases.
        password = None
    device = {"id": session.device_id}
    row = prove_by_code(volunteer, device, CodePurpose.ERASE, code=code, password=password, resident_id=resident_id)
    if row is not None:
        row.used_at = clock.now()
        recycling.note_proof(volunteer.id)
    # Held again: the comparison of a password begins the unit anew.
    return Erasure(schedule(_hold(principal.volunteer_id), actor_id=principal.volunteer_id))


def schedule(volunteer: Volunteer, *, actor_id: UUID | None) -> datetime:
    """Have an account, which the caller has locked, erased in seven days or when it is due already; returns when."""
    if volunteer.erases_at is None:
        volunteer.erases_at = clock.now() + timedelta(days=rules().erasure_days)
        db.session.flush()
        audit.record(AuditAction.ERASURE_REQUESTED, actor_id=actor_id, subject_id=volunteer.id)
        events.publish(
            ErasureRequested(
                volunteer_id=volunteer.id,
                erases_at=volunteer.erases_at,
                can_be_taken_back=not _is_bound(volunteer),
            )
        )
    return volunteer.erases_at


def take_back(principal: Principal) -> None:
    """Keep the account. Raises NotRequested, GuardianNeeded (409), SessionEnded (401) where the erasure was first."""
    volunteer = _hold(principal.volunteer_id)
    if volunteer.erases_at is None:
        raise NotRequested()
    if _is_bound(volunteer):
        raise GuardianNeeded()
    keep(volunteer)


def keep(volunteer: Volunteer) -> None:
    """Let the erasure of an account, which the caller has locked, not come."""
    volunteer.erases_at = None
    db.session.flush()
    audit.record(AuditAction.ERASURE_TAKEN_BACK, actor_id=volunteer.id, subject_id=volunteer.id)
    events.publish(ErasureTakenBack(volunteer_id=volunteer.id))


def due() -> list[UUID]:
    """Whom it is time to erase, the longest due first."""
    return list(
        db.session.scalars(select(Volunteer.id).where(Volunteer.erases_at <= clock.now()).order_by(Volunteer.erases_at))
    )


def erased_lately() -> list[UUID]:
    """Who was erased so lately that a request of theirs may have been under way."""
    return list(
        db.session.scalars(
            select(Volunteer.id)
            .where(Volunteer.erased_at > clock.now() - LOOKED_AT_AGAIN_FOR)
            .order_by(Volunteer.erased_at)
        )
    )


def execute(volunteer_id: UUID) -> bool:
    """Make a person anonymous for good; False where it was taken back meanwhile, or done by somebody else.

    Every feature forgets what it knew; what counts in sums stays, under an id that names nobody. The next request with
    one of the person's tokens is refused, and the phone may register anew.
    """
    volunteer = _locked(volunteer_id)
    if volunteer is None or volunteer.erases_at is None or volunteer.erases_at > clock.now():
        return False
    events.publish(VolunteerErased(volunteer_id=volunteer.id, name=volunteer.name))
    if volunteer.phone is not None:
        db.session.execute(delete(SignInCode).where(SignInCode.phone == volunteer.phone))
    _make_anonymous(volunteer)
    volunteer.erases_at, volunteer.erased_at = None, clock.now()
    db.session.flush()
    _forget_account(volunteer.id)
    audit.record(AuditAction.ERASED, subject_id=volunteer.id)
    return True


def look_again(volunteer_id: UUID) -> None:
    """Forget what a request wrote that had begun before its sender was erased, and ended after."""
    volunteer = _locked(volunteer_id)
    if volunteer is None or volunteer.erased_at is None:
        return
    events.publish(VolunteerErased(volunteer_id=volunteer.id, name=volunteer.name))
    _forget_account(volunteer.id)


def remind() -> None:
    """Tell those whose last day has begun."""
    near = select(Volunteer.id, Volunteer.erases_at).where(
        Volunteer.erases_at > clock.now(), Volunteer.erases_at <= clock.now() + REMINDED_BEFORE
    )
    for row in db.session.execute(near):
        events.publish(ErasureIsNear(volunteer_id=row.id, erases_at=row.erases_at))


def _is_bound(volunteer: Volunteer) -> bool:
    """Whether nobody but a guardian keeps the account."""
    return needs_guardian(volunteer.birth_date, clock.today()) and queries.guardian_of(volunteer.id) is None


def _hold(volunteer_id: UUID) -> Volunteer:
    """The account of somebody signed in, locked: a request and the execution have one winner."""
    volunteer = _locked(volunteer_id)
    if volunteer is None or volunteer.erased_at is not None:
        raise SessionEnded()
    return volunteer


def _locked(volunteer_id: UUID) -> Volunteer | None:
    # The full lock: whoever is writing a row that refers to the person is waited for.
    return db.session.scalar(
        select(Volunteer)
        .where(Volunteer.id == volunteer_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _forget_account(volunteer_id: UUID) -> None:
    """Delete what stands outside of the account's own row, save its consents: those prove what was lawful."""
    # The answers that the person's phones were given are full of what is deleted here.
    db.session.execute(delete(IdempotencyKey).where(IdempotencyKey.owner_id == volunteer_id))
    for table in (DeviceSession, Password, ResidentId, Guardian):
        db.session.execute(
            delete(table).where(table.volunteer_id == volunteer_id).execution_options(synchronize_session=False)
        )
    db.session.execute(
        update(Consent)
        .where(Consent.volunteer_id == volunteer_id, Consent.withdrawn_at.is_(None))
        .values(withdrawn_at=clock.now())
        .execution_options(synchronize_session=False)
    )
    delete_files_of(volunteer_id)


def _make_anonymous(volunteer: Volunteer) -> None:
    # The number too: it stood on what the person showed to others.
    volunteer.volunteer_number = ids.readable(10)
    volunteer.name = ANONYMOUS_NAME
    volunteer.phone = volunteer.phone_proven_at = None
    volunteer.birth_date = None
    # Without it they leave the divisor of "per registered volunteer", as somebody who moved away does.
    volunteer.home_division = None
    volunteer.skills, volunteer.service_categories = [], []
    volunteer.photo_id = None
    volunteer.emergency_contact, volunteer.guardian_contact = None, None
