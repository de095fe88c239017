"""JSON as the contract wants it: no duplicate keys, no NaN, no lone surrogates, bounded depth, no endless numbers."""

import re
from typing import Any

import jiter

from volunteer_api.core.problems import MalformedBody

MAX_DEPTH = 32
MAX_MEMBERS = 1000
# Where the parser gave up stands at the end of what it says.
PLACE = re.compile(r"at line (?P<line>\d+) column (?P<column>\d+)$", re.ASCII)


def parse(data: bytes) -> Any:
    """The value of a JSON text.

    Raises MalformedBody (400) with the reason and its place in the text.
    """
    try:
        value = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        reason = str(error)
        place = PLACE.search(reason)
        raise MalformedBody(
            case="at" if place is not None else "",
            members={"reason": reason},
            line=place["line"] if place is not None else "",
            column=place["column"] if place is not None else "",
        ) from error
    _check_shape(value)
    return value


def _check_shape(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        if any(isinstance(parent, dict) and len(parent) > MAX_MEMBERS for parent in level):
            raise MalformedBody(case="members", most=MAX_MEMBERS)
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise MalformedBody(case="levels", most=MAX_DEPTH)
