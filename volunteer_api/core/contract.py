"""What the contract says beyond what each operation declares: openapi.json's last step, once somebody asks for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONVENTIONS = Path(__file__).with_name("conventions.md")
# A body for each schema of the main job that somebody fills in, by its name in the contract.
EXAMPLES = Path(__file__).with_name("examples.json")
JSON = "application/json"
NOT_MODIFIED = "not_modified"
SCHEMAS = "#/components/schemas/"
HEADERS = {
    "ETag": "What the answer is told from another by; of a resource with a `version`, that and a hash of the content.",
    "Idempotency-Replayed": "`true` where this is the first answer again and nothing was done.",
    "Retry-After": "Seconds after which it is worth another try.",
    "RateLimit": 'What is left of the limit and when it begins anew: `"address";r=59;t=600`.',
    "RateLimit-Policy": 'The limit, and the seconds that it counts: `"address";q=60;w=600`.',
}
# What stands in a common answer, by its name among the components.
OF_PROBLEMS = {"problem_429": ("Retry-After", "RateLimit", "RateLimit-Policy"), "problem_503": ("Retry-After",)}


def complete_contract(document: dict[str, Any]) -> None:
    """Add the conventions, examples, the headers of answers and 304, and leave open what clients read."""
    components = document["components"]
    document["info"]["description"] = CONVENTIONS.read_text(encoding="utf-8")
    components["headers"] = {
        name: {"description": told, "schema": {"type": "string"}} for name, told in sorted(HEADERS.items())
    }
    answers = components["responses"]
    for name, headers in OF_PROBLEMS.items():
        answers[name]["headers"] = _headers(*headers)
    answers[NOT_MODIFIED] = {
        "description": "What If-None-Match names is still so. There is no body.",
        "headers": _headers("ETag"),
    }
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    for method, operation in _operations(document):
        _add_headers(method, operation)
        body = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
        for name in [*_named(body)]:
            if name in examples:
                body["example"] = examples[name]
    for name in _read_by_clients(document):
        # Only a schema that refuses what it does not know says `false`; clients are to ignore what is new to them.
        if components["schemas"][name].get("additionalProperties") is False:
            del components["schemas"][name]["additionalProperties"]


def _add_headers(method: str, operation: dict[str, Any]) -> None:
    keyed = any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ()))
    for status, answer in operation["responses"].items():
        names = ["ETag"] if method == "get" else []
        if keyed:
            names.append("Idempotency-Replayed")
        if names and status.startswith("2"):
            answer["headers"] = _headers(*names)
    if method == "get":
        operation["responses"]["304"] = {"$ref": f"#/components/responses/{NOT_MODIFIED}"}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in document["paths"].values():
        yield from ((method, operation) for method, operation in path.items() if method != "parameters")


def _read_by_clients(document: dict[str, Any]) -> set[str]:
    """The names of the schemas that answers have, and those within them."""
    schemas = document["components"]["schemas"]
    found: set[str] = set()
    left = [name for _, operation in _operations(document) for name in _named(operation["responses"])]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left.extend(_named(schemas[name]))
    return found


def _named(part: Any) -> Iterator[str]:
    """The schemas that a part of the contract refers to."""
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str) and reference.startswith(SCHEMAS):
            yield reference.removeprefix(SCHEMAS)
        for inner in part.values():
            yield from _named(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _named(inner)
