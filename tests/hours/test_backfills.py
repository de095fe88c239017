"""Backfill: two people for every minute, and each refusal by its name."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from tests.attendance.factories import Scene, make_scene, make_shift, soon
from tests.factories import make_volunteer
from tests.hours.factories import acting, line, make_backfill, make_organizer, sent
from tests.hours.test_service import credit
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.core import clock, events, holidays, ids
from volunteer_api.core.database import db
from volunteer_api.core.events import on
from volunteer_api.core.periods import ALL_TIME
from volunteer_api.core.problems import NotFound
from volunteer_api.core.tasks import run_task
from volunteer_api.hours import backfills, service
from volunteer_api.hours.deadlines import due_on, last_day_overdue
from volunteer_api.hours.events import RecordReversed, RecordWritten
from volunteer_api.hours.models import Backfill, ServiceRecord
from volunteer_api.hours.problems import BackfillDecided, OwnBackfill, OwnHours
from volunteer_api.notifications.models import Notification
from volunteer_api.stations.models import Station

Unit = Callable[[Callable[[], Any]], Any]
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def scene(app: Flask) -> Scene:
    """A shift of two hours that was held yesterday."""
    return make_scene(starts_at=soon() - DAY)


def post(client: Any, person: Any, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status and the body of a POST under a key of its own."""
    answer = client.as_(person).post(path, json=body, key=str(ids.new_id()))
    return answer.status_code, answer.json


def told(unit: Unit, volunteer: Any) -> dict[str, dict[str, str]]:
    rows = unit(lambda: db.session.query(Notification).filter_by(volunteer_id=volunteer.id).all())
    return {row.kind: row.values for row in rows}


def test_a_leader_records_and_an_organizer_approves(client: Any, unit: Unit, scene: Scene) -> None:
    status, made = post(client, scene.leader, "/service-records", line(scene))
    assert (status, made["state"], made["minutes"], made["source"]) == (201, "pending", 60, "backfilled")
    assert (made["recorded_at"], made["recorder_name"], made["approver_name"]) == (None, "leader", None)
    assert made["starts_at"] == sent(scene.shift.starts_at)
    ended_on = unit(lambda: clock.local_date(scene.shift.starts_at + HOUR))
    assert made["due_on"] == due_on(ended_on).on.isoformat()
    # Nothing is in the ledger, and nothing in the tally, until a second person says so.
    assert client.as_(scene.volunteer).get("/me/service-records").json["items"] == []
    status, approved = post(client, scene.organizer, f"/service-records/{made['id']}/approval", {})
    assert (status, approved["id"], approved["state"]) == (200, made["id"], "recorded")
    assert (approved["recorder_name"], approved["approver_name"]) == ("leader", "organizer")
    [mine] = client.as_(scene.volunteer).get("/me/service-records").json["items"]
    assert (mine["source"], mine["minutes"], mine["reason"]) == ("backfilled", 60, "手机没电")
    assert mine["leader_name"] == "leader"
    assert client.as_(scene.volunteer).get("/me/tally").json["credited_minutes"] == 60
    assert told(unit, scene.volunteer)["hours_backfilled"]["service_record_id"] == made["id"]
    status, again = post(client, scene.organizer, f"/service-records/{made['id']}/approval", {})
    assert (status, again["code"], again["state"]) == (409, "backfill_decided", "recorded")
    # And it is taken back like any other record: once, on its own day.
    status, reversal = post(client, scene.organizer, f"/service-records/{made['id']}/reversal", {"reason": "登记错人"})
    assert (status, reversal["state"], reversal["minutes"], reversal["on"]) == (201, "reversal", -60, made["on"])
    status, again = post(client, scene.organizer, f"/service-records/{made['id']}/reversal", {"reason": "登记错人"})
    assert (status, again["code"]) == (409, "hours_already_reversed")
    assert client.as_(scene.volunteer).get("/me/tally").json["credited_minutes"] == 0
    assert told(unit, scene.volunteer)["hours_reversed"]["reason"] == "登记错人"
    # What moved a published figure is found by when it was recorded, whenever the service was.
    today = unit(clock.today)
    for days, minutes in ((0, [-60, 60]), (1, [])):
        path = f"/service-records?activity_id={scene.activity.id}&recorded_from={today + timedelta(days=days)}"
        found = client.as_(scene.organizer).get(f"{path}&recorded_to={today + timedelta(days=days)}").json["items"]
        assert sorted(row["minutes"] for row in found) == minutes
    refused = client.as_(scene.organizer).get(f"{path}&state=pending")
    assert [one["code"] for one in refused.json["errors"]] == ["one_of"]


