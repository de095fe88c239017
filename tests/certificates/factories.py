"""Hours in the ledger, and how they are taken back."""

from datetime import date, datetime, timedelta
from uuid import UUID

from tests.factories import factory, make_volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours import service as hours
from volunteer_api.hours import tallies
from volunteer_api.hours.models import ServiceRecord, Source
from volunteer_api.organizations.models import Organization

DAY = date(2026, 3, 2)


@factory
def make_record(
    volunteer_id: UUID,
    organization_id: UUID,
    *,
    minutes: int = 90,
    on: date = DAY,
    recorded_at: datetime | None = None,
    content: str = "清洁家园",
) -> UUID:
    """A row of the ledger: so many minutes from nine o'clock on, recorded at noon."""
    starts_at = clock.start_of(on) + timedelta(hours=9)
    path_id = db.session.get_one(Organization, organization_id).path_id
    record = ServiceRecord(
        volunteer_id=volunteer_id,
        minutes=minutes,
        source=Source.ATTENDED,
        organization_id=organization_id,
        organization_path_id=path_id,
        on=on,
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=minutes),
        content=content,
        place_name="河西广场",
        recorded_at=recorded_at or starts_at + timedelta(hours=3),
    )
    db.session.add(record)
    tallies.credited(record)
    db.session.flush()
    return record.id


@factory
def take_back(record_id: UUID) -> None:
    """The ledger takes a row back."""
    hours.reverse(record_id=record_id, reason="误记", actor_id=make_volunteer().id)
