"""Rows of the access matrix: sign-in, one's own data, organizations and their grants, teams."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import update
from stdnum.cn import ric

from tests.access_scene import (
    CODE,
    KNOWS_THE_CODE,
    LEADS_TEAM,
    ORGANIZES,
    OWNER,
    OWNER_SEEN_FROM_ABOVE,
    PUBLIC,
    READS_AUDIT_LOG,
    READS_THE_CODE,
    SIGNED_IN,
    Call,
    Entry,
    World,
)
from tests.accounts.factories import DEVICE, current_consents, registration
from tests.factories import next_number
from tests.files.factories import make_file, picture
from volunteer_api.accounts import codes, consents, contacts, resident_ids, sessions
from volunteer_api.accounts.consent_texts import ConsentKind, current_texts
from volunteer_api.accounts.models import CodePurpose, Guardian, Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.teams import invitations


def sign_in(world: World) -> Call:
    """With a code that was just sent."""
    phone = world.stranger().phone
    codes.send_code(phone=str(phone), purpose=CodePurpose.ACCESS)
    return Call(body={"phone": phone, "code": CODE, "device": DEVICE})


def register(world: World) -> Call:
    """With a code that was just sent to an unknown number."""
    phone = world.phone()
    codes.send_code(phone=phone, purpose=CodePurpose.ACCESS)
    return Call(body=registration(CODE, phone=phone))


def grant(world: World) -> Call:
    """Somebody is to manage the station."""
    scope = {"type": "station", "id": str(world.station.id)}
    return Call(body={"volunteer_id": str(world.outsider.id), "role": "station_manager", "scope": scope})


def moving(world: World) -> Call:
    """A practice station goes from one office to the other."""
    body = {"parent_id": str(world.district.other_office.id)}
    return Call(at={"organization_id": world.district.practice_station.id}, body=body, version=1)


def merging(world: World) -> Call:
    """The other office takes over."""
    return Call(body={"into_id": str(world.district.other_office.id)})


def closing(world: World) -> Call:
    """A practice station that has nothing."""
    return Call(at={"organization_id": world.district.practice_station.id}, body={"reason": "撤并"})


def reopening(world: World) -> Call:
    """The same station, which is open: nothing changes."""
    return Call(at={"organization_id": world.district.practice_station.id}, body={})


def consent_text(_world: World) -> Call:
    """The terms in force."""
    return Call(at={"kind": ConsentKind.TERMS.value, "version": current_texts()[ConsentKind.TERMS].version})


def sent_photo(world: World) -> Call:
    """One that the member sent."""
    return Call(at={"name": make_file(world.member.id).name})


def code_for(world: World, purpose: CodePurpose) -> str:
    """Send the caller a code; it is put in where the body says so."""
    codes.send_code(phone=str(world.caller.phone), purpose=purpose)
    return CODE


def code_to(phone: str, purpose: CodePurpose) -> str:
    """Send somebody else a code; it is put in where the body says so."""
    codes.send_code(phone=phone, purpose=purpose)
    return f"{CODE}{phone}"


def new_password(world: World) -> Call:
    """With a code to the caller's phone, as whoever forgot it does without a token."""
    return Call(
        body={
            "new_password": "lüfter-seehund-47",
            "phone": world.caller.phone,
            "code": code_for(world, CodePurpose.RESET),
        }
    )


def new_phone(world: World) -> Call:
    """With a code to each of the two."""
    phone, purpose = world.phone(), CodePurpose.CHANGE_PHONE
    current_code = code_to(str(world.caller.phone), purpose)
    return Call(body={"phone": phone, "code": code_to(phone, purpose), "current_code": current_code})


def resident_id(world: World) -> Call:
    """The caller's own, and the consent that it needs."""
    consent_to_resident_id(world.caller.id)
    return Call(body={"resident_id": fresh_resident_id()})


def consent_to_resident_id(volunteer_id: UUID) -> None:
    """Without it no number is kept."""
    text = current_texts()[ConsentKind.RESIDENT_ID]
    consents.give(volunteer_id, kind=ConsentKind.RESIDENT_ID, version=text.version)
    db.session.flush()


def fresh_resident_id() -> str:
    """A number that nobody else has."""
    front = f"41040319580308{next_number() % 1000:03d}"
    return front + str(ric.calc_check_digit(front + "0"))


def store_resident_id(volunteer_id: UUID) -> None:
    """Somebody's own."""
    consent_to_resident_id(volunteer_id)
    resident_ids.store(volunteer_id, fresh_resident_id())


def guardian(world: World) -> Call:
    """Somebody who reads the code."""
    phone = world.phone()
    return Call(body={"name": "王建国", "phone": phone, "code": code_to(phone, CodePurpose.GUARDIAN)})