def test_a_rejection_says_why_and_leaves_no_hours(client: Any, unit: Unit, scene: Scene) -> None:
    made = make_backfill(scene)
    assert post(client, scene.organizer, f"/service-records/{made.id}/rejection", {})[0] == 422
    status, rejected = post(client, scene.organizer, f"/service-records/{made.id}/rejection", {"reason": "无人见到"})
    assert (status, rejected["state"], rejected["decision_reason"]) == (200, "rejected", "无人见到")
    assert told(unit, scene.leader)["backfill_rejected"]["reason"] == "无人见到"
    status, late = post(client, scene.organizer, f"/service-records/{made.id}/approval", {})
    assert (status, late["code"], late["state"]) == (409, "backfill_decided", "rejected")
    assert unit(lambda: db.session.query(ServiceRecord).count()) == 0
    # What was turned down does not stand in the way of what is right.
    assert post(client, scene.leader, "/service-records", line(scene, minutes=30))[0] == 201


def test_nobody_records_or_approves_their_own(client: Any, unit: Unit, scene: Scene) -> None:
    own = line(scene, volunteer_id=str(scene.leader.id))
    status, refused = post(client, scene.leader, "/service-records", own)
    assert (status, refused["code"]) == (403, "own_hours")
    # By an organizer who recorded, who served, or who was served for by herself.
    of_organizer = make_backfill(scene, volunteer_id=scene.organizer.id)
    by_organizer = make_backfill(scene, by=scene.organizer)
    for made, code in ((of_organizer, "own_hours"), (by_organizer, "own_backfill")):
        for verb in ("approval", "rejection"):
            status, refused = post(client, scene.organizer, f"/service-records/{made.id}/{verb}", {"reason": "好"})
            assert (status, refused["code"]) == (403, code)
    second = make_organizer(scene.organization.id)
    assert post(client, second, f"/service-records/{of_organizer.id}/approval", {})[0] == 200
    status, refused = post(client, scene.organizer, f"/service-records/{of_organizer.id}/reversal", {"reason": "好"})
    assert (status, refused["code"]) == (403, "own_hours")


def test_whoever_recorded_hours_takes_them_back_alone(client: Any, scene: Scene) -> None:
    """Two people make hours; one who answers for them is enough to say that they were wrong."""
    made = make_backfill(scene, by=scene.organizer)
    second = make_organizer(scene.organization.id)
    assert post(client, second, f"/service-records/{made.id}/approval", {})[0] == 200
    status, reversal = post(client, scene.organizer, f"/service-records/{made.id}/reversal", {"reason": "登记错人"})
    assert (status, reversal["minutes"], reversal["recorder_name"]) == (201, -60, "organizer")


@pytest.mark.parametrize("column", ["recorder_id", "decided_by", "both"])
@pytest.mark.both_databases
def test_the_database_refuses_one_pair_of_hands(app: Flask, scene: Scene, column: str) -> None:
    made = make_backfill(scene)
    with app.app_context():
        row = db.session.get_one(Backfill, made.id)
        if column == "recorder_id":
            row.recorder_id = row.volunteer_id
        else:
            row.state, row.decided_at = "approved", clock.now()
            row.decided_by = row.volunteer_id if column == "decided_by" else row.recorder_id
        with pytest.raises(DBAPIError, match="dual_control"):
            db.session.flush()
        db.session.rollback()


