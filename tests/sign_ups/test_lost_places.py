"""Who had a place and can't take part any more, by something that happened to her and not to the activity."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests.activities.factories import make_activity, make_scene
from tests.qualifications.factories import make_policy, make_training
from tests.sign_ups.factories import born, kinds, make_person, post, row
from volunteer_api.accounts.events import GuardianWithdrew
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.core.settings import EXTENSION
from volunteer_api.core.tasks import TaskRun, build_queue, run_task
from volunteer_api.organizations.models import OrganizationKind
from volunteer_api.organizations.service import create_organization
from volunteer_api.sign_ups import service, tasks, unfit
from volunteer_api.teams.service import add_member

DAY = timedelta(days=1)


class People:
    """One who will lose what she needs, one who has it to the end, and who keeps the books for both."""

    def __init__(self, client: Any, unit: Any) -> None:
        self.client, self.unit = client, unit
        self.scene, self.today = unit(lambda: (make_scene(), clock.today().isoformat()))
        self.organizer = client.as_(self.scene.organizer_id)

    def make(self, **known: Any) -> None:
        """The two, of whom this is known."""
        self.losing, self.keeping = (self.unit(lambda: make_person(**known)) for _ in range(2))

    def phone(self, volunteer_id: UUID) -> str:
        return str(self.unit(lambda: db.session.get_one(Volunteer, volunteer_id).phone))

    def post(self, path: str, **body: Any) -> Any:
        answer = self.organizer.post(path, json=body)
        assert answer.status_code in (200, 201), answer.get_json()
        return answer.get_json()

    def insure(self, volunteer_id: UUID) -> tuple[str, str]:
        """The paths of a new policy and of the cover that it gives."""
        policy = f"/insurance-policies/{self.unit(lambda: make_policy(self.scene.office_id)).id}"
        cover = self.post(f"{policy}/insured-people", phones=[self.phone(volunteer_id)])["items"][0]
        return policy, f"/insured-people/{cover['id']}"

    def change(self, path: str, caller_id: UUID, **body: Any) -> None:
        caller = self.client.as_(caller_id)
        answer = caller.patch(path, json=body, version=caller.get(path).get_json()["version"])
        assert answer.status_code == 200, answer.get_json()


Loss = tuple[dict[str, Any], Callable[[], object]]


def ended_cover(people: People) -> Loss:
    people.make()
    people.insure(people.keeping)
    _, cover = people.insure(people.losing)
    return {"hazardous": True}, lambda: people.post(f"{cover}/ending", on=people.today)


def shortened_policy(people: People) -> Loss:
    people.make()
    people.insure(people.keeping)
    policy, _ = people.insure(people.losing)
    ends_on = people.today
    return {"hazardous": True}, lambda: people.change(policy, people.scene.organizer_id, ends_on=ends_on)


def revoked_training(people: People) -> Loss:
    people.make()
    training = people.unit(lambda: make_training(people.scene.office_id)).id
    phones = [people.phone(one) for one in (people.losing, people.keeping)]
    body = {"phones": phones, "completed_on": people.today}
    records = people.post(f"/trainings/{training}/records", **body)["items"]
    masked = f"{phones[0][3:6]}****{phones[0][-4:]}"
    mine = next(one["id"] for one in records if one["masked_phone"] == masked)
    asked = {"required_training_ids": [training]}
    return asked, lambda: people.post(f"/training-records/{mine}/revocation", reason="未参加考核")


def withdrawn_consent(people: People) -> Loss:
    """To name a guardian is enough for a teenager; without one there is nobody to call."""
    people.make(birth_date=people.unit(lambda: born(16)), guardian_contact=b"sealed")

    def withdraw() -> None:
        db.session.get_one(Volunteer, people.losing).guardian_contact = None
        publish(GuardianWithdrew(people.losing))

    return {}, lambda: people.unit(withdraw)


def left_team(people: People) -> Loss:
    people.make()
    team_id = people.scene.team_id
    joined = {
        one: people.unit(lambda one=one: add_member(team_id=team_id, volunteer_id=one)).id for one in both(people)
    }
    values = {"members_only": True, "team_id": team_id}
    return values, lambda: post(people.client, people.losing, f"/memberships/{joined[people.losing]}/leaving")


def lost_skill(people: People) -> Loss:
    people.make(skills=["急救"])
    return {"required_skills": ["急救"]}, lambda: people.change("/me", people.losing, skills=[])


def both(people: People) -> tuple[UUID, UUID]:
    return people.losing, people.keeping


def drain(app: Flask) -> None:
    """Do what is queued, as the worker's loop does."""
    queue = build_queue(app)
    while (message := queue.dequeue()) is not None:
        queue.execute(message)


