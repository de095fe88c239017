"""The rings of keys, and what is sealed with them."""

import functools

import click

from volunteer_api.accounts import reencryption
from volunteer_api.cli import common
from volunteer_api.core import keyring
from volunteer_api.core.keyring import FRESH_SECONDS
from volunteer_api.core.tokens import RING as ACCESS_TOKEN_RING
from volunteer_api.core.tokens import ROTATION_DELAY, rotate_signing_key
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.loans import borrowers
from volunteer_api.notifications import subscriptions
from volunteer_api.notifications.providers import webpush


@common.group.group("keys")
def keys_group() -> None:
    """The rings of keys that sign access tokens and seal personal data."""


@keys_group.command("list")
def list_keys() -> None:
    """Show each ring's keys, without their secrets."""
    app = common.migrated_app()
    with app.app_context(), common.named_refusals():
        found = keyring.read_again().keys.values()
        for key in sorted(found, key=lambda key: (key.purpose, key.number)):
            end = f"retires {key.retires_at:%Y-%m-%dT%H:%M:%SZ}" if key.retires_at else "stays"
            lock = "" if key.unwrapped is not None else "  locked here: SECRET_KEY does not open it"
            click.echo(f"{key.id}  {key.purpose}  {key.number}  active {key.active_at:%Y-%m-%dT%H:%M:%SZ}  {end}{lock}")


@keys_group.command("rotate")
@click.argument("purpose")
def rotate_key(purpose: str) -> None:
    """Add a key to the ring PURPOSE, one of `keys list`; what the older ones made stays good.

    "access token" is different: a minute later the new key signs, and the older ones end with their last token.
    """
    app = common.migrated_app()
    work = rotate_signing_key if purpose == ACCESS_TOKEN_RING else functools.partial(keyring.rotate, purpose)
    with app.app_context(), common.named_refusals():
        click.echo(f"The newest key of {purpose!r} is {run_unit(work, writes=True)}.")
        seconds = FRESH_SECONDS + (ROTATION_DELAY.total_seconds() if purpose == ACCESS_TOKEN_RING else 0)
        click.echo(f"Every server uses it within {seconds:.0f} seconds.")


@keys_group.command("rewrap")
def rewrap_keys() -> None:
    """Wrap all keys under the present SECRET_KEY; SECRET_KEY_PREVIOUS is not needed afterwards."""
    app = common.migrated_app()
    with app.app_context(), common.named_refusals():
        click.echo(f"{run_unit(keyring.rewrap, writes=True)} keys wrapped.")


@keys_group.command("web-push")
def make_web_push_key() -> None:
    """Make a key for WEB_PUSH_KEY; browsers that subscribed under another one are lost."""
    click.echo(webpush.make_key())


@common.group.group("push-addresses")
def push_addresses_group() -> None:
    """The stored addresses of devices that news is pushed to."""


@push_addresses_group.command("reencrypt")
def reencrypt_push_addresses() -> None:
    """Seal all addresses with the newest key of their ring; may be broken off and started again."""
    _reencrypt(subscriptions.SEALED)


@common.group.group("resident-ids")
def resident_ids_group() -> None:
    """The stored resident IDs."""


@resident_ids_group.command("reencrypt")
def reencrypt_resident_ids() -> None:
    """Seal all resident IDs with the newest key of their ring; may be broken off and started again."""
    _reencrypt(reencryption.RESIDENT_IDS)


@common.group.group("contacts")
def contacts_group() -> None:
    """The stored guardians, emergency contacts and borrowers."""


@contacts_group.command("reencrypt")
def reencrypt_contacts() -> None:
    """Seal all contacts with the newest keys of their rings; may be broken off and started again."""
    _reencrypt(reencryption.CONTACTS + borrowers.SEALED)


def _reencrypt(columns: tuple[reencryption.SealedColumn, ...]) -> None:
    app = common.migrated_app()
    with app.app_context(), common.named_refusals():
        click.echo(f"{reencryption.reencrypt(columns)} values sealed anew.")
