"""The folder in which the processes of one server keep what they count, so that any of them can add it up.

Whoever starts a server opens it; each process that the server forks begins files of its own there, by its own name.
"""

import fcntl
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

# The library's own name for it, and where it looks when it opens a file. Ours is one below what the operator names.
VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# Files are mapped into memory: where the folder is memory, no request ever waits for a disk.
MEMORY = Path("/dev/shm")  # noqa: S108  # ours alone: see _is_ours
# By kind, twice what all routes and methods need; a file that is full would grow by a page that nobody set aside.
BYTES = {"counter": 2**19, "histogram": 2**21, "gauge_livesum": 2**16}


@dataclass(frozen=True)
class Folder:
    """An open folder: `lock` is held by the server and all that it forks, and says that it is in use."""

    path: Path
    lock: int
    opened_by: int


_open: list[Folder] = []


def open_folder(var_directory: Path, port: int) -> None:
    """Make a folder of this server's own, for the processes that it forks; one that is open already stays.

    Folders of servers that are gone are deleted, whatever ended them. Where none can be made, on a full disk say, one
    line says so, and each process counts for itself: a server serves before it counts.
    """
    if _open:
        return
    try:
        parent = _parent(var_directory)
        with _Locked(parent):
            for other in parent.iterdir():
                _delete_if_unused(other)
            path = Path(tempfile.mkdtemp(prefix=f"{port}-", dir=parent))
            lock = os.open(path, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        _complain("no folder for metrics", error)
        return
    _open.append(Folder(path, lock, os.getpid()))


def close_folder() -> None:
    """Delete the folder at the server's end, in the process that opened it."""
    if _open and _open[0].opened_by == os.getpid():
        gone = _open.pop()
        shutil.rmtree(gone.path, ignore_errors=True)
        os.close(gone.lock)


def folder() -> Path | None:
    """The folder, None where this process counts for itself alone, as a command or a test does."""
    return _open[0].path if _open else None


def begin_files(name: str) -> bool:
    """Set aside the files of this process, or go on with those of the one before of its name; False where it can't be.

    No two processes at a time have one name, which has no underscore. All their bytes are written before anybody maps
    them: the first touch of a page that a full disk has no room for ends a process (SIGBUS), and nothing can catch it.
    """
    if (path := folder()) is None:
        return False
    forget_process(name)
    try:
        for kind, size in BYTES.items():
            file = path / f"{kind}_{name}.db"
            if not file.exists():
                # By another name first: a scrape can't read a file without its first bytes.
                fresh = file.with_suffix(".new")
                try:
                    fresh.write_bytes(bytes(size))
                    fresh.replace(file)
                finally:
                    fresh.unlink(missing_ok=True)
    except OSError as error:
        _complain(f"{name} counts for itself", error)
        return False
    os.environ[VARIABLE] = str(path)
    return True


def forget_process(name: str) -> None:
    """Drop what a process that is gone said of its present; what it counted stays."""
    found = folder()
    for path in found.glob(f"gauge_live*_{name}.db") if found is not None else ():
        path.unlink(missing_ok=True)


class _Locked:
    """Nobody else who starts a server looks through the folders meanwhile: a fresh one has no lock yet."""

    def __init__(self, parent: Path) -> None:
        self._parent = parent

    def __enter__(self) -> None:
        self._handle = os.open(self._parent, os.O_RDONLY)
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)


def _parent(var_directory: Path) -> Path:
    """Where the folders of this user's servers are. Raises OSError."""
    if named := os.environ.get(VARIABLE):
        chosen = Path(named)
    elif (in_memory := MEMORY / f"volunteer-api-metrics-{os.getuid()}") and MEMORY.is_dir() and _is_ours(in_memory):
        return in_memory
    else:
        chosen = var_directory
    parent = chosen / "volunteer-api-metrics"
    parent.mkdir(parents=True, exist_ok=True)
    return parent


def _is_ours(path: Path) -> bool:
    """Whether a folder that everybody may make is this user's own, and no link; it is made where it is not there."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        return not path.is_symlink() and path.stat().st_uid == os.getuid()
    except OSError:
        return False


def _delete_if_unused(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(handle)


def _complain(what: str, error: OSError) -> None:
    sys.stderr.write(f"volunteer-api: {what} ({os.strerror(error.errno or 0)})\n")
