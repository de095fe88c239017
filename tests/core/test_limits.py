"""Rate limits: counted across workers, in either store, and never a reason to fail."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask, g

from volunteer_api.core import clock, limits
from volunteer_api.core.database import db
from volunteer_api.core.limits import EXTENSION, RateCounter, check_limit
from volunteer_api.core.problems import TooManyRequests

LIMIT = "3/10 minutes"


@pytest.fixture(params=["database", "valkey"])
def limited(
    request: pytest.FixtureRequest, app: Flask, change_settings: Callable[..., None]
) -> Iterator[Callable[..., dict[str, str]]]:
    """`limited(address)`: one counted request; returns the headers that it leaves."""
    url = request.getfixturevalue("valkey_url") if request.param == "valkey" else None
    change_settings(app, limits=True, valkey_url=url)
    kept = app.extensions.pop(EXTENSION, None)

    def ask(address: str = "203.0.113.1", scope: str = request.node.name) -> dict[str, str]:
        with app.test_request_context("/", environ_base={"REMOTE_ADDR": address}):
            check_limit(LIMIT, scope)
            headers: dict[str, str] = g.limit_headers
            return headers

    yield ask
    app.extensions.pop(EXTENSION, None)
    if kept is not None:
        app.extensions[EXTENSION] = kept


def test_the_fourth_is_refused(limited: Callable[..., dict[str, str]]) -> None:
    left = [limited()["RateLimit"].split(";")[1] for _ in range(3)]
    assert left == ["r=2", "r=1", "r=0"]
    with pytest.raises(TooManyRequests) as refusal:
        limited()
    headers = refusal.value.headers
    assert 0 < int(headers["Retry-After"]) <= 600
    assert headers["RateLimit-Policy"] == '"address";q=3;w=600'
    assert headers["RateLimit"].startswith('"address";r=0;t=')


def test_what_is_counted_of_a_person_says_so(app: Flask, limited: Callable[..., dict[str, str]]) -> None:
    """Or an app's developer concludes that forty people on a station's Wi-Fi share it."""
    with app.test_request_context("/"):
        check_limit(LIMIT, "photos", "somebody")
        assert g.limit_headers["RateLimit"].startswith('"person";r=2;t=')
        assert g.limit_headers["RateLimit-Policy"] == '"person";q=3;w=600'


def test_addresses_and_scopes_count_apart(limited: Callable[..., dict[str, str]]) -> None:
    for address in ("203.0.113.1", "203.0.113.2"):
        for _ in range(3):
            limited(address)
    limited("203.0.113.1", "another scope")


def test_a_household_of_ipv6_counts_as_one(limited: Callable[..., dict[str, str]]) -> None:
    for last in range(3):
        limited(f"2001:db8:1:2::{last}")
    with pytest.raises(TooManyRequests):
        limited("2001:db8:1:2:ffff::9")
    limited("2001:db8:1:3::1")


def test_one_caller_counts_as_one_however_a_proxy_writes_it(limited: Callable[..., dict[str, str]]) -> None:
    for address in ("203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7"):
        limited(address)
    with pytest.raises(TooManyRequests):
        limited("::ffff:203.0.113.7")
    limited("::ffff:203.0.113.8")


def test_a_window_ends(app: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(app, limits=True)
    with app.test_request_context("/"):
        for _ in range(3):
            check_limit(LIMIT, "window")
        with clock.at(clock.now() + timedelta(minutes=10, seconds=1)):
            check_limit(LIMIT, "window")
            limits.forget_rate_counters()


def test_no_more_than_the_limit_get_through_together(
    postgresql_app: Flask, change_settings: Callable[..., None], race: Callable[..., list[Any]]
) -> None:
    change_settings(postgresql_app, limits=True)

    def ask(_number: int) -> str:
        with postgresql_app.test_request_context("/"):
            try:
                check_limit(LIMIT, "race")
            except TooManyRequests:
                return "refused"
            return "passed"

    assert sorted(race(10, ask)) == ["passed"] * 3 + ["refused"] * 7


def test_the_table_holds_no_address(app: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(app, limits=True)
    with app.test_request_context("/", environ_base={"REMOTE_ADDR": "203.0.113.77"}):
        check_limit(LIMIT, "secret")
        assert [row.key for row in db.session.query(RateCounter) if "203" in row.key and "." in row.key] == []


def test_limits_can_be_off(app: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(app, limits=False)
    with app.test_request_context("/"):
        for _ in range(9):
            check_limit(LIMIT, "off")
        assert "limit_headers" not in g


def test_a_lost_store_costs_only_the_limit(app: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(app, limits=True, valkey_url="redis://127.0.0.1:9/0")
    kept = app.extensions.pop(EXTENSION, None)
    try:
        with app.test_request_context("/"):
            for _ in range(9):
                check_limit(LIMIT, "lost")
        assert any("Valkey" in said for said in app.test_client().get("/readyz").get_json()["warnings"])
    finally:
        app.extensions.pop(EXTENSION, None)
        if kept is not None:
            app.extensions[EXTENSION] = kept


def test_a_refusal_is_a_problem_with_headers(app: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(app, limits=True)
    client = app.test_client()
    for number in range(100):
        body = {"phone": f"+86139{number:08d}", "purpose": "access"}
        answer = client.post("/api/v1/auth/codes", json=body)
        if answer.status_code == 429:
            break
        assert answer.headers["RateLimit"]
    assert answer.status_code == 429
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["code"] == "too_many_requests"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["RateLimit-Policy"]
