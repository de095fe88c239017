"""Every way in which a token can be wrong is a 401 in problem+json; what the library leaves open is closed."""

import base64
import dataclasses
import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from sqlalchemy import select

from tests.factories import make_volunteer, unit_of
from volunteer_api.core import clock, keyring, tokens
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.keyring import KeyringKey
from volunteer_api.core.keys import derive_key

FUTURE = 10**30
NOT_UUIDS = ["", "x", 5, "urn:uuid:01a20a59-af9c-72b9-b904-9c59e8e60082", "01a20a59af9c72b9b9049c59e8e60082"]
PUBLIC = "/api/v1/stations"
Unit = Callable[[Callable[[], Any]], Any]


def signing_secret(app: Flask, token: str) -> bytes:
    """The server's own key behind this token."""
    with app.app_context():
        return keyring.read_again().keys[jwt.get_unverified_header(token)["kid"]].secret


def forge(
    app: Flask,
    token: str,
    *,
    header: dict[str, Any] | None = None,
    key: Any = None,
    algorithm: str = "HS256",
    **claims: Any,
) -> str:
    """The token with other claims or header members (None takes one away), signed with the server's own key.

    Built by hand: the library refuses to write some of what an attacker would.
    """
    whole = {
        name: value for name, value in (jwt.get_unverified_header(token) | (header or {})).items() if value is not None
    }
    whole["alg"] = (header or {}).get("alg", algorithm)
    payload = jwt.decode(token, options={"verify_signature": False}) | claims
    payload = {name: value for name, value in payload.items() if value is not None}
    secret = signing_secret(app, token) if key is None else key
    signed = f"{encode(whole)}.{encode(payload)}"
    if algorithm.startswith("HS"):
        signature = hmac.digest(secret, signed.encode(), f"sha{algorithm[2:]}")
    else:
        signature = jwt.get_algorithm_by_name(algorithm).sign(signed.encode(), secret)
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def encode(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def status(app: Flask, authorization: str, path: str = "/api/v1/me") -> tuple[int, str]:
    answer = app.test_client().get(path, headers={"Authorization": authorization})
    assert answer.mimetype in ("application/json", "application/problem+json")
    return answer.status_code, answer.get_json().get("code", "")


def refused(app: Flask, token: str, code: str = "token_invalid") -> bool:
    """Whether the token is refused by name, on a private route and on a public one."""
    return all(status(app, f"Bearer {token}", path) == (401, code) for path in ("/api/v1/me", PUBLIC))


@pytest.fixture
def own_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ring of the test's own: what it rotates, the next test must not sign with."""
    monkeypatch.setattr(tokens, "RING", f"access token {uuid4()}")


@pytest.fixture
def token(app: Flask, client: Any) -> str:
    return str(client.as_(make_volunteer()).token)


@pytest.fixture(autouse=True)
def forget_stray_keys(request: pytest.FixtureRequest) -> None:
    """Let the test's first unknown key id be looked up, whatever the test before it sent."""
    if "app" in request.fixturenames:
        app: Flask = request.getfixturevalue("app")
        app.extensions.pop(tokens.STRAY_KEYS, None)
        unit_of(app)(drop_foreign_keys)


def drop_foreign_keys() -> None:
    """Keys outlive a test; one that a test made under another secret must not be the newest here."""
    for row in db.session.scalars(select(KeyringKey)):
        if keyring._unwrap(row) is None:
            db.session.delete(row)
    keyring.forget()


def test_the_servers_own_token_is_good(app: Flask, token: str) -> None:
    assert status(app, f"Bearer {token}")[0] == 200
    assert status(app, f"Bearer {forge(app, token)}")[0] == 200
    header, payload = jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})
    assert header == {"alg": "HS256", "typ": "at+jwt", "kid": header["kid"]}
    assert (payload["iss"], payload["aud"], payload["type"]) == ("volunteer-api", "volunteer-app", "access")
    assert payload["exp"] - payload["iat"] == 900


def test_algorithm_none(app: Flask, token: str) -> None:
    for name in ("none", "None", "NONE", "nOnE"):
        header = jwt.get_unverified_header(token) | {"alg": name}
        body = token.split(".")[1]
        for signature in ("", token.split(".")[2]):
            assert refused(app, f"{encode(header)}.{body}.{signature}")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_the_right_key(app: Flask, token: str, algorithm: str) -> None:
    assert refused(app, forge(app, token, algorithm=algorithm))


