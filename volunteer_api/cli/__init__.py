"""The `volunteer-api` command: a file for each kind of work that an operator has."""

import gc
import sys

import click

# What is loaded stays, and the collector would look through all of it again and again: a third of the time of a start.
gc.disable()

from volunteer_api.cli import checks, common, copies, districts, keys, serving, simulating  # noqa: E402  # see above
from volunteer_api.config import BadEnvironment  # noqa: E402  # see above

gc.freeze()
gc.enable()

__all__ = ["checks", "common", "copies", "districts", "keys", "main", "serving", "simulating"]

BAD_ENVIRONMENT = 2


def main() -> None:
    """Run the command; a bad environment is one line on the standard error stream and exit code 2."""
    try:
        common.group()
    except BadEnvironment as error:
        click.echo(f"volunteer-api: {' '.join(str(error).split())}", err=True)
        sys.exit(BAD_ENVIRONMENT)
