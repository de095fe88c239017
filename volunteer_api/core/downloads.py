"""Answers that are files: a service returns a Download, the wrapper makes the response."""

from dataclasses import dataclass
from urllib.parse import quote

from flask import Response

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"
HTML = "text/html; charset=utf-8"
# Nothing in a file runs, leads elsewhere or is framed.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Download:
    """A file to answer with: its bytes, type, and the name to save it under (None: shown in place).

    `kept_seconds` is how long a phone may keep it without asking again; 0 for what is private and changes.
    """

    content: bytes
    media_type: str
    file_name: str | None = None
    kept_seconds: int = 0


def respond_with(download: Download) -> Response:
    """The response; a browser never guesses another type, and runs nothing that stands in the file."""
    response = Response(download.content, content_type=download.media_type)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = POLICY
    # The address of a page may hold a code.
    response.headers["Referrer-Policy"] = "no-referrer"
    keep = f"private, max-age={download.kept_seconds}, immutable" if download.kept_seconds else "no-store"
    response.headers["Cache-Control"] = keep
    if download.file_name is not None:
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(download.file_name)}"
    return response