def test_what_is_refused_has_a_name(client: Any, unit: Unit, scene: Scene) -> None:
    start = scene.shift.starts_at
    organizer = scene.organizer

    def refusal(person: Any = scene.leader, **given: Any) -> Any:
        status, body = post(client, person, "/service-records", line(scene, **given))
        return status, body.get("code")

    def shift(begins: Any, **values: Any) -> str:
        with clock.at(begins - 3 * HOUR):
            made = make_shift(organization=scene.organization, created_by=organizer, starts_at=begins, **values)
        return str(made.id)

    assert refusal(minutes=121) == (409, "backfill_outside_shift")
    assert refusal(starts_at=sent(start, minutes=-1)) == (409, "backfill_outside_shift")
    assert refusal(minutes=None, ends_at=sent(start, minutes=121)) == (409, "backfill_outside_shift")
    assert refusal(volunteer_id=None, phone="13700000000") == (409, "phone_unknown")
    assert refusal(volunteer_id=str(ids.new_id())) == (409, "volunteer_unknown")
    assert refusal(organizer, shift_id=shift(soon() - HOUR), minutes=61) == (409, "service_not_over")
    assert refusal(organizer, shift_id=shift(soon() - 92 * DAY)) == (409, "backfill_too_late")
    team = make_team(organization_id=scene.organization.id, leader=scene.leader)
    assert refusal(team_id=str(team.id)) == (409, "team_not_served")
    for one in (
        {"phone": "13700000000"},
        {"station_id": str(scene.station.id)},
        {"ends_at": sent(start, minutes=9)},
        {"minutes": None},
        {"shift_id": None, "station_id": str(scene.station.id)},
        {"minutes": None, "starts_at": sent(start), "ends_at": sent(start)},
        {"reason": ""},
        {"source": "attended"},
    ):
        assert refusal(**one)[0] == 422, one
    pending = make_backfill(scene)
    status, body = post(client, organizer, "/service-records", line(scene, starts_at=sent(start, minutes=59)))
    assert (status, body["code"], body["service_record_id"]) == (409, "hours_overlap", str(pending.id))
    # Back to back is fine.
    assert refusal(starts_at=sent(start, minutes=60)) == (201, None)
    canceled = make_scene(starts_at=soon() - 2 * DAY)
    unit(lambda: setattr(db.session.merge(canceled.shift), "canceled_at", clock.now()))
    status, body = post(client, canceled.leader, "/service-records", line(canceled))
    assert (status, body["code"]) == (409, "shift_not_held")


def test_hours_that_the_ledger_has_are_not_given_twice(client: Any, unit: Unit, scene: Scene) -> None:
    made = make_backfill(scene)
    # Meanwhile the phone came back with its own check-in.
    record = unit(lambda: credit(scene, scene.volunteer.id, 30, scene.shift.starts_at))
    status, body = post(client, scene.organizer, f"/service-records/{made.id}/approval", {})
    assert (status, body["code"], body["service_record_id"]) == (409, "hours_overlap", str(record.id))
    unit(lambda: service.reverse(record_id=record.id, reason="误记", actor_id=scene.organizer.id))
    assert post(client, scene.organizer, f"/service-records/{made.id}/approval", {})[0] == 200


def test_a_duty_at_a_desk(client: Any, scene: Scene) -> None:
    start = soon() - DAY
    body = line(scene, shift_id=None, station_id=str(scene.station.id), starts_at=sent(start), minutes=120)
    status, made = post(client, scene.station_manager, "/service-records", body)
    assert (status, made["content"], made["shift_id"]) == (201, f"{scene.station.name}值守", None)
    long = body | {"minutes": 481, "volunteer_id": str(scene.stranger.id)}
    status, refused = post(client, scene.station_manager, "/service-records", long)
    assert (status, refused["code"]) == (409, "duty_too_long")
    status, refused = post(client, scene.station_manager, f"/service-records/{made['id']}/approval", {})
    assert (status, refused["code"]) == (403, "own_backfill")
    status, approved = post(client, scene.organizer, f"/service-records/{made['id']}/approval", {})
    assert (status, approved["state"], approved["content"]) == (200, "recorded", f"{scene.station.name}值守")


def test_long_days_need_a_reason_and_very_long_ones_two_organizers(client: Any, app: Flask) -> None:
    # Thirteen hours of one local day, as in a flood.
    with app.app_context():
        start = clock.start_of(clock.today() - DAY) + 8 * HOUR
    scene = make_scene(starts_at=start, hours=14)
    second = make_organizer(scene.organization.id)
    status, made = post(client, scene.leader, "/service-records", line(scene, minutes=9 * 60))
    assert status == 201
    status, refused = post(client, scene.organizer, f"/service-records/{made['id']}/approval", {})
    assert (status, refused["code"], refused["minutes"], refused["limit_minutes"]) == (
        409,
        "over_daily_limit",
        540,
        480,
    )
    approval = {"reason": "防汛"}
    assert post(client, scene.organizer, f"/service-records/{made['id']}/approval", approval)[0] == 200
    for person, path in (
        (scene.leader, f"/service-records?activity_id={scene.activity.id}"),
        (scene.volunteer, "/me/service-records"),
    ):
        [shown] = client.as_(person).get(path).json["items"]
        assert (shown["decision_reason"], shown["reason"]) == ("防汛", "手机没电")
    # The same day goes on: its minutes are added up.
    more = line(scene, starts_at=sent(start, minutes=540), minutes=4 * 60)
    status, refused = post(client, scene.leader, "/service-records", more)
    assert (status, refused["code"], refused["minutes"]) == (409, "over_daily_maximum", 780)
    status, made = post(client, scene.organizer, "/service-records", more)
    assert status == 201
    assert post(client, second, f"/service-records/{made['id']}/approval", approval)[0] == 200


