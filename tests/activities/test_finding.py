"""Finding activities: by Chinese text, near, soonest; each by an index on both databases."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update

from tests.activities.crowd import make_crowd, plans_of
from tests.activities.factories import PLACE, make_activity, make_scene
from tests.conftest import share_of
from tests.factories import unit_of
from tests.organizations.factories import make_district
from volunteer_api.accounts.models import DeviceSession
from volunteer_api.activities import listing, search_text, service
from volunteer_api.activities.models import Activity, ActivityGram, ActivityRename, ActivityText, CoOrganizer, Shift
from volunteer_api.activities.schemas import ActivitySummary
from volunteer_api.core import clock
from volunteer_api.core.access import Principal
from volunteer_api.core.database import db
from volunteer_api.core.geo import cell_of
from volunteer_api.core.schema import page_of
from volunteer_api.organizations import structure
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.organizations.service import create_organization

Unit = Callable[[Callable[[], Any]], Any]
# A table read whole; not a small one, and not rows that the statement made itself.
WHOLE = re.compile(
    r"SCAN (?!teams|organizations|campaigns|path_members|activity_co_organizers|anon_|CONSTANT)\w+\b(?! USING)"
    r"|Seq Scan on (?!teams|organizations|campaigns|path_members|activity_co_organizers)\w+"
)


def found(client: Any, query: str) -> list[str]:
    answer = client.get(f"/activities?{query}")
    assert answer.status_code == 200, answer.json
    return [item["id"] for item in answer.json["items"]]


class TestText:
    @pytest.fixture
    def made(self, unit: Unit) -> Any:
        def build() -> Any:
            scene = make_scene()
            campaign = service.create_campaign(name="百万市民清洁家园大行动", organization_id=scene.office_id)
            return make_activity(
                scene=scene,
                title="湛河ＷｉＦｉ志愿服务（第3期）",
                place_name="河西社区 服务台",
                team_id=scene.team_id,
                campaign_id=campaign.id,
                description="带好手套，" + "一" * 200 + "尾声",
            )

        return unit(build)

    @pytest.mark.parametrize(
        "q",
        [
            "湛河",
            "湛",
            "河wifi",
            "WIFI",
            "ｗｉｆｉ",
            "(第3期)",
            "期",
            "3",
            "西社区",
            "河西 服务台 志愿",
            "五一路街道",
            "鹰城大妈",
            "清洁家园",
            "手套",
            "zhanhe",
            "ZHAN",
            "zh",
            "zhiyuanfuwu",
            "zyfw",
            "w",
            "湛%河",
            "《湛河》",
            "wifi！志愿，服务",
            "湛河/第3期",
            "湛河WiFi志愿\u00ad服务第3期",
            "☂️湛河",
            "湛河—百万市民",
        ],
    )
    @pytest.mark.both_databases
    def test_is_found(self, client: Any, made: Any, q: str) -> None:
        answer = client.get("/activities", query_string={"q": q})
        assert [item["id"] for item in answer.json["items"]] == [str(made.id)]

    @pytest.mark.parametrize(
        "q", ["河湛", "湛河服务台", "尾声", "anhe", "湛河 巡查", "9", "%", "_", "\\", "，", "湛、海"]
    )
    @pytest.mark.both_databases
    def test_is_not_found(self, client: Any, made: Any, q: str) -> None:
        answer = client.get("/activities", query_string={"q": q})
        assert answer.json["items"] == []

    @pytest.mark.both_databases
    def test_a_change_is_found_at_once(self, client: Any, made: Any) -> None:
        organizer = client.as_(made.scene.organizer_id)
        version = organizer.get(f"/activities/{made.id}").json["version"]
        assert organizer.patch(f"/activities/{made.id}", json={"title": "义务植树"}, version=version).status_code == 200
        assert found(client, "q=植树") == found(client, "q=yw") == [str(made.id)]
        assert found(client, "q=湛河") == found(client, "q=zhanhe") == []

    @pytest.mark.both_databases
    def test_drafts_are_found_by_their_makers_alone(self, client: Any, unit: Unit) -> None:
        draft = unit(lambda: make_activity(published=False, title="夜间巡查"))
        assert found(client, "q=巡查") == []
        assert found(client.as_(draft.scene.organizer_id), "q=巡查") == [str(draft.id)]

    @pytest.mark.both_databases
    def test_renamed_organizations_are_found_after_the_sweep(self, client: Any, made: Any, app: Flask) -> None:
        with app.app_context():
            assert search_text.index_what_is_stale() == 0

        def rename() -> None:
            db.session.execute(
                update(Organization).where(Organization.id == made.scene.office_id).values(name="湖滨路街道实践所")
            )

        unit_of(app)(rename)
        with app.app_context():
            assert search_text.index_what_is_stale() == 1
        assert found(client, "q=湖滨路") == [str(made.id)]
        assert found(client, "q=五一路") == []

    def test_new_names_are_found_once_the_worker_was_nudged(self, client: Any, unit: Unit, app: Flask) -> None:
        """Of organization, team and campaign: each renaming notes itself, and its activities alone are looked at."""
        scene = unit(make_scene)
        administrator = client.as_(scene.administrator_id)
        body = {"name": "清洁家园", "organization_id": str(scene.office_id)}
        campaign_id = administrator.post("/campaigns", json=body).json["id"]
        made = unit(lambda: make_activity(scene=scene, team_id=scene.team_id, campaign_id=UUID(campaign_id)))
        for path, old, new in (
            (f"/organizations/{scene.office_id}", "五一路", "湖滨路街道实践所"),
            (f"/teams/{scene.team_id}", "大妈", "夕阳红志愿队"),
            (f"/campaigns/{campaign_id}", "家园", "爱国卫生运动"),
        ):
            assert found(client, f"q={old}") == [str(made.id)]
            version = administrator.get(path).json["version"]
            renamed = administrator.patch(path, json={"name": new}, version=version)
            assert renamed.status_code == 200, renamed.json
            with app.app_context():
                assert (search_text.index_renamed(), search_text.index_renamed()) == (1, 0)
            assert found(client, f"q={new[:3]}") == [str(made.id)]
            assert found(client, f"q={old}") == []
        assert unit(lambda: db.session.query(ActivityRename).count()) == 0

    def test_what_stood_before_the_index_is_found_after_the_sweep(self, client: Any, made: Any, app: Flask) -> None:
        def forget() -> None:
            db.session.execute(ActivityGram.__table__.delete())
            db.session.execute(ActivityText.__table__.delete())

        unit_of(app)(forget)
        assert found(client, "q=湛河") == []
        with app.app_context():
            assert search_text.index_what_is_stale() == 1
            assert search_text.index_what_is_stale() == 0
        assert found(client, "q=湛河") == [str(made.id)]

    @pytest.mark.parametrize(
        "q", ["清洁湛河行动", "清洁湛河第三期行动", "qjzhxd", "“清洁湛河”（第三期）行动", "行动·清洁"]
    )
    def test_a_title_without_its_punctuation_and_brackets_is_found(self, client: Any, unit: Unit, q: str) -> None:
        made = unit(lambda: make_activity(title="“清洁湛河”（第三期）行动"))
        answer = client.get("/activities", query_string={"q": q})
        assert [item["id"] for item in answer.json["items"]] == [str(made.id)]

    @pytest.mark.both_databases
    @pytest.mark.parametrize("title", ["清洁 湛河 行动", "清洁湛河行动", "清洁\u3000湛河行动"])
    def test_spaces_count_on_neither_side(self, client: Any, unit: Unit, title: str) -> None:
        made = unit(lambda: make_activity(title=title, description="带好\n手套"))
        for q in ("清洁湛河", "清洁 湛河", "洁湛", "河行动", "qjzhxd", "jiezhan", "好手"):
            answer = client.get("/activities", query_string={"q": q})
            assert [item["id"] for item in answer.json["items"]] == [str(made.id)], q

    @pytest.mark.both_databases
    def test_texts_of_an_earlier_form_are_made_anew_by_the_sweep(self, client: Any, made: Any, app: Flask) -> None:
        def as_it_was() -> None:
            names = "五一路街道实践所\n鹰城大妈\n百万市民清洁家园大行动"
            db.session.execute(update(ActivityText).values(text="清洁·湛河", names=names))

        unit_of(app)(as_it_was)
        with app.app_context():
            assert (search_text.index_what_is_stale(), search_text.index_what_is_stale()) == (1, 0)
        assert found(client, "q=第3期") == [str(made.id)]

    def test_writing_it_costs_four_statements(self, unit: Unit, made: Any, statements: Any) -> None:
        def change() -> int:
            activity = db.session.get_one(Activity, made.id)
            activity.title = "完全不同的名称"
            db.session.flush()
            with statements() as seen:
                search_text.index(activity)
            return len(seen)

        # The names, the text (read and written), the grams (read, deleted, written).
        assert unit(change) <= 6


ALPHABET = "湛河清洁ab 1Ａ%_\\é（)"
texts = st.text(alphabet=ALPHABET, min_size=1, max_size=8).filter(lambda drawn: bool(drawn.strip()))


@settings(max_examples=share_of(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(titles=st.lists(texts, min_size=1, max_size=6), q=texts, few=st.sampled_from([0, 2, 1000]))
def test_exactly_what_contains_the_words_is_found(
    app: Flask, monkeypatch: pytest.MonkeyPatch, titles: list[str], q: str, few: int
) -> None:
    # Whether a gram leads or the list is walked must not matter.
    monkeypatch.setattr(search_text, "FEW", few)

    def work() -> None:
        scene = make_scene()
        made = {make_activity(scene=scene, title=title).id: title for title in titles}
        conditions = search_text.search(q).conditions
        met = set(db.session.scalars(select(Activity.id).where(*conditions)))
        assert met == {activity_id for activity_id, title in made.items() if contains(title, q)}
        db.session.rollback()

    unit_of(app)(work)


def contains(title: str, q: str) -> bool:
    texts_of_it = [*search_text.titles_of(title), search_text.fold("五一路街道实践所")]
    spelled = search_text.spellings_of(title)
    words = search_text.words_of(q)
    return bool(words) and all(
        any(word in text for text in texts_of_it)
        or (
            (word.isascii() and word.isalnum() and any(c.isalpha() for c in word))
            and any(one.startswith(word) for one in spelled)
        )
        for word in words
    )


class TestNear:
    @pytest.mark.both_databases
    def test_only_what_is_to_come_is_near(self, client: Any, unit: Unit) -> None:
        def build() -> list[UUID]:
            scene = make_scene()
            yesterday = clock.now() - timedelta(days=1)
            coming = make_activity(scene=scene, place=PLACE)
            over = make_activity(scene=scene, place=PLACE, starts_at=yesterday)
            make_activity(scene=scene, place=PLACE, published=False)
            make_activity(scene=scene)
            canceled = make_activity(scene=scene, place=PLACE)
            service.cancel(service.queries.lock_activity(canceled.id), reason="大雨")
            return [coming.id, over.id, canceled.id]

        coming, over, canceled = map(str, unit(build))
        near = "near=33.735,113.335"
        assert found(client, near) == [coming]
        assert found(client, f"{near}&state=published") == sorted([coming, over])
        assert found(client, f"{near}&state=canceled") == [canceled]
        today = clock.now().date()
        assert found(client, f"{near}&state=published&to={today}") == [over]
        assert found(client, f"{near}&q=清洁&radius_m=10") == [coming]
        assert found(client, "near=33.9,113.335&q=清洁&radius_m=1000") == []

    @pytest.mark.both_databases
    def test_a_moved_activity_is_near_its_new_place(self, client: Any, unit: Unit) -> None:
        made = unit(lambda: make_activity(place=PLACE))
        organizer = client.as_(made.scene.organizer_id)
        path = f"/activities/{made.id}"
        version = organizer.get(path).json["version"]
        moved = organizer.patch(path, json={"place": {"lat": 33.9, "lng": 113.9}}, version=version)
        assert moved.status_code == 200
        assert unit(lambda: db.session.get_one(Activity, made.id).cell) == cell_of(33.9, 113.9)
        assert found(client, "near=33.9,113.9&radius_m=500") == [str(made.id)]
        assert found(client, "near=33.735,113.335&radius_m=500") == []
        assert organizer.patch(path, json={"place": None}, version=version + 1).status_code == 200
        assert found(client, "near=33.9,113.9") == []

    @pytest.mark.both_databases
    def test_pages_are_a_plain_sort(self, app: Flask, client: Any) -> None:
        make_crowd(app, 60, past=40)
        near = "near=33.75,113.3"
        for query in (
            near,
            f"{near}&radius_m=9000",
            "from=2020-01-01",
            "to=2040-01-01",
            "open=true",
            "state=published",
        ):
            whole = found(client, f"{query}&limit=100")
            parts: list[str] = []
            cursor = ""
            while True:
                page = client.get(f"/activities?{query}&limit=7{cursor}").json
                parts += [item["id"] for item in page["items"]]
                if page["next_cursor"] is None:
                    break
                cursor = f"&cursor={page['next_cursor']}"
            assert parts == whole
            assert len(parts) == len(set(parts)) > 8


@pytest.mark.both_databases
def test_soonest_first_with_recurring_and_past_ones(client: Any, unit: Unit) -> None:
    def build() -> list[str]:
        scene, now = make_scene(), clock.now()

        def make(*days: int) -> str:
            times = [now + timedelta(days=day) for day in days]
            shifts = [{"starts_at": one, "ends_at": one + timedelta(hours=1)} for one in times]
            return str(make_activity(scene=scene, shifts=shifts).id)

        # Two shifts at one time are one activity; of those without a coming shift the latest made is first.
        return [make(3), make(-9, 2, 2, 5), make(-3), make(1, 7), make(-8)]

    third, second, early_past, first, late_past = unit(build)
    assert found(client, "limit=100") == [first, second, third, late_past, early_past]
    assert found(client, "limit=2") == [first, second]


def test_partners_hold_it_too(client: Any, unit: Unit) -> None:
    def build() -> Any:
        made = make_activity()
        db.session.add(CoOrganizer(activity_id=made.id, organization_id=made.scene.other_office_id))
        return made

    made = unit(build)
    for organization_id in (made.scene.office_id, made.scene.other_office_id, made.scene.center_id):
        assert found(client, f"organization_id={organization_id}") == [str(made.id)]
    assert found(client, f"organization_id={unit(make_district).center.id}") == []


def test_after_a_move_both_offices_list_it_and_after_a_merge_the_successor_does(client: Any, unit: Unit) -> None:
    def build() -> Any:
        scene = make_scene()
        station, school = (
            create_organization(parent_id=scene.office_id, kind=kind, name=name)
            for kind, name in ((OrganizationKind.PRACTICE_STATION, "铁路新村实践站"), (OrganizationKind.UNIT, "一中"))
        )
        moved, merged = (make_activity(scene=scene, organization_id=one.id).id for one in (station, school))
        structure.move(station, parent_id=scene.other_office_id)
        structure.merge(school, into_id=scene.other_office_id)
        return scene, {str(moved), str(merged)}

    scene, made = unit(build)
    for office_id in (scene.other_office_id, scene.office_id):
        assert set(found(client, f"organization_id={office_id}")) == made


def test_what_is_written_is_what_the_schema_dumps(client: Any, unit: Unit, app: Flask) -> None:
    def build() -> Any:
        scene = make_scene()
        make_activity(scene=scene, place=PLACE, recipients=["elderly"], team_id=scene.team_id, capacity=3)
        make_activity(scene=scene, starts_at=clock.now() - timedelta(days=9))
        return scene

    scene = unit(build)
    for query in ("", "?near=33.7,113.3"):
        answered = client.as_(scene.member_id).get(f"/activities{query}").json
        with app.test_request_context():
            of_hers = select(DeviceSession.id).where(DeviceSession.volunteer_id == scene.member_id).limit(1)
            principal = Principal(scene.member_id, db.session.scalars(of_hers).one())
            page = listing.page_of_activities({"near": (33.7, 113.3)} if query else {}, principal)
            dumped = page_of(ActivitySummary)().dump(page)
            db.session.rollback()
        assert answered == json.loads(json.dumps(dumped))
        assert len(answered["items"]) == (1 if query else 2)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 200),
        ("near=33.7,113.3", 200),
        ("near=33.7,113.3&radius_m=100", 200),
        ("q=湛河", 200),
        ("state=draft", 200),
        ("cursor=x", 400),
        ("limit=0", 422),
        ("what=x", 422),
        ("organization_id=01a21f63-092c-70f2-8f79-0c2d639f3397", 200),
    ],
)
def test_who_is_signed_out_gets_no_list(client: Any, unit: Unit, query: str, status: int, there: bool) -> None:
    """The list's own statement asks whether the session is open; where it has no row, that is asked alone."""

    def build() -> Any:
        scene = make_scene()
        if there:
            make_activity(scene=scene, place=PLACE, title="湛河清洁")
        return scene

    phone = client.as_(unit(build).member_id)
    path = f"/activities?{query}"
    answer = phone.get(path)
    assert answer.status_code == status
    unchanged = {"If-None-Match": answer.headers["ETag"]} if status == 200 else {}
    assert phone.post("/auth/sign-out").status_code == 204
    refused = phone.get(path, headers=unchanged)
    assert (refused.status_code, refused.json["code"]) == (401, "session_ended")
    assert client.get(path).status_code == status


