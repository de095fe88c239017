"""Routes of sign-in, of one's own data and of consent."""

from typing import Any

from volunteer_api.accounts import (
    access,
    codes,
    consents,
    credentials,
    erasure,
    export,
    guardians,
    phones,
    profile,
    queries,
    recovery,
    resident_ids,
    service,
    sessions,
    wards,
)
from volunteer_api.accounts.consent_texts import ConsentText
from volunteer_api.accounts.models import DeviceSession, Volunteer
from volunteer_api.accounts.schemas import (
    CodeRequest,
    CodeSentRead,
    ConsentList,
    ConsentRead,
    ConsentTextFull,
    ConsentTextRead,
    ErasureRead,
    ErasureRequest,
    ExportRead,
    GuardianFields,
    GuardianWithdrawal,
    MeRead,
    MeUpdate,
    PasswordChange,
    PhoneChange,
    Recovery,
    RefreshRequest,
    Registration,
    ResidentIdUpdate,
    SessionRead,
    SignIn,
    TokensRead,
    WardQuery,
    WardRead,
    WholeExport,
)
from volunteer_api.core.access import Principal, public, signed_in
from volunteer_api.core.downloads import Download
from volunteer_api.core.endpoint import NONE, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of

blueprint = feature_blueprint("accounts", __name__, "Sign-in by phone, device sessions, consent and one's own data")

# Per address: a station's Wi-Fi serves forty people, a guesser needs thousands of tries.
LIMIT = "60/10 minutes"
# Nobody guesses a refresh token: each session has a limit of its own. Five hundred phones of one activity may share the
# carrier's address, and want to check in.
REFRESH_LIMIT = "6000/10 minutes"


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
    """Sign in with a code or a password."""
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
    limit=REFRESH_LIMIT,
)
def refresh_tokens(body: dict[str, Any]) -> sessions.Tokens:
    """Hand a refresh token in for new tokens."""
    return sessions.refresh(**body)


@endpoint(blueprint, "POST", "/auth/sign-out", access=signed_in, status=204, idempotency=NONE)
def sign_out(principal: Principal) -> None:
    """End this device's session.

    The calendar feed goes on: it is the account's, and is read by calendars elsewhere.
    """
    sessions.end_session(principal.session_id)


@endpoint(blueprint, "GET", "/auth/sessions", access=signed_in, query=PageQuery, returns=page_of(SessionRead))
def list_sessions(principal: Principal, query: dict[str, Any]) -> Page:
    """List the devices on which one is signed in."""
    return queries.open_sessions(principal, query)


@endpoint(blueprint, "DELETE", "/auth/sessions/<uuid:session_id>", access=access.own_session, status=204)
def end_session(session: DeviceSession) -> None:
    """End another device's session.

    The calendar feed goes on, for it is no device's. Whoever lost a phone ends it too: `DELETE /me/calendar-feed`.
    """
    sessions.end_session(session.id)


@endpoint(blueprint, "PUT", "/auth/password", access=public, body=PasswordChange, status=204, limit=LIMIT)
def change_password(principal: Principal | None, body: dict[str, Any]) -> None:
    """Set one's password."""
    credentials.change_password(principal, **body)


@endpoint(blueprint, "PUT", "/auth/phone", access=signed_in, body=PhoneChange, status=204, limit=LIMIT)
def change_phone(principal: Principal, body: dict[str, Any]) -> None:
    """Change one's number."""
    phones.change_phone(principal, **body)


@endpoint(blueprint, "POST", "/auth/recovery", access=public, body=Recovery, status=204, idempotency=NONE, limit=LIMIT)
def recover_account(body: dict[str, Any]) -> None:
    """Give a new number to one's account whose number is another's now."""
    recovery.recover(**body)


@endpoint(
    blueprint,
    "POST",
    "/guardian/wards",
    access=public,
    body=WardQuery,
    returns=page_of(WardRead),
    idempotency=NONE,
    limit=LIMIT,
)
def list_wards(body: dict[str, Any]) -> Page:
    """See for whom one consents as a guardian, with a code to the own phone."""
    return wards.list_wards(**body)


