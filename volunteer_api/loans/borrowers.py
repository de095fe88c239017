"""Who borrowed: an account, or a name with a phone that is sealed and forgotten in time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, or_, select, text, update

from volunteer_api.accounts.models import Volunteer
from volunteer_api.accounts.reencryption import SealedColumn
from volunteer_api.core import audit, clock, keyring
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.codes import fold
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.settings import rules
from volunteer_api.core.statements import row_count
from volunteer_api.loans.models import Loan
from volunteer_api.loans.problems import BorrowerForgotten, BorrowerIsVolunteer, BorrowerUnknown, OwnLoan, TooManyLoans

PURPOSE = "borrowers"
# Per person: nobody tries a street's phones.
PHONES_LOOKED_UP = "60/hour"
# For whoever seals anew what an older key sealed.
SEALED = (SealedColumn(PURPOSE, Loan.id, Loan.id, Loan.borrower),)


@dataclass(frozen=True)
class Contact:
    """Whom to call. `phone` is E.164; None where the number went to somebody else meanwhile."""

    name: str
    phone: str | None


def seal(contact: Contact, loan_id: UUID) -> bytes:
    """A borrower, readable only together with the loan's id."""
    plain = orjson.dumps({"name": contact.name, "phone": contact.phone})
    return keyring.encrypt(PURPOSE, plain, loan_id.bytes)


def unseal(sealed: bytes, loan_id: UUID) -> Contact:
    """What `seal` sealed for the same loan."""
    return Contact(**orjson.loads(keyring.decrypt(PURPOSE, sealed, loan_id.bytes)))


def phone_digest(phone: str) -> bytes:
    """What the loans of an E.164 number are found by."""
    return keyring.look_up(PURPOSE, phone)


def columns_of(borrower: Mapping[str, Any], loan_id: UUID) -> dict[str, Any]:
    """The loan's columns for a borrower {volunteer_id} or {volunteer_number} or {name, phone}.

    Who is registered with that phone and by that very name borrows by her account: she sees the loan and is reminded.
    Whoever has as many open loans as one may have is refused; two desks can't both lend the last one.
    Raises BorrowerUnknown, TooManyLoans (409).
    """
    volunteer_id = _account(borrower)
    found: dict[str, Any]
    if volunteer_id is not None:
        found = {"volunteer_id": volunteer_id}
    elif "phone" in borrower:
        contact = Contact(borrower["name"], borrower["phone"])
        found = {"borrower": seal(contact, loan_id), "phone_digest": phone_digest(borrower["phone"])}
    else:
        raise BorrowerUnknown()
    _check_open_loans(found)
    return found


def look_up_account(phone: str, *, by: UUID) -> UUID:
    """The account of who stands at the desk and tells her phone; counted and audited, as look-ups of loans are.

    Raises TooManyRequests (429), BorrowerUnknown (409).
    """
    spend(PHONES_LOOKED_UP, "borrowers looked up", who=str(by))
    found = db.session.scalar(select(Volunteer.id).where(Volunteer.phone == phone, Volunteer.erased_at.is_(None)))
    audit.record(
        AuditAction.DATA_READ, actor_id=by, subject_id=found, what="borrower", by="phone", found=int(found is not None)
    )
    if found is None:
        raise BorrowerUnknown()
    return found


def contact_of(loan: Loan) -> Contact:
    """Whom to call about a loan. Raises BorrowerForgotten, BorrowerIsVolunteer (409)."""
    if loan.volunteer_id is not None:
        raise BorrowerIsVolunteer()
    if loan.borrower is None:
        raise BorrowerForgotten()
    return unseal(loan.borrower, loan.id)


def require_another(loan: Loan, actor_id: UUID) -> None:
    """Raise OwnLoan (409) where the actor borrowed it herself, by her account or by her phone."""
    if loan.volunteer_id == actor_id:
        raise OwnLoan()
    if loan.phone_digest is not None:
        phone = db.session.scalar(select(Volunteer.phone).where(Volunteer.id == actor_id))
        if phone is not None and loan.phone_digest == phone_digest(phone):
            raise OwnLoan()


def release_account(volunteer_id: UUID, name: str) -> None:
    """Let no loan point to an account that is being erased.

    What is settled forgets who it was. What is still out keeps, sealed, a name and a phone to ask for it, as of
    somebody who never had an account; these are forgotten when their time after the return is over.
    """
    loans = db.session.scalars(
        select(Loan)
        .where(Loan.volunteer_id == volunteer_id)
        .order_by(Loan.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    if not loans:
        return
    phone = db.session.scalar(select(Volunteer.phone).where(Volunteer.id == volunteer_id))
    for loan in loans:
        loan.volunteer_id = None
        if loan.closed_at is not None:
            loan.forgotten_at = clock.now()
            continue
        loan.borrower = seal(Contact(name, phone), loan.id)
        loan.phone_digest = phone_digest(phone) if phone is not None else None
    db.session.flush()


def forget() -> int:
    """Forget the borrowers of loans that were settled long enough ago; returns of how many loans."""
    moment = clock.now()
    typed_in = Loan.volunteer_id.is_(None) & (Loan.closed_at <= moment - timedelta(days=rules().borrower_days))
    account = Loan.closed_at <= moment - timedelta(days=rules().loan_history_days)
    return row_count(
        db.session.execute(
            update(Loan)
            .where(Loan.forgotten_at.is_(None), or_(typed_in, account))
            .values(volunteer_id=None, borrower=None, phone_digest=None, forgotten_at=moment)
            .execution_options(synchronize_session=False)
        )
    )


def _account(borrower: Mapping[str, Any]) -> UUID | None:
    found = select(Volunteer.id).where(Volunteer.erased_at.is_(None))
    if "volunteer_id" in borrower:
        found = found.where(Volunteer.id == borrower["volunteer_id"])
    elif "volunteer_number" in borrower:
        found = found.where(Volunteer.volunteer_number == fold(borrower["volunteer_number"]))
    else:
        # A number alone may have gone to somebody else: nobody owes what a stranger borrowed.
        found = found.where(Volunteer.phone == borrower["phone"], Volunteer.name == borrower["name"])
    return db.session.scalar(found)


def _check_open_loans(columns: Mapping[str, Any]) -> None:
    most = rules().loans_per_borrower
    if not most:
        return
    ((name, value),) = [(name, columns[name]) for name in ("volunteer_id", "phone_digest") if name in columns]
    if db.engine.dialect.name == "postgresql":
        # Before any station's ledger: whoever waits here holds nothing.
        key = value if isinstance(value, bytes) else value.bytes[8:]
        number = int.from_bytes(key[:8], "big", signed=True)
        db.session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
    count = db.session.scalar(
        select(func.count()).select_from(Loan).where(getattr(Loan, name) == value, Loan.closed_at.is_(None))
    )
    if (count or 0) >= most:
        raise TooManyLoans(members={"open_loans": count}, open_loans=count)
