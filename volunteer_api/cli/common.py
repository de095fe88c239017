"""What the commands share: their group, the application, progress lines, and how a refusal ends."""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from alembic import command
from alembic.migration import MigrationContext
from alembic.util.exc import CommandError
from flask import Flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from volunteer_api.app import create_app
from volunteer_api.backups.archive import BackupRefused
from volunteer_api.backups.service import is_known
from volunteer_api.config import BadEnvironment, load_settings
from volunteer_api.core import keyring, texts
from volunteer_api.core.database import db
from volunteer_api.core.environment import check_database, check_folder
from volunteer_api.core.health import migration_head
from volunteer_api.core.problems import Problem
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.files.problems import FileStoreUnavailable
from volunteer_api.phone import changes

DAY = click.DateTime(["%Y-%m-%d"])


@click.group()
def group() -> None:
    """The backend of a city's volunteer service stations."""


def ready_app() -> Flask:
    """The application, its folder and database looked at. Raises BadEnvironment."""
    settings = load_settings()
    check_folder(settings)
    check_database(settings)
    return create_app(settings)


def migrated_app() -> Flask:
    """The application on a database of this code's version. Raises BadEnvironment."""
    app = ready_app()
    if (fault := fault_of_version(app)) is not None:
        raise BadEnvironment(fault)
    return app


def fault_of_version(app: Flask) -> str | None:
    """Why this code can't work on the database before `migrate`; None where it can. Raises what `_version` raises."""
    found = _version(app)
    if found == migration_head():
        return None
    what = "is empty" if found is None else "is older than this code"
    return f"the database (DATABASE_URL) {what}: run `volunteer-api migrate`."


@contextmanager
def named_refusals() -> Iterator[None]:
    """Let what a command can't do end it with one line."""
    try:
        yield
    except (keyring.RingUnknown, BackupRefused) as error:
        raise click.ClickException(str(error)) from error
    except FileStoreUnavailable as error:
        raise click.ClickException(f"Nothing was done. {_in_english(error)}") from error
    except keyring.KeyringLocked as error:
        raise BadEnvironment(str(error)) from error
    except Problem as problem:
        raise click.ClickException(_in_english(problem)) from problem


def _in_english(problem: Problem) -> str:
    # As all that commands say.
    with texts.speaking("en"):
        return problem.sentence()


def bring_to_head(app: Flask) -> None:
    """Migrate the database to the version of this code, one that was just restored too. Raises BadEnvironment.

    Says so where there is anything to do: it takes a while.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    before = _version(app)
    if before != migration_head():
        click.echo("Making the database" if before is None else f"Migrating the database from {before}", err=True)
    with app.app_context():
        config = app.extensions["migrate"].migrate.get_config()
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise BadEnvironment(f"the database (DATABASE_URL) can't be migrated: {error}") from error
        # Whoever goes on with a restore that ended here has phones begin anew as well.
        run_unit(changes.begin, writes=True)


def _version(app: Flask) -> str | None:
    """The revision that the database is at; None where it is at none. Raises BadEnvironment of a newer release's."""
    with app.app_context(), db.engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and not is_known(found):
        raise BadEnvironment(
            f"the database (DATABASE_URL) is of a newer release, at version {found}: use that release's code, or "
            "restore a backup that is older."
        )
    return found


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A progress line for each stage on the standard error stream: told what is done, and how many of how many are."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    # Where nobody looks, as in a cron job's mail, its last act would be an empty line.
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bars: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage)
            progress.update(bars[stage], completed=done, total=total)

        yield show


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """One such line; what it gives is told how many of how many are done."""
    with stages() as show:
        yield functools.partial(show, title)
