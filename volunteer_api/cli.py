"""The `volunteer-api` command."""

import csv
import functools
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import click
from alembic import command
from alembic.util.exc import CommandError
from flask import Flask
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from volunteer_api.accounts import reencryption
from volunteer_api.app import create_app
from volunteer_api.backups import service as backups
from volunteer_api.backups.archive import BackupRefused
from volunteer_api.catalog.kits import issue_template
from volunteer_api.catalog.templates import KitTemplate
from volunteer_api.config import PROJECT_DIRECTORY, BadEnvironment, Settings, load_port, load_settings
from volunteer_api.core import clock, keyring
from volunteer_api.core.database import db, has_wal_reset_bug, library_version
from volunteer_api.core.environment import check_database, check_folder, check_port
from volunteer_api.core.health import openapi_text
from volunteer_api.core.problems import NotFound, Problem
from volunteer_api.core.processes import Child, supervise
from volunteer_api.core.settings import settings as settings_in_use
from volunteer_api.core.tasks import run_worker
from volunteer_api.core.tokens import RING as ACCESS_TOKEN_RING
from volunteer_api.core.tokens import rotate_signing_key
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.demo import load_demo
from volunteer_api.files.problems import FileStoreUnavailable
from volunteer_api.hours import seal_check
from volunteer_api.inventory import verification
from volunteer_api.loans import borrowers
from volunteer_api.organizations.divisions import import_divisions
from volunteer_api.organizations.grants import appoint
from volunteer_api.organizations.models import Role
from volunteer_api.organizations.problems import ImportRefused, VolunteerUnknown
from volunteer_api.organizations.service import build_network
from volunteer_api.rankings import folding, registered
from volunteer_api.simulation import Plan, Simulated, SimulationRefused, fold_rankings, refresh_statistics, seal_days
from volunteer_api.simulation import simulate as simulate_district

BAD_ENVIRONMENT = 2
DAY = click.DateTime(["%Y-%m-%d"])
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
    if demo and settings.production:
        raise BadEnvironment("the demo is refused in production (APP_ENV): everybody knows its accounts. Set DEMO=0.")
    check_folder(settings)
    check_port(port)
    check_database(settings)
    app = create_app(settings)
    _migrate(app)
    with app.app_context(), _named_refusals():
        # Better no server than one that answers 500 to whoever signed in.
        keyring.require_open()
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


@group.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--photos/--no-photos", default=True, help="Leave photos out where their bucket keeps copies of its own.")
def backup(file: Path, photos: bool) -> None:
    """Write the database, as of one moment, and the photos to the new FILE, beside the running server.

    SECRET_KEY is not in it: without it nobody can read resident IDs and contacts, or sign in.
    """
    app = _ready_app()
    with app.app_context(), _named_refusals(), _progress("Keeping the photos") as show:
        made = backups.back_up(file, show, photos=photos)
    click.echo(f"{file}: {made.database} at version {made.revision}, {made.photos} photos.")


@group.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Fill the empty database, and the store of photos, from the backup FILE: with all of it, or nothing."""
    app = _ready_app()
    with app.app_context(), _named_refusals(), _progress("Putting the photos back") as show:
        found = backups.restore(file, show)
    _migrate(app)
    click.echo(f"Restored as of {found.made_at}, {found.photos} photos. Compare: ledger verify, stock verify.")


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


@group.group("organizations")
def organizations_group() -> None:
    """The network of practice centers, offices and stations."""


@organizations_group.command("build")
@click.argument("district", metavar="DIVISION_CODE")
def build_organizations(district: str) -> None:
    """Make an imported district's divisions into its network; what is there already stays as it is."""
    app = _ready_app()
    with app.app_context():
        try:
            made = run_unit(lambda: build_network(district), writes=True)
        except NotFound as error:
            raise click.ClickException(f"{district} is no imported district; see import divisions.") from error
        counts = f"{len(made.offices)} offices, {len(made.stations)} stations"
        click.echo(f"{made.center.name}  {made.center.id}: {counts}.")


@group.group("grants")
def grants_group() -> None:
    """Who may do what where."""


@grants_group.command("give")
@click.argument("role", type=click.Choice([role.value for role in Role if role != Role.STATION_MANAGER]))
@click.option("--organization", "organization_id", type=click.UUID, required=True, help="Over what, with all below.")
@click.option("--phone", required=True, metavar="+86…", help="Of somebody who has registered with it.")
def give_grant(role: str, organization_id: UUID, phone: str) -> None:
    """Give somebody a role, like the first administrator of a new district. Everybody else is given one in the app."""
    app = _ready_app()
    work = functools.partial(appoint, phone=phone, role=Role(role), organization_id=organization_id)
    with app.app_context():
        try:
            given = run_unit(work, writes=True)
        except VolunteerUnknown as error:
            raise click.ClickException(f"Nobody has registered with {phone}: the account comes first.") from error
        except Problem as problem:
            raise click.ClickException(problem.sentence()) from problem
    click.echo(f"{given.role} of {given.scope.name}: {given.volunteer.name}.")


@group.group("keys")
def keys_group() -> None:
    """The rings of keys that sign access tokens and seal personal data."""