def test_a_slip_in_one_line_costs_no_other(client: Any, scene: Scene) -> None:
    people = [make_volunteer() for _ in range(2)]
    records = [
        line(scene, volunteer_id=str(people[0].id), reason=""),
        line(scene, volunteer_id=str(people[1].id)),
        line(scene, volunteer_id=None, minutes=None),
    ]
    status, answer = post(client, scene.leader, "/service-records/batch", {"records": records})
    assert (status, [one["status"] for one in answer["results"]]) == (200, [422, 201, 422])
    refusal = answer["results"][0]["refusal"]
    assert refusal["code"] == "invalid_payload"
    assert [(one["pointer"], one["code"]) for one in refusal["errors"]] == [("/reason", "min_length")]


def test_thirty_people_in_one_call(client: Any, unit: Unit, scene: Scene, statements: Callable[[], Any]) -> None:
    people = [make_volunteer() for _ in range(30)]
    records = [line(scene, volunteer_id=str(person.id)) for person in people]
    records[3] = line(scene, volunteer_id=None, phone=people[3].phone)
    records[7] = line(scene, volunteer_id=str(scene.leader.id))
    records[8] = line(scene, volunteer_id=str(people[6].id))
    records[9] = line(scene, shift_id=str(ids.new_id()))
    status, answer = post(client, scene.leader, "/service-records/batch", {"records": records})
    assert status == 200
    refusals = {one["index"]: (one["status"], one["refusal"]["code"]) for one in answer["results"] if one["refusal"]}
    assert refusals == {7: (403, "own_hours"), 8: (409, "hours_overlap"), 9: (404, "not_found")}
    assert answer["results"][8]["refusal"]["service_record_id"] == answer["results"][6]["service_record_id"]
    assert [one["index"] for one in answer["results"]] == list(range(30))
    assert unit(lambda: db.session.query(Backfill).count()) == 27
    for what, records in (("empty", []), ("unknown", [line(scene) | {"why": "?"}])):
        assert post(client, scene.leader, "/service-records/batch", {"records": records})[0] == 422, what
    with statements() as seen:
        few = client.as_(scene.leader).get(f"/service-records?activity_id={scene.activity.id}&state=pending&limit=5")
    with statements() as more:
        many = client.as_(scene.leader).get(f"/service-records?activity_id={scene.activity.id}&state=pending&limit=25")
    assert (len(few.json["items"]), len(many.json["items"])) == (5, 25)
    assert len(seen) == len(more) <= 6


def test_the_lists_of_those_who_answer_for_it(client: Any, unit: Unit, scene: Scene) -> None:
    first = make_backfill(scene)
    unit(lambda: backfills.approve(db.session.get_one(Backfill, first.id), by=scene.organizer.id))
    waiting = make_backfill(scene, volunteer_id=scene.unsigned.id)
    record = unit(lambda: credit(scene, scene.stranger.id, 45, scene.shift.starts_at))
    reversal = unit(lambda: service.reverse(record_id=record.id, reason="误记", actor_id=scene.organizer.id))
    elsewhere = make_scene(starts_at=soon() - DAY)
    unit(lambda: credit(elsewhere, elsewhere.volunteer.id, 45, elsewhere.shift.starts_at))

    def found(person: Any, query: str) -> Any:
        answer = client.as_(person).get(f"/service-records?{query}")
        items = answer.json.get("items", [])
        return answer.json.get("code") or {item["id"]: item["state"] for item in items}

    ledger = {str(first.id): "recorded", str(record.id): "reversed", str(reversal.id): "reversal"}
    for query in (f"organization_id={scene.organization.id}", f"activity_id={scene.activity.id}", ""):
        assert found(scene.organizer, query) == ledger
        assert found(scene.organizer, f"{query}&state=pending") == {str(waiting.id): "pending"}
    assert found(scene.leader, f"activity_id={scene.activity.id}") == ledger
    assert found(scene.station_manager, f"station_id={scene.station.id}") == ledger
    for state, one in (("recorded", first), ("reversed", record), ("reversal", reversal)):
        assert found(scene.organizer, f"state={state}") == {str(one.id): state}
    assert found(scene.organizer, "source=backfilled") == {str(first.id): "recorded"}
    assert found(scene.organizer, f"volunteer_id={scene.volunteer.id}") == {str(first.id): "recorded"}
    assert found(scene.organizer, f"from={clock.now() + DAY:%Y-%m-%d}") == {}
    assert found(scene.organizer, "state=rejected") == {}
    for person in (scene.volunteer, scene.leader):
        assert found(person, f"organization_id={scene.organization.id}") == "not_found"
        assert found(person, "") == "not_found"
    assert found(scene.volunteer, f"activity_id={scene.activity.id}") == "not_found"
    assert found(scene.organizer, f"organization_id={elsewhere.organization.id}") == "not_found"
    assert client.as_(scene.organizer).get("/service-records?late=true&state=recorded").status_code == 422


