"""Every operation, called by everybody: the access matrix is what the application does, and it has no gap."""

import copy
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import INCLUDE, fields
from werkzeug.test import TestResponse

from tests.access_matrix import MATRIX
from tests.access_scene import ACTORS, CODE, PASSES, Call, Entry, World, rows_of_all_tables
from tests.access_table import render
from tests.conftest import ApiClient, Backend, clean, database_for
from tests.factories import unit_of
from tests.servers import Snapshot
from volunteer_api.attendance.schemas import SentOperation
from volunteer_api.core import ids
from volunteer_api.core.access import Access
from volunteer_api.core.endpoint import API_PREFIX

PAGE = Path(__file__).resolve().parent.parent / "docs" / "access.md"
# What a refusal may write: who was refused, how often, on which of the callers' own devices. And a key is made when
# first needed, by whatever request that is.
TOLD_OF_REFUSALS = frozenset({"audit_entries", "rate_counters", "idempotency_keys", "device_sessions", "keyring_keys"})
# What somebody would like to write, and no body of ours takes unless it says so.
SMUGGLED: dict[str, Any] = {
    "id": "00000000-0000-7000-8000-000000000000",
    "version": 99,
    "role": "administrator",
    "state": "published",
    "credited_minutes": 999,
    "held_minutes": 999,
    "volunteer_id": "00000000-0000-7000-8000-000000000000",
    "owner_id": "00000000-0000-7000-8000-000000000000",
    "created_by": "00000000-0000-7000-8000-000000000000",
    "erased_at": None,
}
# Where a body does declare one of them, and who may call it is who may write it.
DECLARED: dict[str, set[str]] = {
    "POST /auth/sign-in": {"/device/id"},
    # Leaders only, and what is made is a question to that person.
    "POST /shifts/{shift_id}/sign-ups": {"/volunteer_id"},
    "POST /auth/register": {"/device/id", "/consents/*/version"},
    "PUT /me/consents": {"/consents/*/version"},
    "POST /grants": {"/role", "/volunteer_id", "/scope/id"},
    "PATCH /memberships/{membership_id}": {"/role"},
    "POST /stations/{station_id}/loans": {"/borrower/volunteer_id"},
    "PATCH /assets/{asset_id}": {"/state"},
    "POST /disputes/{dispute_id}/decision": {"/credited_minutes"},
    # What was read: nobody approves words that were changed since.
    "POST /feedback/{feedback_id}/approval": {"/version"},
    "POST /feedback/{feedback_id}/rejection": {"/version"},
    # Of others' attendances, never of one's own.
    "POST /attendances/{attendance_id}/review": {"/credited_minutes"},
    "POST /attendances/reviews": {"/decisions/*/credited_minutes"},
    "PUT /shifts/{shift_id}/roll-call": {"/entries/*/volunteer_id"},
    # Of somebody whom the caller may record for, and never herself; a second person decides.
    "POST /service-records": {"/volunteer_id"},
    "POST /service-records/batch": {"/records/*/volunteer_id"},
}
# Pages for people, and what is verified by them, stand at the root, beside the contract's base.
PAGES = ("/c/", "/verify/", "/board")
Unit = Callable[[Callable[[], Any]], Any]


def operations(app: Flask) -> dict[str, Any]:
    """The views by their operation, like `GET /teams/{team_id}`."""
    found = {}
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith((API_PREFIX, *PAGES)):
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule.removeprefix(API_PREFIX))
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                found[f"{method} {path}"] = app.view_functions[rule.endpoint]
    return found


def operation_of(row: str) -> str:
    return row.partition(" · ")[0]


