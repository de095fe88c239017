"""The application with one more route, which only checks the access token: the yardstick of the figures.

Every answer names the worker that gave it.
"""

import os

from flask import Flask, Response, jsonify
from flask.typing import ResponseReturnValue

from volunteer_api.app import create_app
from volunteer_api.core.access import signed_in
from volunteer_api.core.tokens import authenticate


def create() -> Flask:
    """The application under load."""
    app = create_app()

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