def recovery(world: World) -> Call:
    """Of an account that lost its number to a new owner."""
    person = world.stranger()
    store_resident_id(person.id)
    number = resident_ids.number_of(person.id)
    db.session.execute(update(Volunteer).where(Volunteer.id == person.id).values(phone=None))
    phone = world.phone()
    return Call(
        body={
            "volunteer_number": person.volunteer_number,
            "name": person.name,
            "resident_id": number,
            "phone": phone,
            "code": code_to(phone, CodePurpose.CHANGE_PHONE),
        }
    )


def wards(world: World) -> Call:
    """Of somebody with a phone and no wards."""
    phone = world.phone()
    return Call(body={"phone": phone, "code": code_to(phone, CodePurpose.GUARDIAN)})


def withdrawal(world: World) -> Call:
    """For a ward that she has."""
    phone, ward = world.phone(), world.stranger()
    contact = contacts.seal({"name": "王建国", "phone": phone}, ward.id)
    db.session.add(
        Guardian(
            volunteer_id=ward.id,
            contact=contact,
            phone_digest=contacts.phone_digest(phone),
            version="2026-11",
            consented_at=clock.now(),
        )
    )
    code = code_to(phone, CodePurpose.GUARDIAN)
    return Call(body={"phone": phone, "code": code, "volunteer_numbers": [ward.volunteer_number]})


def whole_export(world: World) -> Call:
    """With a code to the caller's phone."""
    return Call(body={"code": code_for(world, CodePurpose.EXPORT)})


def waiting_erasure(world: World) -> Call:
    """The caller asked for it before."""
    erases_at = clock.now() + timedelta(days=7)
    db.session.execute(update(Volunteer).where(Volunteer.id == world.caller.id).values(erases_at=erases_at))
    return Call()


def invitation_code(world: World) -> invitations.CodeView:
    """A code of the team."""
    return invitations.make_code(world.team, by=world.acts(world.leader), expires_in_days=30)


def primary_team(world: World) -> Call:
    """A team of which the caller is a member."""
    return Call(body={"team_id": str(world.joined(world.caller).team_id)})


def roster(_world: World) -> Call:
    """A table with one person."""
    return Call(file=("members.csv", "姓名,手机\n王秀英,13700009999\n".encode()))


SIGN_IN: dict[str, Entry] = {
    "POST /auth/codes": PUBLIC(lambda world: Call(body={"phone": world.phone(), "purpose": "access"})),
    "POST /auth/sign-in": READS_THE_CODE(sign_in),
    "POST /auth/register": READS_THE_CODE(register),
    "POST /auth/refresh": PUBLIC(
        lambda world: Call(body={"refresh_token": sessions.make_refresh_token(world.session(world.member).id, 1)})
    ),
    # Not the member, who resets hers as the one without a token, and is signed out by it.
    "PUT /auth/password": READS_THE_CODE(new_password, holder="leader"),
    "PUT /auth/phone": SIGNED_IN(new_phone),
    "POST /auth/recovery": READS_THE_CODE(recovery),
    "POST /guardian/wards": READS_THE_CODE(wards),
    "POST /guardian/withdrawals": READS_THE_CODE(withdrawal),
    "POST /auth/sign-out": SIGNED_IN(),
    "GET /auth/sessions": SIGNED_IN(),
    "DELETE /auth/sessions/{session_id}": OWNER(lambda world: Call(at={"session_id": world.session(world.member).id})),
    "GET /consent-texts": PUBLIC(),
    "GET /consent-texts/{kind}/{version}": PUBLIC(consent_text),
}

ME: dict[str, Entry] = {
    "GET /me": SIGNED_IN(),
    "PATCH /me": SIGNED_IN(lambda world: Call(body={"name": "王秀英"}, version=1)),
    "PUT /me/resident-id": SIGNED_IN(resident_id),
    "DELETE /me/resident-id": SIGNED_IN(),
    "PUT /me/guardian": SIGNED_IN(guardian),
    "DELETE /me/guardian": SIGNED_IN(),
    "GET /me/attendances": SIGNED_IN(),
    "GET /me/consents": SIGNED_IN(),
    "PUT /me/consents": SIGNED_IN(lambda world: Call(body={"consents": current_consents()})),
    "GET /me/grants": SIGNED_IN(),
    "GET /me/home": SIGNED_IN(),
    "GET /me/service-records": SIGNED_IN(),
    "GET /me/sign-ups": SIGNED_IN(),
    "GET /me/tally": SIGNED_IN(),
}