NUDGED = [ended_cover, shortened_policy, revoked_training, withdrawn_consent]


@pytest.mark.parametrize("verb", [*NUDGED, left_team, lost_skill])
def test_the_place_goes_to_who_waits_and_everybody_hears(
    app: Flask, client: Any, unit: Any, change_settings: Any, verb: Callable[[People], Loss]
) -> None:
    people = People(client, unit)
    # One of the shifts runs now, and the tests run at night too.
    change_settings(app, rules=replace(app.extensions[EXTENSION].rules, minors_at_night=True))
    values, lose = verb(people)
    made = unit(lambda: make_activity(scene=people.scene, capacity=1, starts_at=clock.now() + 3 * DAY, **values))
    today = unit(lambda: make_activity(scene=people.scene, starts_at=clock.now() - timedelta(minutes=5), **values))
    mine, waiting, serving = (
        unit(lambda there=there, one=one: service.sign_up(shift_id=there.shift_id, volunteer_id=one).id)
        for there, one in ((made, people.losing), (made, people.keeping), (today, people.losing))
    )
    drain(app)
    run_task(app, unfit.LOOK_AT_PEOPLE)
    assert [row(unit, one).state for one in (mine, waiting)] == ["confirmed", "waitlisted"]
    lose()
    if verb in NUDGED:
        drain(app)
    else:
        run_task(app, unfit.LOOK_AT_PEOPLE)
    assert [row(unit, one).state for one in (mine, waiting)] == ["invited", "confirmed"]
    # Who serves is there.
    assert row(unit, serving).state == "confirmed"
    concerned = (*both(people), people.scene.leader_id if "team_id" in values else people.scene.organizer_id)
    heard = [kinds(client, one) for one in concerned]
    assert (heard[0].count("sign_up_place_lost"), heard[1][0]) == (1, "sign_up_promoted")
    assert heard[2].count("shift_places_lost") == 1
    run_task(app, unfit.LOOK_AT_PEOPLE)
    assert [kinds(client, one) for one in concerned] == heard
    refused = post(client, people.losing, f"/sign-ups/{mine}/acceptance").get_json()
    assert refused["code"] == "not_eligible"


def test_a_shift_that_fails_holds_up_no_other(app: Flask, client: Any, unit: Any, monkeypatch: Any) -> None:
    people = People(client, unit)
    people.make()
    _, cover = people.insure(people.losing)
    made = [
        unit(
            lambda days=days: make_activity(
                scene=people.scene, starts_at=clock.now() + days * DAY, hazardous=True, title=f"清淤 {days}"
            )
        )
        for days in (3, 4)
    ]
    first, second = (
        unit(lambda one=one: service.sign_up(shift_id=one.shift_id, volunteer_id=people.losing).id) for one in made
    )
    people.post(f"{cover}/ending", on=people.today)
    look_again = unfit.look_again

    def look(shift_ids: list[UUID]) -> None:
        if made[0].shift_id in shift_ids:
            raise ValueError("this one can't be looked at")
        look_again(shift_ids)

    monkeypatch.setattr(unfit, "look_again", look)
    run_task(app, unfit.LOOK_AT_PEOPLE)
    assert [row(unit, one).state for one in (first, second)] == ["confirmed", "invited"]
    assert unit(lambda: db.session.get_one(TaskRun, unfit.LOOK_AT_PEOPLE).error) is not None


def test_an_end_of_insurance_makes_nobody_look_where_none_is_asked_for(
    app: Flask, client: Any, unit: Any, statements: Any
) -> None:
    people = People(client, unit)
    people.make()
    _, cover = people.insure(people.losing)
    made = unit(lambda: make_activity(scene=people.scene))
    unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=people.losing))
    drain(app)
    people.post(f"{cover}/ending", on=people.today)
    with statements() as seen:
        drain(app)
    assert any("shifts" in one for one in seen)
    assert not [one for one in seen if "sign_ups" in one]


