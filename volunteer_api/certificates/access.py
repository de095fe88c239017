"""Who may see certificates, decide about star levels and take records out."""

from uuid import UUID

from volunteer_api.certificates.models import Certificate, NationalExport, StarLevel
from volunteer_api.certificates.verification import Verification, verify
from volunteer_api.core.access import Principal, for_signed_in, open_to_all
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.access import Permission, load_organization, require
from volunteer_api.organizations.models import Organization


@for_signed_in
def to_hold(principal: Principal, certificate_id: UUID) -> Certificate:
    """Only its holder: everybody else has its number, and looks it up."""
    certificate = db.session.get(Certificate, certificate_id)
    if certificate is None or certificate.volunteer_id != principal.volunteer_id:
        raise NotFound()
    return certificate


@open_to_all
def to_verify(principal: Principal | None, number: str) -> Verification:
    """Anybody who has a number, or tries one: there is an answer for all."""
    return verify(number)


@for_signed_in
def to_prove(principal: Principal, record_id: UUID) -> ServiceRecord:
    """Only whose service it was."""
    record = db.session.get(ServiceRecord, record_id)
    if record is None or record.volunteer_id != principal.volunteer_id:
        raise NotFound()
    return record


@for_signed_in
def to_list_applications(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever reviews hours of the organization."""
    require(principal, Permission.HOURS_REVIEW, organization_id=organization_id)
    return load_organization(organization_id)


@for_signed_in
def to_decide(principal: Principal, application_id: UUID) -> StarLevel:
    """Whoever reviews hours of the organization that was applied to; whether it is her own, the service judges."""
    application = db.session.get(StarLevel, application_id)
    if application is None:
        raise NotFound()
    require(principal, Permission.HOURS_REVIEW, organization_id=application.organization_id)
    return application


@for_signed_in
def to_withdraw(principal: Principal, application_id: UUID) -> StarLevel:
    """Only who applied."""
    application = db.session.get(StarLevel, application_id)
    if application is None or application.volunteer_id != principal.volunteer_id:
        raise NotFound()
    return application


@for_signed_in
def to_export(principal: Principal, organization_id: UUID) -> Organization:
    """Whoever may take the organization's records out."""
    require(principal, Permission.HOURS_EXPORT, organization_id=organization_id)
    return load_organization(organization_id)


@for_signed_in
def to_fetch_export(principal: Principal, export_id: UUID) -> NationalExport:
    """Whoever may take the records of its organization out."""
    export = db.session.get(NationalExport, export_id)
    if export is None:
        raise NotFound()
    require(principal, Permission.HOURS_EXPORT, organization_id=export.organization_id)
    return export
