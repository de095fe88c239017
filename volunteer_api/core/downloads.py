"""Answers that are files: a service returns a Download, the wrapper makes the response."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from flask import Response, g

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"
HTML = "text/html; charset=utf-8"
CSV = "text/csv; charset=utf-8"
SVG = "image/svg+xml"
PNG = "image/png"
# Nothing in a file runs, leads elsewhere or is framed.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Download:
    """A file to answer with: its bytes, type, and the name to save it under (None: shown in place).

    `content` may be a function that makes them: it is called once the unit has ended, so that slow work with what the
    unit read holds neither a transaction nor a connection. It must not use the database.
    `kept_seconds` is how long a phone may keep it without asking again; 0 for what is private and changes. What may be
    kept has no words in it.
    `asked_again` lets it be kept to ask, each time, whether it is still so. `script` is the one that may run in a page,
    as it stands there; it may ask where the page came from.
    """

    content: bytes | Callable[[], bytes]
    media_type: str
    file_name: str | None = None
    kept_seconds: int = 0
    asked_again: bool = False
    script: str | None = None


def respond_with(download: Download) -> Response:
    """The response; a browser never guesses another type, and runs nothing that stands in the file."""
    response = Response(b"" if callable(download.content) else download.content, content_type=download.media_type)
    g.has_words = download.kept_seconds == 0
    g.unmade_content = download.content if callable(download.content) else None
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = POLICY if download.script is None else _letting(download.script)
    # The address of a page may hold a code.
    response.headers["Referrer-Policy"] = "no-referrer"
    keep = f"private, max-age={download.kept_seconds}, immutable" if download.kept_seconds else "no-store"
    if download.asked_again:
        keep = "private, no-cache"
    response.headers["Cache-Control"] = keep
    if download.file_name is not None:
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(download.file_name, safe='')}"
    return response


def _letting(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"{POLICY}; script-src 'sha256-{digest}'; connect-src 'self'"


def complete(response: Response) -> None:
    """Give a response the content that was left to be made after its unit."""
    make: Callable[[], bytes] | None = g.pop("unmade_content", None)
    if make is not None:
        response.set_data(make())
