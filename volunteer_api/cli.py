"""The `volunteer-api` command."""

import csv
import logging
import sys
from pathlib import Path

import click
from alembic import command
from alembic.util.exc import CommandError
from flask import Flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from volunteer_api.app import create_app
from volunteer_api.config import PROJECT_DIRECTORY, BadEnvironment, Settings, load_port, load_settings
from volunteer_api.core.database import db, has_wal_reset_bug, library_version
from volunteer_api.core.environment import check_database, check_folder, check_port
from volunteer_api.core.health import openapi_text
from volunteer_api.core.processes import Child, supervise
from volunteer_api.core.tasks import run_worker
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.demo import load_demo
from volunteer_api.organizations.problems import ImportRefused
from volunteer_api.organizations.service import import_divisions

BAD_ENVIRONMENT = 2
ACCOUNTS = (
    ("volunteer", "+8613800000005"),
    ("team leader", "+8613800000004"),
    ("station manager", "+8613800000003"),
    ("organizer", "+8613800000002"),
    ("administrator", "+8613800000001"),
)


@click.group()
def group() -> None:
    """The backend of a city's volunteer service stations."""


@group.command()
@click.option("--demo/--no-demo", default=False, help="Load the demo district, once.")
def serve(demo: bool) -> None:
    """Check the environment, migrate, then serve with gunicorn and a worker until SIGTERM."""
    settings, port = load_settings(), load_port()
    check_folder(settings)
    check_port(port)
    check_database(settings)
    app = create_app(settings)
    _migrate(app)
    if demo:
        _load_demo(app)
    _greet(app, settings, port, demo)
    python = sys.executable
    code = supervise(
        server=Child([python, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"], PROJECT_DIRECTORY),
        helper=Child([python, "-m", "volunteer_api.cli", "worker"], PROJECT_DIRECTORY),
    )
    sys.exit(code)


@group.command()
def worker() -> None:
    """Do background work: what requests ask for, and what is due."""
    settings = load_settings()
    check_folder(settings)
    run_worker(create_app(settings))


@group.command()
def migrate() -> None:
    """Bring the database to the version of this code."""
    _migrate(_ready_app())


@group.group("import")
def import_group() -> None:
    """Load data from files."""


@import_group.command("divisions")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--district", default="", metavar="CODE", help="Only this district: its rows, and those above it.")
def import_divisions_from(file: Path, district: str) -> None:
    """Load administrative divisions: a CSV file with the columns code, parent_code, level, name."""
    app = _ready_app()
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            rows = [row for row in csv.DictReader(source) if _belongs(row.get("code") or "", district)]
        with app.app_context():
            count = run_unit(lambda: import_divisions(rows), writes=True)
    except (ImportRefused, UnicodeDecodeError, csv.Error) as error:
        raise click.ClickException(f"{file}: {error}") from error
    click.echo(f"{count} divisions loaded.")


@group.command()
@click.option("--check", is_flag=True, help="Write nothing; fail where the file differs from the code.")
def openapi(check: bool) -> None:
    """Write openapi.json, the contract as the code has it."""
    path = PROJECT_DIRECTORY / "openapi.json"
    text = openapi_text(create_app(load_settings()))
    if check and (not path.exists() or path.read_bytes() != text):
        raise click.ClickException("openapi.json differs from the code; run `make openapi`.")
    if not check:
        path.write_bytes(text)


def main() -> None:
    """Run the command; a bad environment is one line on the standard error stream and exit code 2."""
    try:
        group()
    except BadEnvironment as error:
        click.echo(f"volunteer-api: {' '.join(str(error).split())}", err=True)
        sys.exit(BAD_ENVIRONMENT)


def _ready_app() -> Flask:
    settings = load_settings()
    check_folder(settings)
    check_database(settings)
    return create_app(settings)


def _migrate(app: Flask) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with app.app_context():
        config = app.extensions["migrate"].migrate.get_config()
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise BadEnvironment(f"the database (DATABASE_URL) can't be migrated: {error}") from error


def _load_demo(app: Flask) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with app.app_context(), Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("Loading the demo district")

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        loaded = run_unit(lambda: load_demo(show), writes=True)
    click.echo("The demo district is loaded." if loaded else "The demo district was loaded before.")


def _greet(app: Flask, settings: Settings, port: int, demo: bool) -> None:
    with app.app_context():
        click.echo(f"Database  {library_version(db.engine)}")
        if has_wal_reset_bug(db.engine):
            click.echo("Warning   this SQLite library can corrupt a database in WAL mode; see README")
    click.echo(f"Docs      http://127.0.0.1:{port}/docs/")
    if demo:
        click.echo("Accounts  (ask for a code with POST /api/v1/auth/codes; it is printed in this log)")
        for role, phone in ACCOUNTS:
            click.echo(f"  {phone}  {role}")
    if not settings.limits:
        click.echo("Warning   rate limits are off (LIMITS=0)")


def _belongs(code: str, district: str) -> bool:
    return code.startswith(district) or district.startswith(code)


if __name__ == "__main__":
    main()
