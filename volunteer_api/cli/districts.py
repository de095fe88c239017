"""A new district: its divisions, its network, its first administrator, what its stations must hold."""

import csv
import functools
from pathlib import Path
from uuid import UUID

import click

from volunteer_api.catalog.kits import issue_template
from volunteer_api.catalog.templates import KitTemplate
from volunteer_api.cli import common
from volunteer_api.core.problems import NotFound
from volunteer_api.core.tables import phone_of
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.organizations.divisions import import_divisions
from volunteer_api.organizations.grants import appoint
from volunteer_api.organizations.models import Role
from volunteer_api.organizations.problems import ImportRefused, VolunteerUnknown
from volunteer_api.organizations.service import build_network


@common.group.group("import")
def import_group() -> None:
    """Load data from files."""


@import_group.command("divisions")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--district", default="", metavar="CODE", help="Only this district: its rows, and those above it.")
def import_divisions_from(file: Path, district: str) -> None:
    """Load administrative divisions: a CSV file with the columns code, parent_code, level, name."""
    app = common.migrated_app()
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            rows = [row for row in csv.DictReader(source) if _belongs(row.get("code") or "", district)]
        if district and district not in {row.get("code") for row in rows}:
            raise click.ClickException(f"{file}: has no division {district}.")
        with app.app_context(), common.named_refusals():
            count = run_unit(lambda: import_divisions(rows), writes=True)
    except (ImportRefused, UnicodeDecodeError, csv.Error) as error:
        raise click.ClickException(f"{file}: {error}") from error
    click.echo(f"{count} divisions loaded.")


@common.group.group("organizations")
def organizations_group() -> None:
    """The network of practice centers, offices and stations."""


@organizations_group.command("build")
@click.argument("district", metavar="DIVISION_CODE")
def build_organizations(district: str) -> None:
    """Make an imported district's divisions into its network; what is there already stays as it is."""
    app = common.migrated_app()
    with app.app_context(), common.named_refusals():
        try:
            made = run_unit(lambda: build_network(district), writes=True)
        except NotFound as error:
            raise click.ClickException(f"{district} is no imported district; see import divisions.") from error
        counts = f"{len(made.offices)} offices, {len(made.stations)} stations"
        click.echo(f"{made.center.name}  {made.center.id}: {counts}.")


@common.group.group("grants")
def grants_group() -> None:
    """Who may do what where."""


@grants_group.command("give")
@click.argument("role", type=click.Choice([role.value for role in Role if role != Role.STATION_MANAGER]))
@click.option("--organization", "organization_id", type=click.UUID, required=True, help="Over what, with all below.")
@click.option("--phone", required=True, metavar="+86…", help="Of somebody who has registered with it.")
def give_grant(role: str, organization_id: UUID, phone: str) -> None:
    """Give somebody a role, like the first administrator of a new district. Everybody else is given one in the app."""
    app = common.migrated_app()
    meant = phone_of(phone)
    if meant is None:
        raise click.BadParameter(f"{phone} is no mobile number of the mainland.", param_hint="--phone")
    work = functools.partial(appoint, phone=meant, role=Role(role), organization_id=organization_id)
    with app.app_context(), common.named_refusals():
        try:
            given = run_unit(work, writes=True)
        except VolunteerUnknown as error:
            raise click.ClickException(f"Nobody has registered with {meant}: the account comes first.") from error
        except NotFound as error:
            raise _no_organization(organization_id) from error
    click.echo(f"{given.role} of {given.scope.name}: {given.volunteer.name}.")


@common.group.group("kit-standards")
def kit_standards_group() -> None:
    """What stations must hold."""


@kit_standards_group.command("issue")
@click.argument("template", type=click.Choice([template.value for template in KitTemplate]))
@click.option("--organization", "organization_id", type=click.UUID, required=True, help="The id of who issues it.")
def issue_kit_standard(template: str, organization_id: UUID) -> None:
    """Issue a standard that comes with the product, for all stations of its kinds below an organization."""
    app = common.migrated_app()
    work = functools.partial(issue_template, KitTemplate(template), organization_id=organization_id)
    with app.app_context(), common.named_refusals():
        try:
            standard = run_unit(work, writes=True)
        except NotFound as error:
            raise _no_organization(organization_id) from error
    click.echo(f"{standard.name} is issued: kit standard {standard.id}.")


def _no_organization(organization_id: UUID) -> click.ClickException:
    return click.ClickException(f"There is no organization {organization_id} (--organization).")


def _belongs(code: str, district: str) -> bool:
    return code.startswith(district) or district.startswith(code)