def test_an_algorithm_of_public_keys(app: Flask, token: str) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert refused(app, forge(app, token, algorithm="RS256", key=private))
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert refused(app, forge(app, token, key=public))
    assert refused(app, forge(app, token, header={"alg": "RS256"}))


def test_keys_that_a_token_brings_along(app: Flask, token: str) -> None:
    own = b"k" * 32
    key = {"kty": "oct", "k": base64.urlsafe_b64encode(own).rstrip(b"=").decode()}
    for header in ({"jwk": key}, {"jku": "http://127.0.0.1/keys"}, {"x5u": "http://127.0.0.1/keys"}):
        assert refused(app, forge(app, token, key=own, header=header))


@pytest.mark.parametrize("value", [None, "1", "", True, 1.5, [], {}, FUTURE, -1, 2**63, "9999999999"])
def test_no_expiry_or_an_odd_one(app: Flask, token: str, value: Any) -> None:
    code = status(app, f"Bearer {forge(app, token, exp=value)}")
    # What reads as a moment long past has expired, too.
    assert code in ((401, "token_invalid"), (401, "token_expired"))
    assert code[1] == "token_invalid" or value in ("1", True, 1.5, -1)


def test_an_expiry_as_text_or_with_a_fraction(app: Flask, token: str) -> None:
    soon = int(time.time()) + 500
    assert refused(app, forge(app, token, exp=str(soon)))
    assert refused(app, forge(app, token, exp=soon + 0.5))


def test_an_expiry_too_far_away(app: Flask, token: str) -> None:
    now = int(time.time())
    assert refused(app, forge(app, token, iat=now, exp=now + 901))
    assert not refused(app, forge(app, token, iat=now, exp=now + 900))


@pytest.mark.parametrize("value", [None, "1", True, 1.5, 0, -1, FUTURE])
def test_no_issue_time_or_an_odd_one(app: Flask, token: str, value: Any) -> None:
    assert refused(app, forge(app, token, iat=value))


def test_an_issue_time_to_come(app: Flask, token: str) -> None:
    soon = int(time.time()) + 300
    assert refused(app, forge(app, token, iat=soon, exp=soon + 900))


def test_two_hosts_clocks_may_differ(app: Flask, token: str) -> None:
    now = int(time.time())
    assert not refused(app, forge(app, token, iat=now + 30, nbf=now + 30, exp=now + 930))
    assert not refused(app, forge(app, token, exp=now - 30, iat=now - 930))
    assert refused(app, forge(app, token, iat=now + 90, nbf=now + 90, exp=now + 990))
    assert refused(app, forge(app, token, exp=now - 90, iat=now - 990), "token_expired")


def test_a_token_that_is_not_valid_yet(app: Flask, token: str) -> None:
    assert refused(app, forge(app, token, nbf=int(time.time()) + 300))
    assert refused(app, forge(app, token, nbf="soon"))


@pytest.mark.parametrize("value", [None, "refresh", "something", "Access", "", 1, ["access"]])
def test_no_type_or_another_one(app: Flask, token: str, value: Any) -> None:
    if value is None:
        # The library takes it for an access token; so does it count only with the header's type.
        assert refused(app, forge(app, token, type=None, header={"typ": None}))
        return
    assert refused(app, forge(app, token, type=value))


@pytest.mark.parametrize("value", [None, "JWT", "refresh", "AT+JWT ", "", 5])
def test_a_header_that_does_not_say_what_it_is(app: Flask, token: str, value: Any) -> None:
    assert refused(app, forge(app, token, header={"typ": value}))


@pytest.mark.parametrize("value", [None, "another", "", [], ["another"], 5])
def test_no_audience_or_another_one(app: Flask, token: str, value: Any) -> None:
    assert refused(app, forge(app, token, aud=value))


@pytest.mark.parametrize("value", [None, "another", "", "volunteer-ap", ["another"], 5])
def test_no_issuer_or_another_one(app: Flask, token: str, value: Any) -> None:
    assert refused(app, forge(app, token, iss=value))


