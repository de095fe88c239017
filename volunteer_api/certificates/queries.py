"""What certificates, star levels and exports read."""

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Exists, Select, exists, func, select, update
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import Update

from volunteer_api.accounts.models import Volunteer
from volunteer_api.certificates.models import (
    Certificate,
    CertificateRecord,
    NationalExport,
    NationalExportRecord,
    StarLevel,
    StarState,
)
from volunteer_api.core.statements import among
from volunteer_api.hours.models import SealLeaf, ServiceRecord, SubjectKind, TallyTotal, TallyUnit
from volunteer_api.organizations.models import Organization, PathMember


def held_volunteer(volunteer_id: UUID) -> Select[UUID]:
    """Whose hours are certified, judged or taken back, one at a time: who is second sees what the first did."""
    return select(Volunteer.id).where(Volunteer.id == volunteer_id).with_for_update(key_share=True)


def standing(volunteer_id: UUID, first: date, last: date) -> Select[*tuple[Any, ...]]:
    """The records of a volunteer's service on these local days that nothing took back, in the order of service."""
    return (
        select(*ServiceRecord.__table__.columns)
        .where(
            ServiceRecord.volunteer_id == volunteer_id,
            ServiceRecord.on.between(first, last),
            ServiceRecord.reverses_id.is_(None),
            ~_is_reversed(),
        )
        .order_by(ServiceRecord.on, ServiceRecord.starts_at, ServiceRecord.id)
    )


def standing_by_organization(volunteer_id: UUID, first: date, last: date) -> Select[UUID, str, int]:
    """Id, name and minutes of each organization that recorded such records, by name."""
    return (
        select(Organization.id, Organization.name, func.sum(ServiceRecord.minutes).label("minutes"))
        .join(ServiceRecord, ServiceRecord.organization_id == Organization.id)
        .where(
            ServiceRecord.volunteer_id == volunteer_id,
            ServiceRecord.on.between(first, last),
            ServiceRecord.reverses_id.is_(None),
            ~_is_reversed(),
        )
        .group_by(Organization.id, Organization.name)
        .order_by(Organization.name, Organization.id)
    )


def certified_records(certificate_id: UUID) -> Select[*tuple[Any, ...]]:
    """The rows of the ledger that a certificate certifies, in the order of service."""
    return (
        select(*ServiceRecord.__table__.columns)
        .join(CertificateRecord, CertificateRecord.record_id == ServiceRecord.id)
        .where(CertificateRecord.certificate_id == certificate_id)
        .order_by(ServiceRecord.on, ServiceRecord.starts_at, ServiceRecord.id)
    )


def certificates_of(volunteer_id: UUID) -> Select[Certificate]:
    """A volunteer's certificates."""
    return select(Certificate).where(Certificate.volunteer_id == volunteer_id)


def good_with(record_id: UUID) -> Select[Certificate]:
    """The certificates that certify a record and are not revoked, locked."""
    return (
        select(Certificate)
        .join(CertificateRecord, CertificateRecord.certificate_id == Certificate.id)
        .where(CertificateRecord.record_id == record_id, Certificate.revoked_at.is_(None))
        .order_by(Certificate.id)
        .with_for_update(of=Certificate)
        .execution_options(populate_existing=True)
    )


def give_root(on: date, root: bytes) -> Update:
    """Let the certificates whose records all have seals now, and had not before, carry this root."""
    lacking = (
        select(CertificateRecord.record_id)
        .outerjoin(SealLeaf, SealLeaf.id == CertificateRecord.record_id)
        .where(CertificateRecord.certificate_id == Certificate.id, SealLeaf.id.is_(None))
    )
    return (
        update(Certificate)
        .where(Certificate.root.is_(None), ~lacking.exists())
        .values(root=root, sealed_on=on)
        .execution_options(synchronize_session=False)
    )


def sealed_in(record_ids: list[UUID]) -> Select[int, int]:
    """How many of the rows have seals, and the number of the last of these."""
    return select(func.count(), func.max(SealLeaf.seal_id)).where(SealLeaf.id.in_(record_ids))


def credited_minutes(volunteer_id: UUID) -> Select[int]:
    """The sum of a volunteer's ledger."""
    return select(func.coalesce(func.sum(ServiceRecord.minutes), 0)).where(ServiceRecord.volunteer_id == volunteer_id)


