"""Failures are facts with names, rendered in one place as RFC 9457 `application/problem+json`."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from flask import Flask, Response, g, has_request_context, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from volunteer_api.core import metrics, texts

MEDIA_TYPE = "application/problem+json"
# More faults than a person reads; without a bound a small body could ask for a huge answer.
MAX_ERRORS = 100
TYPE_BASE = "/docs/problems#"


class Problem(Exception):
    """A named refusal.

    A subclass names its `status`, `title` and `detail`; `code` is its class name in snake case, stable for ever.
    `details` are sentences of some cases, and `case` says which one this is. `values` fill `%(name)s` in the sentence;
    `members` are added to the body; `headers` to the answer.
    `keeps_writes` commits what the unit wrote (a wrong code was counted) although it failed.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "problem"
    title: ClassVar[str] = "The request was refused."
    detail: ClassVar[str] = ""
    details: ClassVar[Mapping[str, str]] = {}
    # Of a class, or of the one refusal before which something was written that stays.
    keeps_writes: bool = False
    # Whether an idempotency key remembers it: only a verdict of the domain, never a passing state.
    is_outcome: ClassVar[bool] = False
    known: ClassVar[dict[str, "type[Problem]"]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.__name__.startswith("_"):
            return  # what several refusals share is none itself
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        # A phone knows a refusal by its code alone.
        if cls.code in Problem.known:
            raise TypeError(f"two problems have the code {cls.code}")
        Problem.known[cls.code] = cls

    def __init__(
        self,
        *,
        case: str = "",
        members: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **values: object,
    ) -> None:
        super().__init__(self.code)
        self.case = case
        self.members = members or {}
        self.headers = headers or {}
        self.values = values

    def sentence(self) -> str:
        """The detail in the request's language."""
        return texts.translate(self.details.get(self.case) or self.detail or self.title, **self.values)

    def body(self) -> dict[str, Any]:
        """The members of the problem document."""
        return problem_body(self.status, self.code, texts.translate(self.title), self.sentence()) | self.members


class Conflict(Problem):
    """The request is well formed, but the state of the world refuses it."""

    status = 409
    title = "The state of the resource does not allow this."
    is_outcome = True


class NotFound(Problem):
    status = 404
    title = "There is nothing here that you can see."


class Forbidden(Problem):
    status = 403
    title = "You do not have the right to this."


class Unauthorized(Problem):
    """No token, or one that does not count."""

    status = 401
    title = "Sign in first."

    def __init__(self, **values: Any) -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer realm="volunteer-api"'}, **values)


class TokenExpired(Unauthorized):
    title = "The access token has expired."


class TokenInvalid(Unauthorized):
    title = "The access token is not valid."


class SessionEnded(Unauthorized):
    title = "This session has ended."


class MalformedBody(Problem):
    status = 400
    """`reason`, in English, is what the parser says."""

    title = "The body is not valid JSON."
    details: ClassVar[Mapping[str, str]] = {
        "at": "The body is not valid JSON, at line %(line)s, column %(column)s.",
        "members": "The body has an object of more than %(most)s members.",
        "levels": "The body is nested deeper than %(most)s levels.",
    }


class UnsupportedMediaType(Problem):
    status = 415
    title = "The body has another media type than this address takes."
    detail = "The body must be %(expected)s."

    def __init__(self, expected: str = "application/json") -> None:
        super().__init__(expected=expected)


class BodyTooLarge(Problem):
    status = 413
    title = "The body is too large."
    detail = "The body is larger than %(limit)s bytes."


class InvalidPayload(Problem):
    """422: the payload itself is wrong; `errors` has a JSON pointer, a stable code and a sentence for each fault."""

    status = 422
    title = "Some values are not valid."

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(members={"errors": errors[:MAX_ERRORS]})


class InvalidCursor(Problem):
    status = 400
    title = "The cursor belongs to another list or to other filters."


class IdempotencyKeyMissing(Problem):
    status = 400
    title = "This operation needs an Idempotency-Key header."


class IdempotencyKeyInvalid(Problem):
    status = 400
    title = "An Idempotency-Key has 1 to 64 visible ASCII characters."


class IdempotencyKeyReused(Problem):
    status = 422
    title = "This Idempotency-Key was used for another request."


class PreconditionRequired(Problem):
    status = 428
    title = "Send If-Match with the version that you read."


class IfMatchInvalid(Problem):
    status = 400
    title = "This If-Match names no version."
    detail = 'If-Match is the ETag that you read, as it came, or the version in quotes, like "3".'


class PreconditionFailed(Problem):
    status = 412
    title = "Somebody changed this since you read it."


class TooManyRequests(Problem):
    status = 429
    title = "Too many requests."
    detail = "Too many requests. Try again in %(seconds)s seconds."


class Busy(Problem):
    status = 503
    title = "The server is busy; try again in a moment."

    def __init__(self, **values: Any) -> None:
        super().__init__(headers={"Retry-After": "1"}, **values)


class Unavailable(Problem):
    status = 503
    title = "The database can't be reached; nothing was changed."

    def __init__(self, **values: Any) -> None:
        super().__init__(headers={"Retry-After": "5"}, **values)


class OutcomeUnknown(Unavailable):
    """The connection broke inside COMMIT: only the idempotency key can tell."""

    title = "The connection broke while saving; repeat the request with the same Idempotency-Key."


HTTP_TITLES = {
    400: "The request is malformed.",
    404: "There is nothing at this address.",
    405: "This address does not know this method.",
    406: "This can't be given in a form that you accept.",
    408: "The request took too long to arrive.",
    413: "The body is too large.",
    414: "The address is too long.",
    415: "The body has another media type than this address takes.",
    431: "The headers are too large.",
    500: "Something went wrong on our side.",
}

# What the server refuses before the application sees it (gunicorn.conf.py).
UNREAD = {
    400: ("bad_request", "The request is malformed."),
    403: ("forbidden", "The request was refused."),
    408: ("request_timeout", "The request took too long to arrive."),
    414: ("uri_too_long", "The address is too long."),
    417: ("expectation_failed", "The server can't do what Expect asks for."),
    431: ("headers_too_large", "The headers are too large."),
    501: ("not_implemented", "This transfer coding is not supported."),
}


class InternalError(Problem):
    """A fault of ours that costs one operation of several; alone it would be an answer of its own (`render_crash`)."""

    status = 500
    title = HTTP_TITLES[500]


def problem_body(status: int, code: str, title: str, detail: str) -> dict[str, Any]:
    """The members that every problem document has."""
    return {
        "type": TYPE_BASE + code,
        "code": code,
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.path if has_request_context() else "",
        "request_id": g.get("request_id", "") if has_request_context() else "",
    }


def http_code(name: str) -> str:
    """The code of a refusal that is no problem of ours, by the name that HTTP gives its status."""
    return re.sub(r"\W+", "_", name).lower()


def render(problem: Problem) -> Response:
    """The answer for a named problem."""
    return _respond(problem.body(), problem.status, problem.headers)


def register_problem_handlers(app: Flask) -> None:
    """Let every 4xx and 5xx of the application, Flask's own included, speak problem+json."""

    @app.errorhandler(Problem)
    def render_problem(problem: Problem) -> Response:
        return render(problem)

    @app.errorhandler(HTTPException)
    def render_http_exception(error: HTTPException) -> BaseResponse:
        status = error.code or 500
        if error.response is not None or status < 400:
            return error.get_response()
        code = http_code(error.name)
        title = texts.translate(HTTP_TITLES.get(status, error.name))
        headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
        return _respond(problem_body(status, code, title, title), status, headers)

    @app.errorhandler(Exception)
    def render_crash(error: Exception) -> Response:
        app.extensions["volunteer_api.log"].exception("unhandled", error=type(error).__name__)
        return render(InternalError())


def _respond(body: dict[str, Any], status: int, headers: dict[str, str]) -> Response:
    metrics.REFUSALS.labels(body["code"]).inc()
    g.problem_code = body["code"]
    response = Response(orjson.dumps(body), status=status, content_type=MEDIA_TYPE)
    response.headers.extend(headers)
    response.headers["Content-Language"] = texts.language()
    response.vary.add("Accept-Language")
    response.headers["Cache-Control"] = "no-store"
    return response
