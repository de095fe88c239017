"""Backfill: whom a phone number names, what she hears, and what its recorder takes back."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.attendance.factories import Scene, make_scene, make_shift, soon
from tests.hours.factories import line, make_backfill, make_organizer, sent
from tests.hours.test_backfills import DAY, HOUR, Unit, post, told
from tests.teams.factories import make_team
from volunteer_api.core import clock, ids
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.limits import RateCounter
from volunteer_api.core.problems import NotFound
from volunteer_api.hours import backfills
from volunteer_api.hours.models import Backfill, ServiceRecord
from volunteer_api.hours.problems import BackfillDecided
from volunteer_api.sign_ups import service as sign_ups


@pytest.fixture
def scene(app: Flask) -> Scene:
    """A shift of two hours that was held yesterday."""
    return make_scene(starts_at=soon() - DAY)


def test_whoever_looks_people_up_by_phone_is_counted(
    client: Any, change_settings: Any, scene: Scene, unit: Unit
) -> None:
    """Else refusals would tell without an end whose phone is registered, in which team, and who served elsewhere."""
    change_settings(client.app, limits=True)
    stranger = scene.stranger
    make_backfill(scene, volunteer_id=stranger.id)
    begins = unit(lambda: clock.start_of(clock.today() - 3 * DAY)) + 8 * HOUR
    with clock.at(begins - 3 * HOUR):
        long = make_shift(
            organization=scene.organization,
            created_by=scene.organizer,
            starts_at=begins,
            hours=14,
            leader_ids=[scene.leader.id],
        )
    team = make_team(organization_id=scene.organization.id, leader=scene.leader)

    def refusal(**given: Any) -> Any:
        return post(client, scene.leader, "/service-records", line(scene, volunteer_id=None, **given))[1].get("code")

    def looked_up() -> int:
        return unit(lambda: sum(db.session.scalars(select(RateCounter.count)))) or 0

    # What can't be recorded of anybody tells nothing of her.
    assert refusal(phone=stranger.phone, minutes=121) == "backfill_outside_shift"
    assert refusal(phone=stranger.phone, shift_id=str(ids.new_id())) == "not_found"
    assert looked_up() == 0
    for count, (code, given) in enumerate(
        (
            ("phone_unknown", {"phone": "13700000000"}),
            ("hours_overlap", {"phone": stranger.phone}),
            ("team_not_served", {"phone": scene.unsigned.phone, "team_id": str(team.id)}),
            ("over_daily_maximum", {"phone": stranger.phone, "shift_id": str(long.id), "minutes": 13 * 60}),
        ),
        start=1,
    ):
        assert refusal(**given) == code
        assert looked_up() == count


def test_who_signed_up_is_named_by_phone_without_an_end(
    client: Any, change_settings: Any, scene: Scene, unit: Unit
) -> None:
    """Forty strangers are too many for a call, and all of it is asked again later: a 429 is no outcome to keep."""
    change_settings(client.app, limits=True)
    known = {"phone": scene.volunteer.phone, "volunteer_id": None, "minutes": 1}
    records = [line(scene, **known, starts_at=sent(scene.shift.starts_at, minutes=minute)) for minute in range(40)]
    status, answer = post(client, scene.leader, "/service-records/batch", {"records": records})
    assert (status, {one["status"] for one in answer["results"]}) == (200, {201})
    strangers = [line(scene, volunteer_id=None, phone=f"1370000{number:04d}") for number in range(31)]
    fresh = line(scene, volunteer_id=str(scene.stranger.id))
    status, answer = post(client, scene.leader, "/service-records/batch", {"records": [fresh, *strangers]})
    # So many can be asked for in no hour: the list is to be split.
    assert (status, answer["code"]) == (409, "too_many_strangers")
    parts = [strangers[:20], strangers[20:]]
    answers = [post(client, scene.leader, "/service-records/batch", {"records": part}) for part in parts]
    assert [(status, answer.get("code")) for status, answer in answers] == [(200, None), (429, "too_many_requests")]
    assert unit(lambda: db.session.query(Backfill).count()) == 40


def test_a_phone_number_does_not_tell_who_she_is(client: Any, unit: Unit, scene: Scene) -> None:
    """Whom nobody knows at the shift is named to who decides, and to all once she has the hours."""
    shift, stranger = scene.shift.id, scene.stranger
    with clock.at(scene.shift.starts_at - HOUR):
        unit(lambda: sign_ups.invite(shift_id=shift, volunteer_id=stranger.id, by=scene.leader.id))
    stranger_named = {"id": str(stranger.id), "name": "stranger"}
    made = {
        phone: post(client, scene.leader, "/service-records", line(scene, volunteer_id=None, phone=phone))[1]
        for phone in (stranger.phone, scene.volunteer.phone)
    }
    assert made[stranger.phone]["volunteer"] == {"id": None, "name": "s*"}
    assert made[scene.volunteer.phone]["volunteer"]["name"] == "volunteer"

    def named(person: Any, state: str) -> list[Any]:
        answer = client.as_(person).get(f"/service-records?activity_id={scene.activity.id}&state={state}")
        return [item["volunteer"] for item in answer.json["items"] if item["id"] == made[stranger.phone]["id"]]

    assert named(scene.leader, "pending") == [{"id": None, "name": "s*"}]
    assert named(scene.organizer, "pending") == [stranger_named]
    path = f"/service-records/{made[stranger.phone]['id']}/rejection"
    assert post(client, scene.organizer, path, {"reason": "无人见到"})[1]["volunteer"] == stranger_named
    assert named(scene.leader, "rejected") == [{"id": None, "name": "s*"}]
    assert told(unit, scene.leader)["backfill_rejected"]["name"] == "s*"
    # An organizer who records is no second person.
    mine = post(client, scene.organizer, "/service-records", line(scene, volunteer_id=None, phone=stranger.phone))[1]
    assert mine["volunteer"] == {"id": None, "name": "s*"}
    second = make_organizer(scene.organization.id)
    assert post(client, second, f"/service-records/{mine['id']}/approval", {})[1]["volunteer"] == stranger_named
    [recorded] = client.as_(scene.leader).get(f"/service-records?activity_id={scene.activity.id}").json["items"]
    assert recorded["volunteer"] == stranger_named


def test_she_hears_of_hours_that_others_record_for_her(client: Any, unit: Unit, scene: Scene) -> None:
    made = make_backfill(scene)
    phone = client.as_(scene.volunteer)
    assert told(unit, scene.volunteer)["hours_recorded"]["service_record_id"] == str(made.id)
    [mine] = phone.get("/me/service-records?state=pending").json["items"]
    assert (mine["id"], mine["recorder_name"], mine["recorded_at"]) == (str(made.id), "leader", None)
    assert client.as_(scene.leader).get("/me/service-records?state=pending").json["items"] == []
    unit(lambda: backfills.reject(db.session.get_one(Backfill, made.id), by=scene.organizer.id, reason="无人见到"))
    assert told(unit, scene.volunteer)["hours_not_approved"]["reason"] == "无人见到"
    assert phone.get("/me/service-records?state=pending").json["items"] == []
    [mine] = phone.get("/me/service-records?state=rejected").json["items"]
    assert (mine["id"], mine["state"]) == (str(made.id), "rejected")
    assert phone.get("/me/service-records").json["items"] == []


def test_a_mistyped_line_is_withdrawn_and_out_of_the_way(client: Any, unit: Unit, scene: Scene) -> None:
    made = make_backfill(scene, minutes=90)
    path = f"/service-records/{made.id}/withdrawal"
    status, refused = post(client, scene.leader, "/service-records", line(scene, minutes=60))
    assert (status, refused["code"]) == (409, "hours_overlap")
    for person in (scene.organizer, scene.volunteer):
        assert post(client, person, path, {})[0] == 403
    assert post(client, scene.stranger, path, {})[0] == 404
    first = client.as_(scene.leader).post(path, key="once")
    again = client.as_(scene.leader).post(path, key="once")
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (204, 204, "true")
    assert told(unit, scene.volunteer)["hours_withdrawn"]["minutes"] == "90"
    [entry] = unit(lambda: db.session.query(AuditEntry).filter_by(action=AuditAction.HOURS_WITHDRAWN).all())
    assert entry.details == {"service_record_id": str(made.id), "minutes": 90}
    status, right = post(client, scene.leader, "/service-records", line(scene, minutes=60))
    assert status == 201
    assert post(client, scene.organizer, f"/service-records/{right['id']}/approval", {})[0] == 200
    status, late = post(client, scene.leader, f"/service-records/{right['id']}/withdrawal", {})
    assert (status, late["code"], late["state"]) == (409, "backfill_decided", "recorded")


def test_a_withdrawal_and_a_decision_at_once(
    postgresql_app: Flask, postgresql_unit: Unit, race: Callable[[int, Callable[..., Any]], list[Any]]
) -> None:
    """One of them happens: nobody approves what is gone, and nothing that was decided on disappears."""
    scene = make_scene(starts_at=soon() - DAY)
    made = make_backfill(scene)

    def act(number: int) -> Any:
        def work() -> Any:
            backfill = db.session.get(Backfill, made.id)
            if backfill is None:
                raise NotFound()
            if number % 2:
                return backfills.withdraw(backfill)
            return backfills.approve(backfill, by=scene.organizer.id)

        return postgresql_unit(work)

    outcomes = race(6, act)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1
    assert all(isinstance(one, BackfillDecided | NotFound) for one in outcomes if isinstance(one, Exception))
    rows = postgresql_unit(lambda: (db.session.query(Backfill).count(), db.session.query(ServiceRecord).count()))
    assert rows in ((0, 0), (1, 1))
