"""One declaration per route, and the one way of a request through the application.

read the body → authenticate → begin → look the key up → load and authorize → load the payload → view → flush → dump →
store the answer under its key → commit → respond
"""

import functools
import hashlib
import inspect
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from flask import Response, current_app, g, request
from flask_smorest import Blueprint
from flask_smorest.utils import get_appcontext
from marshmallow import EXCLUDE, ValidationError
from sqlalchemy.orm.exc import StaleDataError
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict

from volunteer_api.core import at_once, etags, texts
from volunteer_api.core.access import Access, Principal
from volunteer_api.core.at_once import AtOnce
from volunteer_api.core.bodies import needs_nothing, read_body, receive_upload, take_file
from volunteer_api.core.database import db
from volunteer_api.core.downloads import Download, complete, respond_with
from volunteer_api.core.idempotency import HEADER, Replayable, read_key
from volunteer_api.core.limits import check_limit
from volunteer_api.core.operations import SAFE_METHODS, Comparison, Idempotency, document, headers
from volunteer_api.core.problems import (
    InvalidPayload,
    PreconditionFailed,
    Problem,
    render,
)
from volunteer_api.core.schema import Fault, Schema, error_list
from volunteer_api.core.tokens import authenticate, require_open_session
from volunteer_api.core.unit_of_work import LOST, Rerun, judge, run_unit
from volunteer_api.core.written import Written, respond_written

API_PREFIX = "/api/v1"
View = Callable[..., Any]
Preparation = Callable[..., Any]
Fingerprint = Callable[[Any, dict[str, Any]], tuple[Any, ...]]
Judgment = Callable[..., AtOnce | None]


OPTIONAL, REQUIRED, NONE = Idempotency.OPTIONAL, Idempotency.REQUIRED, Idempotency.NONE


class StrictParser(FlaskParser):
    """webargs with strict JSON and strict query strings."""

    DEFAULT_VALIDATION_STATUS = 422

    def load_json(self, req: Any, schema: Any) -> Any:
        return g.json

    def load_querystring(self, req: Any, schema: Any) -> dict[str, str]:
        if schema.unknown == EXCLUDE:
            # Of a page. What was hung to an address stands behind what it had.
            values: dict[str, str] = req.args.to_dict()
            return values
        return _single_values(req.args)

    def handle_error(
        self, error: ValidationError, req: Any, schema: Any, *, error_status_code: Any, error_headers: Any
    ) -> Any:
        messages: Any = error.messages
        located = messages if isinstance(messages, dict) else {}
        raise InvalidPayload(error_list(located.get("json", located.get("query", messages)))) from error


StrictParser.DEFAULT_UNKNOWN_BY_LOCATION = {"json": None, "query": None}


class FeatureBlueprint(Blueprint):
    """flask-smorest's blueprint with our parser."""

    ARGUMENTS_PARSER = StrictParser()
    # Whether an address may carry parameters that its route does not know.
    takes_strange_parameters = False


class PageBlueprint(FeatureBlueprint):
    """Pages for people. Who passes an address on, like WeChat, hangs parameters of its own to it."""

    takes_strange_parameters = True


def feature_blueprint(name: str, import_name: str, description: str) -> FeatureBlueprint:
    """The blueprint of a feature, under the contract's base."""
    return FeatureBlueprint(name, import_name, url_prefix=API_PREFIX, description=description)


def page_blueprint(name: str, import_name: str, description: str) -> FeatureBlueprint:
    """The blueprint of a feature's pages for people, at the root beside the contract's base."""
    return PageBlueprint(name, import_name, description=description)


