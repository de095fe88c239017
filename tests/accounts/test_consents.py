"""What somebody consents to, takes back, and what goes with it."""

import hashlib

import pytest
from sqlalchemy import select

from tests.accounts.factories import bearer, current_consents, sign_up_person
from tests.factories import make_volunteer
from volunteer_api.accounts import consents
from volunteer_api.accounts.consent_texts import DIRECTORY, ConsentKind, current_texts
from volunteer_api.accounts.models import Consent, ResidentId
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db

NUMBER = "11010519491231002X"


def given(*kinds):
    return [*current_consents(), *({"kind": kind, "version": current_texts()[kind].version} for kind in kinds)]


@pytest.fixture
def volunteer(unit):
    return unit(lambda: make_volunteer(consents=current_consents()))


def test_a_withdrawn_consent_is_kept_as_proof(unit, volunteer):
    for wanted in (given("location"), given(), given("location")):
        unit(lambda wanted=wanted: consents.set_consents(volunteer.id, consents=wanted))
    rows = unit(
        lambda: db.session.execute(
            select(Consent.withdrawn_at).where(Consent.kind == "location").order_by(Consent.given_at)
        ).all()
    )
    assert [row.withdrawn_at is None for row in rows] == [False, True]


def test_has_follows_what_is_given_and_withdrawn(unit, volunteer):
    assert not unit(lambda: consents.has(volunteer.id, ConsentKind.LOCATION))
    unit(lambda: consents.set_consents(volunteer.id, consents=given("location")))
    assert unit(lambda: consents.has(volunteer.id, ConsentKind.LOCATION))
    assert not unit(lambda: consents.has(volunteer.id, ConsentKind.RANKING_NAME))
    unit(lambda: consents.set_consents(volunteer.id, consents=given()))
    assert not unit(lambda: consents.has(volunteer.id, ConsentKind.LOCATION))


def test_an_older_version_shows_until_the_new_one_is_given(client, unit, volunteer):
    unit(lambda: consents.give(volunteer.id, kind="location", version="2020-01"))
    phone = client.as_(volunteer)
    rows = {row["kind"]: row for row in phone.get("/me/consents").json["items"]}
    assert rows["location"]["given_version"] == "2020-01" != rows["location"]["version"]
    answer = phone.put("/me/consents", json={"consents": given("location")})
    rows = {row["kind"]: row for row in answer.json["items"]}
    assert rows["location"]["given_version"] == rows["location"]["version"]
    assert set(rows) == set(ConsentKind)


@pytest.mark.parametrize("kind", ["terms", "privacy"])
def test_a_required_one_is_taken_back_only_by_erasure(client, volunteer, kind):
    left = [consent for consent in current_consents() if consent["kind"] != kind]
    answer = client.as_(volunteer).put("/me/consents", json={"consents": left})
    assert answer.status_code == 422
    assert answer.json["errors"][0]["code"] == "consent_required"
    assert "注销" in answer.json["errors"][0]["detail"]


def test_the_resident_id_goes_with_its_consent(client, unit, volunteer):
    phone = client.as_(volunteer)
    assert phone.put("/me/consents", json={"consents": given("resident_id")}).status_code == 200
    assert phone.put("/me/resident-id", json={"resident_id": NUMBER}).status_code == 200
    phone.put("/me/consents", json={"consents": given("resident_id", "location")})
    assert phone.get("/me").json["resident_id"] is not None
    phone.put("/me/consents", json={"consents": given("location")})
    assert phone.get("/me").json["resident_id"] is None
    assert unit(lambda: db.session.scalar(select(ResidentId.id))) is None


def test_the_guardians_consent_is_not_the_childs_to_give(client, volunteer):
    answer = client.as_(volunteer).put("/me/consents", json={"consents": given("guardian")})
    assert (answer.status_code, answer.json["code"]) == (409, "guardian_must_consent")


def test_every_change_is_recorded_and_no_change_is_not(unit, volunteer):
    for wanted in (given("location"), given("location"), given()):
        unit(lambda wanted=wanted: consents.set_consents(volunteer.id, consents=wanted))
    details = unit(
        lambda: db.session.scalars(
            select(AuditEntry.details)
            .where(AuditEntry.action == AuditAction.CONSENTS_CHANGED)
            .order_by(AuditEntry.created_at, AuditEntry.id)
        ).all()
    )
    assert details == [{"given": "location", "withdrawn": ""}, {"given": "", "withdrawn": "location"}]


def named(client, tokens):
    rows = client.get("/me/consents", headers=bearer(tokens)).json["items"]
    return next(row["given_version"] for row in rows if row["kind"] == "ranking_name")


def test_a_minor_is_asked_anew_whether_rankings_name_her(client, capsys):
    """What she said at fifteen names nobody on her eighteenth birthday."""
    wanted = {"consents": given("ranking_name")}
    contact = {"name": "王建国", "phone": "+8613900009999"}
    tokens = sign_up_person(client, capsys, birth_date="2010-03-08", guardian_contact=contact, **wanted)
    assert named(client, tokens) is None
    told = {
        one["kind"]: one["available_from"] for one in client.get("/me/consents", headers=bearer(tokens)).json["items"]
    }
    assert (told["ranking_name"], told["location"]) == ("2028-03-08", None)
    refused = client.put("/me/consents", json=wanted, headers=bearer(tokens))
    assert (refused.status_code, refused.json["code"], refused.json["available_from"]) == (
        409,
        "named_when_of_age",
        "2028-03-08",
    )
    assert named(client, tokens) is None
    others = {"consents": given("location")}
    assert client.put("/me/consents", json=others, headers=bearer(tokens)).status_code == 200


def test_who_turns_out_to_be_a_minor_is_asked_anew(client, capsys):
    tokens = sign_up_person(client, capsys, birth_date="1990-03-08", consents=given("ranking_name"))
    assert named(client, tokens) is not None
    contact = {"name": "王建国", "phone": "+8613900009999"}
    version = client.get("/me", headers=bearer(tokens)).json["version"]
    body = {"birth_date": "2010-03-08", "guardian_contact": contact}
    assert client.patch("/me", json=body, version=version, headers=bearer(tokens)).status_code == 200
    assert named(client, tokens) is None


# Of each text that was released: people said yes to these words, and to no others.
RELEASED = {
    "guardian/2026-11.md": "a8f3824a2ff87c84",
    "location/2026-11.md": "5998e9015ee5bfe1",
    "national_system/2026-11.md": "b720f80ff12363cc",
    "privacy/2026-11.md": "b439249fc73ab054",
    "ranking_name/2026-11.md": "2ed9e641fd0df083",
    "resident_id/2026-11.md": "c3f1eef1da45e770",
    "terms/2026-11.md": "1332f2841f37fec9",
}


def test_what_people_said_yes_to_is_not_rewritten():
    """New words are a new version in a file of its own; its digest comes here with its release."""
    digests = {name: hashlib.sha256((DIRECTORY / name).read_bytes()).hexdigest()[:16] for name in RELEASED}
    assert digests == RELEASED
