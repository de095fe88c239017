"""Routes of sign-in, of one's own data and of consent."""

from typing import Any

from volunteer_api.accounts import access, codes, queries, service, sessions
from volunteer_api.accounts.consent_texts import ConsentText
from volunteer_api.accounts.models import DeviceSession, Volunteer
from volunteer_api.accounts.schemas import (
    CodeRequest,
    CodeSentRead,
    ConsentList,
    ConsentRead,
    ConsentTextFull,
    ConsentTextRead,
    MeRead,
    MeUpdate,
    RefreshRequest,
    Registration,
    SessionRead,
    SignIn,
    TokensRead,
)
from volunteer_api.core.access import Principal, public, signed_in
from volunteer_api.core.endpoint import NONE, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of

blueprint = feature_blueprint("accounts", __name__, "Sign-in by phone, device sessions, consent and one's own data")

# Per address: a station's Wi-Fi serves forty people, a guesser needs thousands of tries.
LIMIT = "60/10 minutes"


@endpoint(
    blueprint, "POST", "/auth/codes", access=public, body=CodeRequest, returns=CodeSentRead, status=202, limit=LIMIT
)
def send_code(body: dict[str, Any]) -> codes.CodeSent:
    """Send a one-time code to a phone."""
    return codes.send_code(**body)


@endpoint(
    blueprint, "POST", "/auth/sign-in", access=public, body=SignIn, returns=TokensRead, idempotency=NONE, limit=LIMIT
)
def sign_in(body: dict[str, Any]) -> sessions.Tokens:
    """Sign in with a code."""
    return sessions.sign_in(**body)


@endpoint(
    blueprint,
    "POST",
    "/auth/register",
    access=public,
    body=Registration,
    returns=TokensRead,
    status=201,
    idempotency=NONE,
    limit=LIMIT,
)
def register(body: dict[str, Any]) -> sessions.Tokens:
    """Make an account for the owner of a phone."""
    return service.register(**body)


@endpoint(
    blueprint,
    "POST",
    "/auth/refresh",
    access=public,
    body=RefreshRequest,
    returns=TokensRead,
    idempotency=NONE,
    limit=LIMIT,
)
def refresh_tokens(body: dict[str, Any]) -> sessions.Tokens:
    """Hand a refresh token in for new tokens."""
    return sessions.refresh(**body)


@endpoint(blueprint, "POST", "/auth/sign-out", access=signed_in, status=204, idempotency=NONE)
def sign_out(principal: Principal) -> None:
    """End this device's session."""
    sessions.end_session(principal.session_id)


@endpoint(blueprint, "GET", "/auth/sessions", access=signed_in, query=PageQuery, returns=page_of(SessionRead))
def list_sessions(principal: Principal, query: dict[str, Any]) -> Page:
    """List the devices on which one is signed in."""
    return queries.open_sessions(principal, query)


@endpoint(blueprint, "DELETE", "/auth/sessions/<uuid:session_id>", access=access.own_session, status=204)
def end_session(session: DeviceSession) -> None:
    """End another device's session."""
    sessions.end_session(session.id)


@endpoint(blueprint, "GET", "/consent-texts", access=public, returns=page_of(ConsentTextRead))
def list_consent_texts() -> Page:
    """List the texts in force."""
    return queries.consent_text_list()


@endpoint(
    blueprint,
    "GET",
    "/consent-texts/<string:kind>/<string:version>",
    access=access.consent_text,
    returns=ConsentTextFull,
)
def read_consent_text(text: ConsentText) -> ConsentText:
    """Read one version of one text."""
    return text


@endpoint(blueprint, "GET", "/me", access=access.own_account, returns=MeRead)
def read_me(volunteer: Volunteer) -> Volunteer:
    """Read one's own data."""
    return volunteer


@endpoint(blueprint, "PATCH", "/me", access=access.own_account, body=MeUpdate, returns=MeRead, edits=True)
def correct_me(volunteer: Volunteer, body: dict[str, Any]) -> Volunteer:
    """Correct one's own data."""
    return service.correct(volunteer, **body)


@endpoint(blueprint, "GET", "/me/consents", access=signed_in, returns=page_of(ConsentRead))
def list_consents(principal: Principal) -> Page:
    """List the texts in force and what one said to them."""
    return queries.consents_of(principal.volunteer_id)


@endpoint(blueprint, "PUT", "/me/consents", access=signed_in, body=ConsentList, returns=page_of(ConsentRead))
def set_consents(principal: Principal, body: dict[str, Any]) -> Page:
    """Say anew what one consents to."""
    service.set_consents(principal.volunteer_id, **body)
    return queries.consents_of(principal.volunteer_id)
