"""Answers over a kilobyte are compressed, as the client asked."""

from flask import Flask, Response, request
from flask_compress import Compress

CODINGS = ("zstd", "br", "gzip")
PLAIN = "identity"


def configure_compression(app: Flask) -> None:
    """Compress what is long enough and text."""
    app.config.update(
        COMPRESS_ALGORITHM=[*CODINGS],
        COMPRESS_MIN_SIZE=1024,
        COMPRESS_MIMETYPES=[
            "application/json",
            "application/problem+json",
            "text/html",
            "text/css",
            "text/javascript",
            "text/calendar",
        ],
        COMPRESS_REGISTER=False,
    )
    compress = Compress(app)

    @app.after_request
    def compress_answer(response: Response) -> Response:
        header = request.headers.get("Accept-Encoding", "")
        if ";" in header:
            # Flask-Compress takes a coding with q=0 for the least wanted, but it is refused.
            accepted = request.accept_encodings.best_match([*CODINGS, PLAIN], default=PLAIN)
            request.environ["HTTP_ACCEPT_ENCODING"] = accepted
        if not response.is_streamed and not response.get_data():
            # It measures by a header that an answer without a body may lack, and gives it one of a byte.
            response.content_length = 0
        return compress.after_request(response)