@keys_group.command("list")
def list_keys() -> None:
    """Show each ring's keys, without their secrets."""
    app = _ready_app()
    with app.app_context(), _named_refusals():
        found = keyring.read_again().keys.values()
        for key in sorted(found, key=lambda key: (key.purpose, key.number)):
            end = f"retires {key.retires_at:%Y-%m-%dT%H:%M:%SZ}" if key.retires_at else "stays"
            lock = "" if key.unwrapped is not None else "  locked here: SECRET_KEY does not open it"
            click.echo(f"{key.id}  {key.purpose}  {key.number}  active {key.active_at:%Y-%m-%dT%H:%M:%SZ}  {end}{lock}")


@keys_group.command("rotate")
@click.argument("purpose")
def rotate_key(purpose: str) -> None:
    """Add a key to the ring PURPOSE, like "access token"; what the older ones made stays good."""
    app = _ready_app()
    work = rotate_signing_key if purpose == ACCESS_TOKEN_RING else functools.partial(keyring.rotate, purpose)
    with app.app_context(), _named_refusals():
        click.echo(f"The newest key of {purpose!r} is {run_unit(work, writes=True)}.")


@keys_group.command("rewrap")
def rewrap_keys() -> None:
    """Wrap all keys under the present SECRET_KEY; SECRET_KEY_PREVIOUS is not needed afterwards."""
    app = _ready_app()
    with app.app_context(), _named_refusals():
        click.echo(f"{run_unit(keyring.rewrap, writes=True)} keys wrapped.")


@group.group("resident-ids")
def resident_ids_group() -> None:
    """The stored resident IDs."""


@resident_ids_group.command("reencrypt")
def reencrypt_resident_ids() -> None:
    """Seal all resident IDs with the newest key of their ring; may be broken off and started again."""
    _reencrypt(reencryption.RESIDENT_IDS)


@group.group("contacts")
def contacts_group() -> None:
    """The stored guardians, emergency contacts and borrowers."""


@contacts_group.command("reencrypt")
def reencrypt_contacts() -> None:
    """Seal all contacts with the newest keys of their rings; may be broken off and started again."""
    _reencrypt(reencryption.CONTACTS + borrowers.SEALED)


@group.group("stock")
def stock_group() -> None:
    """The ledger of stations' stock."""


@stock_group.command("verify")
def verify_stock() -> None:
    """Replay every station's ledger against its balances; nothing is repaired. Fails where they differ."""
    app = _ready_app()

    def tell(station_id: UUID, fault: verification.Fault) -> None:
        details = " ".join(f"{name}={value}" for name, value in fault.details.items())
        click.echo(f"{station_id}  {fault.kind}  {fault.subject}  {details}")

    with app.app_context():
        count = verification.verify_all(tell)
    if count:
        raise click.ClickException(f"{count} faults in the ledger.")
    click.echo("The ledger adds up.")


@group.group("ledger")
def ledger_group() -> None:
    """The ledger of volunteers' hours."""


@ledger_group.command("verify")
@click.option("--from", "first", type=DAY, help="The first sealed day to look at.")
@click.option("--to", "last", type=DAY, help="The last one.")
@click.option("--root", "roots", type=(DAY, str), multiple=True, metavar="DAY ROOT", help="A root kept elsewhere.")
def verify_ledger(first: datetime | None, last: datetime | None, roots: tuple[tuple[datetime, str], ...]) -> None:
    """Compare the ledger with the seals of its days, and name what was changed. Fails where they differ.

    The roots that certificates carry are compared as well. Somebody with the database and SECRET_KEY could change and
    seal all of it anew: a root that was printed or logged when its day was sealed, given with --root, shows that too.
    """
    app = _ready_app()
    known = {day.date(): _root_of(text) for day, text in roots}

    def tell(fault: seal_check.Fault) -> None:
        click.echo(f"{fault.on}  {fault.kind}  {fault.record_id or ''}".rstrip())

    with app.app_context(), _named_refusals(), _progress("Verifying the ledger") as show:
        found = seal_check.verify(
            first=first and first.date(), last=last and last.date(), known=known, tell=tell, show=show
        )
    if found.late:
        click.echo(
            f"{found.late} days were sealed more than a day late, the last one {found.last_late_on}: compare their "
            "roots with those that were logged or printed before."
        )
    if found.faults:
        raise click.ClickException(f"{found.faults} faults in {found.days} sealed days of the ledger.")
    if not found.days and (first or last):
        raise click.ClickException("No day of this time is sealed: nothing was compared.")
    if not found.days:
        click.echo("No day is sealed yet: nothing was compared.")
        return
    click.echo(
        f"The ledger is as it was sealed: {found.records} records on {found.days} days, the last one {found.last_on}."
    )


@group.group("rankings")
def rankings_group() -> None:
    """The folded sums that rankings are read from."""


@rankings_group.command("rebuild")
def rebuild_rankings() -> None:
    """Make them anew from what was recorded: after rows were loaded past the triggers, or restored."""
    app = _ready_app()
    with app.app_context():
        try:
            with _progress("Folding the rankings") as show:
                run_unit(lambda: folding.rebuild(show), writes=True)
            run_unit(registered.rebuild, writes=True, at_one_moment=True)
        except Problem as problem:
            raise click.ClickException(problem.sentence()) from problem
    click.echo("The rankings are folded.")