@pytest.mark.parametrize("name", ["sub", "sid"])
@pytest.mark.parametrize("value", [None, *NOT_UUIDS])
def test_a_subject_or_session_that_is_no_id(app: Flask, token: str, name: str, value: Any) -> None:
    assert refused(app, forge(app, token, **{name: value}))


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "00000000",
        "0",
        5,
        ["a"],
        {"a": 1},
        "../../../../dev/null",
        "/dev/null",
        "' OR '1'='1",
        "x' UNION SELECT 'k",
        "%s",
        "a" * 1000,
        "\u0000",
    ],
)
def test_no_key_id_or_one_that_is_not_ours(app: Flask, token: str, value: Any) -> None:
    for key in (None, b"", b"k" * 32):
        assert refused(app, forge(app, token, key=key, header={"kid": value}))


def test_the_key_of_another_ring(app: Flask, unit: Unit, token: str) -> None:
    other = unit(lambda: keyring.newest_key("test ring of another purpose"))
    assert refused(app, forge(app, token, key=other.secret, header={"kid": other.id}))


def test_a_token_of_the_first_release(app: Flask, token: str) -> None:
    old = derive_key(app.extensions["volunteer_api.settings"].secret_key, "access token").hex().encode()
    assert refused(app, forge(app, token, key=old, header={"kid": None}))


def test_a_signature_that_is_missing_or_changed(app: Flask, token: str) -> None:
    head, body, signature = token.split(".")
    changed = ("A" if signature[0] != "A" else "B") + signature[1:]
    for bad in (f"{head}.{body}", f"{head}.{body}.", f"{head}.{body}.{changed}", f"{head}.{body}.{signature}.x"):
        assert refused(app, bad)
    other = encode(jwt.decode(token, options={"verify_signature": False}) | {"sub": str(uuid4())})
    assert refused(app, f"{head}.{other}.{signature}")
    assert refused(app, forge(app, token, key=b"k" * 32))


def test_parts_that_are_no_objects(app: Flask, token: str) -> None:
    head, _, signature = token.split(".")
    for body in ("W10", "bnVsbA", "IiI", "", "____", "e30"):
        assert refused(app, f"{head}.{body}.{signature}")
        assert refused(app, f"{body}.{head}.{signature}")


def test_an_old_token_says_so(app: Flask, token: str) -> None:
    now = int(time.time())
    assert refused(app, forge(app, token, iat=now - 1000, exp=now - 100), "token_expired")


def test_a_session_that_never_was(app: Flask, token: str) -> None:
    assert refused(app, forge(app, token, sid=str(uuid4())), "session_ended")


def test_a_session_of_somebody_else(app: Flask, token: str) -> None:
    assert refused(app, forge(app, token, sub=str(make_volunteer().id)), "session_ended")


def test_an_ended_session_counts_no_more_at_the_next_request(app: Flask, client: Any) -> None:
    phone = client.as_(make_volunteer())
    assert phone.get("/me").status_code == 200
    assert phone.post("/auth/sign-out").status_code == 204
    assert refused(app, phone.token, "session_ended")


@pytest.mark.parametrize(
    "authorization",
    ["Basic eDp5", "bearer x", "Token x", "Bearer", "Bearer ", "Bearer a b", "Bearer x.y.z", " ", ",", "Bearer \u00e9"],
)
@pytest.mark.parametrize("path", ["/api/v1/me", PUBLIC])
def test_a_malformed_header_is_never_anonymous(app: Flask, authorization: str, path: str) -> None:
    code = status(app, authorization.encode().decode("latin-1"), path)[0]
    assert code == 401 or (not authorization.strip() and path == PUBLIC)


def test_another_scheme_or_another_case(app: Flask, token: str) -> None:
    for scheme in ("bearer", "BEARER", "Basic", "Token", "JWT", "DPoP"):
        assert status(app, f"{scheme} {token}", PUBLIC) == (401, "token_invalid")
    for between in ("  ", "\t", ""):
        assert status(app, f"Bearer{between}{token}", PUBLIC) == (401, "token_invalid")


def test_two_authorizations(app: Flask, token: str) -> None:
    # A server joins repeated headers by a comma; the library would pick the one that it likes.
    for both in (f"Bearer {token},Basic eDp5", f"Bearer {token}, Bearer {token}", f"Basic eDp5, Bearer {token}"):
        assert status(app, both) == (401, "token_invalid")
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", "Basic eDp5")]
    assert app.test_client().get("/api/v1/me", headers=headers).status_code == 401


