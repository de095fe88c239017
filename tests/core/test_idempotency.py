"""First answers: replayed, never repeated, never mixed up, under twins that arrive together."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, func, select

from tests.factories import make_volunteer
from tests.organizations.factories import make_district
from tests.servers import SECRET
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.teams.models import Team

Unit = Callable[[Callable[[], Any]], Any]
OTHER_SECRET = "another-secret-for-tests-that-is-longer-than-thirty-two"


def team(organization_id: UUID, name: str = "鹰城大妈") -> dict[str, str]:
    return {"name": name, "organization_id": str(organization_id)}


def count_teams() -> int:
    return db.session.execute(select(func.count()).select_from(Team)).scalar_one()


def test_a_replay_is_the_first_answer_again(client: Any, unit: Unit) -> None:
    district = make_district()
    organizer = client.as_(district.organizer)
    first = organizer.post("/teams", json=team(district.office.id), key="tap-1")
    again = organizer.post("/teams", json=team(district.office.id), key="tap-1")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.data == again.data
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert unit(count_teams) == 1


def test_a_refusal_of_the_domain_is_an_answer_too(client: Any) -> None:
    district = make_district()
    organizer = client.as_(district.organizer)
    organizer.post("/teams", json=team(district.office.id))
    first = organizer.post("/teams", json=team(district.office.id), key="tap-2")
    again = organizer.post("/teams", json=team(district.office.id), key="tap-2")
    assert (first.status_code, again.status_code) == (409, 409)
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("bodies", [(None, {}), ({}, None)])
def test_no_body_and_an_empty_one_are_one_request(client: Any, bodies: tuple[Any, Any]) -> None:
    district = make_district()
    organizer = client.as_(district.organizer)
    made = organizer.post("/teams", json=team(district.office.id)).get_json()["id"]
    applicant = client.as_(make_volunteer())
    first, again = (applicant.post(f"/teams/{made}/memberships", json=body, key="tap-5") for body in bodies)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    other = applicant.post(f"/teams/{made}/memberships", json={"note": "x"}, key="tap-5")
    assert other.status_code == 422


def test_a_key_belongs_to_one_request_and_one_person(client: Any) -> None:
    district = make_district()
    organizer = client.as_(district.organizer)
    organizer.post("/teams", json=team(district.office.id), key="tap-3")
    other = organizer.post("/teams", json=team(district.office.id, "别队"), key="tap-3")
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")
    stranger = client.as_(make_volunteer()).post("/teams", json=team(district.office.id), key="tap-3")
    assert "Idempotency-Replayed" not in stranger.headers


def test_what_passes_is_not_remembered(client: Any, unit: Unit) -> None:
    district = make_district()
    body = team(district.office.id)
    assert client.post("/teams", json=body, key="tap-4").status_code == 401
    assert client.as_(district.outsider).post("/teams", json=body, key="tap-4").status_code in (403, 404)
    assert client.as_(district.organizer).post("/teams", json={"name": ""}, key="tap-4").status_code == 422
    assert client.as_(district.organizer).post("/teams", json=body, key="tap-4").status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 65, "é"])
def test_a_key_is_visible_text(client: Any, key: str) -> None:
    district = make_district()
    answer = client.as_(district.organizer).post("/teams", json=team(district.office.id), key=key)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "idempotency_key_invalid")


def test_twins_that_arrive_together_have_one_effect(client: Any, unit: Unit, race: Any) -> None:
    district = make_district()
    phones = [client.as_(district.organizer) for _ in range(20)]
    answers = race(20, lambda number: phones[number].post("/teams", json=team(district.office.id), key="twin"))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.data for answer in answers}) == 1
    assert unit(count_teams) == 1


def test_keys_without_a_twin_do_not_hide_a_conflict(client: Any, unit: Unit, race: Any) -> None:
    district = make_district()
    phones = [client.as_(district.organizer) for _ in range(10)]
    answers = race(10, lambda number: phones[number].post("/teams", json=team(district.office.id), key=f"k{number}"))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 9
    assert unit(count_teams) == 1


def test_a_stored_fingerprint_says_nothing_to_who_has_no_secret(
    app: Any, client: Any, unit: Unit, change_settings: Callable[..., None]
) -> None:
    """A mere hash beside the answer would let a reader of the database try which phone stood in the request."""
    district = make_district()
    body, organizer = team(district.office.id), district.organizer
    # Signed in before the secret changes: no key of the ring may be made, or stay, under another one.
    phone = client.as_(organizer)

    def stored() -> bytes:
        found: bytes = unit(
            lambda: db.session.scalars(
                select(IdempotencyKey.fingerprint).where(IdempotencyKey.owner_id == organizer.id)
            ).one()
        )
        return found

    phone.post("/teams", json=body, key="tap")
    first = stored()
    unit(lambda: db.session.execute(delete(IdempotencyKey)))
    change_settings(app, secret_key=OTHER_SECRET)
    phone.post("/teams", json=body, key="tap")
    assert stored() != first


def test_a_key_is_replayed_while_the_secret_changes(
    app: Any, client: Any, change_settings: Callable[..., None]
) -> None:
    district = make_district()
    body, phone = team(district.office.id), client.as_(district.organizer)
    first = phone.post("/teams", json=body, key="tap-r")
    change_settings(app, secret_key=OTHER_SECRET, secret_key_previous=SECRET)
    again = phone.post("/teams", json=body, key="tap-r")
    assert (again.status_code, again.data) == (201, first.data)
    other = phone.post("/teams", json=team(district.office.id, "别队"), key="tap-r")
    assert other.get_json()["code"] == "idempotency_key_reused"
    change_settings(app, secret_key_previous=None)
    assert phone.post("/teams", json=body, key="tap-r").status_code == 422
