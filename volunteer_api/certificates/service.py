"""Certificates: issued by whoever recorded the hours, from the ledger, and revoked when it takes some of them back."""

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import insert, select, update

from volunteer_api.accounts import queries as accounts
from volunteer_api.accounts import resident_ids
from volunteer_api.accounts.models import Volunteer
from volunteer_api.certificates import queries
from volunteer_api.certificates.models import Certificate, CertificateRecord, Revocation
from volunteer_api.certificates.problems import (
    NameChangedLately,
    NothingToCertify,
    PeriodNotOver,
    ResidentIdMissing,
    SeveralOrganizations,
    TooManyRecords,
)
from volunteer_api.core import clock, codes, ids
from volunteer_api.core.database import db
from volunteer_api.core.limits import spend
from volunteer_api.core.paging import Key, Page, page
from volunteer_api.core.settings import settings
from volunteer_api.hours.models import DaySeal, ServiceRecord
from volunteer_api.notifications import service as notifications
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.templates import register
from volunteer_api.organizations.models import Organization

# Some thirty pages; somebody who serves every day has a year in less.
MOST_RECORDS = 1000
# 31 letters to the twelfth: at the public page's limit, one address tries them for a hundred thousand million years.
NUMBER_LENGTH = 12
ISSUED = "50/day"
# Hours are not sold by a name that is changed for an hour: whoever leads or serves beside her sees it for so long.
NAME_SETTLES = timedelta(days=30)
REVOKED = register(
    "certificate_revoked",
    "A certificate was revoked",
    "Hours under your certificate %(number)s were taken back, so it is good no more. You can make a new one.",
    Group.CERTIFICATES,
)


def issue(
    *,
    volunteer_id: UUID,
    first: date,
    last: date,
    organization_id: UUID | None = None,
    with_resident_id: bool = False,
) -> Certificate:
    """Certify a volunteer's hours on the local days `first` to `last`, as the ledger has them now.

    Its period goes from the day of the first of these records to that of the last, whatever was asked for.
    Who recorded certifies [order 67, art. 14]: a certificate has one issuer. Without `organization_id` that is the one
    which recorded all of them; where there are several, the refusal names them. `with_resident_id` puts the masked
    number on it. What the ledger takes back at the same moment is either left out or revokes the certificate.

    Raises PeriodNotOver, NothingToCertify, SeveralOrganizations, TooManyRecords, ResidentIdMissing,
    NameChangedLately (409), TooManyRequests (429).
    """
    if last > clock.today():
        raise PeriodNotOver()
    spend(ISSUED, "certificates", str(volunteer_id))
    db.session.execute(queries.held_volunteer(volunteer_id)).one()
    volunteer = db.session.get_one(Volunteer, volunteer_id, populate_existing=True)
    masked = resident_ids.masked_number_of(volunteer_id) if with_resident_id else None
    if with_resident_id and masked is None:
        raise ResidentIdMissing()
    issuer_id = organization_id or _only_issuer(volunteer_id, first, last)
    rows = queries.standing(volunteer_id, first, last).where(ServiceRecord.organization_id == issuer_id)
    records = db.session.execute(rows.limit(MOST_RECORDS + 1)).all()
    if not records:
        raise NothingToCertify()
    if len(records) > MOST_RECORDS:
        raise TooManyRecords(most=MOST_RECORDS)
    _require_name_of(volunteer_id, records[0].on)
    issuer = db.session.get_one(Organization, issuer_id)
    certificate = Certificate(
        volunteer_id=volunteer_id,
        organization_id=issuer_id,
        number=ids.readable(NUMBER_LENGTH),
        name=volunteer.name,
        volunteer_number=volunteer.volunteer_number,
        masked_resident_id=masked,
        organization_name=issuer.name,
        successor_name=_successor_name(issuer),
        # Nothing is certified of days before and after them that were asked for.
        starts_on=records[0].on,
        ends_on=records[-1].on,
        minutes=sum(record.minutes for record in records),
    )
    _carry_root(certificate, [record.id for record in records])
    db.session.add(certificate)
    db.session.flush()
    db.session.execute(
        insert(CertificateRecord),
        [{"certificate_id": certificate.id, "record_id": record.id} for record in records],
    )
    return certificate


