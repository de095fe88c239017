"""openapi.json (3.1), made from the declarations."""

from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from flask import Flask
from flask_smorest import Api
from marshmallow import INCLUDE, fields

from volunteer_api import __version__
from volunteer_api.core.problems import HTTP_TITLES, MEDIA_TYPE
from volunteer_api.core.schema import Open, Schema

REFUSALS = {
    **HTTP_TITLES,
    401: "Sign in first.",
    403: "You do not have the right to this.",
    409: "The state of the resource does not allow this.",
    412: "Somebody changed this since you read it.",
    422: "Some values are not valid.",
    428: "Send If-Match with the version that you read.",
    429: "Too many requests.",
    503: "The server can't answer now; try again after Retry-After.",
}


class FaultRead(Schema):
    pointer = fields.String(required=True)
    code = fields.String(required=True)
    detail = fields.String(required=True)


class ProblemRead(Schema):
    """RFC 9457. Further members belong to the `code`."""

    type = fields.String(required=True)
    code = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    instance = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(FaultRead))

    class Meta:
        unknown = INCLUDE


def configure_openapi(app: Flask) -> Api:
    """The flask-smorest Api with our problem responses; register the features' blueprints on it."""
    app.config.update(API_TITLE="Volunteer API", API_VERSION=__version__, OPENAPI_VERSION="3.1.0")
    api = Api(
        spec_kwargs={
            "marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_schema_name),
            "info": {"description": "The backend of a city's volunteer service stations."},
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
