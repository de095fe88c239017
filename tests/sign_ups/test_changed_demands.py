"""What a change of a shift's time, or of what its activity asks for, does to those who have a place."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.activities.factories import MadeActivity, make_activity, make_volunteers
from tests.activities.test_endpoints import text_of
from tests.qualifications.factories import make_policy
from tests.sign_ups.factories import HOUR, kinds, make_person, post, row
from volunteer_api.accounts import service as accounts
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.qualifications.models import Insured
from volunteer_api.sign_ups import service


def change(client: Any, made: MadeActivity, path: str, **body: Any) -> Any:
    organizer = client.as_(made.scene.organizer_id)
    version = organizer.get(path).get_json()["version"]
    answer = organizer.patch(path, json=body, version=version)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def insure(made: MadeActivity, volunteer_id: UUID, days: int) -> None:
    policy = make_policy(made.scene.center_id, days=days)
    phone = "+8613900000000"
    db.session.add(
        Insured(
            policy_id=policy.id,
            starts_on=policy.starts_on,
            ends_on=policy.ends_on,
            volunteer_id=volunteer_id,
            phone_digest=accounts.phone_digest(phone),
            masked_phone=accounts.masked_phone(phone),
            recorded_by=made.scene.administrator_id,
        )
    )


def sign_up(unit: Any, made: MadeActivity, volunteer_id: UUID) -> UUID:
    found: UUID = unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=volunteer_id).id)
    return found


def test_a_shift_that_runs_longer_takes_nobodys_place(client: Any, unit: Any) -> None:
    """Whoever serves keeps her place, though she has another shift then, and is not asked whether she comes."""
    start = clock.now() + HOUR
    made = unit(lambda: make_activity(starts_at=start))
    after = unit(lambda: make_activity(scene=made.scene, starts_at=start + 2 * HOUR))
    person = made.scene.outsider_id
    mine = sign_up(unit, made, person)
    sign_up(unit, after, person)
    with clock.at(start + HOUR):
        change(client, made, f"/shifts/{made.shift_id}", ends_at=text_of(start + 3 * HOUR))
        assert (row(unit, mine).state, row(unit, mine).asked_at) == ("confirmed", None)
        assert kinds(client, person)[0] == "shift_end_changed"


def test_a_yes_to_a_moved_shift_counts_also_once_it_runs(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    made = unit(lambda: make_activity(starts_at=start))
    mine = sign_up(unit, made, made.scene.outsider_id)
    change(client, made, f"/shifts/{made.shift_id}", starts_at=text_of(start + HOUR))
    with clock.at(start + 90 * timedelta(minutes=1)):
        assert post(client, made.scene.outsider_id, f"/sign-ups/{mine}/acceptance").status_code == 200
        assert row(unit, mine).asked_at is None


def test_whom_no_policy_covers_on_the_new_day_has_no_place(client: Any, unit: Any) -> None:
    """[regulation on volunteering, art. 17]"""
    start = clock.now() + 24 * HOUR
    made = unit(lambda: make_activity(starts_at=start, hazardous=True, capacity=1))
    short, long = unit(lambda: make_volunteers(2))
    unit(lambda: (insure(made, short, 5), insure(made, long, 90)))
    mine, waiting = sign_up(unit, made, short), sign_up(unit, made, long)
    later = start + timedelta(days=30)
    change(client, made, f"/shifts/{made.shift_id}", starts_at=text_of(later), ends_at=text_of(later + HOUR))
    assert (row(unit, mine).state, row(unit, waiting).state) == ("invited", "confirmed")
    refused = post(client, short, f"/sign-ups/{mine}/acceptance").get_json()
    assert [one["code"] for one in refused["reasons"]] == ["insurance"]


def test_a_yes_is_judged_by_what_is_known_then(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    made = unit(lambda: make_activity(starts_at=start, required_skills=["急救"]))
    person = unit(lambda: make_person(skills=["急救"]))
    mine = sign_up(unit, made, person)
    change(client, made, f"/shifts/{made.shift_id}", ends_at=text_of(start + HOUR))
    client.as_(person).patch("/me", json={"skills": []}, version=client.as_(person).get("/me").get_json()["version"])
    refused = post(client, person, f"/sign-ups/{mine}/acceptance").get_json()
    assert [one["code"] for one in refused["reasons"]] == ["skill"]


def test_an_activity_that_becomes_hazardous(client: Any, unit: Any) -> None:
    """Everybody hears of it; who is not insured has the place no more, and it goes to who waits and is."""
    made = unit(lambda: make_activity(capacity=2))
    bare, covered, waits = unit(lambda: make_volunteers(3))
    mine, theirs, next_one = (sign_up(unit, made, one) for one in (bare, covered, waits))
    unit(lambda: insure(made, covered, 90))
    assert change(client, made, f"/activities/{made.id}", hazardous=True)["places_lost"] == 1
    assert [row(unit, one).state for one in (mine, theirs, next_one)] == ["invited", "confirmed", "waitlisted"]
    heard = [kinds(client, one)[0] for one in (bare, covered, waits)]
    assert heard == ["sign_up_place_lost", "demands_changed", "demands_changed"]
    told = client.as_(bare).get("/me/notifications", headers={"Accept-Language": "zh-CN"}).json["items"][0]["body"]
    assert "所需的条件已不具备：当天有效的保险。名额已取消" in told
    assert change(client, made, f"/activities/{made.id}", hazardous=False)["places_lost"] == 0
    assert row(unit, next_one).state == "confirmed"
    # There is no place left: to say yes is to wait.
    assert post(client, bare, f"/sign-ups/{mine}/acceptance").get_json()["state"] == "waitlisted"


def test_a_draft_tells_nobody(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(published=False))
    change(client, made, f"/activities/{made.id}", hazardous=True, minimum_age=18)
    assert kinds(client, made.scene.organizer_id) == []


@pytest.mark.parametrize("way", ["cancellation", "move", "renaming", "demand"])
@pytest.mark.both_databases
def test_news_for_many_cost_no_more_statements(client: Any, unit: Any, statements: Any, way: str) -> None:
    spent = []
    for count in (2, 7):
        start = clock.now() + 24 * HOUR
        made = unit(lambda start=start: make_activity(starts_at=start))
        people = unit(lambda count=count: make_volunteers(count))
        for one in people:
            sign_up(unit, made, one)
        organizer = client.as_(made.scene.organizer_id)
        version = organizer.get(f"/activities/{made.id}").get_json()["version"]
        with statements() as seen:
            if way == "cancellation":
                answer = organizer.post(f"/activities/{made.id}/cancellation", json={"reason": "下雨"})
            elif way == "move":
                body = {"ends_at": text_of(start + 3 * HOUR)}
                answer = organizer.patch(f"/shifts/{made.shift_id}", json=body, version=1)
            else:
                body = {"title": "清洁河岸"} if way == "renaming" else {"minimum_age": 12}
                answer = organizer.patch(f"/activities/{made.id}", json=body, version=version)
        assert answer.status_code == 200, answer.get_json()
        assert all(len(kinds(client, one)) == 1 for one in people)
        spent.append(len([one for one in seen if "keyring_keys" not in one]))
    assert spent[0] == spent[1]