def totals_of(volunteer_ids: Collection[UUID]) -> Select[UUID, int]:
    """What the totals have of these volunteers, of all time; of whom was erased nothing."""
    return (
        select(TallyTotal.subject_id, TallyTotal.credited_minutes)
        .join(Volunteer, Volunteer.id == TallyTotal.subject_id)
        .where(
            TallyTotal.subject_kind == SubjectKind.VOLUNTEER,
            TallyTotal.unit == TallyUnit.ALL,
            among(TallyTotal.subject_id, volunteer_ids),
            Volunteer.erased_at.is_(None),
        )
    )


def served_in(volunteer_id: UUID, organization_id: UUID) -> Select[bool]:
    """Whether an organization recorded hours of a volunteer."""
    return select(
        exists().where(
            ServiceRecord.volunteer_id == volunteer_id,
            ServiceRecord.organization_id == organization_id,
            ServiceRecord.minutes > 0,
        )
    )


def star_levels(volunteer_id: UUID, *states: StarState) -> Select[StarLevel]:
    """A volunteer's applications and levels in these states, the highest first."""
    return (
        select(StarLevel)
        .where(StarLevel.volunteer_id == volunteer_id, StarLevel.state.in_(states))
        .order_by(StarLevel.level.desc(), StarLevel.id)
    )


def star_level_held(volunteer_id: UUID) -> Select[int]:
    """The highest star level that a volunteer holds (0: none)."""
    return select(func.coalesce(func.max(StarLevel.level), 0)).where(
        StarLevel.volunteer_id == volunteer_id, StarLevel.state == StarState.GRANTED
    )


def applications(organization_id: UUID, state: str | None) -> Select[*tuple[Any, ...]]:
    """The applications that an organization, or one below it, decides on, with the names that a person reads."""
    statement = (
        select(
            *StarLevel.__table__.columns,
            Volunteer.name.label("volunteer_name"),
            Volunteer.volunteer_number,
            Organization.name.label("organization_name"),
        )
        .join(Volunteer, Volunteer.id == StarLevel.volunteer_id)
        .join(Organization, Organization.id == StarLevel.organization_id)
        .join(PathMember, PathMember.path_id == Organization.path_id)
        .where(PathMember.ancestor_id == organization_id)
    )
    return statement if state is None else statement.where(StarLevel.state == state)


def held_application(application_id: UUID) -> Select[StarLevel]:
    """An application, locked, as it is now."""
    return (
        select(StarLevel)
        .where(StarLevel.id == application_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def not_exported(organization_id: UUID) -> Select[UUID]:
    """The ids of the rows recorded for an organization or one below it, as it stood then, that no batch has."""
    return (
        select(ServiceRecord.id)
        .join(PathMember, PathMember.path_id == ServiceRecord.organization_path_id)
        .outerjoin(NationalExportRecord, NationalExportRecord.record_id == ServiceRecord.id)
        .where(PathMember.ancestor_id == organization_id, NationalExportRecord.record_id.is_(None))
        .order_by(ServiceRecord.id)
    )


def exported_rows(export_id: UUID) -> Select[*tuple[Any, ...]]:
    """The rows of a batch in the order of their ids, with the names that the file asks for."""
    leader = aliased(Volunteer)
    return (
        select(
            *ServiceRecord.__table__.columns,
            Volunteer.name.label("volunteer_name"),
            Volunteer.volunteer_number,
            Volunteer.erased_at,
            Organization.name.label("organization_name"),
            leader.name.label("leader_name"),
        )
        .join(NationalExportRecord, NationalExportRecord.record_id == ServiceRecord.id)
        .join(Volunteer, Volunteer.id == ServiceRecord.volunteer_id)
        .join(Organization, Organization.id == ServiceRecord.organization_id)
        .outerjoin(leader, leader.id == ServiceRecord.leader_id)
        .where(NationalExportRecord.export_id == export_id)
        .order_by(ServiceRecord.id)
    )


def exported_volunteers(export_id: UUID) -> Select[UUID]:
    """Whose records are in a batch."""
    return (
        select(ServiceRecord.volunteer_id)
        .join(NationalExportRecord, NationalExportRecord.record_id == ServiceRecord.id)
        .where(NationalExportRecord.export_id == export_id)
        .distinct()
    )


def exports(organization_id: UUID) -> Select[NationalExport]:
    """An organization's batches."""
    return select(NationalExport).where(NationalExport.organization_id == organization_id)


def _is_reversed() -> Exists:
    reversal = aliased(ServiceRecord)
    condition: ColumnElement[bool] = reversal.reverses_id == ServiceRecord.id
    return exists().where(condition)