def endpoint(
    blueprint: FeatureBlueprint,
    method: str,
    rule: str,
    *,
    access: Access,
    query: type[Schema] | None = None,
    body: type[Schema] | None = None,
    returns: type[Schema] | None = None,
    status: int = 200,
    idempotency: Idempotency | None = None,
    fingerprint: Fingerprint | None = None,
    edits: bool = False,
    limit: str | None = None,
    upload: bool = False,
    prepare: Preparation | None = None,
    produces: str | None = None,
    audits: bool = False,
    in_one_statement: Judgment | None = None,
    at_one_moment: bool = False,
    in_units: bool = False,
    learns_session: bool = False,
    refuses: tuple[int, ...] = (),
) -> Callable[[View], View]:
    """Declare a route: who may use it (`access`, never left out), what it takes, what it answers.

    The view takes by name what it needs of `principal`, `query`, `body`, `upload`, `key` (the request's
    Idempotency-Key) and `names_version` (whether it has If-Match, which then was compared); its one other parameter is
    the resource that `access` loaded. `upload` takes one file as multipart/form-data, under the name "file".
    `prepare(principal, upload)` runs before the unit, for slow work that must hold no transaction, once the caller may
    do this and the key is new; the view's `upload` is then what it returned. `produces` is the media type of a view
    that returns a Download. `audits` lets a GET commit what it notes of who read.
    `edits` asks for If-Match and compares it with the resource's version; other writes compare it where it is sent,
    and a view that takes `names_version` judges whether it had to be.
    `fingerprint` takes the parsed body and the path's arguments and returns what must be equal for two requests under
    one key to be the same. `limit` is per address, like "60/10 minutes".
    `in_one_statement(principal, body, connection)` is for a call that a crowd makes: it reads, judges and says what one
    statement is to write (see at_once.py), or None where the case is not plain; the view is the way for all of those.
    `at_one_moment` is for figures of several statements that must add up, whatever is written meanwhile.
    `in_units` is for work that would keep SQLite's other writers waiting: the view runs it in units of its own
    (`run_units`), and what it works on has keys of its own.
    `learns_session` is for a list that many read: its own statement asks whether the session is open (`learn_session`),
    and only where it had no row to tell by is that asked alone, before anything is answered.
    `refuses` names the statuses of refusals that do not follow from the rest of the declaration.
    """
    if not isinstance(access, Access):
        raise TypeError(f"{method} {rule} declares no access")
    if prepare is not None and not upload:
        raise TypeError(f"{method} {rule} prepares no upload")
    if in_one_statement is not None and (access.load is not None or body is None or returns is None):
        raise TypeError(f"{method} {rule} can't be one statement")
    if in_units and (access.load is not None or idempotency is not Idempotency.NONE):
        raise TypeError(f"{method} {rule} can't run units of its own")
    keyed = idempotency or (Idempotency.OPTIONAL if method == "POST" and not access.anonymous else Idempotency.NONE)
    safe = method in SAFE_METHODS
    if learns_session and (not safe or audits or access.load is not None or produces is not None or in_units):
        raise TypeError(f"{method} {rule} must know first whether the session is open")
    writes = not safe or audits

    def decorate(view: View) -> View:
        # Made once: to make a schema for a request takes longer than to load a query by it.
        given, answered = (schema() if schema is not None else None for schema in (body, returns))
        unknown: Literal["exclude"] | None = "exclude" if blueprint.takes_strange_parameters else None
        asked = query(unknown=unknown) if query is not None else None
        inner = _adapt(view, access, rule, writes=writes, edits=edits)
        by_caller = access.anonymous and _looks_at_caller(view, access)
        comparison = None if safe else _comparison(view, access, edits)
        if body is not None:
            needed = not needs_nothing(body)
            inner = blueprint.arguments(given, location="json", arg_name="body", required=needed)(inner)
        if query is not None:
            inner = blueprint.arguments(asked, location="query", arg_name="query")(inner)
        binary = {"type": "string", "format": "binary"}
        answer = (
            blueprint.response(status, returns)(inner)
            if produces is None
            else blueprint.response(status, binary, content_type=produces)(inner)
        )

        def admit(
            path: dict[str, Any], principal: Principal | None, replayable: Replayable | None
        ) -> tuple[Response | None, Any]:
            # Of a unit that runs again, what the one before dumped is no answer.
            g.dumped = None
            g.pop("open_session", None)
            if replayable is not None and principal is not None:
                if (first := replayable.admit(principal)) is not None:
                    return first, None
            elif principal is not None and not learns_session:
                require_open_session(principal)
            return None, _load(access, principal, path)

        def proceed(path: dict[str, Any], principal: Principal | None, replayable: Replayable | None) -> Response:
            if prepare is not None:
                first, _ = run_unit(lambda: admit(path, principal, replayable), writes=False)
                if first is not None:
                    return first
                g.upload = prepare(principal, g.upload)
            if in_one_statement is not None and replayable is not None and at_once.is_possible():
                response = perform_at_once(principal, replayable)
                if response is not None:
                    return response
            if in_units:
                run_unit(lambda: admit(path, principal, replayable), writes=False)
                return perform(path, principal, replayable, None)
            return run_unit(
                lambda: admit_and_perform(path, principal, replayable),
                writes=writes,
                loose=not writes,
                at_one_moment=at_one_moment,
            )

        def admit_and_perform(
            path: dict[str, Any], principal: Principal | None, replayable: Replayable | None
        ) -> Response:
            first, resource = admit(path, principal, replayable)
            if first is not None:
                return first
            learner = principal if learns_session else None
            try:
                response = perform(path, principal, replayable, resource)
            except Problem:
                if learner is not None:
                    # Who is signed out hears of nothing else.
                    require_open_session(learner)
                # What its twin did since the look above may be why it is refused: then the twin's answer is due.
                if replayable is not None and replayable.first_answer() is not None:
                    raise Rerun() from None
                raise
            if learner is not None:
                require_open_session(learner)
            return response

        def perform(
            path: dict[str, Any], principal: Principal | None, replayable: Replayable | None, resource: Any
        ) -> Response:
            if edits or (not safe and "If-Match" in request.headers and hasattr(resource, "version")):
                etags.require_version(resource)
            g.call = {"principal": principal, "resource": resource}
            if query is None and not blueprint.takes_strange_parameters:
                _single_values(request.args, allowed=())
            response: Response = answer(**path)
            g.dumped = get_appcontext().pop("result_dump", None)
            if status == 204:
                response.set_data(b"")
                response.headers.pop("Content-Type", None)
            if replayable is not None:
                replayable.store(response)
            return response

        def perform_at_once(principal: Principal | None, replayable: Replayable) -> Response | None:
            if principal is None or in_one_statement is None or given is None or answered is None or request.args:
                return None
            try:
                loaded = given.load(g.json)
                with at_once.connected() as connection:
                    effect = in_one_statement(principal, loaded, connection)
                    if effect is None:
                        return None
                    g.dumped = answered.dump(effect.row)
                    response: Response = current_app.json.response(g.dumped)  # type: ignore[assignment]  # typed as werkzeug's
                    response.status_code = status
                    return response if at_once.write(connection, effect, principal, replayable, response) else None
            except (ValidationError, Problem):
                # Whoever refuses by the general way gives the reasons.
                return None
            except LOST as error:
                judge(error)
                # Lost to another, or with the connection: what was written nevertheless, the general way finds.
                return None

        @functools.wraps(answer)
        def run(**path: Any) -> Response:
            if not blueprint.takes_strange_parameters:
                _require_text(request.query_string)
            raw = receive_upload() if upload else read_body(body, safe=safe)
            if limit is not None:
                check_limit(limit, f"{method} {rule}")
            principal = authenticate(access)
            if upload:
                # Hostile parts cost seconds: only for those who have a token and a try left.
                take_file(raw)
            replayable = None
            if keyed is not Idempotency.NONE and principal is not None:
                compared = _compared(fingerprint, path, upload)
                replayable = read_key(
                    principal.volunteer_id, raw, required=keyed is Idempotency.REQUIRED, compared=compared
                )
            try:
                response = proceed(path, principal, replayable)
                complete(response)
            except Problem as problem:
                response = render(problem)
                response.headers.update(g.pop("limit_headers", {}))
                if replayable is not None and problem.is_outcome:
                    response = run_unit(lambda: _store_refusal(replayable, response), writes=True)
                return response
            version = _version_of(response)
            if version is not None or safe:
                etags.tag(response, version)
            if safe:
                etags.answer_condition(response)
            response.headers.update(g.pop("limit_headers", {}))
            if g.pop("has_words", True):
                response.headers.setdefault("Content-Language", texts.language())
                response.vary.add("Accept-Language")
            if by_caller:
                response.vary.add("Authorization")
            return response

        run.access = access  # type: ignore[attr-defined]  # read by the architecture test and the docs
        described = run._apidoc  # type: ignore[attr-defined]  # flask-smorest's place for it
        described["manual_doc"] = {"operationId": view.__name__} | document(
            method, access, query, body, keyed, comparison, limit, upload, refuses
        )
        described.get("arguments", {}).pop("responses", None)  # its names differ between Pythons
        if named := headers(keyed, comparison):
            # Beside those of the query: a list in the manual document would take their place.
            described.setdefault("arguments", {}).setdefault("parameters", []).extend(named)
        blueprint.add_url_rule(rule, view.__name__, run, methods=[method])
        return view

    return decorate


