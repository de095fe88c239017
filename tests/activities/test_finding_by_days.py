"""Finding activities by days: which shifts count, and which are shown."""

from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
import pytest
from flask import Flask
from itsdangerous.encoding import base64_decode

from tests.activities.factories import make_activity, make_scene
from tests.activities.test_finding import Unit, found
from volunteer_api.core import clock, paging


@pytest.fixture
def today(app: Flask) -> date:
    with app.app_context():
        return clock.today()


@pytest.fixture
def mornings(app: Flask, today: date) -> list[datetime]:
    """Ten o'clock of each of many days, today's first."""
    with app.app_context():
        return [clock.at_local(today + timedelta(days=number), time(10)) for number in range(70)]


@pytest.mark.both_databases
def test_what_is_open_is_so_on_the_days_asked_for(
    client: Any, unit: Unit, today: date, mornings: list[datetime]
) -> None:
    day, start, later = today + timedelta(days=35), mornings[35], mornings[65]
    closed = {"sign_up_closes_at": clock.now() - timedelta(hours=1)}

    def build() -> list[Any]:
        times = {"starts_at": start, "ends_at": start + timedelta(hours=1)}
        other = {"starts_at": later, "ends_at": later + timedelta(hours=1)}
        scene = make_scene()
        return [
            make_activity(scene=scene, shifts=[times | closed, other]),
            make_activity(scene=scene, shifts=[times]),
        ]

    shut, free = [str(made.id) for made in unit(build)]
    on_it = f"from={day}&to={day}"
    assert found(client, f"{on_it}&open=true") == [free]
    assert found(client, f"{on_it}&open=false") == [shut]
    assert set(found(client, f"from={day}&open=true")) == set(found(client, "open=true")) == {shut, free}


@pytest.mark.both_databases
def test_the_shifts_of_the_days_asked_for_stand_first(
    client: Any, unit: Unit, today: date, mornings: list[datetime]
) -> None:
    day, starts = today + timedelta(days=35), mornings[1:41]
    shifts = [{"starts_at": start, "ends_at": start + timedelta(hours=1)} for start in starts]
    unit(lambda: make_activity(shifts=shifts))

    def shown(query: str) -> list[str]:
        return [shift["starts_at"] for shift in client.get(f"/activities?{query}").json["items"][0]["shifts"]]

    texts_of = [clock.stamp(start) for start in starts]
    assert shown(f"from={day}&to={day}") == [texts_of[34], *texts_of[:9]]
    assert shown(f"from={day}") == [*texts_of[34:], *texts_of[:4]]
    assert shown(f"to={day}") == shown("") == texts_of[:10]


@pytest.mark.both_databases
def test_what_is_canceled_is_found_by_its_days(client: Any, unit: Unit, today: date) -> None:
    made = unit(make_activity)
    organizer = client.as_(made.scene.organizer_id)
    assert organizer.post(f"/activities/{made.id}/cancellation", json={"reason": "暴雨"}).status_code == 200
    tomorrow = today + timedelta(days=1)
    for query in (f"from={today}", f"from={tomorrow}&to={tomorrow}", f"to={tomorrow}", "near=33.7,113.3&q=湛河"):
        expected = [] if "near" in query else [str(made.id)]
        assert found(client, f"state=canceled&{query}") == expected, query
    assert found(client, f"state=canceled&to={today}") == []


@pytest.mark.both_databases
@pytest.mark.parametrize(("minutes", "titles"), [(21, ["每周", "一次"]), (90, ["每周", "一次", "每周"])])
def test_a_page_that_is_turned_repeats_nothing(client: Any, unit: Unit, minutes: int, titles: list[str]) -> None:
    """The weekly one's next shift ends before the page is turned; after an hour the list is as it is by then."""
    now = clock.now()

    def build() -> None:
        scene = make_scene()
        soon = now + timedelta(minutes=10)
        starts = [soon, soon + timedelta(days=7)]
        shifts = [{"starts_at": start, "ends_at": start + timedelta(minutes=10)} for start in starts]
        make_activity(scene=scene, title="每周", shifts=shifts)
        make_activity(scene=scene, title="一次", starts_at=now + timedelta(hours=1))

    unit(build)
    answer = client.get("/activities?limit=1").json
    seen = [item["title"] for item in answer["items"]]
    with clock.at(now + timedelta(minutes=minutes)):
        while answer["next_cursor"]:
            query = {"limit": 1, "cursor": answer["next_cursor"]}
            answer = client.get("/activities", query_string=query).json
            seen += [item["title"] for item in answer["items"]]
    assert seen == titles


@pytest.mark.either_database
def test_a_further_page_of_what_is_open_has_nothing_that_is_over(client: Any, unit: Unit) -> None:
    now = clock.now()

    def build() -> None:
        scene = make_scene()
        for title, minutes in (("一", 5), ("二", 6), ("三", 360)):
            starts_at = now + timedelta(minutes=minutes)
            make_activity(scene=scene, title=title, starts_at=starts_at, duration=timedelta(minutes=10))

    unit(build)
    cursor = client.get("/activities?limit=1&open=true").json["next_cursor"]
    with clock.at(now + timedelta(minutes=50)):
        further = client.get("/activities", query_string={"open": "true", "cursor": cursor}).json["items"]
    assert [one["title"] for one in further] == ["三"]


@pytest.mark.either_database
def test_a_cursor_of_the_release_before_is_good(client: Any, unit: Unit, app: Flask) -> None:
    """It knew nothing of the first page's moment."""
    unit(lambda: [make_activity(scene=scene) for scene in [make_scene()] for _ in range(3)])
    first = client.get("/activities?limit=1").json
    with app.app_context():
        binding, *values = orjson.loads(
            base64_decode(paging._signer(*paging.secrets_known()).unsign(first["next_cursor"]))
        )
        older = paging.make_cursor([paging._unpack(one) for one in values[:2]], binding)
    ways = [
        client.get("/activities", query_string={"limit": 1, "cursor": one}).json
        for one in (older, first["next_cursor"])
    ]
    assert ways[0]["items"] == ways[1]["items"] != first["items"]
