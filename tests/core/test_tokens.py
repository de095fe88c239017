"""Every way in which a token can be wrong is a 401 in problem+json; what the library leaves open is closed."""

import time
from typing import Any
from uuid import uuid4

import jwt
import pytest
from flask import Flask

from tests.factories import make_volunteer

FUTURE = 10**30


def forge(
    app: Flask, token: str, *, header: dict[str, Any] | None = None, key: str | None = None, **claims: Any
) -> str:
    """The token with other claims (None takes one away) or another header, signed with the server's own key."""
    secret = key or app.config["JWT_SECRET_KEY"]
    payload = jwt.decode(token, options={"verify_signature": False}) | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    return jwt.encode(payload, secret, "HS256", headers=header or {"typ": "at+jwt"})


def status(app: Flask, authorization: str, path: str = "/api/v1/me") -> tuple[int, str]:
    answer = app.test_client().get(path, headers={"Authorization": authorization})
    assert answer.mimetype in ("application/json", "application/problem+json")
    return answer.status_code, answer.get_json().get("code", "")


@pytest.fixture
def token(app: Flask, client: Any) -> str:
    return str(client.as_(make_volunteer()).token)


def test_the_servers_own_token_is_good(app: Flask, token: str) -> None:
    assert status(app, f"Bearer {token}")[0] == 200
    assert status(app, f"Bearer {forge(app, token)}")[0] == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"type": "refresh"},
        {"type": "something"},
        {"exp": None},
        {"exp": FUTURE},
        {"exp": int(time.time()) + 10**6},
        {"iat": None},
        {"aud": "another"},
        {"aud": None},
        {"iss": "another"},
        {"iss": None},
        {"sub": None},
        {"sub": "urn:uuid:01a20a59-af9c-72b9-b904-9c59e8e60082"},
        {"sid": None},
        {"sid": "x"},
    ],
)
def test_a_claim_that_is_not_ours(app: Flask, token: str, claims: dict[str, Any]) -> None:
    assert status(app, f"Bearer {forge(app, token, **claims)}") == (401, "token_invalid")


@pytest.mark.parametrize("header", [{"typ": "JWT"}, {"typ": "refresh"}, {"typ": "AT+JWT "}])
def test_a_token_that_does_not_say_what_it_is(app: Flask, token: str, header: dict[str, Any]) -> None:
    assert status(app, f"Bearer {forge(app, token, header=header)}") == (401, "token_invalid")


def test_another_key_or_algorithm(app: Flask, token: str) -> None:
    payload = jwt.decode(token, options={"verify_signature": False})
    assert status(app, f"Bearer {forge(app, token, key='k' * 64)}") == (401, "token_invalid")
    for algorithm, key in (("none", ""), ("HS512", app.config["JWT_SECRET_KEY"])):
        other = jwt.encode(payload, key, algorithm, headers={"typ": "at+jwt"})
        assert status(app, f"Bearer {other}") == (401, "token_invalid")


def test_an_old_token(app: Flask, token: str) -> None:
    now = int(time.time())
    assert status(app, f"Bearer {forge(app, token, iat=now - 1000, exp=now - 100)}") == (401, "token_expired")


def test_a_session_that_never_was(app: Flask, token: str) -> None:
    assert status(app, f"Bearer {forge(app, token, sid=str(uuid4()))}") == (401, "session_ended")


@pytest.mark.parametrize("authorization", ["Basic eDp5", "bearer x", "Token x", "Bearer", "Bearer a b", "Bearer x.y.z"])
@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/stations"])
def test_a_malformed_header_is_never_anonymous(app: Flask, authorization: str, path: str) -> None:
    code = status(app, authorization, path)[0]
    assert code == 401 or (authorization == "Bearer" and path.endswith("stations"))
