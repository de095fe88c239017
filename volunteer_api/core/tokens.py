"""Access tokens: made and judged by Flask-JWT-Extended, with what it leaves open closed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import Flask, Response, current_app, request
from flask_jwt_extended import JWTManager, create_access_token, verify_jwt_in_request

from volunteer_api.config import Settings
from volunteer_api.core.access import Access, Principal
from volunteer_api.core.keys import derive_key
from volunteer_api.core.problems import Problem, SessionEnded, TokenExpired, TokenInvalid, Unauthorized, render
from volunteer_api.core.schema import UUID_TEXT

SESSION_CHECK = "volunteer_api.session_check"
ISSUER = "volunteer-api"
AUDIENCE = "volunteer-app"
# RFC 9068: an access token says so in its header.
HEADER_TYPE = "at+jwt"


def configure_tokens(app: Flask, settings: Settings, session_is_open: Callable[[Principal], bool]) -> None:
    """Pin algorithm, issuer, audience and lifetime; `session_is_open` is asked inside each request's transaction."""
    app.config.update(
        JWT_SECRET_KEY=derive_key(settings.secret_key, "access token").hex(),
        JWT_ALGORITHM="HS256",
        JWT_DECODE_ALGORITHMS=["HS256"],
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=settings.access_token_seconds),
        JWT_TOKEN_LOCATION=["headers"],
        JWT_ERROR_MESSAGE_KEY="detail",
        JWT_COOKIE_CSRF_PROTECT=False,
    )
    app.extensions[SESSION_CHECK] = session_is_open
    manager = JWTManager(app)
    # Its defaults answer in a format of their own; every way out must speak problem+json.
    manager.expired_token_loader(lambda _header, _payload: _refuse(TokenExpired()))
    manager.invalid_token_loader(lambda _reason: _refuse(TokenInvalid()))
    manager.unauthorized_loader(lambda _reason: _refuse(Unauthorized()))
    manager.needs_fresh_token_loader(lambda _header, _payload: _refuse(TokenInvalid()))
    manager.revoked_token_loader(lambda _header, _payload: _refuse(SessionEnded()))
    longest = settings.access_token_seconds
    manager.token_verification_loader(lambda header, payload: _is_complete(header, payload, longest))
    manager.token_verification_failed_loader(lambda _header, _payload: _refuse(TokenInvalid()))
    manager.user_lookup_error_loader(lambda _header, _payload: _refuse(TokenInvalid()))


def issue_access_token(principal: Principal) -> str:
    """A token for 15 minutes that names the volunteer and the device session."""
    token: str = create_access_token(
        identity=str(principal.volunteer_id),
        additional_claims={"sid": str(principal.session_id)},
        additional_headers={"typ": HEADER_TYPE},
    )
    return token


def authenticate(access: Access) -> Principal | None:
    """The caller that the token names; None for an anonymous call to a route that allows it.

    A token that is present but bad is refused on public routes too: a phone must learn that it has to refresh.
    Raises Unauthorized and its kin (401).
    """
    scheme = request.headers.get("Authorization", "").split(" ", 1)[0]
    if scheme not in ("", "Bearer"):
        raise TokenInvalid()
    verified = verify_jwt_in_request(optional=access.anonymous)
    if verified is None:
        return None
    _, payload = verified
    return Principal(volunteer_id=UUID(payload["sub"]), session_id=UUID(payload["sid"]))


def require_open_session(principal: Principal) -> None:
    """Raise SessionEnded (401) where the device was signed out after the token was issued."""
    if not current_app.extensions[SESSION_CHECK](principal):
        raise SessionEnded()


def _is_complete(header: dict[str, Any], payload: dict[str, Any], longest: int) -> bool:
    # The library takes a token without a type for an access token, having written the type into it before this look,
    # and one without `exp` for an everlasting one. So the header's type is what tells.
    expires, issued = payload.get("exp"), payload.get("iat")
    if header.get("typ") != HEADER_TYPE or not isinstance(expires, int) or not isinstance(issued, int):
        return False
    if payload.get("type") != "access" or not 0 < expires - issued <= longest:
        return False
    return all(UUID_TEXT.fullmatch(str(payload.get(name))) for name in ("sub", "sid"))


def _refuse(problem: Problem) -> tuple[Response, int]:
    return render(problem), problem.status
