"""How Alembic opens the application's database. The versions themselves import nothing of ours."""

from typing import Any

from alembic import context
from flask import current_app
from sqlalchemy import DateTime, TypeDecorator
from sqlalchemy.engine import Connection

migrate = current_app.extensions["migrate"]
LOCK_TIMEOUT = "3s"


def render_item(kind: str, item: Any, _autogenerate_context: Any) -> str | bool:
    """Write our own column types as what they are in the database, so that a version needs none of our modules."""
    if kind == "type" and isinstance(item, TypeDecorator) and isinstance(item.impl, DateTime):
        return "sa.DateTime(timezone=True)"
    return False


def leave_out_empty(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Make no file where the models and the database are equal."""
    if getattr(context.config.cmd_opts, "autogenerate", False) and directives[0].upgrade_ops.is_empty():
        directives[:] = []


def migrate_on(connection: Connection) -> None:
    """Run the versions on an open connection."""
    options = {"process_revision_directives": leave_out_empty, "render_item": render_item, "compare_type": True}
    # Of SQLite, Alembic takes the default '' for a change of itself.
    options |= {"compare_server_default": connection.dialect.name != "sqlite"} | migrate.configure_args
    # SQLite rolls back DDL like anything else; Alembic thinks of an older driver.
    context.configure(connection=connection, target_metadata=migrate.db.metadata, transactional_ddl=True, **options)
    with context.begin_transaction():
        context.run_migrations()
        if connection.dialect.name == "sqlite":
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(5)
            if broken:
                raise RuntimeError(f"the migration left rows that point to nothing: {broken}")


def run() -> None:
    """Run the versions, in one transaction, with what each database needs around them."""
    engine = migrate.db.engine
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            driver: Any = connection.connection.driver_connection
            # A batch ALTER drops and remakes the table: with foreign keys on, that deletes the rows that point to it.
            # The pragma counts for nothing inside a transaction, so it goes to the driver, before the first one.
            driver.execute("PRAGMA foreign_keys = OFF")
            try:
                migrate_on(connection.execution_options(volunteer_api_begin_immediate=True))
            finally:
                connection.rollback()
                driver.execute("PRAGMA foreign_keys = ON")
        else:
            # Better a migration that gives up than one that stands in the queue and holds up every request behind it.
            connection.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
            connection.exec_driver_sql("SET statement_timeout = 0")
            # Two servers that start together migrate one after the other.
            connection.exec_driver_sql("SELECT pg_advisory_lock(4104031)")
            connection.commit()
            try:
                migrate_on(connection)
            finally:
                connection.rollback()
                connection.exec_driver_sql("SELECT pg_advisory_unlock(4104031)")
                connection.commit()


if context.is_offline_mode():
    context.configure(
        url=migrate.db.engine.url, target_metadata=migrate.db.metadata, literal_binds=True, **migrate.configure_args
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    run()
