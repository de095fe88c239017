"""What of a row of the ledger is sealed, as bytes: the same on every database, and after each backup and restore.

A format is never changed. Whoever adds a column to the ledger adds a format that names it as well; days sealed before
are judged by the format that they were sealed in.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

# By format, the columns in their order.
COLUMNS: Mapping[int, tuple[str, ...]] = {
    1: (
        "id",
        "created_at",
        "recorded_at",
        "volunteer_id",
        "minutes",
        "source",
        "attendance_id",
        "activity_id",
        "shift_id",
        "station_id",
        "team_id",
        "campaign_id",
        "organization_id",
        "organization_path_id",
        "on",
        "starts_at",
        "ends_at",
        "place_name",
        "content",
        "leader_id",
        "recorder_id",
        "approver_id",
        "reason",
        "reverses_id",
        "follows_id",
    )
}
FORMAT = max(COLUMNS)


def record_leaf(row: Any, form: int = FORMAT) -> bytes:
    """A row's leaf: an array in JSON (ASCII, no spaces) of the format, then name and value of each column in turn.

    Moments are in UTC with six decimals and `Z`, days `YYYY-MM-DD`, ids lower case with hyphens, what lacks null.
    """
    return _dump(["record", form, *[(name, _plain(getattr(row, name))) for name in COLUMNS[form]]])


def closing_leaf(*, form: int, on: date, ends_at: datetime, count: int, previous_root: bytes | None) -> bytes:
    """The last leaf of a day: which day, when it ended, how many rows, and the root of the day before (null: none)."""
    previous = previous_root.hex() if previous_root is not None else None
    return _dump(["day", form, _plain(on), _plain(ends_at), count, previous])


def moment_text(moment: datetime) -> str:
    """A moment in UTC with six decimals and `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _plain(value: Any) -> str | int | None:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return moment_text(value)
    if isinstance(value, UUID | date):
        return str(value)
    raise TypeError(f"no format says how a {type(value).__name__} is sealed")


def _dump(value: list[Any]) -> bytes:
    return _ENCODE(value).encode()


# Made once: json.dumps makes an encoder for each call.
_ENCODE = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
