"""Refusals of files."""

from typing import Any

from volunteer_api.core.problems import InvalidPayload, Problem
from volunteer_api.core.schema import Fault, error_list


class FileStoreUnavailable(Problem):
    """The folder or the bucket can't be used: full, read-only, not reached."""

    status = 503
    title = "Photos can't be read or stored at the moment; nothing was changed."

    def __init__(self, **values: Any) -> None:
        super().__init__(headers={"Retry-After": "5"}, **values)


def refused_photo(fault: Fault) -> InvalidPayload:
    """422 with the pointer /file."""
    return InvalidPayload(error_list({"file": [fault]}))
