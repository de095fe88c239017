"""What is recommended to somebody, why, and what never is."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.activities.crowd import make_crowd, plans_of
from tests.activities.factories import PLACE, Scene, make_activity, make_scene
from tests.factories import make_volunteer
from tests.rankings.factories import Happening, Turn, write
from volunteer_api.accounts.categories import Category
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Shift
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord
from volunteer_api.organizations.models import Division, Organization
from volunteer_api.phone.recommendations import recommend
from volunteer_api.phone.schemas import RecommendedActivities
from volunteer_api.sign_ups import service as sign_ups

Unit = Callable[[Callable[[], Any]], Any]
PATH = "/me/recommended-activities"
NEAR = f"{PLACE['lat']},{PLACE['lng']}"


@pytest.fixture
def scene(unit: Unit) -> Scene:
    made: Scene = unit(make_scene)
    return made


def recommended(client: Any, volunteer_id: Any, query: str = "") -> list[tuple[str, list[str]]]:
    answer = client.as_(volunteer_id).get(f"{PATH}?{query}")
    assert answer.status_code == 200, answer.json
    return [(item["title"], [reason["code"] for reason in item["reasons"]]) for item in answer.json["items"]]


def test_each_reason(client: Any, unit: Unit, scene: Scene) -> None:
    def build() -> None:
        member = db.session.get_one(Volunteer, scene.member_id)
        member.skills, member.service_categories = ["理发"], [Category.ELDERLY_CARE]
        member.home_division = "410403001005"
        spelled = {"initials": "dgh", "pinyin": "donggaohuang"}
        db.session.add(Division(code="410403001", name="东高皇街道", level="subdistrict", **spelled))
        db.session.flush()
        db.session.get_one(Organization, scene.other_office_id).division_code = "410403001"
        far = {"lat": 34.5, "lng": 114.0}
        make_activity(scene=scene, title="队伍", team_id=scene.team_id)
        make_activity(scene=scene, title="特长", description="上门理发")
        make_activity(scene=scene, title="附近", place=PLACE)
        make_activity(scene=scene, title="领域", category=Category.ELDERLY_CARE)
        make_activity(scene=scene, title="街道", organization_id=scene.other_office_id)
        make_activity(scene=scene, title="远处", place=far, starts_at=clock.now() + timedelta(hours=5))

    unit(build)
    found = dict(recommended(client, scene.member_id, f"near={NEAR}"))
    assert found == {
        "队伍": ["your_team"],
        "特长": ["your_skill"],
        "附近": ["near_you"],
        "领域": ["your_field"],
        "街道": ["near_home"],
        "远处": ["soon"],
    }
    assert (next(iter(found)), list(found)[-1]) == ("队伍", "远处")
    first = client.as_(scene.member_id).get(f"{PATH}?limit=1").json["items"]
    assert [item["reasons"] for item in first] == [[{"code": "your_team", "detail": "来自您的队伍：鹰城大妈。"}]]
    english = client.as_(scene.member_id).get(f"{PATH}?limit=1", headers={"Accept-Language": "en"}).json["items"]
    assert english[0]["reasons"][0]["detail"] == "It is of your team 鹰城大妈."


def test_what_she_served_speaks_for_more_of_it(client: Any, unit: Unit, scene: Scene) -> None:
    def build() -> None:
        office = db.session.get_one(Organization, scene.office_id)
        turn = Turn(clock.now() - timedelta(days=3), present=[(0, State.CREDITED, 60)])
        write(Happening(turns=[turn]), office, [scene.outsider_id], team_id=scene.team_id)
        make_activity(scene=scene, title="同队", team_id=scene.team_id, category=Category.EDUCATION_SUPPORT)
        make_activity(scene=scene, title="同类")

    unit(build)
    assert dict(recommended(client, scene.outsider_id)) == {"同队": ["team_before"], "同类": ["served_before"]}


@pytest.mark.both_databases
def test_what_was_reversed_is_no_service(client: Any, unit: Unit, scene: Scene) -> None:
    def build() -> Any:
        office = db.session.get_one(Organization, scene.office_id)
        turn = Turn(clock.now() - timedelta(days=3), present=[(0, State.CREDITED, 60)])
        write(Happening(turns=[turn]), office, [scene.outsider_id], team_id=scene.team_id)
        make_activity(scene=scene, title="同队", team_id=scene.team_id)
        return db.session.scalars(select(ServiceRecord.id)).one()

    record_id = unit(build)
    assert dict(recommended(client, scene.outsider_id)) == {"同队": ["team_before", "served_before"]}
    path, reason = f"/service-records/{record_id}/reversal", {"reason": "未到场"}
    reversal = client.as_(scene.organizer_id).post(path, json=reason, key="reversal")
    assert reversal.status_code == 201, reversal.json
    assert dict(recommended(client, scene.outsider_id)) == {"同队": ["soon"]}


def test_a_district_is_no_neighborhood_and_in_a_year_is_not_soon(client: Any, unit: Unit, scene: Scene) -> None:
    def build() -> None:
        spelled = {"initials": "d", "pinyin": "d"}
        db.session.add(Division(code="410403", name="卫东区", level="district", **spelled))
        db.session.add(Division(code="410403001", name="东高皇街道", level="subdistrict", **spelled))
        db.session.flush()
        db.session.get_one(Organization, scene.office_id).division_code = "410403001"
        db.session.get_one(Volunteer, scene.outsider_id).home_division = "410403"
        make_activity(scene=scene, title="明天")
        make_activity(scene=scene, title="明年", starts_at=clock.now() + timedelta(days=300))

    unit(build)
    assert recommended(client, scene.outsider_id) == [("明天", ["soon"]), ("明年", ["has_places"])]
    items = client.as_(scene.outsider_id).get(PATH).json["items"]
    assert items[1]["reasons"] == [{"code": "has_places", "detail": "尚有名额。"}]


def test_nothing_that_she_can_not_go_to(client: Any, unit: Unit, scene: Scene) -> None:
    def build() -> None:
        start = clock.now() + timedelta(days=1)
        own = make_activity(scene=scene, title="已报", starts_at=start)
        sign_ups.sign_up(shift_id=own.shift_id, volunteer_id=scene.member_id)
        make_activity(scene=scene, title="同时", starts_at=start + timedelta(hours=1))
        full = make_activity(scene=scene, title="已满", starts_at=start + timedelta(days=1), capacity=1)
        sign_ups.sign_up(shift_id=full.shift_id, volunteer_id=scene.outsider_id)
        make_activity(scene=scene, title="草稿", published=False, starts_at=start + timedelta(days=2))
        make_activity(scene=scene, title="过去", starts_at=clock.now() - timedelta(days=2))
        make_activity(scene=scene, title="紧接", starts_at=start + timedelta(hours=2))

    unit(build)
    assert [title for title, _ in recommended(client, scene.member_id)] == ["紧接"]


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "refuses", [{"members_only": True}, {"minimum_age": 60}, {"maximum_age": 12}, {"required_skills": ["焊接"]}]
)
def test_many_that_refuse_her_hide_no_other(client: Any, unit: Unit, scene: Scene, refuses: dict[str, Any]) -> None:
    """She is found something, however many sooner ones would turn her away, by the database or by the judgment."""

    def build() -> None:
        db.session.get_one(Volunteer, scene.outsider_id).birth_date = date(2000, 1, 1)
        start = clock.now() + timedelta(days=1)
        for number in range(62):
            soon = start + timedelta(minutes=number)
            make_activity(scene=scene, title="不收", starts_at=soon, team_id=scene.team_id, **refuses)
        make_activity(scene=scene, title="谁都可以", starts_at=start + timedelta(days=2))

    unit(build)
    assert [title for title, _ in recommended(client, scene.outsider_id)] == ["谁都可以"]


@pytest.mark.both_databases
def test_a_free_shift_behind_ten_full_ones_is_recommended(client: Any, unit: Unit, scene: Scene) -> None:
    days = [clock.now() + timedelta(days=day + 1) for day in range(12)]

    def build() -> None:
        shifts = [{"starts_at": day, "ends_at": day + timedelta(hours=1), "capacity": 1} for day in days]
        made = make_activity(scene=scene, title="每天", shifts=shifts)
        for shift in db.session.scalars(select(Shift).where(Shift.activity_id == made.id, Shift.starts_at < days[10])):
            sign_ups.sign_up(shift_id=shift.id, volunteer_id=scene.member_id)

    unit(build)
    items = client.as_(scene.outsider_id).get(PATH).json["items"]
    assert [item["title"] for item in items] == ["每天"]
    shown = [shift["starts_at"] for shift in items[0]["shifts"]]
    assert (len(shown), shown == sorted(shown)) == (10, True)
    assert [shift["would_be"] for shift in items[0]["shifts"]][-2:] == ["confirmed", "confirmed"]


def test_who_did_not_tell_her_age_is_led_to_nothing_that_asks_for_it(client: Any, unit: Unit, scene: Scene) -> None:
    def build() -> None:
        make_activity(scene=scene, title="成年", minimum_age=18)
        make_activity(scene=scene, title="老人", minimum_age=60)
        make_activity(scene=scene, title="孩子", maximum_age=90)

    unit(build)
    assert [title for title, _ in recommended(client, scene.outsider_id)] == ["成年"]


def test_what_is_written_is_what_the_schema_dumps(client: Any, unit: Unit, app: Flask, scene: Scene) -> None:
    unit(lambda: make_activity(scene=scene, place=PLACE, recipients=["elderly"], team_id=scene.team_id, capacity=3))
    answered = client.as_(scene.member_id).get(f"{PATH}?near={NEAR}").json
    with app.test_request_context():
        volunteer = db.session.get_one(Volunteer, scene.member_id)
        items = recommend(volunteer, (PLACE["lat"], PLACE["lng"]), 10)
        dumped = RecommendedActivities().dump({"items": items})
        db.session.rollback()
    assert answered == json.loads(json.dumps(dumped))
    assert [item["distance_m"] for item in answered["items"]] == [0]


def test_an_empty_city(client: Any, unit: Unit) -> None:
    assert recommended(client, unit(lambda: make_volunteer().id), f"near={NEAR}") == []


@pytest.mark.parametrize("query", ["limit=0", "limit=21", "limit=x", "near=1", "cursor=x", "datum=bd09"])
def test_bad_queries(client: Any, unit: Unit, query: str) -> None:
    assert client.as_(unit(lambda: make_volunteer().id)).get(f"{PATH}?{query}").status_code == 422


@pytest.mark.both_databases
def test_is_few_statements_by_indexes_among_many(app: Flask, client: Any, statements: Any, unit: Unit) -> None:
    scene = make_crowd(app, 2000, past=20)
    phone = client.as_(scene.member_id)
    path = f"{PATH}?near=33.7512,113.3034&limit=20"
    with statements() as seen:
        items = phone.get(path).json["items"]
    assert len(items) == 20
    # The session, the account, teams, what was served, two for what is near, the candidates, their rows, their shifts,
    # the judgment.
    assert len(seen) <= 10, seen
    indexes = "".join(plan for _, plan in plans_of(app, lambda: phone.get(path)))
    assert "ix_activities_state_cell" in indexes
    assert "ix_shifts_starts_at" in indexes


def test_who_comes_of_age_before_the_shift_is_led_to_it(client: Any, unit: Unit, scene: Scene) -> None:
    def build() -> None:
        tomorrow = clock.today() + timedelta(days=1)
        db.session.get_one(Volunteer, scene.outsider_id).birth_date = tomorrow - timedelta(days=365 * 20 + 5)
        soon = clock.now() + timedelta(days=30)
        make_activity(scene=scene, title="二十岁起", minimum_age=20, starts_at=soon)
        make_activity(scene=scene, title="三十岁起", minimum_age=30, starts_at=soon)

    unit(build)
    assert [title for title, _ in recommended(client, scene.outsider_id)] == ["二十岁起"]


@pytest.mark.either_database
def test_the_signs_of_a_skill_count(client: Any, unit: Unit, scene: Scene) -> None:
    def build() -> None:
        db.session.get_one(Volunteer, scene.outsider_id).skills = ["C++"]
        make_activity(scene=scene, title="CPR 培训")
        make_activity(scene=scene, title="Ｃ＋＋ 编程课")

    unit(build)
    reasons = dict(recommended(client, scene.outsider_id))
    assert {title: "your_skill" in codes for title, codes in reasons.items()} == {
        "CPR 培训": False,
        "Ｃ＋＋ 编程课": True,
    }
