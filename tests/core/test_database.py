"""The database's own settings."""

from pathlib import Path

from flask import Flask

from volunteer_api.core.database import db

WORDS = "Her complaint has her home address"


def test_what_is_deleted_is_gone_from_the_file(sqlite_app: Flask) -> None:
    """Not only from the rows: whoever has the disk reads the free pages."""
    with sqlite_app.app_context(), db.engine.connect() as connection:
        run = connection.exec_driver_sql
        run("CREATE TABLE told (words TEXT)")
        for _ in range(200):
            run("INSERT INTO told VALUES (?)", (WORDS * 10,))
        connection.commit()
        run("PRAGMA wal_checkpoint(TRUNCATE)")
        file = Path(str(db.engine.url.database))
        assert WORDS.encode() in file.read_bytes()
        run("DELETE FROM told")
        connection.commit()
        run("DROP TABLE told")
        connection.commit()
        run("PRAGMA wal_checkpoint(TRUNCATE)")
        assert WORDS.encode() not in file.read_bytes()
