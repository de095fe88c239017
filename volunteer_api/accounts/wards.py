"""What a guardian does herself, without an account, by a code to her own phone: see for whom she consents, and end it.

Withdrawing is as easy as consenting was [PIPL 15]. Under 14 nothing may go on without the consent [PIPL 31], and what
is known is erased [PIPL 47]: the account is signed out everywhere at once, opens again only with a guardian's consent,
and is erased in seven days without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from volunteer_api.accounts import consents, contacts, erasure, notices, queries
from volunteer_api.accounts.ages import is_under_age, needs_guardian
from volunteer_api.accounts.codes import count_wrong_try, right_code, unused_code
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.events import GuardianWithdrew
from volunteer_api.accounts.models import CodePurpose, Guardian, SignInCode, Volunteer
from volunteer_api.accounts.problems import WardNamesRequired, WardUnknown, WrongCode, WrongSecondFact
from volunteer_api.accounts.recycling import WRONG_FACTS
from volunteer_api.accounts.senders.base import Notice
from volunteer_api.accounts.service import masked_name
from volunteer_api.accounts.sessions import end_sessions_of
from volunteer_api.core import audit, clock, events
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.limits import require_left, spend
from volunteer_api.core.paging import Page
from volunteer_api.core.settings import rules

SCOPE = "wrong names of wards"
NO_DEVICE: Mapping[str, str] = {"id": ""}


@dataclass(frozen=True)
class Ward:
    """Somebody for whom a guardian consents, or did; at `erases_at` the account goes unless a guardian consents."""

    volunteer_number: str
    name: str
    birth_year: int | None
    consented_at: datetime
    withdrawn_at: datetime | None
    erases_at: datetime | None


def list_wards(*, phone: str, code: str) -> Page:
    """For whom the owner of a phone consents, with masked names; the code (purpose `guardian`) stays good.

    Recorded for each of them. Raises WrongCode (401), TooManyRequests (429).
    """
    unused_code(phone, code, NO_DEVICE, CodePurpose.GUARDIAN)
    found = queries.wards_of(contacts.phone_digest(phone))
    for _, ward in found:
        audit.record(AuditAction.DATA_READ, subject_id=ward.id, what="ward")
    return Page([_view(guardian, ward) for guardian, ward in found], None)


def withdraw(*, phone: str, code: str, volunteer_numbers: Sequence[str], names: Sequence[str] = ()) -> Page:
    """End a guardian's consent for these wards; uses the code up. Asked again with the same code, changes nothing.

    Raises WrongCode (401), TooManyRequests (429), WardUnknown (409; the code stays good), and what `_require_names`
    raises.
    """
    row = right_code(phone, code, NO_DEVICE, CodePurpose.GUARDIAN)
    found = {
        ward.volunteer_number: (guardian, ward) for guardian, ward in queries.wards_of(contacts.phone_digest(phone))
    }
    named = [found[number] for number in volunteer_numbers if number in found]
    if row.used_at is not None:
        # Its first answer may have been lost; but a code that made a consent ends none.
        if named:
            raise WrongCode(case=CodePurpose.GUARDIAN)
        return Page([], None)
    if len(named) < len(volunteer_numbers):
        raise WardUnknown()
    _require_names(row, named, names)
    row.used_at = clock.now()
    for guardian, ward in named:
        _end(guardian, ward)
    db.session.flush()
    return Page([_view(guardian, ward) for guardian, ward in named], None)


def _require_names(row: SignInCode, named: Sequence[tuple[Guardian, Volunteer]], names: Sequence[str]) -> None:
    """Let through who knows the whole names of those for whom the number consented long ago, if there are any.

    The carrier may have given the number to somebody else since (see `recycling`), who must not end a child's account.
    Raises WardNamesRequired (409; the code stays good), WrongSecondFact (401; counted like a wrong code),
    TooManyRequests (429) after ten wrong ones in thirty days.
    """
    recent = clock.now() - timedelta(days=rules().recycled_after_days)
    long_ago = [ward for guardian, ward in named if guardian.consented_at < recent]
    if not long_ago:
        return
    if not names:
        raise WardNamesRequired(members={"volunteer_numbers": [ward.volunteer_number for ward in long_ago]})
    for ward in long_ago:
        require_left(WRONG_FACTS, SCOPE, who=str(ward.id))
    if len(names) > len(named) or any(ward.name not in names for ward in long_ago):
        count_wrong_try(row, NO_DEVICE)
        for ward in long_ago:
            spend(WRONG_FACTS, SCOPE, who=str(ward.id))
        raise WrongSecondFact(case="ward")


def _end(guardian: Guardian, ward: Volunteer) -> None:
    guardian.withdrawn_at = clock.now()
    consents.withdraw(ward.id, ConsentKind.GUARDIAN)
    audit.record(AuditAction.GUARDIAN_CHANGED, subject_id=ward.id, stored=False, by="guardian")
    today = clock.today()
    is_child = needs_guardian(ward.birth_date, today)
    is_alone = is_under_age(ward.birth_date, today) and ward.guardian_contact is None
    # Whoever looks must find the consent gone.
    db.session.flush()
    erases_at = erasure.schedule(ward, actor_id=None) if is_child else None
    events.publish(GuardianWithdrew(volunteer_id=ward.id, erases_at=erases_at, somebody_is_missing=is_alone))
    if is_child:
        end_sessions_of(ward.id)
    # Who is signed out everywhere sees no inbox.
    notices.tell_phone(ward.phone, Notice.GUARDIAN_NEEDED if is_child else Notice.GUARDIAN_WITHDREW)


def _view(guardian: Guardian, ward: Volunteer) -> Ward:
    return Ward(
        volunteer_number=ward.volunteer_number,
        name=masked_name(ward.name),
        birth_year=ward.birth_date.year if ward.birth_date is not None else None,
        consented_at=guardian.consented_at,
        withdrawn_at=guardian.withdrawn_at,
        erases_at=ward.erases_at,
    )
