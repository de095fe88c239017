"""The application with one more route, which only checks the access token: the yardstick of the figures."""

from flask import Flask, jsonify
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

    return app


application = create()
