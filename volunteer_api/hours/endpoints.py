"""Routes of the hours ledger."""

from collections.abc import Mapping
from typing import Any

from volunteer_api.activities.access import to_see_campaign
from volunteer_api.activities.models import Activity, Campaign, Shift
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import XLSX, Download
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import page_of
from volunteer_api.core.tables import Table
from volunteer_api.hours import access, backfills, imports, listing, service, tallies
from volunteer_api.hours.models import Backfill, ServiceRecord, SubjectKind
from volunteer_api.hours.schemas import (
    BackfillBatchCreate,
    BackfillCreate,
    BackfillResultsRead,
    CampaignTallyRead,
    HoursApprovalCreate,
    HoursDecisionsCreate,
    HoursDecisionsRead,
    HoursImportQuery,
    HoursImportRead,
    HoursReasonCreate,
    MyRecordQuery,
    OrganizationTallyQuery,
    RecordQuery,
    ServiceRecordRead,
    SubjectTallyQuery,
    SubjectTallyRead,
    VolunteersRecordRead,
)
from volunteer_api.hours.tallies import SubjectTally
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station
from volunteer_api.teams.models import Team

blueprint = feature_blueprint("hours", __name__, "Service records: the hours ledger, backfill, tallies")


@endpoint(
    blueprint, "GET", "/me/service-records", access=signed_in, query=MyRecordQuery, returns=page_of(ServiceRecordRead)
)
def list_my_service_records(principal: Principal, query: dict[str, Any]) -> Page:
    """List my service records, the latest day first; by `state` also what others recorded and nobody approved."""
    return listing.records_of(principal.volunteer_id, query)


@endpoint(
    blueprint,
    "GET",
    "/service-records",
    access=signed_in,
    query=RecordQuery,
    returns=page_of(VolunteersRecordRead),
    audits=True,
)
def list_service_records(principal: Principal, query: dict[str, Any]) -> Page:
    """List records of an organization, an activity, a station or a team, for who answers for it; it is audited."""
    access.require_reading(principal, query)
    return listing.records(query, reader_id=principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/service-records",
    access=signed_in,
    body=BackfillCreate,
    returns=VolunteersRecordRead,
    status=201,
    idempotency=REQUIRED,
)
def record_hours(principal: Principal, body: dict[str, Any]) -> Mapping[str, Any]:
    """Record hours of somebody else afterwards, for a second person to approve."""
    return listing.read_record(backfills.record(by=principal, **body).id, reader_id=principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/service-records/batch",
    access=signed_in,
    body=BackfillBatchCreate,
    returns=BackfillResultsRead,
    idempotency=REQUIRED,
)
def record_hours_of_many(principal: Principal, body: dict[str, Any]) -> Mapping[str, Any]:
    """Record hours of many, with a result for each; none past thirty strangers by phone in an hour."""
    return backfills.results_view(backfills.record_several(by=principal, **body))


@endpoint(blueprint, "GET", "/service-records-import-template.xlsx", access=signed_in, produces=XLSX)
def read_hours_template() -> Download:
    """Fetch the empty workbook that an import of hours takes."""
    return imports.template()


@endpoint(
    blueprint,
    "POST",
    "/shifts/<uuid:shift_id>/service-records/import",
    access=access.to_record_at_shift,
    query=HoursImportQuery,
    returns=HoursImportRead,
    upload=True,
    prepare=imports.receive_hours,
)
def import_hours(
    principal: Principal, shift: tuple[Shift, Activity], query: dict[str, Any], upload: Table
) -> imports.Imported:
    """Record the hours of an xlsx or csv table, all or none; a dry run names each bad cell and records nothing."""
    return imports.import_hours(shift, upload, by=principal, **query)


@endpoint(
    blueprint,
    "POST",
    "/service-records/decisions",
    access=signed_in,
    body=HoursDecisionsCreate,
    returns=HoursDecisionsRead,
    idempotency=REQUIRED,
)
def decide_on_hours_of_many(principal: Principal, body: dict[str, Any]) -> Mapping[str, Any]:
    """Approve or turn down up to a hundred backfills, each for itself, with a result for each."""
    return backfills.decisions_view(body["decisions"], backfills.decide_several(by=principal, **body))


