"""Who records, decides on, takes back and reads hours. That nobody does so with their own, the service refuses."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from volunteer_api.activities.access import leads_activity, seen_shift
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core.access import Principal, for_signed_in
from volunteer_api.core.database import db
from volunteer_api.core.problems import Forbidden, NotFound
from volunteer_api.hours.models import Backfill, ServiceRecord
from volunteer_api.organizations.access import Permission, load_organization, require, require_anywhere
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.access import load_station, require_at
from volunteer_api.stations.models import Station
from volunteer_api.teams.access import belongs, leads, load_team
from volunteer_api.teams.models import Team


@for_signed_in
def to_record_at_shift(principal: Principal, shift_id: UUID) -> tuple[Shift, Activity]:
    """Who leads the shift."""
    return shift_to_record(principal, shift_id)


@for_signed_in
def to_decide(principal: Principal, record_id: UUID) -> Backfill:
    """Whoever has hours.review over its organization. The volunteer and the recorder see it and are refused (403)."""
    return backfill_to_decide(principal, record_id)


def backfill_to_decide(principal: Principal, record_id: UUID) -> Backfill:
    """The backfill, for those who may decide on it. Raises Forbidden (403), NotFound (404)."""
    backfill = db.session.get(Backfill, record_id)
    if backfill is None:
        raise NotFound()
    if principal.volunteer_id not in (backfill.volunteer_id, backfill.recorder_id):
        _require_review(principal, backfill)
    return backfill


@for_signed_in
def to_withdraw(principal: Principal, record_id: UUID) -> Backfill:
    """Who recorded it. Its volunteer, and whoever may decide on it, see it and are refused (403)."""
    backfill = backfill_to_decide(principal, record_id)
    if principal.volunteer_id != backfill.recorder_id:
        raise Forbidden()
    return backfill


@for_signed_in
def to_reverse(principal: Principal, record_id: UUID) -> ServiceRecord:
    """Whoever has hours.review over the organization that the record belongs to. Her own she sees (403)."""
    record = db.session.get(ServiceRecord, record_id)
    if record is None:
        raise NotFound()
    if principal.volunteer_id != record.volunteer_id:
        _require_review(principal, record)
    return record


@for_signed_in
def to_read_tally_of_organization(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever has attendance.read over it."""
    require(principal, Permission.ATTENDANCE_READ, organization_id=organization_id)
    return load_organization(organization_id)


@for_signed_in
def to_read_tally_of_team(principal: Principal, team_id: UUID) -> Team:
    """Its members, and whoever has attendance.read over its organization."""
    team = load_team(team_id)
    if not belongs(principal.volunteer_id, team_id):
        require(principal, Permission.ATTENDANCE_READ, organization_id=team.organization_id)
    return team


@for_signed_in
def to_read_tally_of_station(principal: Principal, station_id: UUID) -> Station:
    """Whoever reads its stock: its managers, the organizers above, inspectors and auditors."""
    station = load_station(station_id)
    require_at(principal, Permission.STOCK_READ, station)
    return station


def shift_to_record(principal: Principal, shift_id: UUID) -> tuple[Shift, Activity]:
    """The shift and its activity, for who leads it. Raises Forbidden (403), NotFound (404)."""
    shift, activity = seen_shift(principal, shift_id)
    if not leads_activity(principal.volunteer_id, activity):
        require(principal, Permission.ACTIVITY_LEAD, organization_id=activity.organization_id)
    return shift, activity


def station_to_record(principal: Principal, station_id: UUID) -> Station:
    """The station, for its managers and the organizers above. Raises Forbidden (403), NotFound (404)."""
    station = load_station(station_id)
    require_at(principal, Permission.STATION_MANAGE, station)
    return station


def require_reading(principal: Principal, query: Mapping[str, Any]) -> None:
    """Let pass who reads the records that the filters name: of an activity that she leads, of a station that she
    manages, of an organization over which she has attendance.read, of a team that she leads or of which she has that;
    without these filters, of all of an organization of hers.

    Raises Forbidden (403), NotFound (404).
    """
    if "team_id" in query and leads(principal.volunteer_id, query["team_id"]):
        return
    activity = db.session.get(Activity, query["activity_id"]) if "activity_id" in query else None
    if "activity_id" in query:
        if activity is None:
            raise NotFound()
        if leads_activity(principal.volunteer_id, activity):
            return
        require(principal, Permission.ATTENDANCE_READ, organization_id=activity.organization_id)
    elif "station_id" in query:
        require_at(principal, Permission.STOCK_READ, load_station(query["station_id"]))
    elif "organization_id" in query:
        require(principal, Permission.ATTENDANCE_READ, organization_id=query["organization_id"])
    elif "team_id" in query:
        _require_above(principal, load_team(query["team_id"]))
    else:
        require_anywhere(principal, Permission.ATTENDANCE_READ)


def _require_above(principal: Principal, team: Team) -> None:
    try:
        require(principal, Permission.ATTENDANCE_READ, organization_id=team.organization_id)
    except NotFound:
        if belongs(principal.volunteer_id, team.id):
            raise Forbidden() from None
        raise


def _require_review(principal: Principal, about: Backfill | ServiceRecord) -> None:
    try:
        require(
            principal,
            Permission.HOURS_REVIEW,
            organization_id=about.organization_id,
            station_id=about.station_id,
        )
    except NotFound:
        activity = db.session.get(Activity, about.activity_id) if about.activity_id is not None else None
        if activity is not None and leads_activity(principal.volunteer_id, activity):
            raise Forbidden() from None
        raise