ORGANIZATIONS: dict[str, Entry] = {
    "GET /divisions": PUBLIC(),
    "GET /organizations": PUBLIC(),
    "POST /organizations": ORGANIZES(
        lambda world: Call(body={"parent_id": str(world.office.id), "kind": "practice_station", "name": "新社区实践站"})
    ),
    "GET /organizations/{organization_id}": PUBLIC(),
    "PATCH /organizations/{organization_id}": ORGANIZES(lambda world: Call(body={"name": "新名称"}, version=1)),
    "PATCH /organizations/{organization_id} · to another place": ORGANIZES(moving, holder="administrator"),
    "POST /organizations/{organization_id}/merging": ORGANIZES(merging, holder="administrator"),
    "POST /organizations/{organization_id}/closing": ORGANIZES(closing),
    "POST /organizations/{organization_id}/reopening": ORGANIZES(reopening),
    "GET /audit-entries": READS_AUDIT_LOG(),
    "GET /audit-entries · of an organization": READS_AUDIT_LOG(
        lambda world: Call(query={"organization_id": str(world.office.id)})
    ),
    "GET /me/audit-entries": SIGNED_IN(),
    "GET /grants": SIGNED_IN(),
    "GET /grants · of an organization": ORGANIZES(lambda world: Call(query={"organization_id": str(world.office.id)})),
    "POST /grants": ORGANIZES(grant),
    "DELETE /grants/{grant_id}": ORGANIZES(),
}


FILES: dict[str, Entry] = {
    "POST /files": SIGNED_IN(lambda world: Call(file=("photo.jpg", picture()))),
    "GET /files/{name}": PUBLIC(sent_photo),
}

ERASURE: dict[str, Entry] = {
    "GET /me/export": SIGNED_IN(),
    "POST /me/export": SIGNED_IN(whole_export),
    "GET /me/export.html": SIGNED_IN(),
    "POST /me/erasure": SIGNED_IN(lambda world: Call(body={"code": code_for(world, CodePurpose.ERASE)})),
    "DELETE /me/erasure": SIGNED_IN(waiting_erasure),
}

TEAMS: dict[str, Entry] = {
    "GET /c/j/{code}": PUBLIC(lambda world: Call(at={"code": "ABCDEFGH23"})),
    "GET /teams": SIGNED_IN(),
    "POST /teams": ORGANIZES(lambda world: Call(body={"name": "新队伍", "organization_id": str(world.office.id)})),
    "GET /teams/{team_id}": SIGNED_IN(),
    "PATCH /teams/{team_id}": LEADS_TEAM(lambda world: Call(body={"is_recruiting": False}, version=1)),
    "POST /teams/{team_id}/closing": LEADS_TEAM(),
    "GET /teams/{team_id}/members.xlsx": LEADS_TEAM(),
    "GET /teams/{team_id}/members/template.xlsx": LEADS_TEAM(),
    "POST /teams/{team_id}/members/import": LEADS_TEAM(roster),
    "GET /teams/{team_id}/invitation-codes": LEADS_TEAM(),
    "POST /teams/{team_id}/invitation-codes": LEADS_TEAM(lambda world: Call(body={"uses": 3})),
    "DELETE /teams/{team_id}/invitation-codes/{code_id}": LEADS_TEAM(
        lambda world: Call(at={"code_id": invitation_code(world).id})
    ),
    "GET /team-invitations/{code}": KNOWS_THE_CODE(lambda world: Call(at={"code": invitation_code(world).code})),
    "PATCH /memberships/{membership_id}": LEADS_TEAM(lambda world: Call(body={"role": "deputy"}, version=1)),
    "GET /memberships/{membership_id}/contact": LEADS_TEAM(),
    "POST /memberships/{membership_id}/leadership": LEADS_TEAM(),
    "GET /me/memberships": SIGNED_IN(),
    "PUT /me/primary-team": SIGNED_IN(primary_team),
    "GET /teams/{team_id}/memberships": LEADS_TEAM(),
    "POST /teams/{team_id}/memberships": SIGNED_IN(lambda world: Call(body={})),
    "POST /teams/{team_id}/memberships · of somebody else": LEADS_TEAM(
        lambda world: Call(body={"phone": world.stranger().phone})
    ),
    "POST /memberships/{membership_id}/acceptance": LEADS_TEAM(
        lambda world: Call(at={"membership_id": world.asking().id})
    ),
    "POST /memberships/{membership_id}/acceptance · of an invitation": OWNER_SEEN_FROM_ABOVE(
        lambda world: Call(at={"membership_id": world.invited().id})
    ),
    "POST /memberships/{membership_id}/rejection": LEADS_TEAM(
        lambda world: Call(at={"membership_id": world.asking().id})
    ),
    "POST /memberships/{membership_id}/rejection · of an invitation": OWNER_SEEN_FROM_ABOVE(
        lambda world: Call(at={"membership_id": world.invited().id})
    ),
    "POST /memberships/{membership_id}/leaving": OWNER_SEEN_FROM_ABOVE(),
    "POST /memberships/{membership_id}/leaving · of a deputy": LEADS_TEAM(
        lambda world: Call(at={"membership_id": world.deputy().id})
    ),
}

PEOPLE: dict[str, Entry] = SIGN_IN | ME | FILES | ERASURE | ORGANIZATIONS | TEAMS
