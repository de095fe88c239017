"""Rows of the access matrix: certificates, star levels, the national export."""

from datetime import timedelta

from tests.access_scene import ORGANIZES, OWNER, PUBLIC, SIGNED_IN, Call, Entry, World
from tests.certificates.factories import DAY, make_record
from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.certificates import national_exports, service, star_levels
from volunteer_api.certificates.models import Certificate, StarLevel
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours import seals

PERIOD = {"from": DAY.isoformat(), "to": DAY.isoformat()}


def certified(world: World, volunteer: Volunteer) -> Certificate:
    """A certificate of an hour and a half."""
    make_record(volunteer.id, world.office.id)
    return service.issue(volunteer_id=volunteer.id, first=DAY, last=DAY)


def hours_to_certify(world: World) -> Call:
    """Of whoever asks."""
    make_record(world.caller.id, world.office.id)
    return Call(body=PERIOD)


def certificate(world: World) -> Call:
    """The member's."""
    return Call(at={"certificate_id": certified(world, world.member).id})


def number(world: World) -> Call:
    """Of anybody's certificate."""
    return Call(at={"number": certified(world, make_volunteer()).number})


def sealed_record(world: World) -> Call:
    """One of the member's."""
    record_id = make_record(world.member.id, world.office.id)
    with clock.at(clock.start_of(DAY + timedelta(days=1)) + seals.SEALED_AFTER):
        seals.seal_next_day()
    return Call(at={"record_id": record_id})


def hours_for_a_star(world: World) -> Call:
    """Of whoever asks."""
    make_record(world.caller.id, world.office.id, minutes=100 * 60)
    return Call(body={"organization_id": str(world.office.id)})


def applied(world: World) -> StarLevel:
    """By somebody new."""
    volunteer = world.stranger()
    make_record(volunteer.id, world.office.id, minutes=100 * 60)
    return star_levels.apply(volunteer_id=volunteer.id, organization_id=world.office.id)


def to_approve(world: World) -> Call:
    return Call(at={"application_id": applied(world).id})


def to_reject(world: World) -> Call:
    return Call(at={"application_id": applied(world).id}, body={"reason": "时长有疑问"})


def to_withdraw(world: World) -> Call:
    make_record(world.member.id, world.office.id, minutes=100 * 60)
    application = star_levels.apply(volunteer_id=world.member.id, organization_id=world.office.id)
    return Call(at={"application_id": application.id})


def to_export(world: World) -> Call:
    """There is something that no batch has."""
    make_record(world.member.id, world.office.id)
    return Call(body={}, headers={"Idempotency-Key": "export"})


def exported(world: World) -> Call:
    """A batch of the office."""
    make_record(world.member.id, world.office.id)
    export = national_exports.make(world.office, by=world.acts(world.district.organizer))
    db.session.flush()
    return Call(at={"export_id": export.id})


ROWS: dict[str, Entry] = {
    "GET /me/certificates": SIGNED_IN(),
    "POST /me/certificates": SIGNED_IN(hours_to_certify),
    "GET /me/certificates/{certificate_id}": OWNER(certificate),
    "GET /me/certificates/{certificate_id}.pdf": OWNER(certificate),
    "GET /me/service-records/{record_id}/proof": OWNER(sealed_record),
    "GET /verify/{number}": PUBLIC(number),
    "GET /me/star-level": SIGNED_IN(),
    "POST /me/star-level": SIGNED_IN(hours_for_a_star),
    "GET /organizations/{organization_id}/star-level-applications": ORGANIZES(),
    "POST /star-level-applications/{application_id}/approval": ORGANIZES(to_approve),
    "POST /star-level-applications/{application_id}/rejection": ORGANIZES(to_reject),
    "POST /star-level-applications/{application_id}/withdrawal": OWNER(to_withdraw),
    "GET /organizations/{organization_id}/national-exports": ORGANIZES(),
    "POST /organizations/{organization_id}/national-exports": ORGANIZES(to_export),
    "GET /national-exports/{export_id}.xlsx": ORGANIZES(exported),
    "GET /national-exports/{export_id}.csv": ORGANIZES(exported),
    "POST /national-exports/{export_id}/confirmation": ORGANIZES(exported),
}
