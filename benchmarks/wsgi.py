"""The application with two more routes, the yardsticks of the figures. Every answer names the worker that gave it.

`/token-only` checks what a token says of itself: its signature and its claims. `/api/v1/signed-in-only` is a route as
all others are, and answers nothing: whoever it lets in has a session that is still open, which the database tells.
"""

import os

from flask import Flask, Response, jsonify
from flask.typing import ResponseReturnValue

from volunteer_api.app import create_app
from volunteer_api.core.access import signed_in
from volunteer_api.core.endpoint import endpoint, feature_blueprint
from volunteer_api.core.schema import Schema
from volunteer_api.core.tokens import authenticate

blueprint = feature_blueprint("yardsticks", __name__, "What ratios are of.")


@endpoint(blueprint, "GET", "/signed-in-only", access=signed_in, returns=Schema)
def signed_in_only() -> dict[str, str]:
    """Answer whoever is signed in."""
    return {}


def create() -> Flask:
    """The application under load."""
    app = create_app()
    app.register_blueprint(blueprint)

    @app.get("/token-only")
    def token_only() -> ResponseReturnValue:
        principal = authenticate(signed_in)
        return jsonify(volunteer_id=str(principal.volunteer_id) if principal else None)

    @app.after_request
    def name_worker(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    return app


application = create()