def _adapt(view: View, access: Access, rule: str, *, writes: bool, edits: bool) -> View:
    """Call the view with just what its signature names, and flush what it did before its result is dumped."""
    names = list(inspect.signature(view).parameters)
    context = {"principal", "query", "body", "upload", "key", "names_version"}
    resources = [name for name in names if name not in context]
    if len(resources) > (0 if access.load is None else 1):
        raise TypeError(f"the view of {rule} takes {resources}; a view gets its resource from `access`")

    @functools.wraps(view)
    def adapted(**given: Any) -> Any:
        call = g.call
        known = {
            "principal": call["principal"],
            "query": given.get("query"),
            "body": given.get("body"),
            "upload": g.get("upload"),
            "key": request.headers.get(HEADER),
            "names_version": "If-Match" in request.headers,
        }
        result = view(**{name: known[name] if name in known else call["resource"] for name in names})
        if writes:
            _flush(edits)
        if isinstance(result, Written):
            g.written = True
            return respond_written(result)
        return respond_with(result) if isinstance(result, Download) else result

    return adapted


def _looks_at_caller(view: View, access: Access) -> bool:
    """Whether a public answer may be another for another caller: not where both leave the principal unused."""
    loader = list(inspect.signature(access.load).parameters)[:1] if access.load is not None else []
    return "principal" in [*inspect.signature(view).parameters, *loader]


