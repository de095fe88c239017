"""Structured logs: one JSON object a line in production, readable lines in development, and no personal data in either.

Only slow and failed requests are logged, unless LOG_LEVEL is DEBUG: a line for each costs a fifth of the throughput.
"""

import logging
import re
import sys
import time
from typing import Any

import orjson
import structlog
from flask import Flask, Response, current_app, g, request
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from volunteer_api.config import Settings
from volunteer_api.core import ids
from volunteer_api.core.settings import settings

EXTENSION = "volunteer_api.log"
SLOW_SECONDS = 1.0
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# A mainland phone or resident number, alone or after the country's code, must never stand in a log.
# One in some hundred UUIDs has such a run of digits, and who looks for a request by its id must find it.
ID_WITHIN = r"(?<![0-9A-Za-z])[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}(?![0-9A-Za-z])"
PERSONAL = re.compile(rf"({ID_WITHIN})|(?<!\d)(?:\+?86)?1[3-9]\d{{9}}(?!\d)|(?<!\d)\d{{17}}[\dXx](?!\d)")


def logger() -> FilteringBoundLogger:
    """The running application's logger."""
    found: FilteringBoundLogger = current_app.extensions[EXTENSION]
    return found


def configure_logs(app: Flask, chosen: Settings) -> None:
    """Make the logger, and give every answer its `X-Request-Id` and `Date`."""
    level = logging.getLevelNamesMapping()[chosen.log_level]
    app.extensions[EXTENSION] = _make_logger(chosen, level)
    # Libraries that speak through the standard logging module: only what is wrong, in the same form.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_before(), processors=[_strip, _renderer(chosen)])
    )
    root = logging.getLogger()
    for old in [one for one in root.handlers if getattr(one, "of_volunteer_api", False)]:
        root.removeHandler(old)
    handler.of_volunteer_api = True  # type: ignore[attr-defined]  # marks ours, so that a second app does not log twice
    root.addHandler(handler)
    root.setLevel(max(level, logging.WARNING))

    app.before_request(_begin_request)
    app.after_request(_end_request)


def seconds_so_far() -> float:
    """How long this request has taken."""
    started: float = g.request_started
    return time.perf_counter() - started


def mask(text: str) -> str:
    """The text with phone and resident numbers blotted out; ids are left whole."""
    return PERSONAL.sub(lambda found: found[1] or "[hidden]", text)


def _begin_request() -> None:
    # A request id of the caller's proxy is kept, so that one id follows a call through both logs.
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if settings().trusted_proxies and REQUEST_ID.fullmatch(given) else ids.new_id().hex
    g.request_started = time.perf_counter()


def _end_request(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    if "Date" not in response.headers:
        response.date = time.time()  # type: ignore[assignment]  # werkzeug takes a timestamp and writes the HTTP date
    seconds = seconds_so_far()
    log = current_app.extensions[EXTENSION]
    if response.status_code >= 500:
        write, event = log.warning, "request_failed"
    elif seconds >= SLOW_SECONDS:
        write, event = log.warning, "request_slow"
    else:
        write, event = log.debug, "request"
    told = {"code": g.problem_code} if "problem_code" in g else {}
    write(
        event,
        method=request.method,
        # The rule and not the path: ids and certificate numbers stay out of the log.
        rule=str(request.url_rule or ""),
        status=response.status_code,
        duration_ms=round(seconds * 1000),
        **told,
    )
    return response


def _make_logger(chosen: Settings, level: int) -> FilteringBoundLogger:
    made: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[*_before(), _renderer(chosen)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    return made


def _before() -> list[Any]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_request_id,
        structlog.processors.format_exc_info,
        _hide_personal_data,
    ]


def _renderer(chosen: Settings) -> Any:
    if chosen.environment == "production":
        return structlog.processors.JSONRenderer(
            serializer=lambda event, **_: orjson.dumps(event, default=str).decode()
        )
    return structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)


def _add_request_id(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    if g and "request_id" in g:
        event["request_id"] = g.request_id
    return event


def _hide_personal_data(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    return {key: mask(value) if isinstance(value, str) else value for key, value in event.items()}


def _strip(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    return {key: value for key, value in event.items() if key not in ("_record", "_from_structlog")}
