"""Everybody sees their own account and sessions, nobody another's; consent texts are for all."""

from uuid import UUID

from volunteer_api.accounts import queries
from volunteer_api.accounts.consent_texts import ConsentText, all_texts
from volunteer_api.accounts.models import DeviceSession, Volunteer
from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.problems import NotFound


@for_signed_in
def own_account(principal: Principal) -> Volunteer:
    """The caller's account."""
    volunteer = queries.volunteer_by_id(principal.volunteer_id)
    if volunteer is None:
        raise NotFound()
    return volunteer


@for_signed_in
def own_session(principal: Principal, session_id: UUID) -> DeviceSession:
    """One of the caller's open sessions. Raises NotFound for anybody else's, and for one that has ended."""
    session = queries.open_session(principal, session_id)
    if session is None:
        raise NotFound()
    return session


@open_to_all
def consent_text(_principal: Principal | None, kind: str, version: str) -> ConsentText:
    """A published text."""
    text = all_texts().get((kind, version))
    if text is None:
        raise NotFound()
    return text