def _comparison(view: View, access: Access, edits: bool) -> Comparison | None:
    """What a write does with If-Match; None where nothing has a version."""
    if edits:
        return Comparison.REQUIRED
    if "names_version" in inspect.signature(view).parameters:
        return Comparison.JUDGED
    resource = inspect.signature(access.load).return_annotation if access.load is not None else None
    return Comparison.OPTIONAL if hasattr(resource, "version") else None


def _load(access: Access, principal: Principal | None, path: dict[str, Any]) -> Any:
    return access.load(principal, **path) if access.load is not None else None


def _compared(fingerprint: Fingerprint | None, path: dict[str, Any], upload: bool) -> tuple[Any, ...] | None:
    """What makes two requests under one key the same; None for method, address and body."""
    if upload:
        # The boundary between the parts is another in every try; the file is what counts.
        return request.method, request.full_path, hashlib.sha256(g.upload.content).digest()
    return fingerprint(g.json, path) if fingerprint is not None else None


def _require_text(query: bytes) -> None:
    """Raise InvalidPayload (422) for parameters that are no UTF-8: something else would be looked for than was sent."""
    faults = {}
    for part in query.split(b"&"):
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            name = unquote_to_bytes(part.partition(b"=")[0]).decode(errors="replace")
            faults[name] = [Fault("not_text")]
    if faults:
        raise InvalidPayload(error_list(faults))


def _single_values(arguments: MultiDict[str, str], allowed: tuple[str, ...] | None = None) -> dict[str, str]:
    """The query string as a flat mapping. Raises InvalidPayload (422) for a repeated or an unknown name."""
    faults = {name: [Fault("repeated")] for name, values in arguments.lists() if len(values) > 1}
    if allowed is not None:
        faults |= {name: [Fault("unknown")] for name in arguments if name not in allowed}
    if faults:
        raise InvalidPayload(error_list(faults))
    return arguments.to_dict()


def _flush(edits: bool) -> None:
    try:
        db.session.flush()
    except StaleDataError as error:
        if edits:
            raise PreconditionFailed() from error
        raise


def _store_refusal(replayable: Replayable, response: Response) -> Response:
    if (first := replayable.first_answer()) is not None:
        return first
    replayable.store(response)
    return response


def _version_of(response: Response) -> int | None:
    if g.pop("written", False):
        return None
    # What was dumped a moment ago; of a first answer, which was stored as bytes, what these say.
    content = g.pop("dumped", None)
    if content is None:
        content = response.get_json(silent=True) if response.is_json else None
    version = content.get("version") if isinstance(content, dict) else None
    return version if isinstance(version, int) else None
