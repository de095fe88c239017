"""What a server needs of its machine, judged before anything starts: each fault is one line for a person."""

import os
import socket
import tempfile
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from volunteer_api.config import BadEnvironment, Settings
from volunteer_api.core.database import engine_options


def check_folder(settings: Settings) -> None:
    """Make the VAR_DIR folder, for its owner alone. Raises BadEnvironment where it can't be made or written."""
    try:
        settings.var_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.var_directory):
            pass
    except OSError as error:
        raise BadEnvironment(
            f"the folder {settings.var_directory} (VAR_DIR) can't be written: {os.strerror(error.errno or 0)}."
        ) from error


def open_to_others(settings: Settings) -> Path | None:
    """The folder that others of this machine may look into and should not: VAR_DIR, or that of a SQLite file.

    Not the file itself: SQLite makes others beside it, and nobody reaches any of them where the folder is closed.
    """
    url = make_url(settings.database_url)
    places = [settings.var_directory]
    if url.get_backend_name() == "sqlite":
        places.append(Path(str(url.database)).resolve().parent)
    return next((place for place in places if place.exists() and place.stat().st_mode & 0o007), None)


def check_database(settings: Settings) -> None:
    """Open the database once. Raises BadEnvironment where it can't be reached or written; names no password."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        _check_file(Path(url.database or ""))
    engine = create_engine(url, **engine_options(settings))
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
    except DBAPIError as error:
        lines = str(error.orig).strip().splitlines() or ["no answer"]
        reason = lines[0].rstrip(".: ")
        raise BadEnvironment(f"the database (DATABASE_URL) can't be used: {reason}.") from error
    finally:
        engine.dispose()


def check_port(port: int) -> None:
    """Raise BadEnvironment where another program has the port."""
    with socket.socket() as probe:
        # Without SO_REUSEPORT, so that a second server is noticed although the first one shares its port with itself.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise BadEnvironment(
                f"port {port} on 127.0.0.1 can't be used ({os.strerror(error.errno or 0)}); choose another with PORT=."
            ) from error


def _check_file(path: Path) -> None:
    if not path.parent.is_dir():
        raise BadEnvironment(f"the folder {path.parent} of the database file (DATABASE_URL) does not exist.")
    log = path.with_name(f"{path.name}-wal")
    if not _holds_anything(path) and _holds_anything(log):
        # SQLite would delete it, with all that was committed since it was last copied into the file.
        raise BadEnvironment(
            f"{log} lies beside no database: it holds what was committed last. Put it where its database is now, under "
            "that one's name with -wal at its end, and begin again."
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadEnvironment(f"the database file {path} (DATABASE_URL) can't be written.")


def _holds_anything(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0
