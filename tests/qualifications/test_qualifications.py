"""Trainings and insurance: who is recorded, from when to when it counts, and what nobody learns."""

import threading
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district
from tests.qualifications.factories import make_policy, make_training
from volunteer_api.accounts.events import PhoneChanged, PhoneProven, PhoneReleased
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.organizations.service import create_organization
from volunteer_api.qualifications import service
from volunteer_api.qualifications.models import Insured, Policy
from volunteer_api.qualifications.queries import Credentials, Span, credentials_of

Unit = Callable[[Callable[[], Any]], Any]
STRANGER = "+8613712345678"


@pytest.fixture
def district(unit: Unit) -> District:
    made: District = unit(make_district)
    return made


@pytest.fixture
def organizer(client: Any, district: District) -> Any:
    return client.as_(district.organizer)


def today() -> date:
    """The local day, in Shanghai, without an application."""
    return (clock.now() + timedelta(hours=8)).date()


def days_from_now(days: int) -> str:
    return (today() + timedelta(days=days)).isoformat()


def credentials(unit: Unit, volunteer_id: UUID) -> Credentials:
    found: Credentials = unit(lambda: credentials_of([volunteer_id])[volunteer_id])
    return found


def test_a_training_counts_from_its_day_to_its_last(unit: Unit, district: District, organizer: Any) -> None:
    volunteer = unit(lambda: make_volunteer(phone=STRANGER))
    training = unit(lambda: make_training(district.office.id, valid_days=10))
    path = f"/trainings/{training.id}/records"
    body = {"phones": ["137 1234 5678"], "completed_on": days_from_now(-10)}
    made = organizer.post(path, json=body)
    assert made.status_code == 201
    record = made.get_json()["items"][0]
    assert (record["masked_phone"], record["valid_until"]) == ("137****5678", days_from_now(0))
    found = credentials(unit, volunteer.id)
    assert found.missing([training.id], today()) == []
    assert found.missing([training.id], today() + timedelta(days=1)) == [training.id]
    assert found.missing([training.id], today() - timedelta(days=11)) == [training.id]
    mine = organizer.as_(volunteer).get("/me/trainings").get_json()["items"]
    assert [(one["name"], one["valid_until"]) for one in mine] == [(training.name, days_from_now(0))]
    again = organizer.post(path, json=body)
    assert (again.status_code, again.get_json()["code"]) == (409, "already_recorded")
    assert again.get_json()["masked_phones"] == ["137****5678"]


def test_a_revoked_record_counts_no_more_and_can_be_made_anew(unit: Unit, district: District, organizer: Any) -> None:
    volunteer = unit(lambda: make_volunteer(phone=STRANGER))
    training = unit(lambda: make_training(district.office.id))
    body = {"phones": [STRANGER], "completed_on": days_from_now(-1)}
    record = organizer.post(f"/trainings/{training.id}/records", json=body).get_json()["items"][0]
    revoked = organizer.post(f"/training-records/{record['id']}/revocation", json={"reason": "未参加考核"})
    assert revoked.get_json()["revocation_reason"] == "未参加考核"
    assert credentials(unit, volunteer.id).missing([training.id], today()) == [training.id]
    assert organizer.as_(volunteer).get("/me/trainings").get_json()["items"] == []
    second = organizer.post(f"/training-records/{record['id']}/revocation", json={"reason": "又一次"})
    assert second.get_json()["code"] == "already_revoked"
    assert organizer.post(f"/trainings/{training.id}/records", json=body).status_code == 201
    assert len(organizer.get(f"/trainings/{training.id}/records").get_json()["items"]) == 2


def test_what_is_recorded_waits_for_the_phone_and_tells_nobody(unit: Unit, district: District, organizer: Any) -> None:
    known = unit(lambda: make_volunteer(phone="+8613712345679"))
    training, policy = unit(lambda: (make_training(district.office.id), make_policy(district.office.id)))
    for path, rest in (
        (f"/trainings/{training.id}/records", {"completed_on": days_from_now(0)}),
        (f"/insurance-policies/{policy.id}/insured-people", {}),
    ):
        items = organizer.post(path, json={"phones": [STRANGER, str(known.phone)]} | rest).get_json()["items"]
        # Of two phones, one registered, the answers differ in nothing but the phone and the id.
        first, second = (
            {name: value for name, value in item.items() if name not in ("id", "masked_phone")} for item in items
        )
        assert first == second
    newcomer = unit(lambda: make_volunteer(phone=STRANGER))
    assert credentials(unit, newcomer.id).missing([training.id], today()) == [training.id]
    unit(lambda: publish(PhoneProven(newcomer.id, STRANGER)))
    found = credentials(unit, newcomer.id)
    assert found.missing([training.id], today()) == []
    assert found.is_insured([district.office.id], today())
    assert not found.is_insured([district.other_office.id], today())


