"""Entity tags: `"<version>-<hash of the content>"`, and the conditions that clients put on them."""

import hashlib
import re
from typing import Any

from flask import Response, request

from volunteer_api.core.problems import IfMatchInvalid, PreconditionFailed, PreconditionRequired

# Compression marks a tag with its coding; the content is the same.
CODING = "[:;-](gzip|br|zstd|deflate)"
# As the contract states it.
FORM = f'^(W/)?"[0-9]{{1,9}}(-[0-9A-Za-z_-]+)?({CODING})?"$'
IF_MATCH = re.compile(FORM, re.ASCII)
ENTITY_TAG = re.compile(r'(W/)?"[^"]*"')
VERSION = re.compile("[0-9]+", re.ASCII)


def expected_version() -> int:
    """The version that the client says it read.

    Raises PreconditionRequired (428) without If-Match, PreconditionFailed (412) where that is a tag, but none of ours,
    IfMatchInvalid (400) where it is none: `*` would be whatever is there now, and an edit is of what was read.
    """
    header = request.headers.get("If-Match")
    if header is None:
        raise PreconditionRequired()
    text = header.strip()
    version = VERSION.search(text)
    if version is None or IF_MATCH.fullmatch(text) is None:
        raise PreconditionFailed() if ENTITY_TAG.fullmatch(text) else IfMatchInvalid()
    return int(version.group())


def require_version(resource: Any) -> None:
    """Raise PreconditionFailed (412) where the client read another version; the UPDATE itself judges the race."""
    if resource.version != expected_version():
        raise PreconditionFailed()


def tag(response: Response, version: int | None) -> None:
    """Set the ETag: the version, where the resource has one, and a hash of what is answered.

    A response that has one already keeps it (see `written.Written.untagged`).
    """
    if response.get_etag()[0] is None:
        content = digest_of(response.get_data())
        response.set_etag(f"{version}-{content}" if version is not None else content)
    response.headers.setdefault("Cache-Control", "private, no-cache")


def digest_of(content: bytes) -> str:
    """A short hash of what is answered."""
    # Processors have instructions for this one: of a list's 30 KB, other hashes of the library take twice as long.
    return hashlib.sha256(content).hexdigest()[:18]


def answer_condition(response: Response) -> None:
    """Turn a read into 304 without a body where the client's If-None-Match already has it."""
    condition = request.if_none_match
    known = {_without_coding(value) for value in condition.as_set(include_weak=True)}
    if condition.star_tag or response.get_etag()[0] in known:
        response.set_data(b"")
        response.status_code = 304
        for header in ("Content-Type", "Content-Length"):
            response.headers.pop(header, None)


def _without_coding(value: str) -> str:
    return re.sub(f"{CODING}$", "", value)
