"""The verbs of accounts: register, correct one's data, consent; and how others name and find a person."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select

from volunteer_api.accounts import queries
from volunteer_api.accounts.codes import right_code
from volunteer_api.accounts.events import PhoneProven
from volunteer_api.accounts.models import Consent, Volunteer
from volunteer_api.accounts.problems import AlreadyRegistered, GuardianNeeded
from volunteer_api.accounts.sessions import Tokens, open_session, repeat_outcome
from volunteer_api.core import clock, events, ids
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend

GUARDIAN_AGE = 14
# Per account: who may invite by phone must not learn whose phones are registered.
PHONES_LOOKED_UP = "30/hour"


def register(
    *,
    phone: str,
    code: str,
    name: str,
    consents: Sequence[Mapping[str, str]],
    device: Mapping[str, str],
    birth_date: date | None = None,
    home_division: str | None = None,
) -> Tokens:
    """Make an account for the owner of `phone` and open its first session.

    The same code from the same device gives the same account and session again for ten minutes: the answer may have
    been lost. Raises WrongCode (401), TooManyRequests (429), AlreadyRegistered, GuardianNeeded (409; the code stays
    good).
    """
    row = right_code(phone, code, device)
    volunteer = find_by_phone(phone)
    if row.used_at is not None:
        return repeat_outcome(row, volunteer, device)
    if volunteer is not None:
        raise AlreadyRegistered()
    _require_own_consent(birth_date)
    volunteer = create_volunteer(
        phone=phone, name=name, birth_date=birth_date, home_division=home_division, consents=consents
    )
    events.publish(PhoneProven(volunteer_id=volunteer.id, phone=phone))
    return open_session(volunteer, device, opened_by=row)


def create_volunteer(
    *,
    phone: str,
    name: str,
    birth_date: date | None = None,
    home_division: str | None = None,
    consents: Sequence[Mapping[str, str]] = (),
) -> Volunteer:
    """Write the account with its consents [{kind, version}]. The unique phone judges a race."""
    volunteer = Volunteer(
        volunteer_number=ids.readable(10), phone=phone, name=name, birth_date=birth_date, home_division=home_division
    )
    db.session.add(volunteer)
    db.session.flush()
    for consent in consents:
        _give(volunteer.id, consent)
    return volunteer


def find_by_phone(phone: str) -> Volunteer | None:
    """The account of an E.164 number, None where there is none."""
    return queries.volunteer_by_phone(phone)


def look_up(phone: str, *, by: Principal) -> Volunteer | None:
    """`find_by_phone` for somebody who names another's phone: counted, 30 an hour.

    The refusals that follow must have `keeps_writes`, or the count is lost with them. Raises TooManyRequests (429).
    """
    spend(PHONES_LOOKED_UP, "phones looked up", who=str(by.volunteer_id))
    return find_by_phone(phone)


def masked_name(name: str) -> str:
    """A name as those see it whom its owner has not accepted yet: `王*`."""
    return f"{name[:1]}*"


def masked_phone(phone: str) -> str:
    """A phone as others may see it: `138****0001`."""
    local = phone.removeprefix("+86")
    return f"{local[:3]}****{local[-4:]}"


def correct(volunteer: Volunteer, **changes: Any) -> Volunteer:
    """Change `name`, `birth_date` or `home_division`. Raises GuardianNeeded (409) for an age under 14."""
    _require_own_consent(changes.get("birth_date"))
    for name, value in changes.items():
        setattr(volunteer, name, value)
    # The answer shows the version that the UPDATE gave.
    db.session.flush()
    return volunteer


def set_consents(volunteer_id: UUID, *, consents: Sequence[Mapping[str, str]]) -> None:
    """Let `consents` [{kind, version}] be what this volunteer consents to; what is not named is withdrawn."""
    wanted = {(consent["kind"], consent["version"]): consent for consent in consents}
    live = db.session.scalars(
        select(Consent)
        .where(Consent.volunteer_id == volunteer_id, Consent.withdrawn_at.is_(None))
        .order_by(Consent.kind)
        .with_for_update()
    )
    for consent in live:
        if wanted.pop((consent.kind, consent.version), None) is None:
            consent.withdrawn_at = clock.now()
    # The old version must be withdrawn before the new one is given: only one of a kind is live.
    db.session.flush()
    for given in wanted.values():
        _give(volunteer_id, given)
    db.session.flush()


def _require_own_consent(birth_date: date | None) -> None:
    if birth_date is None:
        return
    today = clock.today()
    had_birthday = (today.month, today.day) >= (birth_date.month, birth_date.day)
    if today.year - birth_date.year - (not had_birthday) < GUARDIAN_AGE:
        raise GuardianNeeded()


def _give(volunteer_id: UUID, consent: Mapping[str, str]) -> None:
    db.session.add(
        Consent(volunteer_id=volunteer_id, kind=consent["kind"], version=consent["version"], given_at=clock.now())
    )