@endpoint(
    blueprint,
    "POST",
    "/service-records/<uuid:record_id>/approval",
    access=access.to_decide,
    body=HoursApprovalCreate,
    returns=VolunteersRecordRead,
    idempotency=REQUIRED,
)
def approve_hours(backfill: Backfill, principal: Principal, body: dict[str, Any]) -> Mapping[str, Any]:
    """Approve hours that somebody else recorded."""
    backfills.approve(backfill, by=principal.volunteer_id, **body)
    return listing.read_record(backfill.id, reader_id=principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/service-records/<uuid:record_id>/rejection",
    access=access.to_decide,
    body=HoursReasonCreate,
    returns=VolunteersRecordRead,
    idempotency=REQUIRED,
)
def reject_hours(backfill: Backfill, principal: Principal, body: dict[str, Any]) -> Mapping[str, Any]:
    """Turn down hours that somebody else recorded."""
    backfills.reject(backfill, by=principal.volunteer_id, **body)
    return listing.read_record(backfill.id, reader_id=principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/service-records/<uuid:record_id>/withdrawal",
    access=access.to_withdraw,
    status=204,
    idempotency=REQUIRED,
)
def withdraw_hours(backfill: Backfill) -> None:
    """Withdraw hours that I recorded by mistake, as long as nobody decided on them."""
    backfills.withdraw(backfill)


@endpoint(
    blueprint,
    "POST",
    "/service-records/<uuid:record_id>/reversal",
    access=access.to_reverse,
    body=HoursReasonCreate,
    returns=VolunteersRecordRead,
    status=201,
    idempotency=REQUIRED,
)
def reverse_hours(record: ServiceRecord, principal: Principal, body: dict[str, Any]) -> Mapping[str, Any]:
    """Take a record back by a row of the opposite minutes, which counts on the original day."""
    reversal = service.reverse(record_id=record.id, actor_id=principal.volunteer_id, **body)
    return listing.read_record(reversal.id, reader_id=principal.volunteer_id)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/tally",
    access=access.to_read_tally_of_organization,
    query=OrganizationTallyQuery,
    returns=SubjectTallyRead,
)
def read_tally_of_organization(organization: Organization, query: dict[str, Any]) -> SubjectTally:
    """Read the minutes of an organization over a period, with all below it."""
    kind = SubjectKind.ORGANIZATION_OWN if query["own"] else SubjectKind.ORGANIZATION
    return tallies.tally(kind, organization.id, query["period"])


@endpoint(
    blueprint,
    "GET",
    "/teams/<uuid:team_id>/tally",
    access=access.to_read_tally_of_team,
    query=SubjectTallyQuery,
    returns=SubjectTallyRead,
)
def read_tally_of_team(team: Team, query: dict[str, Any]) -> SubjectTally:
    """Read the minutes that were served for a team over a period."""
    return tallies.tally(SubjectKind.TEAM, team.id, query["period"])


@endpoint(
    blueprint,
    "GET",
    "/stations/<uuid:station_id>/tally",
    access=access.to_read_tally_of_station,
    query=SubjectTallyQuery,
    returns=SubjectTallyRead,
)
def read_tally_of_station(station: Station, query: dict[str, Any]) -> SubjectTally:
    """Read the minutes that were served at a station over a period."""
    return tallies.tally(SubjectKind.STATION, station.id, query["period"])


@endpoint(
    blueprint,
    "GET",
    "/campaigns/<uuid:campaign_id>/tally",
    access=to_see_campaign,
    query=SubjectTallyQuery,
    returns=CampaignTallyRead,
)
def read_tally_of_campaign(campaign: Campaign, query: dict[str, Any]) -> SubjectTally:
    """Read the minutes that were served for a campaign over a period."""
    return tallies.tally(SubjectKind.CAMPAIGN, campaign.id, query["period"])
