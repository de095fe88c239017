"""The folder in which the processes of one server keep what they count, so that any of them can add it up.

Whoever starts a server names it before anything is counted; see `metrics.share`.
"""

import os
import shutil
from pathlib import Path

from volunteer_api.config import BadEnvironment

# The library's own name for it. Its files are mapped into memory; on a slow disk, name a folder of a tmpfs here.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def open_folder(var_directory: Path, port: int) -> None:
    """Make the folder of the server at this port, empty, for this process and those that it starts.

    Where it has a name already, by the process that started this one or by the operator, it stays as it is. Raises
    BadEnvironment where it can't be made.
    """
    if VARIABLE not in os.environ:
        own = var_directory / "metrics" / str(port)
        shutil.rmtree(own, ignore_errors=True)
        os.environ[VARIABLE] = str(own)
    try:
        Path(os.environ[VARIABLE]).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise BadEnvironment(f"the folder {os.environ[VARIABLE]} of metrics can't be written: {reason}.") from error


def folder() -> Path | None:
    """The folder, None where this process counts for itself alone, as a command or a test does."""
    name = os.environ.get(VARIABLE)
    return None if name is None else Path(name)


def forget_process(name: str) -> None:
    """Drop what a process that is gone said of its present; what it counted stays."""
    found = folder()
    for path in found.glob(f"gauge_live*_{name}.db") if found is not None else ():
        path.unlink(missing_ok=True)
