"""Routes of certificates, star levels and the national export."""

from typing import Any

from flask import Response, after_this_request, request

from volunteer_api.certificates import access, national_exports, paper, schemas, service, star_levels
from volunteer_api.certificates.models import Certificate, NationalExport, StarLevel
from volunteer_api.certificates.problems import NotSealedYet
from volunteer_api.certificates.verification import Verification, verification_page
from volunteer_api.core.access import Principal, signed_in
from volunteer_api.core.downloads import CSV, PDF, XLSX, Download
from volunteer_api.core.endpoint import REQUIRED, endpoint, feature_blueprint, page_blueprint
from volunteer_api.core.paging import Page
from volunteer_api.core.schema import PageQuery, page_of
from volunteer_api.hours import seals
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Organization

blueprint = feature_blueprint("certificates", __name__, "Certificates and star levels")
pages = page_blueprint("verification_pages", __name__, "Verification of certificates by their number")
LOOK_UPS = "60/10 minutes"
FILES = "60/10 minutes"


@endpoint(
    blueprint,
    "POST",
    "/me/certificates",
    access=signed_in,
    body=schemas.CertificateCreate,
    returns=schemas.CertificateRead,
    status=201,
)
def issue_certificate(principal: Principal, body: dict[str, Any]) -> dict[str, Any]:
    """Have my hours of a period certified by the organization that recorded them."""
    return read(service.issue(volunteer_id=principal.volunteer_id, **body))


@endpoint(
    blueprint,
    "GET",
    "/me/certificates",
    access=signed_in,
    query=PageQuery,
    returns=page_of(schemas.CertificateRead),
)
def list_my_certificates(principal: Principal, query: dict[str, Any]) -> Page:
    """List my certificates, the latest first."""
    found = service.certificates_of(principal.volunteer_id, query)
    return Page([read(certificate) for certificate in found.items], found.next_cursor)


@endpoint(
    blueprint,
    "GET",
    "/me/certificates/<uuid:certificate_id>",
    access=access.to_hold,
    returns=schemas.CertificateRead,
)
def read_my_certificate(certificate: Certificate) -> dict[str, Any]:
    """Read a certificate of mine, and whether it is still good."""
    return read(certificate)


@endpoint(
    blueprint,
    "GET",
    "/me/certificates/<uuid:certificate_id>.pdf",
    access=access.to_hold,
    query=schemas.PaperQuery,
    produces=PDF,
    limit=FILES,
)
def print_my_certificate(certificate: Certificate, query: dict[str, Any]) -> Download:
    """Print a certificate of mine, in Chinese or English."""
    return paper.print_certificate(certificate, query.get("language"))


@endpoint(
    blueprint,
    "GET",
    "/me/service-records/<uuid:record_id>/proof",
    access=access.to_prove,
    returns=schemas.ProofRead,
    limit=FILES,
)
def prove_my_service_record(record: ServiceRecord) -> seals.Proof:
    """Prove that a record of mine is in the seal of its day, so that anybody can check it against a root."""
    proof = seals.prove(record.id)
    if proof is None:
        raise NotSealedYet()
    return proof


@endpoint(
    pages,
    "GET",
    "/verify/<string:number>",
    access=access.to_verify,
    returns=schemas.VerificationRead,
    limit=LOOK_UPS,
)
def verify_certificate(found: Verification) -> Verification | Download:
    """Verify a certificate by its number: JSON, or a page for who prefers HTML."""
    after_this_request(_vary_by_accept)
    as_page = request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html"
    return verification_page(found) if as_page else found


@endpoint(blueprint, "GET", "/me/star-level", access=signed_in, returns=schemas.StandingRead)
def read_my_star_level(principal: Principal) -> star_levels.Standing:
    """Read the star level that I hold, and how far the next one is."""
    return star_levels.standing_of(principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/me/star-level",
    access=signed_in,
    body=schemas.StarLevelApply,
    returns=schemas.StarLevelRead,
    status=201,
)
def apply_for_star_level(principal: Principal, body: dict[str, Any]) -> StarLevel:
    """Apply for the star level that my credited hours reach."""
    return star_levels.apply(volunteer_id=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/star-level-applications",
    access=access.to_list_applications,
    query=schemas.ApplicationFilter,
    returns=page_of(schemas.ApplicationRead),
)
def list_star_level_applications(organization: Organization, query: dict[str, Any]) -> Page:
    """List the applications for star levels to an organization and those below it, oldest first."""
    return star_levels.applications_to(organization, query)


