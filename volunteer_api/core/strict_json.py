"""JSON as the contract wants it: no duplicate keys, no NaN, no lone surrogates, bounded depth, no endless numbers."""

from typing import Any

import jiter

from volunteer_api.core.problems import MalformedBody

MAX_DEPTH = 32
MAX_MEMBERS = 1000


def parse(data: bytes) -> Any:
    """The value of a JSON text.

    Raises MalformedBody (400) with the reason and its place in the text.
    """
    try:
        value = jiter.from_json(data, allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys")
    except ValueError as error:
        raise MalformedBody(reason=str(error)) from error
    _check_shape(value)
    return value


def _check_shape(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        if any(isinstance(parent, dict) and len(parent) > MAX_MEMBERS for parent in level):
            raise MalformedBody(reason=f"an object has more than {MAX_MEMBERS} members")
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise MalformedBody(reason=f"it is nested deeper than {MAX_DEPTH} levels")