def test_what_waits_too_long_is_late_and_reminded_of(
    app: Flask, client: Any, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        ended = clock.start_of(last_day_overdue()) + 10 * HOUR
    scene = make_scene(starts_at=ended)
    made = make_backfill(scene)
    in_time = make_scene(starts_at=ended + DAY)
    make_backfill(in_time)
    [late] = client.as_(scene.organizer).get("/service-records?late=true").json["items"]
    assert (late["id"], late["late"]) == (str(made.id), True)
    path = "/service-records?state=pending"
    [waiting] = client.as_(in_time.organizer).get(path).json["items"]
    assert (waiting["late"], waiting["due_on_is_certain"]) == (False, True)
    # Of a year whose holidays nobody has announced, the day may still move, and the answer says so.
    with monkeypatch.context() as unannounced:
        unannounced.setattr(holidays, "LAST_YEAR", holidays.FIRST_YEAR)
        assert client.as_(in_time.organizer).get(path).json["items"][0]["due_on_is_certain"] is False
    for _ in range(2):
        run_task(app, "hours.remind_of_late")
    assert told(unit, scene.organizer)["backfills_late"]["count"] == "1"
    assert "backfills_late" not in told(unit, in_time.organizer)
    assert "backfills_late" not in told(unit, scene.inspector)


def test_who_decides_hears_that_hours_wait_and_when_they_are_due(app: Flask, client: Any, unit: Unit) -> None:
    """At once, but for who recorded them herself; and from three days before the deadline on."""
    with app.app_context():
        begins = clock.start_of(clock.today() - DAY) + 10 * HOUR
    scene = make_scene(starts_at=begins)
    second = make_organizer(scene.organization.id)
    for minutes in (0, 60):
        body = line(scene, starts_at=sent(scene.shift.starts_at, minutes=minutes))
        assert post(client, scene.organizer, "/service-records", body)[0] == 201
    [waits] = unit(lambda: db.session.query(Notification).filter_by(volunteer_id=second.id).all())
    assert (waits.kind, waits.values["organization"]) == ("backfills_wait", scene.organization.name)
    assert "backfills_wait" not in told(unit, scene.organizer)
    with app.app_context():
        ended_on = clock.local_date(scene.shift.starts_at + HOUR)
        due = due_on(ended_on).on
        at = {ahead: clock.start_of(due - ahead * DAY) + 9 * HOUR for ahead in (4, 3, 1, -1)}
    heard = []
    for moment in at.values():
        with clock.at(moment):
            run_task(app, "hours.remind_of_due")
        heard.append(told(unit, second).get("backfills_due", {}).get("due_on"))
    assert heard == [None, due.isoformat(), due.isoformat(), due.isoformat()]
    kinds = unit(lambda: [row.kind for row in db.session.query(Notification).filter_by(volunteer_id=second.id)])
    assert sorted(kinds) == ["backfills_due", "backfills_wait"]
    assert told(unit, second)["backfills_due"]["count"] == "2"


def test_a_team_is_named_for_who_was_in_it(unit: Unit, scene: Scene) -> None:
    def arrange() -> Any:
        team = make_team(organization_id=scene.organization.id, leader=scene.leader)
        make_member(team, db.session.merge(scene.volunteer)).joined_at = scene.shift.starts_at - DAY
        db.session.flush()
        return team

    team = unit(arrange)
    made = make_backfill(scene, team_id=team.id)
    record = unit(lambda: backfills.approve(db.session.get_one(Backfill, made.id), by=scene.organizer.id))
    assert record.team_id == team.id


def test_features_to_the_right_hear_of_it(unit: Unit, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_handlers", {event: list(known) for event, known in events._handlers.items()})
    heard: list[Any] = []
    on(RecordWritten)(heard.append)
    on(RecordReversed)(heard.append)
    made = make_backfill(scene)
    unit(lambda: backfills.approve(db.session.get_one(Backfill, made.id), by=scene.organizer.id))
    reversal = unit(lambda: service.reverse(record_id=made.id, reason="误记", actor_id=scene.organizer.id))
    assert heard == [
        RecordWritten(made.id, scene.volunteer.id),
        RecordReversed(made.id, reversal.id, scene.volunteer.id, 0, None),
    ]


def test_a_duty_stays_with_the_organization_that_decides(unit: Unit, scene: Scene) -> None:
    made = make_backfill(scene, by=scene.station_manager, station_id=scene.station.id, starts_at=soon() - DAY)
    other = make_scene().organization
    unit(lambda: db.session.execute(update(Station).values(organization_id=other.id)))
    record = unit(lambda: backfills.approve(db.session.get_one(Backfill, made.id), by=scene.organizer.id))
    assert record.organization_id == scene.organization.id
    assert record.organization_path_id == scene.organization.path_id


def test_erasure_leaves_no_words(unit: Unit, scene: Scene) -> None:
    decided, waiting = make_backfill(scene, minutes=30), make_backfill(scene, starts_at=scene.shift.starts_at + HOUR)
    unit(lambda: backfills.reject(db.session.get_one(Backfill, decided.id), by=scene.organizer.id, reason="她住院了"))
    kept = unit(lambda: db.session.get_one(Backfill, waiting.id))
    unit(lambda: events.publish(VolunteerErased(volunteer_id=scene.volunteer.id, name="王翠花")))
    [left] = unit(lambda: db.session.query(Backfill).all())
    assert (left.id, left.state, left.reason, left.decision_reason) == (decided.id, "rejected", "", "")
    # Who was about to approve what was just deleted finds nothing.
    with pytest.raises(NotFound):
        unit(lambda: backfills.approve(db.session.merge(kept, load=False), by=scene.organizer.id))


def test_two_who_decide_at_once(
    postgresql_app: Flask, postgresql_unit: Unit, race: Callable[[int, Callable[..., Any]], list[Any]]
) -> None:
    scene = make_scene(starts_at=soon() - DAY)
    made = make_backfill(scene)
    organizers = [scene.organizer.id, make_organizer(scene.organization.id).id]

    def decide(number: int) -> Any:
        return postgresql_unit(
            lambda: backfills.approve(db.session.get_one(Backfill, made.id), by=organizers[number % 2])
        )

    outcomes = race(4, decide)
    assert sum(isinstance(outcome, ServiceRecord) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, BackfillDecided) for outcome in outcomes) == 3
    tally = postgresql_unit(lambda: service.tally(scene.volunteer.id, ALL_TIME))
    assert tally.credited_minutes == 60


def test_two_who_record_the_same_at_once(
    postgresql_app: Flask, postgresql_unit: Unit, race: Callable[[int, Callable[..., Any]], list[Any]]
) -> None:
    scene = make_scene(starts_at=soon() - DAY)
    recorders = [acting(scene.leader), acting(scene.organizer)]

    def record(number: int) -> Any:
        given = {"volunteer_id": scene.volunteer.id, "shift_id": scene.shift.id, "reason": "补"}
        start = scene.shift.starts_at + timedelta(minutes=number)
        return postgresql_unit(lambda: backfills.record(by=recorders[number % 2], **given, starts_at=start, minutes=60))

    race(4, record)
    assert postgresql_unit(lambda: db.session.query(Backfill).count()) == 1
    assert postgresql_unit(lambda: backfills.state_of(db.session.query(Backfill).one())) == "pending"


def test_the_service_refuses_too(unit: Unit, scene: Scene) -> None:
    made = make_backfill(scene)
    for who, problem in ((scene.volunteer, OwnHours), (scene.leader, OwnBackfill)):
        with pytest.raises(problem):
            unit(lambda who=who: backfills.approve(db.session.get_one(Backfill, made.id), by=who.id))