@pytest.mark.both_databases
@pytest.mark.parametrize("query", ["", "near=33.7,113.3"])
def test_a_list_that_has_not_changed_is_304_until_it_has(client: Any, unit: Unit, query: str) -> None:
    """The next page's cursor keeps the moment of the first one, which is no change; that there is one page more is."""

    def build(number: int) -> Any:
        scene = make_scene()
        for one in range(number):
            make_activity(scene=scene, place=PLACE, title=f"湛河清洁{one}")
        return scene

    phone, path = client.as_(unit(lambda: build(20)).member_id), f"/activities?limit=20&{query}"
    alone = phone.get(path)
    assert alone.json["next_cursor"] is None
    unit(lambda: make_activity(place=PLACE, starts_at=clock.now() + timedelta(days=9), title="最后"))
    more = phone.get(path, headers={"If-None-Match": alone.headers["ETag"]})
    assert (more.status_code, more.json["next_cursor"] is None) == (200, False)
    again = phone.get(path, headers={"If-None-Match": more.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    unit(lambda: make_activity(place=PLACE, starts_at=clock.now() + timedelta(hours=1), title="最先"))
    assert phone.get(path, headers={"If-None-Match": more.headers["ETag"]}).status_code == (200 if not query else 304)


def test_an_open_session_costs_a_list_no_statement(client: Any, unit: Unit, statements: Any) -> None:
    phone = client.as_(unit(lambda: make_activity(place=PLACE)).scene.member_id)
    here = f"near={PLACE['lat']},{PLACE['lng']}&radius_m=100"
    # The page and its shifts; nothing, and the session.
    for query, number in ((here, 2), ("near=10,10&radius_m=100", 2)):
        with statements() as seen:
            phone.get(f"/activities?{query}")
        assert len(seen) == number, seen


def test_lists_of_one_shape_share_their_sql_and_no_value(client: Any, unit: Unit) -> None:
    def build() -> list[tuple[str, str]]:
        places = [{"lat": 33.7 + number / 10, "lng": 113.3} for number in range(3)]
        made = [make_activity(place=place, starts_at=clock.now() + timedelta(days=1)) for place in places]
        return [(str(one.id), str(one.scene.office_id)) for one in made]

    made = unit(build)
    for number, (activity_id, organization_id) in enumerate(made):
        near = f"near={33.7 + number / 10},113.3"
        assert found(client, f"{near}&limit=1") == [activity_id]
        assert found(client, f"{near}&radius_m=2000") == [activity_id]
        assert found(client, f"organization_id={organization_id}") == [activity_id]


@pytest.mark.either_database
def test_what_loses_its_shift_between_two_statements_is_listed_once(client: Any, unit: Unit, monkeypatch: Any) -> None:
    first, second = (
        unit(lambda days=days: make_activity(starts_at=clock.now() + timedelta(days=days))) for days in (1, 2)
    )
    rest = listing._rest

    def lose_the_first(*given: Any) -> Any:
        db.session.execute(update(Shift).where(Shift.id == first.shift_id).values(canceled_at=clock.now()))
        return rest(*given)

    monkeypatch.setattr(listing, "_rest", lose_the_first)
    assert found(client, "") == [str(second.id), str(first.id)]


class TestPlans:
    NUMBER = 3000

    QUERIES = (
        ("near=33.7512,113.3034", "ix_activities_state_cell"),
        ("near=33.7512,113.3034&radius_m=5000", "ix_activities_state_cell"),
        ("near=33.7512,113.3034&open=true", "ix_activities_state_cell"),
        ("q=第77次", "activity_grams"),
        ("q=第7777次", "activity_grams"),
        ("limit=20", "ix_shifts_starts_at"),
        ("q=五一路街道", "ix_shifts_starts_at"),
        ("category=environment_protection", "ix_shifts_starts_at"),
        ("organization_id={office_id}", "ix_shifts_starts_at"),
        ("free=true", "ix_shifts_starts_at"),
        ("from={day}&open=true", "ix_shifts_starts_at"),
        ("from={day}&to={day}&open=true", "ix_shifts_starts_at"),
    )

    @pytest.mark.both_databases
    def test_the_list_reads_no_table_whole(self, app: Flask, client: Any) -> None:
        office_id = make_crowd(app, self.NUMBER, past=20).office_id
        with app.app_context():
            day = clock.today() + timedelta(days=2)
        for query, index in self.QUERIES:
            path = f"/activities?{query.format(office_id=office_id, day=day)}"
            plans = plans_of(app, lambda: client.get(path))  # noqa: B023  # called at once
            assert any(index in plan for _, plan in plans), (query, plans)
            if query.startswith("near") and "open" not in query and "USING" in plans[0][1]:
                # SQLite says it; PostgreSQL does it once its vacuum has been there.
                assert any(f"COVERING INDEX {index}" in plan for _, plan in plans), (query, plans)
            for statement, plan in plans:
                if "row_number" in statement:
                    # The shifts of twenty activities: of so few in all, PostgreSQL reads the whole table.
                    continue
                assert WHOLE.findall(plan) == [], f"{query}\n{statement}\n{plan}"
        assert unit_of(app)(self._keeps_plan)

    def _keeps_plan(self) -> bool:
        """Whether PostgreSQL needs no new plan for a list that many asked for."""
        if db.engine.dialect.name == "sqlite":
            return True
        for _ in range(14):
            listing.page_of_activities({}, None)
        kept = "SELECT generic_plans > 0 FROM pg_prepared_statements WHERE statement LIKE '%shifts_1.starts_at%'"
        return db.session.scalars(text(kept)).all() == [True]

    @pytest.mark.both_databases
    def test_text_that_is_everywhere_is_walked_to(self, app: Flask, client: Any, monkeypatch: Any) -> None:
        make_crowd(app, 50)
        whole = found(client, "q=次&limit=100")
        monkeypatch.setattr(search_text, "FEW", 5)
        assert found(client, "q=次&limit=100") == whole
        assert len(whole) == 50


@pytest.mark.both_databases
def test_a_migrated_crowd_has_cells(app: Flask) -> None:
    make_crowd(app, 10)
    with app.app_context():
        rows = db.session.execute(select(Activity.latitude, Activity.longitude, Activity.cell)).all()
        assert len(rows) == 10
        assert all(row.cell == cell_of(row.latitude, row.longitude) for row in rows)
        assert db.session.scalar(select(func.count()).where(Activity.cell.is_(None))) == 0
        db.session.rollback()