def certificates_of(volunteer_id: UUID, query: dict[str, object]) -> Page:
    """A volunteer's certificates, the latest first."""
    keys = [Key(Certificate.id, read=lambda certificate: certificate.id, descending=True)]
    return page(queries.certificates_of(volunteer_id), keys, query, scope=str(volunteer_id))


def find(number: str) -> Certificate | None:
    """The certificate of a number as somebody read it from paper, or heard it."""
    # Copied from a page it may have marks that nobody sees, and dashes of all kinds.
    plain = "".join(letter for letter in codes.fold(number) if letter.isalnum())
    if len(plain) != NUMBER_LENGTH or not set(plain) <= set(ids.READABLE):
        return None
    return db.session.scalar(select(Certificate).where(Certificate.number == plain))


def spoken(number: str) -> str:
    """A number in groups of four, as it is printed and read aloud."""
    return "-".join(number[place : place + 4] for place in range(0, len(number), 4))


def verify_url(number: str) -> str:
    """Where everybody can look a certificate up."""
    return f"{settings().public_base_url}/verify/{spoken(number)}"


def revoke_with(record_id: UUID, volunteer_id: UUID) -> None:
    """Revoke every good certificate of a record that the ledger has taken back, and tell its holder."""
    db.session.execute(queries.held_volunteer(volunteer_id)).one()
    for certificate in db.session.scalars(queries.good_with(record_id)):
        certificate.revoked_at, certificate.revocation = clock.now(), Revocation.REVERSED
        notifications.notify(
            volunteer_id=certificate.volunteer_id,
            kind=REVOKED,
            values={"number": spoken(certificate.number), "certificate_id": str(certificate.id)},
            dedup_key=f"{REVOKED}:{certificate.id}",
        )
    db.session.flush()


def forget_holder(volunteer_id: UUID) -> None:
    """Take the name off an erased person's certificates. What is good becomes revoked: nobody can vouch for it now."""
    mine = Certificate.volunteer_id == volunteer_id
    for condition, values in (
        (Certificate.revoked_at.is_(None), {"revoked_at": clock.now(), "revocation": Revocation.ERASED}),
        (Certificate.revoked_at.is_not(None), {"name": None, "volunteer_number": None, "masked_resident_id": None}),
    ):
        db.session.execute(
            update(Certificate).where(mine, condition).values(values).execution_options(synchronize_session=False)
        )


def carry_root_of(seal_id: int) -> None:
    """Give the root of a new seal to the certificates that waited for it."""
    seal = db.session.get_one(DaySeal, seal_id)
    db.session.execute(queries.give_root(seal.on, seal.root))


def _require_name_of(volunteer_id: UUID, first: date) -> None:
    """Raise NameChangedLately where the name is younger than the hours from `first` on, and nobody had time to see."""
    changed_at = accounts.name_changed_at(volunteer_id)
    if changed_at is None or first >= clock.local_date(changed_at):
        return
    settled_on = clock.local_date(changed_at + NAME_SETTLES)
    if clock.today() < settled_on:
        raise NameChangedLately(members={"from": settled_on.isoformat()}, day=settled_on.isoformat())


def _only_issuer(volunteer_id: UUID, first: date, last: date) -> UUID:
    found = db.session.execute(queries.standing_by_organization(volunteer_id, first, last)).all()
    if not found:
        raise NothingToCertify()
    if len(found) > 1:
        names = [{"id": str(row.id), "name": row.name, "minutes": int(row.minutes)} for row in found]
        raise SeveralOrganizations(members={"organizations": names})
    issuer_id: UUID = found[0].id
    return issuer_id


def _successor_name(issuer: Organization) -> str | None:
    """Who goes on with the work of a merged organization, however often that was merged itself."""
    successor, seen = issuer, {issuer.id}
    while successor.merged_into_id is not None and successor.merged_into_id not in seen:
        successor = db.session.get_one(Organization, successor.merged_into_id)
        seen.add(successor.id)
    return successor.name if successor.id != issuer.id else None


def _carry_root(certificate: Certificate, record_ids: list[UUID]) -> None:
    """The root of the last seal among those of the records, where all of them are sealed: it vouches for all before."""
    count, seal_id = db.session.execute(queries.sealed_in(record_ids)).one()
    if count == len(record_ids):
        seal = db.session.get_one(DaySeal, seal_id)
        certificate.root, certificate.sealed_on = seal.root, seal.on