@group.group("kit-standards")
def kit_standards_group() -> None:
    """What stations must hold."""


@kit_standards_group.command("issue")
@click.argument("template", type=click.Choice([template.value for template in KitTemplate]))
@click.option("--organization", "organization_id", type=click.UUID, required=True, help="The id of who issues it.")
def issue_kit_standard(template: str, organization_id: UUID) -> None:
    """Issue a standard that comes with the product, for all stations of its kinds below an organization."""
    app = _ready_app()
    work = functools.partial(issue_template, KitTemplate(template), organization_id=organization_id)
    with app.app_context():
        try:
            standard = run_unit(work, writes=True)
        except Problem as problem:
            raise click.ClickException(problem.sentence()) from problem
    click.echo(f"{standard.name} is issued: kit standard {standard.id}.")


@group.command()
@click.option("--volunteers", type=int, default=10_000, show_default=True, help="How many there are.")
@click.option("--records", type=int, default=100_000, show_default=True, help="How many rows the hours ledger has.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same district.")
@click.option("--until", type=DAY, help="The last of its two years of days; by default yesterday.")
@click.option("--yes", is_flag=True, help="Also in production, for good: ledgers are never emptied.")
@click.option(
    "--seal/--no-seal",
    default=True,
    help="Seal the ledger's days, which takes longer than all else, or leave it to the worker.",
)
def simulate(volunteers: int, records: int, seed: int, until: datetime | None, yes: bool, seal: bool) -> None:
    """Fill an empty database with a made-up district of any size: all of it, or nothing.

    Its accounts are those of the demo; everybody else has an invented name and no phone.
    """
    app = _ready_app()
    with app.app_context():
        if settings_in_use().production and not yes:
            raise click.ClickException("This is a production database (APP_ENV); --yes fills it all the same.")
    _migrate(app)
    with app.app_context(), _named_refusals():
        last_on = until.date() if until is not None else clock.today() - timedelta(days=1)
        with _stages() as show:
            try:
                plan = Plan(volunteers=volunteers, records=records, last_on=last_on, seed=seed)
                found = run_unit(lambda: simulate_district(plan, show), writes=True)
            except SimulationRefused as error:
                raise click.ClickException(str(error)) from error
            except Problem as problem:
                raise click.ClickException(f"Nothing was written. {problem.sentence()}") from problem
            refresh_statistics(show)
            with _left_to_worker("The rankings are not folded yet"):
                found.seconds["rankings"] = fold_rankings(show)
            if seal:
                with _left_to_worker("Not all days are sealed yet"):
                    found.seconds["seals"] = seal_days(plan, show)
            refresh_statistics(show)
    _tell_simulated(plan, found)


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


def _reencrypt(columns: tuple[reencryption.SealedColumn, ...]) -> None:
    app = _ready_app()
    with app.app_context(), _named_refusals():
        click.echo(f"{reencryption.reencrypt(columns)} values sealed anew.")


@contextmanager
def _named_refusals() -> Iterator[None]:
    try:
        yield
    except (keyring.RingUnknown, BackupRefused) as error:
        raise click.ClickException(str(error)) from error
    except FileStoreUnavailable as error:
        raise click.ClickException(f"Nothing was done. {error.sentence()}") from error
    except keyring.KeyringLocked as error:
        raise BadEnvironment(str(error)) from error


def _migrate(app: Flask) -> None:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with app.app_context():
        config = app.extensions["migrate"].migrate.get_config()
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise BadEnvironment(f"the database (DATABASE_URL) can't be migrated: {error}") from error


def _load_demo(app: Flask) -> None:
    with app.app_context(), _progress("Loading the demo district") as show:
        loaded = run_unit(lambda: load_demo(show), writes=True)
    click.echo("The demo district is loaded." if loaded else "The demo district was loaded before.")


def _tell_simulated(plan: Plan, found: Simulated) -> None:
    seconds = sum(found.seconds.values())
    for table, count in found.rows.items():
        click.echo(f"{count:>12,}  {table}")
    for stage, took in found.seconds.items():
        click.echo(f"{took:>10.1f} s  {stage}")
    click.echo(f"{plan.volunteers:,} volunteers and {plan.records:,} records until {plan.last_on}: {seconds:.0f} s.")


@contextmanager
def _left_to_worker(what: str) -> Iterator[None]:
    """Say so where a part fails that the worker does all the same, and go on."""
    try:
        yield
    except Problem as problem:
        click.echo(f"{what}, the worker does it: {problem.sentence()}", err=True)


@contextmanager
def _stages() -> Iterator[Callable[[str, int, int], None]]:
    """A progress line for each stage on the standard error stream: told what is done, and how many of how many are."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(stage)
            progress.update(bars[stage], completed=done, total=total)

        yield show


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """One such line; what it gives is told how many of how many are done."""
    with _stages() as show:
        yield functools.partial(show, title)


def _root_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no root in hexadecimal.") from error


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
