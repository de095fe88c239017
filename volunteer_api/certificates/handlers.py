"""What certificates hear of the ledger and of erasure, and hold about a person."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, func, or_, select

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.certificates import service, star_levels
from volunteer_api.certificates.models import Certificate, NationalExport, NationalExportRecord, StarLevel
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.hours import seals
from volunteer_api.hours.events import DaySealed, MinutesFolded, RecordReversed
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization


@on(RecordReversed)
def take_back(event: RecordReversed) -> None:
    """What vouched for the hours vouches no more."""
    service.revoke_with(event.record_id, event.volunteer_id)
    star_levels.withdraw_unearned(event.volunteer_id, minutes_to_follow=event.minutes_to_follow)


@on(MinutesFolded)
def tell_of_levels(event: MinutesFolded) -> None:
    """Who has the hours for a level hears that she may apply for it."""
    star_levels.tell_reached(event.changes)


@on(DaySealed)
def carry_root(event: DaySealed) -> None:
    """Certificates that waited for the seal of their last records carry its root."""
    service.carry_root_of(event.seal_id)


@seals.register_kept_roots
def roots() -> Select[date | None, bytes | None]:
    """The roots that certificates carry, each once."""
    return select(Certificate.sealed_on, Certificate.root).where(Certificate.root.is_not(None)).distinct()


@on(VolunteerErased)
def forget_person(event: VolunteerErased) -> None:
    """Certificates lose the name and are good no more; nothing sums star levels up."""
    service.forget_holder(event.volunteer_id)
    db.session.execute(
        delete(StarLevel)
        .where(StarLevel.volunteer_id == event.volunteer_id)
        .execution_options(synchronize_session=False)
    )


@exported("certificates")
def certificates(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What was certified of the person, the latest first; its records are in the section of service records."""
    columns = [column for column in Certificate.__table__.columns if column.name != "root"]
    return rows(select(*columns).where(Certificate.volunteer_id == volunteer_id).order_by(Certificate.id.desc()))


@exported("star_levels")
def levels(volunteer_id: UUID) -> list[dict[str, Any]]:
    """What the person applied for, and what became of it."""
    mine = StarLevel.volunteer_id == volunteer_id
    columns = [column for column in StarLevel.__table__.columns if column.name != "decided_by"]
    return rows(select(*columns).where(mine).order_by(StarLevel.id.desc()))


@exported("star_levels_decided")
def levels_decided(volunteer_id: UUID) -> list[dict[str, Any]]:
    """Others' applications that the person decided: which, and when. Whose they are is another's data."""
    return rows(
        select(StarLevel.id, StarLevel.level, StarLevel.state, StarLevel.decided_at)
        .where(StarLevel.decided_by == volunteer_id)
        .order_by(StarLevel.id.desc())
    )


@exported("national_exports")
def handed_over(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The batches for the national system with records of the person, the latest first.

    Whether a batch asks for resident IDs; each time that the person's own was taken out with it is in the audit log.
    """
    return rows(
        select(
            NationalExport.id,
            NationalExport.organization_id,
            Organization.name.label("organization_name"),
            func.count().label("record_count"),
            NationalExport.with_resident_ids,
            NationalExport.created_at,
            NationalExport.synced_at,
        )
        .join(NationalExportRecord, NationalExportRecord.export_id == NationalExport.id)
        .join(ServiceRecord, ServiceRecord.id == NationalExportRecord.record_id)
        .join(Organization, Organization.id == NationalExport.organization_id)
        .where(ServiceRecord.volunteer_id == volunteer_id)
        .group_by(NationalExport.id, Organization.name)
        .order_by(NationalExport.id.desc())
    )


@exported("national_exports_made")
def exports_made(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The batches for the national system that the person made or confirmed."""
    return rows(
        select(NationalExport.id, NationalExport.organization_id, NationalExport.created_at, NationalExport.synced_at)
        .where(or_(NationalExport.created_by == volunteer_id, NationalExport.synced_by == volunteer_id))
        .order_by(NationalExport.id.desc())
    )
