"""What certificates hear of the ledger and of erasure, and hold about a person."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, delete, or_, select

from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.certificates import service, star_levels
from volunteer_api.certificates.models import Certificate, NationalExport, StarLevel
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.personal_data import exported, rows
from volunteer_api.hours import seals
from volunteer_api.hours.events import DaySealed, RecordReversed


@on(RecordReversed)
def take_back(event: RecordReversed) -> None:
    """What vouched for the hours vouches no more."""
    service.revoke_with(event.record_id, event.volunteer_id)
    star_levels.withdraw_unearned(event.volunteer_id, minutes_to_follow=event.minutes_to_follow)


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


@exported("national_exports_made")
def exports_made(volunteer_id: UUID) -> list[dict[str, Any]]:
    """The batches for the national system that the person made or confirmed."""
    return rows(
        select(NationalExport.id, NationalExport.organization_id, NationalExport.created_at, NationalExport.synced_at)
        .where(or_(NationalExport.created_by == volunteer_id, NationalExport.synced_by == volunteer_id))
        .order_by(NationalExport.id.desc())
    )