@endpoint(
    blueprint,
    "POST",
    "/star-level-applications/<uuid:application_id>/approval",
    access=access.to_decide,
    returns=schemas.StarLevelRead,
)
def approve_star_level(principal: Principal, application: StarLevel) -> StarLevel:
    """Grant a star level to somebody else, if the hours are there."""
    return star_levels.approve(application, by=principal.volunteer_id)


@endpoint(
    blueprint,
    "POST",
    "/star-level-applications/<uuid:application_id>/rejection",
    access=access.to_decide,
    body=schemas.Rejection,
    returns=schemas.StarLevelRead,
)
def reject_star_level(principal: Principal, application: StarLevel, body: dict[str, Any]) -> StarLevel:
    """Turn an application for a star level down, with a reason."""
    return star_levels.reject(application, by=principal.volunteer_id, **body)


@endpoint(
    blueprint,
    "POST",
    "/star-level-applications/<uuid:application_id>/withdrawal",
    access=access.to_withdraw,
    status=204,
)
def withdraw_star_level(application: StarLevel) -> None:
    """Withdraw my application for a star level, as long as nobody decided on it."""
    star_levels.withdraw(application)


@endpoint(
    blueprint,
    "GET",
    "/organizations/<uuid:organization_id>/national-exports",
    access=access.to_export,
    query=PageQuery,
    returns=page_of(schemas.NationalExportRead),
)
def list_national_exports(organization: Organization, query: dict[str, Any]) -> Page:
    """List an organization's batches for the national system, the latest first."""
    return national_exports.exports_of(organization, query)


@endpoint(
    blueprint,
    "POST",
    "/organizations/<uuid:organization_id>/national-exports",
    access=access.to_export,
    body=schemas.NationalExportCreate,
    returns=schemas.NationalExportRead,
    status=201,
    idempotency=REQUIRED,
)
def make_national_export(principal: Principal, organization: Organization, body: dict[str, Any]) -> NationalExport:
    """Put the records that are in no batch yet into one, at most 5,000."""
    return national_exports.make(organization, by=principal, **body)


@endpoint(
    blueprint,
    "GET",
    "/national-exports/<uuid:export_id>.xlsx",
    access=access.to_fetch_export,
    produces=XLSX,
    audits=True,
    limit=FILES,
)
def fetch_national_export_workbook(principal: Principal, export: NationalExport) -> Download:
    """Fetch the file of a batch as a workbook, as often as it is needed."""
    return national_exports.workbook(export, by=principal)


@endpoint(
    blueprint,
    "GET",
    "/national-exports/<uuid:export_id>.csv",
    access=access.to_fetch_export,
    produces=CSV,
    audits=True,
    limit=FILES,
)
def fetch_national_export_table(principal: Principal, export: NationalExport) -> Download:
    """Fetch the file of a batch as CSV, as often as it is needed."""
    return national_exports.table(export, by=principal)


@endpoint(
    blueprint,
    "POST",
    "/national-exports/<uuid:export_id>/confirmation",
    access=access.to_fetch_export,
    returns=schemas.NationalExportRead,
)
def confirm_national_export(principal: Principal, export: NationalExport) -> NationalExport:
    """Note that the national system has taken a batch in."""
    return national_exports.confirm(export, by=principal)


def read(certificate: Certificate) -> dict[str, Any]:
    """What its holder reads of a certificate."""
    return {
        "id": certificate.id,
        "number": service.spoken(certificate.number),
        "verify_url": service.verify_url(certificate.number),
        "organization_id": certificate.organization_id,
        "organization_name": certificate.organization_name,
        "starts_on": certificate.starts_on,
        "ends_on": certificate.ends_on,
        "credited_minutes": certificate.minutes,
        "issued_at": certificate.created_at,
        "sealed_on": certificate.sealed_on,
        "root": certificate.root.hex() if certificate.root is not None else None,
        "revoked_at": certificate.revoked_at,
        "revocation": certificate.revocation,
    }


def _vary_by_accept(response: Response) -> Response:
    response.vary.add("Accept")
    return response