@pytest.mark.parametrize("new_phone", [None, "+8613712345670"])
def test_who_gets_a_recycled_number_can_be_listed_by_it(
    unit: Unit, district: District, organizer: Any, new_phone: str | None
) -> None:
    former = unit(lambda: make_volunteer(phone=STRANGER))
    training, policy = unit(lambda: (make_training(district.office.id), make_policy(district.office.id)))
    lists = {f"/trainings/{training.id}/records": {"completed_on": days_from_now(0)}} | {
        f"/insurance-policies/{policy.id}/insured-people": {}
    }
    body = {"phones": [STRANGER]}
    assert [organizer.post(path, json=body | rest).status_code for path, rest in lists.items()] == [201, 201]
    event = PhoneReleased(former.id, STRANGER) if new_phone is None else PhoneChanged(former.id, new_phone)

    def lose_number() -> None:
        db.session.get_one(Volunteer, former.id).phone = new_phone
        publish(event)

    unit(lose_number)
    newcomer = unit(lambda: make_volunteer(phone=STRANGER))
    assert [organizer.post(path, json=body | rest).status_code for path, rest in lists.items()] == [201, 201]
    for person in (former, newcomer):
        found = credentials(unit, person.id)
        assert found.missing([training.id], today()) == []
        assert found.is_insured([district.office.id], today())


def test_a_day_to_come_is_no_completion(unit: Unit, district: District, organizer: Any) -> None:
    training = unit(lambda: make_training(district.office.id))
    refused = organizer.post(
        f"/trainings/{training.id}/records", json={"phones": [STRANGER], "completed_on": days_from_now(1)}
    )
    assert refused.get_json()["code"] == "completed_in_future"


def test_names_and_policies_are_known_once(unit: Unit, district: District, organizer: Any) -> None:
    body = {"organization_id": str(district.office.id), "name": "急救"}
    first = organizer.post("/trainings", json=body)
    assert first.status_code == 201
    assert organizer.post("/trainings", json=body).get_json()["code"] == "training_exists"
    other = organizer.post("/trainings", json=body | {"name": "消防"}).get_json()
    renamed = organizer.patch(f"/trainings/{other['id']}", json={"name": "急救"}, version=1)
    assert renamed.get_json()["code"] == "training_exists"
    policy = {
        "organization_id": str(district.office.id),
        "insurer": "人保",
        "policy_number": "P-1",
        "starts_on": days_from_now(0),
        "ends_on": days_from_now(9),
    }
    assert organizer.post("/insurance-policies", json=policy).status_code == 201
    assert organizer.post("/insurance-policies", json=policy).get_json()["code"] == "policy_exists"
    backwards = organizer.post("/insurance-policies", json=policy | {"ends_on": days_from_now(-1)})
    assert backwards.get_json()["errors"][0]["code"] == "ends_before_start"


def test_trainings_of_one_name_come_together_twice_a_day(client: Any, unit: Unit, district: District) -> None:
    def prepare() -> UUID:
        parent = db.session.get_one(Organization, district.office.id).parent_id
        into = create_organization(parent_id=parent, kind=OrganizationKind.PRACTICE_OFFICE, name="矿工路街道实践所").id
        for one in (district.office.id, district.other_office.id, into):
            service.create_training(organization_id=one, name="急救")
        return into

    into_id = unit(prepare)
    administrator = client.as_(district.administrator)
    for one in (district.office, district.other_office):
        answer = administrator.post(f"/organizations/{one.id}/merging", json={"into_id": str(into_id)})
        assert answer.status_code == 200, answer.json
    listed = administrator.get(f"/trainings?organization_id={into_id}").json["items"]
    day = f"{today():%Y%m%d}"
    assert {one["name"] for one in listed} == {"急救", f"急救 ({day})", f"急救 ({day}-2)"}


