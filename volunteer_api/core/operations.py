"""What a route's declaration says to openapi.json, beyond its schemas."""

from enum import Enum
from typing import Any

from volunteer_api.core import etags
from volunteer_api.core.access import Access
from volunteer_api.core.idempotency import HEADER
from volunteer_api.core.schema import PageQuery, Schema

SAFE_METHODS = ("GET",)


class Idempotency(Enum):
    """Whether a route takes an Idempotency-Key."""

    NONE = "none"
    OPTIONAL = "optional"
    REQUIRED = "required"


class Comparison(Enum):
    """What a route does with If-Match: asks for it, lets the view judge whether it had to be, or takes it."""

    REQUIRED = "required"
    JUDGED = "judged"
    OPTIONAL = "optional"


def document(
    method: str,
    access: Access,
    query: type[Schema] | None,
    body: type[Schema] | None,
    keyed: Idempotency,
    comparison: Comparison | None,
    limit: str | None,
    upload: bool,
    refuses: tuple[int, ...],
) -> dict[str, Any]:
    """What the declaration says to openapi.json beyond schemas."""
    refusals = {"422"} | ({"400", "413", "415"} if method not in SAFE_METHODS else set())
    refusals |= {"401", "503", *map(str, refuses)}
    if access.load is not None or not access.anonymous:
        refusals.add("403")
    if access.load is not None or query is not None or body is not None:
        refusals.add("404")  # what a path, a filter or a body names may not be there
    if query is not None and issubclass(query, PageQuery):
        # A cursor may belong to another list.
        refusals.add("400")
    if method != "GET":
        refusals.add("409")
    if keyed is not Idempotency.NONE:
        refusals.add("400")
    if comparison is not None:
        refusals.add("412")
    if comparison in (Comparison.REQUIRED, Comparison.JUDGED):
        refusals.add("428")
    if limit is not None:
        refusals.add("429")
    responses = {code: {"$ref": f"#/components/responses/problem_{code}"} for code in sorted(refusals)}
    security: list[dict[str, list[str]]] = [{"bearer": []}]
    described: dict[str, Any] = {
        "responses": responses,
        "security": [*security, {}] if access.anonymous else security,
    }
    if upload:
        part = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}}, "required": ["file"]}
        described["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": part}}}
    return described


def headers(keyed: Idempotency, comparison: Comparison | None) -> list[dict[str, Any]]:
    found = []
    if keyed is not Idempotency.NONE:
        told = "What makes a second try the same request: its first answer comes again."
        found.append(_header(HEADER, r"^[\x21-\x7e]{1,64}$", told, required=keyed is Idempotency.REQUIRED))
    if comparison is not None:
        told = 'The version that you read: the ETag as it came, or `"3"`.'
        found.append(_header("If-Match", etags.FORM, told, required=comparison is Comparison.REQUIRED))
    return found


def _header(name: str, pattern: str, told: str, *, required: bool) -> dict[str, Any]:
    schema = {"type": "string", "pattern": pattern}
    return {"in": "header", "name": name, "description": told, "required": required, "schema": schema}
