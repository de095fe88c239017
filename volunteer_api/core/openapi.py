"""openapi.json (3.1), made from the declarations."""

import threading
from functools import cached_property
from typing import Any

import orjson
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Flask
from flask_smorest import Api, Blueprint
from marshmallow import INCLUDE, fields

from volunteer_api import __version__
from volunteer_api.core.contract import complete_contract
from volunteer_api.core.problems import HTTP_TITLES, MEDIA_TYPE
from volunteer_api.core.schema import Open, Schema

REFUSALS = {
    **HTTP_TITLES,
    401: "Sign in first.",
    403: "You do not have the right to this.",
    409: "The state of the resource does not allow this.",
    410: "This is too old to go on from.",
    412: "Somebody changed this since you read it.",
    422: "Some values are not valid.",
    428: "Send If-Match with the version that you read.",
    429: "Too many requests.",
    503: "The server can't answer now; try again after Retry-After.",
}


class FaultRead(Schema):
    pointer = fields.String(required=True, metadata={"description": "RFC 6901, into the body; of a query, its name."})
    code = fields.String(required=True, metadata={"description": "One of those at `/docs/problems#errors`."})
    detail = fields.String(required=True)


class ProblemRead(Schema):
    """RFC 9457. Further members belong to the `code`."""

    type = fields.String(required=True)
    code = fields.String(required=True, metadata={"description": "One of those at `/docs/problems`."})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(FaultRead))

    class Meta:
        unknown = INCLUDE


class LateApi(Api):
    """flask-smorest's, but the operations are described once somebody asks, not at every start of every process."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._described: list[Blueprint] = []
        self._lock = threading.Lock()

    def register_blueprint(self, blueprint: Blueprint, **_options: Any) -> None:
        """Serve what it routes, and remember to describe it."""
        self._app.register_blueprint(blueprint)
        self._described.append(blueprint)

    def text(self) -> bytes:
        """The contract, the same bytes on every machine: `openapi.json` in the repository is this."""
        with self._lock:
            return self._text

    @cached_property
    def _text(self) -> bytes:
        for blueprint in self._described:
            blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
            self.spec.tag({"name": blueprint.name, "description": blueprint.description})
        document = self.spec.to_dict()
        complete_contract(document)
        return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def configure_openapi(app: Flask) -> LateApi:
    """The flask-smorest Api with our problem responses; register the features' blueprints on it."""
    app.config.update(API_TITLE="Volunteer API", API_VERSION=__version__, OPENAPI_VERSION="3.1.0")
    api = LateApi(
        spec_kwargs={
            "marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_schema_name),
        }
    )
    api.DEFAULT_ERROR_RESPONSE_NAME = None
    api.init_app(app)
    api.ma_plugin.converter.add_attribute_function(_open_object)
    components = api.spec.components
    components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    components.schema("Problem", schema=ProblemRead)
    for status, description in REFUSALS.items():
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        components.response(f"problem_{status}", {"description": description, "content": content})
    return api


def _schema_name(schema: Any) -> str:
    found = resolve_schema_cls(schema)
    name = str(getattr(found, "__name__", ""))
    return name.removesuffix("Read").removesuffix("Schema") if name.endswith(("Read", "Schema")) else name


def _open_object(_self: Any, field: Any, **_kwargs: Any) -> dict[str, Any]:
    return {"additionalProperties": True} if isinstance(field, Open) else {}