def test_a_cover_lies_within_its_policy(unit: Unit, district: District, organizer: Any) -> None:
    policy = unit(lambda: make_policy(district.office.id, days=30))
    path = f"/insurance-policies/{policy.id}/insured-people"
    for days in (
        {"starts_on": days_from_now(-1)},
        {"ends_on": days_from_now(31)},
        {"starts_on": days_from_now(5), "ends_on": days_from_now(4)},
    ):
        refused = organizer.post(path, json={"phones": [STRANGER]} | days).get_json()
        assert (refused["code"], refused["ends_on"]) == ("outside_policy", days_from_now(30))
    made = organizer.post(path, json={"phones": [STRANGER]}).get_json()["items"][0]
    assert (made["starts_on"], made["ends_on"]) == (days_from_now(0), days_from_now(30))
    assert organizer.post(path, json={"phones": [STRANGER]}).get_json()["code"] == "already_recorded"
    ended = organizer.post(f"/insured-people/{made['id']}/ending", json={"on": days_from_now(3)})
    assert ended.get_json()["ends_on"] == days_from_now(3)
    late = organizer.post(f"/insured-people/{made['id']}/ending", json={"on": days_from_now(31)})
    assert late.get_json()["code"] == "outside_policy"
    # Ended by mistake: she is listed already, so that her end is what can be mended.
    mended = organizer.post(f"/insured-people/{made['id']}/ending", json={"on": days_from_now(30)})
    assert mended.get_json()["ends_on"] == days_from_now(30)
    assert organizer.get(f"/insurance-policies/{policy.id}").get_json()["insured_count"] == 1
    over = unit(lambda: make_policy(district.office.id, starts_on=today() - timedelta(days=9), days=8))
    refused = organizer.post(f"/insurance-policies/{over.id}/insured-people", json={"phones": [STRANGER]})
    assert refused.get_json()["code"] == "policy_over"


def test_a_policy_that_ends_early_covers_nobody_beyond(unit: Unit, district: District, organizer: Any) -> None:
    volunteer = unit(lambda: make_volunteer(phone=STRANGER))
    policy = unit(lambda: make_policy(district.office.id, days=30))
    organizer.post(f"/insurance-policies/{policy.id}/insured-people", json={"phones": [STRANGER]})

    def covered_on(days: int) -> bool:
        return credentials(unit, volunteer.id).is_insured([district.office.id], today() + timedelta(days=days))

    def end_on(days: int) -> None:
        unit(
            lambda: service.change_policy(db.session.get_one(Policy, policy.id), ends_on=today() + timedelta(days=days))
        )

    assert covered_on(30)
    end_on(5)
    assert covered_on(5)
    assert not covered_on(6)
    end_on(30)
    assert covered_on(30)
    end_on(60)
    assert covered_on(60)
    # An early end is taken back and the policy prolonged in one step.
    end_on(5)
    end_on(90)
    assert covered_on(90)


def test_who_left_on_the_day_of_an_early_end_stays_uncovered(unit: Unit, district: District, organizer: Any) -> None:
    left, stays = unit(lambda: [make_volunteer() for _ in range(2)])
    policy = unit(lambda: make_policy(district.office.id, days=30))
    path = f"/insurance-policies/{policy.id}/insured-people"
    first, _ = (organizer.post(path, json={"phones": [one.phone]}).get_json()["items"][0] for one in (left, stays))
    organizer.post(f"/insured-people/{first['id']}/ending", json={"on": days_from_now(5)})
    for days in (5, 60):
        ends_on = today() + timedelta(days=days)
        unit(lambda ends_on=ends_on: service.change_policy(db.session.get_one(Policy, policy.id), ends_on=ends_on))
    day = today() + timedelta(days=6)
    covered = [credentials(unit, one.id).is_insured([district.office.id], day) for one in (left, stays)]
    assert covered == [False, True]


def test_an_end_that_was_typed_stays_where_the_policy_s_moves(
    unit: Unit, client: Any, district: District, organizer: Any
) -> None:
    """Who is insured to a fixed day, the policy's last, was counted as covered for half a year longer."""
    fixed, with_it = unit(lambda: [make_volunteer() for _ in range(2)])
    policy = unit(lambda: make_policy(district.office.id, days=30))
    path = f"/insurance-policies/{policy.id}"
    organizer.post(f"{path}/insured-people", json={"phones": [fixed.phone], "ends_on": days_from_now(30)})
    organizer.post(f"{path}/insured-people", json={"phones": [with_it.phone]})
    for version, days in ((1, 5), (2, 60)):
        answer = organizer.patch(path, json={"ends_on": days_from_now(days)}, version=version)
        assert answer.status_code == 200, answer.json
    ends = [one["ends_on"] for one in organizer.get(f"{path}/insured-people").get_json()["items"]]
    assert ends == [days_from_now(30), days_from_now(60)]
    # And who moved the policy's end is told to who audits.
    entries = client.as_(district.administrator).get("/audit-entries?action=policy_changed").get_json()["items"]
    assert [one["details"]["ends_on"] for one in entries] == [days_from_now(60), days_from_now(5)]
    # One whose end was a mistake goes with the policy again.
    [first, _] = organizer.get(f"{path}/insured-people").get_json()["items"]
    organizer.post(f"/insured-people/{first['id']}/ending", json={"on": days_from_now(60)})
    organizer.patch(path, json={"ends_on": days_from_now(90)}, version=3)
    ends = [one["ends_on"] for one in organizer.get(f"{path}/insured-people").get_json()["items"]]
    assert ends == [days_from_now(90), days_from_now(90)]


