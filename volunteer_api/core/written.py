"""Answers that a query has already given the form of their schema: written as they are, not dumped field by field.

Of a list of twenty activities the dump was a third of the time. A test holds the two equal (tests/activities).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
from flask import Response, current_app

from volunteer_api.core.etags import digest_of
from volunteer_api.core.json_provider import written as json_of


@dataclass(frozen=True)
class Written:
    """What a view answers in the place of what its `returns` would be dumped from; it carries no version.

    `untagged` names the members whose value does not count for the ETag, only whether there is one, such as the moment
    of counting: whoever asks again gets 304 until something else has changed. Such a tag is a weak one.
    """

    content: Any
    untagged: tuple[str, ...] = ()


def respond_written(written: Written) -> Response:
    """The response."""
    if not written.untagged:
        return cast(Response, current_app.json.response(written.content))
    content = written.content if isinstance(written.content, Mapping) else vars(written.content)
    members = {name: json_of(value) for name, value in content.items()}
    whole = {name: orjson.Fragment(text) for name, text in members.items()}
    response = cast(Response, current_app.json.response(whole))
    told = [text for name, text in members.items() if name not in written.untagged or text == b"null"]
    response.set_etag(digest_of(b",".join(told)), weak=True)
    return response