class Stage:
    """A world and phones for everybody in it."""

    def __init__(self, app: Flask, world: World, capsys: pytest.CaptureFixture[str], row: str) -> None:
        self.app, self.world, self.capsys = app, world, capsys
        self.unit: Unit = unit_of(app)
        self.operation = operation_of(row)
        self.entry: Entry = MATRIX[row]
        self.clients: dict[str, ApiClient] = {"anonymous": ApiClient(app)}

    def client_of(self, actor: str) -> Any:
        """The actor's phone."""
        if actor not in self.clients:
            self.clients[actor] = self.clients["anonymous"].as_(self.world.people[actor])
        return self.clients[actor]

    def arrange(self, caller: str) -> Call:
        """A fresh call, as this caller would make it."""
        self.world.caller = self.world.people.get(caller, self.world.member)
        self.capsys.readouterr()

        def made() -> Call:
            call = self.entry.arrange(self.world)
            missing = set(re.findall(r"{(\w+)}", self.operation)) - call.at.keys()
            return replace(call, at={name: self.world.path_argument(name) for name in missing} | dict(call.at))

        call: Call = self.unit(made)
        sent = re.findall(r"^code (\d{6}) for (\S+)", self.capsys.readouterr().out, re.MULTILINE)
        codes = {CODE + phone: code for code, phone in sent} | {CODE: sent[-1][0] if sent else ""}
        return replace(call, body=with_codes(call.body, codes))

    def send(self, actor: str, call: Call, body: Any = None) -> TestResponse:
        """The call, by this actor, with another body where one is given."""
        method, path = self.operation.split(" ")
        options: dict[str, Any] = {"query_string": dict(call.query), "headers": dict(call.headers)}
        body = call.body if body is None else body
        if call.file is not None:
            members = {name: str(value) for name, value in (body or {}).items()}
            options["data"] = {"file": (io.BytesIO(call.file[1]), call.file[0])} | members
        elif body is not None:
            options["json"] = body
        if method == "POST":
            options["key"] = ids.new_id().hex
        base = "" if path.startswith(PAGES) else API_PREFIX
        return self.client_of(actor).open(method, path.format(**call.at), base=base, version=call.version, **options)

    def rows(self) -> dict[str, list[str]]:
        """What the database holds."""
        found: dict[str, list[str]] = self.unit(lambda: rows_of_all_tables(TOLD_OF_REFUSALS))
        return found


