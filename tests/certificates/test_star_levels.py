"""Star levels: earned by the ledger, granted by somebody else, and gone with the hours."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import IntegrityError

from tests.certificates.factories import DAY, make_record, take_back
from tests.disputes.factories import make_served
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_grant
from volunteer_api.accounts.models import Volunteer
from volunteer_api.certificates import star_levels
from volunteer_api.certificates.models import StarLevel, StarState
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.problems import NotFound
from volunteer_api.hours import tallies
from volunteer_api.organizations.models import Role

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def district(unit: Unit) -> District:
    made: District = unit(make_district)
    return made


@pytest.fixture
def volunteer(app: Flask) -> Volunteer:
    return make_volunteer(name="王翠花")


def serve(volunteer: Volunteer, district: District, hours: int, days: int = 0) -> Any:
    return make_record(volunteer.id, district.office.id, minutes=hours * 60, on=DAY + timedelta(days=days))


def applied(client: Any, volunteer: Volunteer, district: District) -> Any:
    return client.as_(volunteer).post("/me/star-level", json={"organization_id": str(district.office.id)})


def decide(client: Any, by: Volunteer, application_id: str, verb: str = "approval", **body: Any) -> Any:
    return client.as_(by).post(f"/star-level-applications/{application_id}/{verb}", json=body)


def test_whoever_has_the_hours_hears_of_it_once(
    client: Any, unit: Unit, district: District, volunteer: Volunteer
) -> None:
    def heard() -> list[dict[str, str]]:
        unit(tallies.fold)
        items = client.as_(volunteer).get("/me/notifications").json["items"]
        return [one["values"] for one in items if one["kind"] == "star_level_reached"]

    serve(volunteer, district, 99)
    assert heard() == []
    more = serve(volunteer, district, 2, days=1)
    assert heard() == [{"level": "1", "hours": "100"}]
    serve(volunteer, district, 5, days=2)
    take_back(more)
    serve(volunteer, district, 50, days=3)
    assert len(heard()) == 1
    serve(volunteer, district, 500, days=4)
    assert [one["level"] for one in heard()] == ["3", "1"]


def test_from_hours_to_a_level_and_back(client: Any, district: District, volunteer: Volunteer) -> None:
    phone = client.as_(volunteer)
    serve(volunteer, district, 99)
    refused = applied(client, volunteer, district)
    assert (refused.status_code, refused.json["code"]) == (409, "hours_too_few")
    assert (refused.json["level"], refused.json["missing_minutes"]) == (1, 60)
    more = serve(volunteer, district, 201)
    standing = phone.get("/me/star-level").json
    assert (standing["level"], standing["earned_level"], standing["next_level"]) == (0, 2, 3)
    assert standing["missing_minutes"] == 300 * 60
    application = applied(client, volunteer, district).json
    assert (application["level"], application["state"], application["credited_minutes"]) == (2, "pending", 18000)
    again = applied(client, volunteer, district)
    assert (again.status_code, again.json["code"]) == (409, "already_applied")
    queue = client.as_(district.administrator).get(
        f"/organizations/{district.center.id}/star-level-applications?state=pending"
    )
    assert [(one["id"], one["volunteer_name"]) for one in queue.json["items"]] == [(application["id"], "王翠花")]
    granted = decide(client, district.organizer, application["id"])
    assert (granted.status_code, granted.json["state"]) == (200, "granted")
    twice = decide(client, district.organizer, application["id"])
    assert (twice.status_code, twice.json["code"]) == (409, "already_decided")
    assert phone.get("/me/tally").json["star_level"] == phone.get("/me/home").json["tally"]["star_level"] == 2
    assert applied(client, volunteer, district).json["code"] == "hours_too_few"
    # 100 hours are left: the second level falls, and the first can be applied for.
    take_back(more)
    serve(volunteer, district, 1)
    standing = phone.get("/me/star-level").json
    assert (standing["level"], standing["earned_level"], standing["held"]) == (0, 1, None)
    kinds = [one["kind"] for one in phone.get("/me/notifications").json["items"]]
    assert {"star_level_granted", "star_level_withdrawn"} <= set(kinds)
    assert applied(client, volunteer, district).json["level"] == 1


def test_an_application_is_told_of_and_can_be_withdrawn(client: Any, district: District, volunteer: Volunteer) -> None:
    """One that lies with an office where nobody decides must not stand in the way of another."""
    serve(volunteer, district, 100)
    first = applied(client, volunteer, district).json
    for person, count in ((district.organizer, 1), (district.administrator, 0), (volunteer, 0)):
        kinds = [one["kind"] for one in client.as_(person).get("/me/notifications").json["items"]]
        assert kinds.count("star_level_applied") == count
    path = f"/star-level-applications/{first['id']}/withdrawal"
    assert client.as_(district.organizer).post(path).status_code == 404
    assert client.as_(volunteer).post(path).status_code == 204
    assert client.as_(volunteer).get("/me/star-level").json["application"] is None
    second = applied(client, volunteer, district)
    assert second.status_code == 201
    decide(client, district.organizer, second.json["id"])
    late = client.as_(volunteer).post(f"/star-level-applications/{second.json['id']}/withdrawal")
    assert (late.status_code, late.json["code"]) == (409, "already_decided")
    assert client.as_(volunteer).get("/me/star-level").json["level"] == 1


def test_a_lower_level_stays_when_the_higher_falls(client: Any, district: District, volunteer: Volunteer) -> None:
    serve(volunteer, district, 120)
    decide(client, district.organizer, applied(client, volunteer, district).json["id"])
    more = serve(volunteer, district, 500)
    decide(client, district.organizer, applied(client, volunteer, district).json["id"])
    phone = client.as_(volunteer)
    assert phone.get("/me/star-level").json["level"] == 3
    take_back(more)
    assert phone.get("/me/star-level").json["level"] == 1


def test_a_correction_takes_a_level_away_only_if_the_hours_are_gone(client: Any, unit: Unit) -> None:
    served = unit(make_served)
    scene, volunteer_id = served.scene, served.volunteer_id

    def review(minutes: int) -> None:
        answer = client.as_(scene.organizer_id).post(
            f"/attendances/{served.attendance_id}/review",
            json={"decision": "credit", "credited_minutes": minutes, "reason": "核对", "correction": True},
            key=str(ids.new_id()),
        )
        assert answer.status_code == 200, answer.json

    make_record(volunteer_id, scene.office_id, minutes=100 * 60 - 110)
    review(120)
    phone = client.as_(volunteer_id)
    made = phone.post("/me/star-level", json={"organization_id": str(scene.office_id)}).json
    decide(client, scene.organizer_id, made["id"])
    # The ledger takes 120 minutes back and gets 110: a hundred hours, as the level asks.
    review(110)
    assert phone.get("/me/star-level").json["level"] == 1
    review(109)
    assert phone.get("/me/star-level").json["level"] == 0


def test_hours_gone_before_the_decision(client: Any, district: District, volunteer: Volunteer) -> None:
    gone = serve(volunteer, district, 100)
    application = applied(client, volunteer, district).json
    take_back(gone)
    refused = decide(client, district.organizer, application["id"])
    assert (refused.status_code, refused.json["code"]) == (409, "hours_below_level")
    assert refused.json["credited_minutes"] == 0
    rejected = decide(client, district.organizer, application["id"], "rejection", reason="时长已冲销")
    assert (rejected.json["state"], rejected.json["reason"]) == ("rejected", "时长已冲销")
    [told] = [
        one
        for one in client.as_(volunteer).get("/me/notifications").json["items"]
        if one["kind"] == "star_level_rejected"
    ]
    assert "时长已冲销" in told["body"]


@pytest.mark.both_databases
def test_nobody_grants_her_own(client: Any, unit: Unit, district: District) -> None:
    serve(district.organizer, district, 100)
    application = applied(client, district.organizer, district).json
    refused = decide(client, district.organizer, application["id"])
    assert refused.status_code == 403
    assert decide(client, district.organizer, application["id"], "rejection", reason="x").status_code == 403
    # And the database says so itself.
    made = StarLevel(
        volunteer_id=district.organizer.id,
        organization_id=district.office.id,
        level=1,
        minutes=6000,
        state=StarState.GRANTED,
        decided_by=district.organizer.id,
        decided_at=clock.now(),
    )
    with client.app.app_context():
        db.session.add(made)
        with pytest.raises(IntegrityError, match="dual_control"):
            db.session.flush()
        db.session.rollback()
    assert decide(client, district.administrator, application["id"]).status_code == 200


def test_only_an_organization_that_knows_her(client: Any, district: District, volunteer: Volunteer) -> None:
    serve(volunteer, district, 100)
    body = {"organization_id": str(district.other_office.id)}
    refused = client.as_(volunteer).post("/me/star-level", json=body)
    assert (refused.status_code, refused.json["code"]) == (409, "never_served_there")


def test_two_grant_and_the_ledger_takes_back_at_once(postgresql_client: Any, postgresql_unit: Unit, race: Any) -> None:
    made: District = postgresql_unit(make_district)
    person = make_volunteer()
    record = serve(person, made, 100)
    another = make_volunteer()
    make_grant(another, Role.ORGANIZER, made.office.id)
    application = applied(postgresql_client, person, made).json

    def act(number: int) -> Any:
        if number == 4:
            return postgresql_unit(lambda: take_back(record))
        return decide(postgresql_client, (made.organizer, another)[number % 2], application["id"]).status_code

    outcomes = race(5, act)
    assert outcomes[4] is None, outcomes
    assert sorted(outcomes[:4]) in ([200, 409, 409, 409], [409] * 4)
    # Whichever came first, no level stands without its hours.
    assert postgresql_client.as_(person).get("/me/star-level").json["level"] == 0


def test_what_was_withdrawn_a_moment_ago_is_not_there(unit: Unit, district: District, volunteer: Volunteer) -> None:
    """Whoever read it before and decides after finds nothing."""
    serve(volunteer, district, 100)
    made = unit(lambda: star_levels.apply(volunteer_id=volunteer.id, organization_id=district.office.id))
    unit(lambda: star_levels.withdraw(db.session.get_one(StarLevel, made.id)))
    for late in (
        lambda: star_levels.withdraw(made),
        lambda: star_levels.approve(made, by=district.organizer.id),
    ):
        with pytest.raises(NotFound):
            unit(late)
