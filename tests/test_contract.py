"""The code and the committed openapi.json are one contract, and every operation keeps it under any input."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from flask import Flask
from schemathesis.checks import not_a_server_error
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import Backend, bearer_token, clean, database_for
from tests.factories import make_volunteer
from volunteer_api.app import create_app
from volunteer_api.core import ids
from volunteer_api.core.texts import LANGUAGES

COMMITTED = Path(__file__).resolve().parent.parent / "openapi.json"
OPERATIONS = [
    f"{method.upper()} {path}"
    for path, methods in json.loads(COMMITTED.read_text(encoding="utf-8"))["paths"].items()
    for method in methods
    if method != "parameters"
]
# As the contract has it.
KEY = re.compile(r"[\x21-\x7e]{1,64}")
# Framing limits that no JSON Schema can state (413), and a client that never sends what it was told to.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def test_the_committed_contract_is_the_codes(app: Flask) -> None:
    served = app.test_client().get("/openapi.json").get_json()
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == served, "run `make openapi`"


def test_what_an_import_may_be_asked_is_in_the_contract(app: Flask) -> None:
    """A header of the declaration once took the place of its query."""
    contract = app.test_client().get("/openapi.json").get_json()
    imports = {path: found["post"]["parameters"] for path, found in contract["paths"].items() if "/import" in path}
    imports = {path: {one["name"] for one in found} for path, found in imports.items()}
    assert imports
    assert all({"dry_run", "Idempotency-Key"} <= names for names in imports.values()), imports


def test_names_in_the_contract_are_snake_case(app: Flask) -> None:
    served = app.test_client().get("/openapi.json").get_json()
    for name, component in served["components"]["schemas"].items():
        for member in component.get("properties", {}):
            assert member == member.lower(), f"{name}.{member}"


@pytest.fixture(scope="module")
def contract() -> Any:
    """The contract, as the code has it."""
    return schemathesis.openapi.from_wsgi("/openapi.json", create_app())


@pytest.fixture
def bearer(operation: str, contract: Any, backends: Callable[[str], Backend]) -> Iterator[str]:
    """The token of somebody who tries one operation, with all of its examples, on one of the databases."""
    with clean(backends(database_for(operation))) as app:
        contract.app = app
        token = bearer_token(app, make_volunteer().id)
        yield token
        status = app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code
        assert status == 200 or "sign-out" in operation, "what came after the session's end was not tried"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_keeps_the_contract(operation: str, contract: Any, bearer: str) -> None:
    @hypothesis.settings(
        max_examples=2,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        derandomize=True,
    )
    def keeps_it(case: Any) -> None:
        # schemathesis does not read zstd, which a long answer may be.
        headers = {**(case.headers or {}), "Authorization": f"Bearer {bearer}", "Accept-Encoding": "identity"}
        if KEY.fullmatch(str(headers.get("Idempotency-Key", ""))):
            # The examples share one key, and the answer of the first would be that of all others.
            headers["Idempotency-Key"] = ids.new_id().hex
        case.headers = headers
        case.call_and_validate(checks=CHECKS)

    method, path = operation.split(" ")
    # What `@contract.parametrize()` does too, but for all operations at once and when a process collects its tests:
    # to think of all their examples takes half a minute, of which each of two processes needs one half.
    build_operation_test(
        config=contract.config,
        operation=contract[path][method],
        test_func=keeps_it,
        given_kwargs={},
        feedback=FeedbackSources(constants_value_source=make_constants_value_source(contract)),
    )()


@pytest.mark.parametrize("language", LANGUAGES)
def test_refusals_speak_the_callers_language(app: Flask, language: str) -> None:
    answer = app.test_client().get("/api/v1/me", headers={"Accept-Language": language})
    assert answer.status_code == 401
    assert answer.headers["Content-Language"] == language
    assert answer.get_json()["title"] == {"en": "Sign in first.", "zh-CN": "请先登录。"}[language]
