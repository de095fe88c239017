"""The `volunteer-api` command: a file for each kind of work that an operator has."""

import sys

import click

from volunteer_api.cli import checks, common, copies, districts, keys, serving, simulating
from volunteer_api.config import BadEnvironment

__all__ = ["checks", "common", "copies", "districts", "keys", "main", "serving", "simulating"]

BAD_ENVIRONMENT = 2


def main() -> None:
    """Run the command; a bad environment is one line on the standard error stream and exit code 2."""
    try:
        common.group()
    except BadEnvironment as error:
        click.echo(f"volunteer-api: {' '.join(str(error).split())}", err=True)
        sys.exit(BAD_ENVIRONMENT)
