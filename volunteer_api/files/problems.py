"""Refusals of files."""

from typing import Any

from volunteer_api.core.problems import Conflict, InvalidPayload, Problem
from volunteer_api.core.schema import Fault, error_list


class FileStoreUnavailable(Problem):
    """The folder or the bucket can't be used: full, read-only, not reached."""

    status = 503
    title = "Photos can't be read or stored at the moment; nothing was changed."

    def __init__(self, **values: Any) -> None:
        super().__init__(headers={"Retry-After": "5"}, **values)


class TooManyUnusedPhotos(Conflict):
    title = "Too many of the photos that you sent are not used yet."
    detail = (
        "%(limit)s of the photos that you sent are not used yet. Use them, or wait: what nothing uses is deleted after "
        "%(days)s days."
    )
    is_outcome = False


def refused_photo(fault: Fault) -> InvalidPayload:
    """422 with the pointer /file."""
    return InvalidPayload(error_list({"file": [fault]}))
