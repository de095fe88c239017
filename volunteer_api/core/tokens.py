"""Access tokens: made and judged by Flask-JWT-Extended, with what it leaves open closed."""

import re
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from flask import Flask, Response, current_app, g, request
from flask_jwt_extended import JWTManager, create_access_token, verify_jwt_in_request
from sqlalchemy import ColumnElement, Select, select

from volunteer_api.config import Settings
from volunteer_api.core import clock, keyring
from volunteer_api.core.access import Access, Principal
from volunteer_api.core.database import db
from volunteer_api.core.prepared import all_rows
from volunteer_api.core.problems import Problem, SessionEnded, TokenExpired, TokenInvalid, Unauthorized, render
from volunteer_api.core.schema import UUID_TEXT
from volunteer_api.core.settings import settings as present_settings

SESSION_CHECK = "volunteer_api.session_check"
STRAY_KEYS = "volunteer_api.stray_keys"
ISSUER = "volunteer-api"
AUDIENCE = "volunteer-app"
RING = "access token"
# RFC 9068: an access token says so in its header.
HEADER_TYPE = "at+jwt"
KEY_ID = re.compile(r"[0-9a-f]{8}")
# Ours have about 450 characters. One token, and nothing beside it: the library would pick one out of a list.
AUTHORIZATION = re.compile(r"Bearer [A-Za-z0-9_.-]{1,2000}")
# Until a new key signs, every process has read it: each reads the ring again every 30 s before it signs.
ROTATION_DELAY = timedelta(seconds=60)
# How far apart the clocks of two hosts may be.
CLOCK_SKEW = timedelta(seconds=60)
# A process that only verifies learns this late that a key retires.
OLDEST_READING_SECONDS = 300.0
# Made-up key ids cost one look into the table in this time, however many come.
STRAY_SECONDS = 5.0


@dataclass(frozen=True)
class _Subject:
    """Whom a token is made for, and the key that signs it: header and signature must mean the same one."""

    volunteer_id: UUID
    key: keyring.Key


def configure_tokens(app: Flask, settings: Settings, session_is_open: ColumnElement[bool]) -> None:
    """Pin algorithm, issuer, audience and lifetime.

    `session_is_open` is asked inside each request's transaction: a condition of the parameters in `session_values`.
    """
    app.config.update(
        JWT_ALGORITHM="HS256",
        JWT_DECODE_ALGORITHMS=["HS256"],
        JWT_ENCODE_ISSUER=ISSUER,
        JWT_DECODE_ISSUER=ISSUER,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_LEEWAY=CLOCK_SKEW,
        JWT_ACCESS_TOKEN_EXPIRES=timedelta(seconds=settings.access_token_seconds),
        JWT_TOKEN_LOCATION=["headers"],
        JWT_ERROR_MESSAGE_KEY="detail",
        JWT_COOKIE_CSRF_PROTECT=False,
    )
    app.extensions[SESSION_CHECK] = session_is_open
    manager = JWTManager(app)
    manager.user_identity_loader(lambda subject: str(subject.volunteer_id))
    manager.additional_headers_loader(lambda subject: {"typ": HEADER_TYPE, "kid": subject.key.id})
    manager.encode_key_loader(lambda subject: subject.key.secret)
    manager.decode_key_loader(lambda header, _payload: _verifying_secret(header.get("kid")))
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
    """A token for 15 minutes that names the volunteer and the device session, signed with the ring's newest key."""
    token: str = create_access_token(
        identity=_Subject(principal.volunteer_id, keyring.newest_key(RING)),
        additional_claims={"sid": str(principal.session_id)},
    )
    return token


def rotate_signing_key() -> str:
    """Add a key as a part of the running unit; returns its id.

    It signs from a minute on. The older ones verify until the last token that they signed has expired. Raises
    keyring.RingUnknown where no token was ever signed.
    """
    lifetime = timedelta(seconds=present_settings().access_token_seconds)
    return keyring.rotate(RING, delay=ROTATION_DELAY, overlap=lifetime + CLOCK_SKEW)


def authenticate(access: Access) -> Principal | None:
    """The caller that the token names; None for an anonymous call to a route that allows it.

    A token that is present but bad is refused on public routes too: a phone must learn that it has to refresh.
    Raises Unauthorized and its kin (401).
    """
    header = request.headers.get("Authorization", "")
    if header and AUTHORIZATION.fullmatch(header) is None:
        raise TokenInvalid()
    verified = verify_jwt_in_request(optional=access.anonymous)
    if verified is None:
        return None
    _, payload = verified
    return Principal(volunteer_id=UUID(payload["sub"]), session_id=UUID(payload["sid"]))


def require_open_session(principal: Principal) -> None:
    """Raise SessionEnded (401) where the device was signed out after the token was issued. Asked where not learned."""
    if g.pop("open_session", None) == principal.session_id:
        return
    # Past the session's own machinery: this is asked on every call.
    [[is_open]] = all_rows(db.session.connection(), _asked(session_is_open()), session_values(principal))
    if not is_open:
        raise SessionEnded()


def session_is_open() -> ColumnElement[bool]:
    """The condition that `require_open_session` asks, to be part of another statement: one object for all apps."""
    condition: ColumnElement[bool] = current_app.extensions[SESSION_CHECK]
    return condition


def learn_session(principal: Principal, is_open: bool) -> None:
    """Take what a statement of the request gave for `session_is_open`, and spare the one that would ask it alone.

    Raises SessionEnded (401).
    """
    if not is_open:
        raise SessionEnded()
    g.open_session = principal.session_id


def session_values(principal: Principal) -> dict[str, Any]:
    """The parameters of `session_is_open`."""
    return {
        "session_id": principal.session_id,
        "session_volunteer_id": principal.volunteer_id,
        "session_moment": clock.now(),
    }


@lru_cache(maxsize=1)
def _asked(condition: ColumnElement[bool]) -> Select[bool]:
    # Built once: building it on each call would cost as much as asking the database.
    return select(condition)


def _verifying_secret(key_id: Any) -> bytes:
    """The secret that a token with this key id must be signed with. Raises TokenInvalid (401)."""
    if not isinstance(key_id, str) or KEY_ID.fullmatch(key_id) is None:
        raise TokenInvalid()
    key = keyring.reading(OLDEST_READING_SECONDS).keys.get(key_id)
    if key is None and _may_look_again():
        key = keyring.read_again().keys.get(key_id)
    if key is None or key.purpose != RING or key.retired:
        raise TokenInvalid()
    return key.secret


def _may_look_again() -> bool:
    now = time.monotonic()
    last: float | None = current_app.extensions.get(STRAY_KEYS)
    if last is not None and now - last < STRAY_SECONDS:
        return False
    current_app.extensions[STRAY_KEYS] = now
    return True


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
