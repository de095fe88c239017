"""What a request carries: its JSON, or the one file of an upload; read whole, and bounded."""

import re
from dataclasses import dataclass
from io import BytesIO

from flask import g, request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from volunteer_api.core import strict_json
from volunteer_api.core.problems import BodyTooLarge, InvalidPayload, UnsupportedMediaType
from volunteer_api.core.schema import Fault, Schema, error_list
from volunteer_api.core.settings import settings

# Of a multipart body: one is taken, a few more can be named in a refusal.
MOST_PARTS = 10
MOST_DELIMITERS = 100
MOST_HEAD_BYTES = 8192
END_OF_HEAD = re.compile(rb"\r\n\r\n|\n\n|\r\r")


@dataclass(frozen=True)
class Upload:
    """The one file of an upload. `file_name` is what the phone called it: to be shown, never to be trusted."""

    content: bytes
    file_name: str


def needs_nothing(body: type[Schema] | None) -> bool:
    """Whether a body of this schema may be left out."""
    return body is None or not any(field.required for field in body().fields.values())


def read_body(body: type[Schema] | None, *, safe: bool) -> bytes:
    """The whole body, before anything is locked: a slow client must hold nothing. Parsed, it is in `g.json`.

    A `safe` request has none that is read. Raises BodyTooLarge, InvalidPayload, UnsupportedMediaType.
    """
    raw = _receive(settings().body_bytes)
    g.json = None
    if safe:
        return raw
    if not raw and needs_nothing(body):
        g.json = {}
        return raw
    if request.mimetype != "application/json":
        raise UnsupportedMediaType()
    g.json = strict_json.parse(raw)
    if body is None and g.json != {}:
        # A verb without a body takes an empty one; anything else would be lost without a word.
        names = g.json if isinstance(g.json, dict) else ["_schema"]
        raise InvalidPayload(error_list({name: [Fault("unknown")] for name in names}))
    return raw


def _receive(limit: int) -> bytes:
    """The whole body, of at most `limit` bytes. Raises BodyTooLarge."""
    # One byte more than allowed: werkzeug cuts a chunked body at its limit and calls it whole.
    request.max_content_length = limit + 1
    try:
        raw = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise BodyTooLarge(limit=limit) from error
    if len(raw) > limit:
        raise BodyTooLarge(limit=limit)
    return raw


def receive_upload() -> bytes:
    """The whole of a multipart body. Raises BodyTooLarge, UnsupportedMediaType."""
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType(expected="multipart/form-data")
    return _receive(settings().upload_bytes)


def take_file(raw: bytes) -> None:
    """Leave the one file of a multipart body in `g.upload`. Raises BodyTooLarge, InvalidPayload."""
    limit = settings().upload_bytes
    if _has_long_head(raw):
        raise InvalidPayload(error_list({"file": [Fault("required")]}))
    try:
        # In memory, where the body is already: the request's own parser spools to files that a refusal leaves open.
        parser = FormDataParser(stream_factory=_in_memory, max_form_memory_size=limit, max_form_parts=MOST_PARTS)
        _, others, files = parser.parse(BytesIO(raw), request.mimetype, len(raw), request.mimetype_params)
    except RequestEntityTooLarge as error:
        raise BodyTooLarge(limit=limit) from error
    unknown = [name for name in (*files, *others) if name != "file"]
    if unknown or len(files.getlist("file")) != 1 or "file" in others:
        faults = {name: [Fault("unknown")] for name in unknown} or {"file": [Fault("required")]}
        raise InvalidPayload(error_list(faults))
    sent = files["file"]
    g.json = None
    g.upload = Upload(content=sent.read(), file_name=(sent.filename or "")[:200])


def _has_long_head(raw: bytes) -> bool:
    """Whether a part's headers are longer than any phone's: werkzeug reads ten megabytes of them for seconds."""
    boundary = re.escape(request.mimetype_params.get("boundary", "").encode("utf-8", "replace"))
    # As werkzeug knows a delimiter, also within a line: before the first part it takes it there too.
    marks = re.finditer(rb"--" + boundary + rb"[^\S\r\n]*[\r\n]", raw)
    return any(
        number > MOST_DELIMITERS or END_OF_HEAD.search(raw, mark.end() - 1, mark.end() + MOST_HEAD_BYTES) is None
        for number, mark in enumerate(marks)
    )


def _in_memory(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> BytesIO:
    return BytesIO()
