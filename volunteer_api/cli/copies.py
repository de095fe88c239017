"""Backups of a deployment."""

from pathlib import Path

import click

from volunteer_api.backups import service as backups
from volunteer_api.cli import common
from volunteer_api.core import keyring


@common.group.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--photos/--no-photos", default=True, help="Leave photos out where their bucket keeps copies of its own.")
def backup(file: Path, photos: bool) -> None:
    """Write the database, as of one moment, and the photos to the new FILE, beside the running server.

    SECRET_KEY is not in it: without it nobody can read resident IDs and contacts, or sign in.
    """
    app = common.ready_app()
    with app.app_context(), common.named_refusals(), common.progress("Keeping the photos") as show:
        made = backups.back_up(file, show, photos=photos)
        backups.note_backup()
    click.echo(f"{file}: {made.database} at version {made.revision}, {made.photos} photos.")


@common.group.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(file: Path) -> None:
    """Fill the empty database, and the store of photos, from the backup FILE: with all of it, or nothing."""
    app = common.ready_app()
    with app.app_context(), common.named_refusals(), common.progress("Putting the photos back") as show:
        found = backups.restore(file, show)
    common.bring_to_head(app)
    click.echo(f"Restored as of {found.made_at}, {found.photos} photos. Compare: ledger verify, stock verify.")
    with app.app_context():
        try:
            keyring.require_open()
        except keyring.KeyringLocked as locked:
            # The copy is whole, and of no use under this key: better known now than when it must serve.
            click.echo(f"But nothing can be served from it: {locked}", err=True)
