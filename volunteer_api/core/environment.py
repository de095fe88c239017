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
    """Make the VAR_DIR folder. Raises BadEnvironment where it can't be made or written."""
    try:
        settings.var_directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.var_directory):
            pass
    except OSError as error:
        raise BadEnvironment(
            f"the folder {settings.var_directory} (VAR_DIR) can't be written: {os.strerror(error.errno or 0)}."
        ) from error


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
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadEnvironment(f"the database file {path} (DATABASE_URL) can't be written.")
