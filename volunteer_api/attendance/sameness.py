"""What makes two requests under one key the same tap: kind, target and the phone's time, by whichever way it came.

A retry has another delay, and may come in a batch where the first try came alone.
"""

from typing import Any


def same_check_in(body: Any, path: dict[str, Any]) -> tuple[Any, ...]:
    """What is compared of a check-in, as it was sent."""
    target = _member(body, "shift_id") or _member(body, "station_id")
    return ("check_in", target, _client_time(body))


def same_check_out(body: Any, path: dict[str, Any]) -> tuple[Any, ...]:
    """What is compared of a check-out; `path` has the id of its attendance."""
    return ("check_out", path["attendance_id"], _client_time(body))


def same_check_out_by_key(body: Any, check_in_key: str) -> tuple[Any, ...]:
    """What is compared of a check-out as long as only the key of its check-in is known."""
    return ("check_out_by_key", check_in_key, _client_time(body))


def _client_time(body: Any) -> Any:
    return _member(_member(body, "evidence"), "client_time")


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
