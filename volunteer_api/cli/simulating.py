"""A made-up district of any size."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import click

from volunteer_api.cli import common
from volunteer_api.core import clock
from volunteer_api.core.problems import Problem
from volunteer_api.core.settings import settings as settings_in_use
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.simulation import Plan, Simulated, SimulationRefused, fold_rankings, refresh_statistics, seal_days
from volunteer_api.simulation import simulate as simulate_district


@common.group.command()
@click.option("--volunteers", type=int, default=10_000, show_default=True, help="How many there are.")
@click.option("--records", type=int, default=100_000, show_default=True, help="How many rows the hours ledger has.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same district.")
@click.option("--until", type=common.DAY, help="The last of its two years of days; by default yesterday.")
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
    app = common.ready_app()
    with app.app_context():
        if settings_in_use().production and not yes:
            raise click.ClickException("This is a production database (APP_ENV); --yes fills it all the same.")
    common.bring_to_head(app)
    with app.app_context(), common.named_refusals():
        last_on = until.date() if until is not None else clock.today() - timedelta(days=1)
        with common.stages() as show:
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