@endpoint(
    blueprint,
    "POST",
    "/guardian/withdrawals",
    access=public,
    body=GuardianWithdrawal,
    returns=page_of(WardRead),
    idempotency=NONE,
    limit=LIMIT,
)
def withdraw_as_guardian(body: dict[str, Any]) -> Page:
    """Withdraw one's consent as a guardian, with a code to the own phone."""
    return wards.withdraw(**body)


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
def read_me(volunteer: Volunteer) -> profile.Me:
    """Read one's own data."""
    return profile.read(volunteer)


@endpoint(blueprint, "PATCH", "/me", access=access.own_account, body=MeUpdate, returns=MeRead, edits=True)
def correct_me(principal: Principal, volunteer: Volunteer, body: dict[str, Any]) -> profile.Me:
    """Correct one's own data."""
    return profile.correct(volunteer, principal=principal, **body)


@endpoint(blueprint, "PUT", "/me/resident-id", access=access.own_account, body=ResidentIdUpdate, returns=MeRead)
def set_resident_id(volunteer: Volunteer, body: dict[str, Any]) -> profile.Me:
    """Store one's resident ID."""
    return profile.set_resident_id(volunteer, **body)


@endpoint(blueprint, "DELETE", "/me/resident-id", access=signed_in, status=204)
def delete_resident_id(principal: Principal) -> None:
    """Delete one's resident ID."""
    resident_ids.remove(principal.volunteer_id)


@endpoint(blueprint, "PUT", "/me/guardian", access=access.own_account, body=GuardianFields, returns=MeRead, limit=LIMIT)
def set_guardian(principal: Principal, volunteer: Volunteer, body: dict[str, Any]) -> profile.Me:
    """Name one's guardian, who consents with a code."""
    return profile.set_guardian(volunteer, principal=principal, **body)


@endpoint(blueprint, "DELETE", "/me/guardian", access=access.own_account, status=204)
def remove_guardian(volunteer: Volunteer) -> None:
    """Take the guardian's consent back, once grown up."""
    guardians.remove_guardian(volunteer)


@endpoint(blueprint, "GET", "/me/consents", access=signed_in, returns=page_of(ConsentRead))
def list_consents(principal: Principal) -> Page:
    """List the texts in force and what one said to them."""
    return queries.consents_of(principal.volunteer_id)


@endpoint(blueprint, "PUT", "/me/consents", access=signed_in, body=ConsentList, returns=page_of(ConsentRead))
def set_consents(principal: Principal, body: dict[str, Any]) -> Page:
    """Say anew what one consents to."""
    consents.set_consents(principal.volunteer_id, **body)
    return queries.consents_of(principal.volunteer_id)


@endpoint(blueprint, "GET", "/me/export", access=signed_in, returns=ExportRead, limit=LIMIT, audits=True)
def export_me(principal: Principal) -> export.Export:
    """Read all that is known of oneself."""
    return export.export_data(principal)


@endpoint(
    blueprint,
    "POST",
    "/me/export",
    access=signed_in,
    body=WholeExport,
    returns=ExportRead,
    idempotency=NONE,
    limit=LIMIT,
)
def export_whole(principal: Principal, body: dict[str, Any]) -> export.Export:
    """Read all that is known of oneself, with nothing masked, by the password or a code."""
    return export.export_whole(principal, **body)


@endpoint(blueprint, "GET", "/me/export.html", access=signed_in, produces="text/html", limit=LIMIT, audits=True)
def export_me_as_page(principal: Principal) -> Download:
    """Save all that is known of oneself, as a page to read or print."""
    return export.export_page(principal)


@endpoint(
    blueprint,
    "POST",
    "/me/erasure",
    access=signed_in,
    body=ErasureRequest,
    returns=ErasureRead,
    status=202,
    limit=LIMIT,
)
def request_erasure(principal: Principal, body: dict[str, Any]) -> erasure.Erasure:
    """Ask for one's account to be erased, with a code from one's phone.

    An account without a number is erased by its password or its resident ID.
    """
    return erasure.request(principal=principal, **body)


@endpoint(blueprint, "DELETE", "/me/erasure", access=signed_in, status=204)
def take_erasure_back(principal: Principal) -> None:
    """Keep one's account after all."""
    erasure.take_back(principal)