def with_codes(value: Any, codes: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: with_codes(member, codes) for name, member in value.items()}
    return codes.get(value, value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def worlds(backends: Callable[[str], Backend]) -> Callable[[str], World]:
    """Fresh worlds by the name of their database: to build one takes as long as half of the calls in it."""
    made: dict[str, tuple[World, Snapshot]] = {}

    def get(name: str) -> World:
        backend = backends(name)
        if name in made:
            made[name][1].restore()
        else:
            world: World = unit_of(backend.app)(World)
            made[name] = world, Snapshot(backend.sweeper)
        # What one call makes of it is not there for the next.
        return copy.copy(made[name][0])

    return get


@pytest.fixture
def stage(
    backends: Callable[[str], Backend],
    worlds: Callable[[str], World],
    capsys: pytest.CaptureFixture[str],
    row: str,
) -> Iterator[Stage]:
    """On one of the databases: who may is decided by the same statements on both, and features' own tests try both."""
    database = database_for(row)
    with clean(backends(database)) as app:
        yield Stage(app, worlds(database), capsys, row)


def test_every_operation_is_in_the_matrix(app: Flask) -> None:
    known = {operation_of(row) for row in MATRIX}
    missing, gone = sorted(operations(app).keys() - known), sorted(known - operations(app).keys())
    assert not missing, f"say in tests/access_matrix_*.py who may call them, and how: {missing}"
    assert not gone, f"these are no operations any more; take them out of tests/access_matrix_*.py: {gone}"


def test_every_operation_declares_its_access(app: Flask) -> None:
    for operation, view in operations(app).items():
        assert isinstance(getattr(view, "access", None), Access), operation


@pytest.mark.parametrize("row", MATRIX)
def test_only_who_may_gets_through_and_only_with_what_the_body_declares(stage: Stage) -> None:
    rule = stage.entry.rule
    anonymous = operations(stage.app)[stage.operation].access.anonymous
    assert (rule.anonymous == 401) is not anonymous, (
        "the rule and the declaration disagree about callers without a token"
    )
    call = stage.arrange(rule.holder)
    before = stage.rows()
    refused = [actor for actor in ACTORS if rule.answer(actor) != PASSES]
    answers = {actor: stage.send(actor, call) for actor in refused}
    assert {actor: answer.status_code for actor, answer in answers.items()} == {
        actor: rule.answer(actor) for actor in refused
    }, {actor: answer.get_json(silent=True) for actor, answer in answers.items()}
    if not stage.operation.startswith("GET "):
        check_nothing_is_smuggled(stage, call)
    after = stage.rows()
    assert {name for name in before if before[name] != after[name]} == set(), "a refused call changed something"
    for actor in ACTORS:
        if actor not in refused:
            answer = stage.send(actor, stage.arrange(actor))
            assert answer.status_code < 400, (actor, answer.status_code, answer.get_json(silent=True))
    answer = stage.send(rule.holder, call)
    assert answer.status_code < 400, (rule.holder, answer.status_code, answer.get_json(silent=True))


def check_nothing_is_smuggled(stage: Stage, call: Call) -> None:
    """Of who may make the call: nobody writes what the body does not declare."""
    body, smuggled, declared = smuggle(call.body or {}, schema_of(operations(stage.app)[stage.operation]))
    if call.file is not None:
        # More parts than a form may have would be refused for that.
        body, smuggled = {name: SMUGGLED[name] for name in ("role", "owner_id")}, {"/role", "/owner_id"}
    answer = stage.send(stage.entry.rule.holder, call, body)
    assert answer.status_code == 422, answer.get_json(silent=True)
    told = {error["pointer"] for error in answer.get_json()["errors"] if error["code"] == "unknown"}
    assert smuggled <= told
    declared = {re.sub(r"/\d+", "/*", pointer) for pointer in declared}
    assert declared == DECLARED.get(stage.operation, set()), "say in DECLARED that this may be written, if it may"


def test_the_page_shows_the_matrix() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(MATRIX), "run `python -m tests.access_table > docs/access.md`"


def schema_of(view: Any) -> Any:
    """The schema of the view's JSON body, None where it takes none."""
    parameters = view._apidoc.get("arguments", {}).get("parameters", [])
    schemas = [parameter["schema"] for parameter in parameters if parameter["in"] == "json"]
    return (schemas[0]() if isinstance(schemas[0], type) else schemas[0]) if schemas else None


def smuggle(body: dict[str, Any], schema: Any, pointer: str = "") -> tuple[dict[str, Any], set[str], set[str]]:
    """The body with what SMUGGLED adds at every depth; the pointers of what was added, and of what is declared."""
    fields_by_name = {field.data_key or name: field for name, field in schema.fields.items()} if schema else {}
    added = {name: value for name, value in SMUGGLED.items() if name not in fields_by_name}
    changed = body | added
    pointers = {f"{pointer}/{name}" for name in added}
    declared = {f"{pointer}/{name}" for name in SMUGGLED.keys() - added.keys()}
    for name, value in body.items():
        field = fields_by_name[name]
        inner = field.inner if isinstance(field, fields.List) else field
        # What is kept as it comes, like the evidence of a check-in, declares nothing. A line of a batch is refused by
        # itself, and costs no other: tests/attendance/test_batches.py smuggles into those.
        if value is None or not isinstance(inner, fields.Nested) or inner.schema.unknown == INCLUDE:
            continue
        if isinstance(inner, SentOperation):
            continue
        values = value if isinstance(value, list) else [value]
        places = [f"/{place}" for place in range(len(values))] if isinstance(value, list) else [""]
        made = [
            smuggle(one, inner.schema, f"{pointer}/{name}{place}") for one, place in zip(values, places, strict=True)
        ]
        changed[name] = [one for one, _, _ in made] if isinstance(value, list) else made[0][0]
        pointers = pointers.union(*(found for _, found, _ in made))
        declared = declared.union(*(found for _, _, found in made))
    return changed, pointers, declared
