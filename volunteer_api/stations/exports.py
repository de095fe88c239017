"""All stations of an organization as the table that an import takes back."""

from volunteer_api.accounts.service import masked_phone
from volunteer_api.core import audit
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction
from volunteer_api.core.database import db
from volunteer_api.core.downloads import Download
from volunteer_api.core.exports import export_table
from volunteer_api.organizations.access import Permission, can
from volunteer_api.organizations.models import Organization
from volunteer_api.stations import queries, sheet
from volunteer_api.stations.sheet import MANAGERS, Places

EXPORTED_ROWS = 10_000


def export_stations(organization: Organization, *, by: Principal) -> Download:
    """The stations of the organization and below it, in the columns that `imports.import_stations` reads.

    Managers' phones are whole for who could appoint them, so that the table can be put back: then each of them finds
    in her own log who fetched it. All others see them masked, and no import takes those. The audit log keeps who
    fetched it. Grants that wait for a phone are not in it: nobody keeps the phone.
    """
    is_whole = can(by.volunteer_id, Permission.GRANT_MANAGE, organization_id=organization.id)
    places = Places(organization.id)
    stations = db.session.scalars(queries.below(organization.id).limit(EXPORTED_ROWS)).all()
    managers = [row for row in db.session.execute(queries.managers_below(organization.id)) if row.phone is not None]
    phones: dict[object, list[str]] = {}
    for row in managers:
        phones.setdefault(row.station_id, []).append(row.phone if is_whole else masked_phone(row.phone))
    rows = []
    for station in stations:
        cells = sheet.cells_of(station, places)
        cells[MANAGERS.name] = sheet.written_phones(phones.get(station.id, ()))
        rows.append([cells[column.name] for column in sheet.COLUMNS])
    for manager_id in sorted({row.id for row in managers}) if is_whole else ():
        audit.record(
            AuditAction.DATA_READ,
            actor_id=by.volunteer_id,
            subject_id=manager_id,
            organization_id=organization.id,
            what="managers_phone",
        )
    return export_table(
        "stations",
        organization.id,
        by=by,
        title="服务站点",
        headers=[column.name for column in sheet.COLUMNS],
        rows=rows,
        whose=organization.name,
        whole_phones=is_whole,
    )