def test_policies_are_listed_to_those_who_keep_them(unit: Unit, client: Any, district: District) -> None:
    ours, theirs = unit(lambda: (make_policy(district.office.id), make_policy(district.other_office.id)))

    def listed(who: Any, **query: Any) -> set[str]:
        return {one["id"] for one in client.as_(who).get("/insurance-policies", query_string=query).get_json()["items"]}

    assert listed(district.organizer) == {str(ours.id)}
    assert listed(district.administrator) == {str(ours.id), str(theirs.id)}
    assert listed(district.administrator, organization_id=str(district.office.id)) == {str(ours.id)}
    assert listed(district.administrator, on=days_from_now(400)) == set()


def test_lists_cost_one_statement(unit: Unit, client: Any, district: District, statements: Any) -> None:
    policy, training = unit(lambda: (make_policy(district.office.id), make_training(district.office.id)))
    reader = client.as_(district.organizer)
    for path in (
        "/trainings",
        "/insurance-policies",
        f"/insurance-policies/{policy.id}/insured-people",
        f"/trainings/{training.id}/records",
        "/me/trainings",
        "/me/insurance",
    ):
        reader.get(path)
        with statements() as counted:
            assert reader.get(path).status_code == 200
        # The session, what the loader needs, the list.
        assert len(counted) <= 4, path


def test_the_same_completion_is_recorded_once_in_a_race(
    unit: Unit, district: District, race: Callable[..., list[Any]], client: Any
) -> None:
    training = unit(lambda: make_training(district.office.id))
    body = {"phones": [STRANGER, "+8613700000001"], "completed_on": days_from_now(0)}
    writers = [client.as_(district.organizer) for _ in range(6)]
    path = f"/trainings/{training.id}/records"
    answers = race(6, lambda number: writers[number].post(path, json=body).status_code)
    assert sorted(answers) == [201] + [409] * 5
    assert len(writers[0].get(f"/trainings/{training.id}/records").get_json()["items"]) == 2


def test_who_is_insured_while_the_policy_is_extended_goes_with_its_end(
    postgresql_unit: Unit, race: Callable[..., list[Any]]
) -> None:
    district = postgresql_unit(make_district)
    policy = postgresql_unit(lambda: make_policy(district.office.id))
    later, listed = policy.ends_on + timedelta(days=90), threading.Event()

    def insure() -> None:
        organizer = Principal(volunteer_id=district.organizer.id, session_id=district.organizer.id)
        service.insure(db.session.get_one(Policy, policy.id), by=organizer, phones=[STRANGER])
        listed.set()
        time.sleep(0.5)

    def extend() -> None:
        service.change_policy(db.session.get_one(Policy, policy.id), ends_on=later)

    def run(number: int) -> None:
        if number:
            listed.wait(10)
        postgresql_unit(extend if number else insure)

    assert race(2, run) == [None, None]
    assert postgresql_unit(lambda: db.session.scalars(select(Insured.ends_on)).one()) == later


@given(
    spans=st.lists(st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 40))), max_size=5),
    day=st.integers(0, 45),
)
def test_a_day_counts_where_a_span_has_it(spans: list[tuple[int, int | None]], day: int) -> None:
    epoch, training = date(2026, 1, 1), UUID(int=1)
    made = Credentials()
    for first, last in spans:
        made.trained[training].append(
            Span(epoch + timedelta(days=first), None if last is None else epoch + timedelta(days=last))
        )
    counted = any(day in range(first, 1000 if last is None else last + 1) for first, last in spans)
    assert (made.missing([training], epoch + timedelta(days=day)) == []) is counted
