"""Answers that a query has already given the form of their schema: written as they are, not dumped field by field.

Of a list of twenty activities the dump was a third of the time. A test holds the two equal (tests/activities).
"""

from dataclasses import dataclass
from typing import Any

from flask import Response, current_app


@dataclass(frozen=True)
class Written:
    """What a view answers in the place of what its `returns` would be dumped from; it carries no version."""

    content: Any


def respond_written(written: Written) -> Response:
    """The response."""
    return Response(current_app.json.dumps(written.content), mimetype="application/json")