def test_who_leaves_the_team_that_she_named_still_comes(app: Flask, client: Any, unit: Any) -> None:
    people = People(client, unit)
    people.make()
    team_id = people.scene.team_id
    membership = unit(lambda: add_member(team_id=team_id, volunteer_id=people.losing)).id
    made = unit(lambda: make_activity(scene=people.scene))
    mine = unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=people.losing, team_id=team_id).id)
    post(client, people.losing, f"/memberships/{membership}/leaving")
    run_task(app, unfit.LOOK_AT_PEOPLE)
    assert row(unit, mine).state == "confirmed"


@pytest.mark.either_database
def test_who_loses_all_shifts_of_an_activity_hears_of_it_once(
    app: Flask, client: Any, unit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SHIFTS_AT_ONCE", 2)
    people = People(client, unit)
    people.make()
    people.insure(people.keeping)
    _, cover = people.insure(people.losing)
    days = [clock.now() + number * DAY for number in (2, 3, 4)]
    shifts = [{"starts_at": one, "ends_at": one + DAY / 12} for one in days]
    made = unit(lambda: make_activity(scene=people.scene, hazardous=True, shifts=shifts))
    for one in (people.losing, people.keeping):
        assert post(client, one, f"/activities/{made.id}/sign-ups", all=True).status_code == 200
    people.post(f"{cover}/ending", on=people.today)
    run_task(app, unfit.LOOK_AT_PEOPLE)
    for reader, kind in ((people.losing, "sign_up_place_lost"), (people.scene.organizer_id, "shift_places_lost")):
        [told] = [
            one["values"] for one in client.as_(reader).get("/me/notifications").json["items"] if one["kind"] == kind
        ]
        assert (told["shift_count"], told.get("count", "1")) == ("3", "1")
    assert kinds(client, people.keeping) == []
    lost = client.as_(people.scene.organizer_id).get(f"/shifts/{made.shift_ids[2]}/sign-ups?state=invited").json
    assert [one["volunteer"]["id"] for one in lost["items"]] == [str(people.losing)]


def test_a_merger_takes_nobodys_insurance(client: Any, unit: Any) -> None:
    """It hands the policies to an organization that was not above the activity when that was published."""
    people = People(client, unit)
    people.make()
    people.insure(people.keeping)
    made = unit(lambda: make_activity(scene=people.scene, hazardous=True))
    mine = unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=people.keeping)).id
    merging, into = f"/organizations/{people.scene.office_id}/merging", {"into_id": str(people.scene.other_office_id)}
    merged = client.as_(people.scene.administrator_id).post(merging, json=into)
    assert merged.status_code == 200, merged.get_json()
    assert unit(lambda: unfit.shifts_with_unfit([made.shift_id])) == {}
    unit(lambda: unfit.look_again([made.shift_id]))
    assert row(unit, mine).state == "confirmed"
    refused = post(client, people.losing, f"/shifts/{made.shift_id}/sign-ups").get_json()
    assert [one["code"] for one in refused["reasons"]] == ["insurance"]


@pytest.mark.either_database
def test_where_a_station_stood_and_where_it_stands_it_is_insured(client: Any, unit: Any) -> None:
    people = People(client, unit)
    people.make()
    scene = people.scene
    people.insure(people.keeping)
    theirs = f"/insurance-policies/{unit(lambda: make_policy(scene.other_office_id)).id}/insured-people"
    administrator = client.as_(scene.administrator_id)
    assert administrator.post(theirs, json={"phones": [people.phone(people.losing)]}).status_code == 201
    kind, name = OrganizationKind.PRACTICE_STATION, "河西社区实践站"
    station = unit(lambda: create_organization(parent_id=scene.office_id, kind=kind, name=name))
    made = unit(lambda: make_activity(scene=scene, organization_id=station.id, hazardous=True))
    sign_ups = f"/shifts/{made.shift_id}/sign-ups"
    assert post(client, people.losing, sign_ups).status_code == 409
    move = {"parent_id": str(scene.other_office_id)}
    moved = administrator.patch(f"/organizations/{station.id}", json=move, version=station.version)
    assert moved.status_code == 200, moved.get_json()
    assert [post(client, one, sign_ups).status_code for one in (people.keeping, people.losing)] == [201, 201]
