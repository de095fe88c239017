"""Looking whether the ledgers are as they were written, and folding rankings anew."""

from datetime import datetime
from uuid import UUID

import click

from volunteer_api.cli import common
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.hours import seal_check
from volunteer_api.inventory import verification
from volunteer_api.rankings import folding
from volunteer_api.rankings.belonging import BELONGING


@common.group.group("stock")
def stock_group() -> None:
    """The ledger of stations' stock."""


@stock_group.command("verify")
def verify_stock() -> None:
    """Replay every station's ledger against its balances; nothing is repaired. Fails where they differ."""
    app = common.migrated_app()

    def tell(station_id: UUID, fault: verification.Fault) -> None:
        details = " ".join(f"{name}={value}" for name, value in fault.details.items())
        click.echo(f"{station_id}  {fault.kind}  {fault.subject}  {details}")

    with app.app_context(), common.named_refusals():
        count = verification.verify_all(tell)
    if count:
        raise click.ClickException(f"{count} faults in the ledger.")
    click.echo("The ledger adds up.")


@common.group.group("ledger")
def ledger_group() -> None:
    """The ledger of volunteers' hours."""


@ledger_group.command("verify")
@click.option("--from", "first", type=common.DAY, help="The first sealed day to look at.")
@click.option("--to", "last", type=common.DAY, help="The last one.")
@click.option(
    "--root", "roots", type=(common.DAY, str), multiple=True, metavar="DAY ROOT", help="A root kept elsewhere."
)
def verify_ledger(first: datetime | None, last: datetime | None, roots: tuple[tuple[datetime, str], ...]) -> None:
    """Compare the ledger with the seals of its days, and name what was changed. Fails where they differ.

    The roots that certificates carry are compared as well. Somebody with the database and SECRET_KEY could change and
    seal all of it anew: a root that was printed or logged when its day was sealed, given with --root, shows that too.
    """
    app = common.migrated_app()
    known = {day.date(): _root_of(text) for day, text in roots}

    def tell(fault: seal_check.Fault) -> None:
        click.echo(f"{fault.on}  {fault.kind}  {fault.record_id or ''}".rstrip())

    with app.app_context(), common.named_refusals(), common.progress("Verifying the ledger") as show:
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


@common.group.group("rankings")
def rankings_group() -> None:
    """The folded sums that rankings are read from."""


@rankings_group.command("rebuild")
def rebuild_rankings() -> None:
    """Make them anew from what was recorded: after rows were loaded past the triggers."""
    app = common.migrated_app()
    with app.app_context(), common.named_refusals():
        with common.progress("Folding the rankings") as show:
            run_unit(lambda: folding.rebuild(show), writes=True)
        for belonging in BELONGING.values():
            run_unit(belonging.rebuild, writes=True, at_one_moment=True)
    click.echo("The rankings are folded.")


def _root_of(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no root in hexadecimal.") from error