def test_a_token_elsewhere_counts_for_nothing(app: Flask, token: str) -> None:
    for name in ("jwt", "token", "access_token"):
        # A token in an address would stand in logs; /me takes no query, and says so only to whom it knows.
        answer = app.test_client().get(f"/api/v1/me?{name}={token}")
        assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")
    visitor = app.test_client()
    for name in ("access_token_cookie", "access_token", "jwt"):
        visitor.set_cookie(name, token)
    assert visitor.get("/api/v1/me").get_json()["code"] == "unauthorized"
    in_body = app.test_client().patch("/api/v1/me", json={"access_token": token})
    assert in_body.get_json()["code"] == "unauthorized"


def test_a_very_long_token(app: Flask, token: str) -> None:
    assert refused(app, token + "A" * 100_000)
    assert refused(app, forge(app, token, filler="x" * 10_000))
    assert refused(app, "." * 1999)


def test_every_refusal_names_the_scheme(app: Flask) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}):
        answer = app.test_client().get("/api/v1/me", headers=headers)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_made_up_key_ids_cost_one_look_for_many(app: Flask, token: str, statements: Callable[[], Any]) -> None:
    made_up = [forge(app, token, header={"kid": f"{number:08x}"}) for number in range(20)]
    with statements() as seen:
        for bad in made_up:
            assert status(app, f"Bearer {bad}") == (401, "token_invalid")
    assert len(seen) == 1


def test_a_call_costs_no_statement_for_its_key(app: Flask, token: str, statements: Callable[[], Any]) -> None:
    assert status(app, f"Bearer {token}")[0] == 200
    with statements() as seen:
        assert status(app, f"Bearer {token}")[0] == 200
    assert [statement for statement in seen if "keyring_keys" in statement] == []


@pytest.mark.usefixtures("own_ring")
def test_rotation_overlaps(app: Flask, client: Any, unit: Unit, token: str) -> None:
    """The clock runs on from rotation to retirement; a token's own expiry is the library's matter."""
    phone = make_volunteer()
    now = datetime.now(UTC)
    old_id = jwt.get_unverified_header(token)["kid"]
    new_id = unit(tokens.rotate_signing_key)

    # Until every process has read it, the new key signs nothing.
    assert jwt.get_unverified_header(client.as_(phone).token)["kid"] == old_id
    with clock.at(now + timedelta(seconds=61)):
        later = client.as_(phone).token
        assert jwt.get_unverified_header(later)["kid"] == new_id
        assert status(app, f"Bearer {later}")[0] == 200
        assert status(app, f"Bearer {token}")[0] == 200
    # The last token of the old key was signed 60 s after the rotation and lives for 900 s.
    with clock.at(now + timedelta(seconds=60 + 900)):
        assert status(app, f"Bearer {token}")[0] == 200
    with clock.at(now + timedelta(seconds=60 + 900 + 62)):
        assert refused(app, token)
        assert status(app, f"Bearer {later}")[0] == 200


@pytest.mark.usefixtures("own_ring")
def test_a_new_key_is_known_to_a_process_that_read_the_ring_before(app: Flask, client: Any, unit: Unit) -> None:
    phone = make_volunteer()
    client.as_(phone)
    now = datetime.now(UTC)
    with app.app_context():
        stale = keyring.read_again()
    unit(tokens.rotate_signing_key)
    with clock.at(now + timedelta(seconds=61)):
        token = client.as_(phone).token
        app.extensions[keyring.EXTENSION] = stale
        assert jwt.get_unverified_header(token)["kid"] not in stale.keys
        assert status(app, f"Bearer {token}")[0] == 200


@pytest.mark.usefixtures("own_ring")
def test_a_process_that_only_verifies_learns_of_a_retirement(app: Flask, client: Any, unit: Unit, token: str) -> None:
    now = datetime.now(UTC)
    with app.app_context():
        stale = keyring.read_again()
    unit(tokens.rotate_signing_key)
    with clock.at(now + timedelta(seconds=1100)):
        app.extensions[keyring.EXTENSION] = stale
        assert status(app, f"Bearer {token}")[0] == 200
        aged = dataclasses.replace(stale, read_at=stale.read_at - tokens.OLDEST_READING_SECONDS - 1)
        app.extensions[keyring.EXTENSION] = aged
        assert refused(app, token)


@pytest.mark.usefixtures("own_ring")
def test_a_token_can_be_signed_while_the_ring_has_no_key(app: Flask, unit: Unit) -> None:
    principal = Principal(volunteer_id=uuid4(), session_id=uuid4())
    token = unit(lambda: tokens.issue_access_token(principal))
    assert status(app, f"Bearer {token}") == (401, "session_ended")
