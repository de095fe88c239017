"""Serving, the worker, migrations and the contract."""

import gc
import sys
import time

import click
from flask import Flask
from gunicorn.app import wsgiapp

from volunteer_api.app import create_app
from volunteer_api.cli import common
from volunteer_api.config import PROJECT_DIRECTORY, BadEnvironment, Settings, load_port, load_settings
from volunteer_api.core import keyring, metrics, metrics_folder
from volunteer_api.core.database import db, has_wal_reset_bug, library_version
from volunteer_api.core.environment import check_database, check_folder, check_port, open_to_others
from volunteer_api.core.health import migration_head, openapi_text
from volunteer_api.core.processes import Child, supervise
from volunteer_api.core.tasks import run_worker
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.demo import load_demo
from volunteer_api.demo.stage import ADMINISTRATOR, ORGANIZER, STATION_MANAGER, TEAM_LEADER, VOLUNTEER

ACCOUNTS = (
    ("volunteer", VOLUNTEER),
    ("team leader", TEAM_LEADER),
    ("station manager", STATION_MANAGER),
    ("organizer", ORGANIZER),
    ("administrator", ADMINISTRATOR),
)
# How often a worker that was started before `migrate` looks again.
MIGRATED_AFTER_SECONDS = 5


@common.group.command()
@click.option("--demo/--no-demo", default=False, help="Load the demo district, once.")
def serve(demo: bool) -> None:
    """Check the environment, migrate, then serve with gunicorn and a worker until SIGTERM."""
    settings, port = load_settings(), load_port()
    if demo and settings.production:
        raise BadEnvironment("the demo is refused in production (APP_ENV): everybody knows its accounts. Set DEMO=0.")
    check_folder(settings)
    check_port(port)
    check_database(settings)
    app = create_app(settings)
    common.bring_to_head(app)
    with app.app_context(), common.named_refusals():
        # Better no server than one that answers 500 to whoever signed in.
        keyring.require_open()
    if demo:
        _load_demo(app)
    _greet(app, settings, port, demo)
    with app.app_context():
        # No connection may be shared by two processes.
        db.engine.dispose()
    # For what is forked here: what the worker counts is told by the web. This process itself counts for nobody.
    metrics_folder.open_folder(settings.var_directory, port)
    # The collector leaves out what is loaded: looking through it, it would copy all of it for each process.
    gc.freeze()
    code = supervise(server=Child("api-server", _run_gunicorn), helper=Child("api-worker", lambda: _help(app)))
    metrics_folder.close_folder()
    sys.exit(code)


@common.group.command()
def worker() -> None:
    """Do background work: what requests ask for, and what is due. Waits for the database to be migrated."""
    settings, app = load_settings(), common.ready_app()
    said = None
    while (fault := common.fault_of_version(app)) is not None:
        if fault != said:
            click.echo(f"The worker waits: {fault}", err=True)
        said = fault
        time.sleep(MIGRATED_AFTER_SECONDS)
        check_database(settings)
    with app.app_context(), common.named_refusals():
        keyring.require_open()
    run_worker(app)


@common.group.command()
def migrate() -> None:
    """Bring the database to the version of this code."""
    common.bring_to_head(common.ready_app())
    click.echo(f"The database is at version {migration_head()}.")


@common.group.command()
@click.option("--check", is_flag=True, help="Write nothing; fail where the file differs from the code.")
def openapi(check: bool) -> None:
    """Write openapi.json, the contract as the code has it."""
    path = PROJECT_DIRECTORY / "openapi.json"
    text = openapi_text(create_app(load_settings()))
    if check and (not path.exists() or path.read_bytes() != text):
        raise click.ClickException("openapi.json differs from the code; run `make openapi`.")
    if not check:
        path.write_bytes(text)


def _help(app: Flask) -> None:
    metrics.share_as("worker")
    run_worker(app)


def _run_gunicorn() -> None:
    """What `python -m gunicorn -c gunicorn.conf.py wsgi:app` does in the project's folder, whichever this one is."""
    sys.argv = ["gunicorn", "-c", str(PROJECT_DIRECTORY / "gunicorn.conf.py"), "--chdir", str(PROJECT_DIRECTORY)]
    sys.argv.append("wsgi:app")
    wsgiapp.run()


def _load_demo(app: Flask) -> None:
    with app.app_context(), common.progress("Loading the demo district") as show:
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
    if (place := open_to_others(settings)) is not None:
        click.echo(f"Warning   every account of this machine may look into {place}: chmod o= {place}")
    if not settings.limits:
        click.echo("Warning   rate limits are off (LIMITS=0)")
