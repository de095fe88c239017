"""The code and the committed openapi.json are one contract, and every operation keeps it under any input."""

import json
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from flask import Flask
from marshmallow import class_registry
from schemathesis.checks import not_a_server_error
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.meta import CoverageScenario
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import HUNT, Backend, bearer_token, clean, database_for
from tests.factories import make_volunteer
from volunteer_api.app import create_app
from volunteer_api.core import ids
from volunteer_api.core.contract import EXAMPLES
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
# What schemathesis tries five of, at every place: half of all requests were the same classes of fields, once more
# refusing the same five values. Of these each place gets one, another operation's place the others.
MANY = frozenset({CoverageScenario.INCORRECT_TYPE, CoverageScenario.UNSPECIFIED_HTTP_METHOD})
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
def served() -> dict[str, Any]:
    """The contract, as the code has it."""
    document: dict[str, Any] = create_app().test_client().get("/openapi.json").get_json()
    return document


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each operation, by its operationId."""
    found = [
        operation for path in document["paths"].values() for method, operation in path.items() if method != "parameters"
    ]
    named = {operation["operationId"]: operation for operation in found}
    assert len(named) == len(found), "two operations have one name"
    return named


# The names of functions in clients that are made from the contract: a view that is renamed is one that they lose.
NAMED = {
    "POST /api/v1/auth/codes": "send_code",
    "POST /api/v1/auth/sign-in": "sign_in",
    "POST /api/v1/auth/register": "register",
    "POST /api/v1/auth/refresh": "refresh_tokens",
    "GET /api/v1/me": "read_me",
    "GET /api/v1/me/home": "read_home",
    "GET /api/v1/sync": "sync_phone",
    "GET /api/v1/stations": "list_stations",
    "POST /api/v1/activities": "create_activity",
    "POST /api/v1/activities/{activity_id}/publication": "publish_activity",
    "POST /api/v1/shifts/{shift_id}/sign-ups": "sign_up",
    "POST /api/v1/attendances": "check_in",
    "POST /api/v1/attendances/{attendance_id}/check-out": "check_out",
    "POST /api/v1/attendances/batch": "apply_batch",
    "POST /api/v1/stations/{station_id}/movements": "record_movement",
    "GET /api/v1/rankings": "read_ranking",
}


def test_operations_have_names_that_stay(served: dict[str, Any]) -> None:
    assert set(operations(served)) >= {*NAMED.values()}
    for operation, name in NAMED.items():
        method, path = operation.split(" ")
        assert served["paths"][path][method.lower()]["operationId"] == name


def named_in(document: dict[str, Any], part: Any) -> set[str]:
    """The schemas that a part of the contract is made of."""
    schemas, found = document["components"]["schemas"], set[str]()
    left = re.findall('"#/components/schemas/([^"]+)"', json.dumps(part))
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += re.findall('"#/components/schemas/([^"]+)"', json.dumps(schemas[name]))
    return found


def test_answers_may_get_new_members_and_bodies_may_not_have_strange_ones(served: dict[str, Any]) -> None:
    """A typed client that was made today must not break at the first new field."""
    schemas, all_of_it = served["components"]["schemas"], operations(served).values()
    answered = named_in(served, [operation["responses"] for operation in all_of_it])
    sent = named_in(served, [operation.get("requestBody") for operation in all_of_it])
    assert {"Me", "Attendance", "ActivitySummaryPage", "Refusal"} <= answered
    assert [name for name in sorted(answered) if schemas[name].get("additionalProperties") is False] == []
    # Evidence is kept as it comes.
    strict = sent - answered - {"Evidence", "EvidenceMembers"}
    assert [name for name in sorted(strict) if schemas[name].get("additionalProperties") is not False] == []


def test_each_example_is_a_body_that_is_taken(served: dict[str, Any]) -> None:
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    shown = [
        body["example"]
        for operation in operations(served).values()
        if "example" in (body := operation.get("requestBody", {}).get("content", {}).get("application/json", {}))
    ]
    assert {"ActivityCreate", "AttendanceCreate", "BatchCreate", "MovementCreate"} <= examples.keys()
    for name, example in examples.items():
        assert example in shown, name
        class_registry.get_class(name)().load(example)


def test_what_holds_for_every_operation_is_told(served: dict[str, Any]) -> None:
    for word in (
        "Idempotency-Replayed",
        "If-None-Match",
        "If-Match",
        "Retry-After",
        "Accept-Language",
        "datum",
        "other",
    ):
        assert word in served["info"]["description"], word
    for name, operation in operations(served).items():
        parameters = {one["name"]: one for one in operation.get("parameters", ())}
        reads = "304" in operation["responses"]
        [answer] = [one for status, one in operation["responses"].items() if status.startswith("2")]
        assert ("ETag" in answer.get("headers", {})) == reads, name
        assert ("Idempotency-Replayed" in answer.get("headers", {})) == ("Idempotency-Key" in parameters), name
        assert ("412" in operation["responses"]) == ("If-Match" in parameters), name
        for common in ("Idempotency-Key", "If-Match", "limit", "cursor"):
            assert common not in parameters or parameters[common]["description"], name
    for status in (429, 503):
        assert "Retry-After" in served["components"]["responses"][f"problem_{status}"]["headers"]


@pytest.fixture(scope="module")
def contract(served: dict[str, Any]) -> Any:
    """The contract, and stricter: nothing is answered that it does not name."""
    strict = json.loads(json.dumps(served))
    for schema in strict["components"]["schemas"].values():
        schema.setdefault("additionalProperties", False)
    return schemathesis.openapi.from_dict(strict)


@pytest.fixture(scope="module")
def constants(contract: Any, backends: Callable[[str], Backend]) -> FeedbackSources:
    """What schemathesis finds in the code to try. It takes a second to find, and would be found for each database."""
    contract.app = backends("sqlite").app
    return FeedbackSources(constants_value_source=make_constants_value_source(contract))


@pytest.fixture
def bearer(operation: str, contract: Any, backends: Callable[[str], Backend]) -> Iterator[str]:
    """The token of somebody who tries one operation, with all of its examples, on one of the databases."""
    with clean(backends(database_for(operation))) as app:
        contract.app = app
        token = bearer_token(app, make_volunteer().id)
        yield token
        status = app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code
        assert status == 200 or "sign-out" in operation, "what came after the session's end was not tried"


def dealt_of(cases: Sequence[Any], operation: str) -> list[Any]:
    """Of the cases that are MANY at one place a single one, and all others; HUNT=1 tries all."""
    places = defaultdict[tuple[str, ...], list[Any]](list)
    for case in cases:
        phase = case.meta.phase.data
        if (scenario := getattr(phase, "scenario", None)) in MANY:
            place = "" if scenario == CoverageScenario.UNSPECIFIED_HTTP_METHOD else phase.description
            places[scenario, str(phase.parameter_location), str(phase.parameter), place].append(case)
    spared = set[int]()
    for place, many in places.items():
        dealt = zlib.crc32(f"{operation} {place}".encode()) % len(many)
        spared |= {id(case) for number, case in enumerate(many) if number != dealt}
    return [case for case in cases if HUNT or id(case) not in spared]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_keeps_the_contract(
    operation: str, contract: Any, constants: FeedbackSources, bearer: str
) -> None:
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
    attempt = build_operation_test(
        config=contract.config,
        operation=contract[path][method],
        test_func=keeps_it,
        given_kwargs={},
        feedback=constants,
    )
    # Hypothesis would set its stage anew for each of these, and draws nothing of them.
    cases = [example.kwargs["case"] for example in reversed(attempt.hypothesis_explicit_examples)]
    for case in dealt_of(cases, operation):
        keeps_it(case)
    attempt.hypothesis_explicit_examples = []
    attempt()


@pytest.mark.parametrize("language", LANGUAGES)
def test_refusals_speak_the_callers_language(app: Flask, language: str) -> None:
    answer = app.test_client().get("/api/v1/me", headers={"Accept-Language": language})
    assert answer.status_code == 401
    assert answer.headers["Content-Language"] == language
    assert answer.get_json()["title"] == {"en": "Sign in first.", "zh-CN": "请先登录。"}[language]
