"""Rankings by HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.factories import make_volunteer
from tests.organizations.factories import make_organization
from tests.rankings.factories import Happening, Turn, write
from tests.stations.factories import make_station
from tests.teams.factories import make_team
from volunteer_api.attendance.models import State
from volunteer_api.core import clock, ids
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.rankings.counting import counting

OFFICES = 5


@pytest.fixture
def center_id(unit: Callable[..., Any]) -> UUID:
    """A center whose five offices held 2, 1, 1, 0 and 0 activities in the past days."""

    def work() -> UUID:
        center = make_organization()
        volunteer_ids = [make_volunteer().id]
        for count in (2, 1, 1, 0, 0):
            office = make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE)
            _hold(office, count, volunteer_ids)
        return center.id

    found: UUID = unit(work)
    return found


def _hold(office: Organization, count: int, volunteer_ids: list[UUID]) -> None:
    moment = clock.now() - timedelta(days=1)
    for number in range(count):
        turn = Turn(moment - timedelta(hours=3 * number), present=[(0, State.CREDITED, 30)])
        write(Happening(turns=[turn]), office, volunteer_ids)


def test_anybody_reads_a_ranking(client: Any, center_id: UUID) -> None:
    answer = client.get(f"/rankings?subject=organization&scope={center_id}")
    assert answer.status_code == 200
    body = answer.get_json()
    assert [item["rank"] for item in body["items"]] == [1, 2, 2, 4, 4]
    assert [item["value"] for item in body["items"]] == [2, 1, 1, 0, 0]
    assert (body["scope"]["id"], body["scope"]["value"], body["scope"]["own"]) == (str(center_id), 4, 0)
    assert body["additive"] is True
    assert body["rule"]["text"]
    assert body["as_of"].endswith("Z")
    assert body["next_cursor"] is None


def test_pages_hold_every_subject_once(client: Any, center_id: UUID) -> None:
    path = f"/rankings?subject=organization&scope={center_id}&limit=2"
    whole = [item["subject"]["id"] for item in client.get(path.replace("limit=2", "limit=100")).get_json()["items"]]
    found: list[str] = []
    ranks: list[int] = []
    cursor = ""
    while True:
        page = client.get(path + cursor).get_json()
        found += [item["subject"]["id"] for item in page["items"]]
        ranks += [item["rank"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == whole
    assert len(set(found)) == OFFICES
    assert ranks == [1, 2, 2, 4, 4]


def test_a_cursor_of_another_ranking_is_refused(client: Any, center_id: UUID) -> None:
    path = f"/rankings?subject=organization&scope={center_id}&limit=2"
    cursor = client.get(path).get_json()["next_cursor"]
    answer = client.get(f"{path}&metric=credited_minutes&cursor={cursor}")
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("subject=team&metric=credited_minutes", [30, 0]),
        ("subject=station&metric=volunteer_count&period=2026-W47&category=environment_protection", [1, 0]),
        ("subject=station&metric=volunteer_count&period=2026-W47&category=large_event", [0, 0]),
        ("subject=station&metric=volunteer_count&period=2026-W46", [0, 0]),
    ],
)
def test_teams_and_stations_are_ranked_too(
    client: Any, unit: Callable[..., Any], query: str, values: list[int]
) -> None:
    noon = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)

    def work() -> UUID:
        with clock.at(noon - timedelta(days=14)):
            center = make_organization()
            teams = [make_team(organization_id=center.id) for _ in range(2)]
            stations = [make_station(organization_id=center.id) for _ in range(2)]
        happening = Happening(turns=[Turn(noon - timedelta(days=1), present=[(0, State.CREDITED, 30)])])
        write(happening, center, [make_volunteer().id], team_id=teams[1].id, station_id=stations[1].id)
        return center.id

    with clock.at(noon):
        center_id = unit(work)
        answer = client.get(f"/rankings?{query}&scope={center_id}")
    assert answer.status_code == 200
    assert [(row["rank"], row["value"]) for row in answer.get_json()["items"]] == [
        (values.index(value) + 1, value) for value in values
    ]


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("", "/subject", "required"),
        ("subject=person", "/subject", "not_choice"),
        ("subject=organization", "/level", "required"),
        ("subject=organization&level=village", "/level", "not_choice"),
        ("subject=team&level=unit", "/level", "level_without_organization"),
        ("subject=team&metric=fame", "/metric", "not_choice"),
        ("subject=team&period=2026-13", "/period", "not_period"),
        ("subject=team&period=2026-W53-1", "/period", "not_period"),
        ("subject=team&period=2026&from=2026-01-01", "/period", "two_periods"),
        ("subject=team&from=2026-02-30", "/from", "not_day"),
        ("subject=team&from=2026-11-02&to=2026-11-01", "/to", "from_after_to"),
        ("subject=team&category=fun", "/category", "not_choice"),
        ("subject=team&shape=round", "/shape", "unknown"),
        ("subject=team&limit=0", "/limit", "min"),
    ],
)
def test_bad_questions_are_named(client: Any, query: str, pointer: str, code: str) -> None:
    answer = client.get(f"/rankings?{query}")
    assert answer.status_code == 422
    assert {"pointer": pointer, "code": code} in [
        {"pointer": error["pointer"], "code": error["code"]} for error in answer.get_json()["errors"]
    ]


@pytest.mark.parametrize("name", ["scope", "campaign_id"])
def test_an_unknown_scope_or_campaign_is_not_found(client: Any, name: str) -> None:
    assert client.get(f"/rankings?subject=team&{name}={ids.new_id()}").status_code == 404


def test_a_ranking_is_few_statements(client: Any, center_id: UUID, statements: Callable[[], Any]) -> None:
    with statements() as seen:
        client.get(f"/rankings?subject=organization&scope={center_id}")
    # One of them asks whether the folded sums can be read, one which places are closed.
    assert len(seen) == 5


def test_a_ranking_is_sent_again_when_something_changed(client: Any, unit: Callable[..., Any], center_id: UUID) -> None:
    path = f"/rankings?subject=organization&scope={center_id}"
    first = client.get(path)
    with clock.at(clock.now() + timedelta(minutes=5)):
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.get_data()) == (304, b"")
        unit(
            lambda: _hold(
                make_organization(parent_id=center_id, kind=OrganizationKind.PRACTICE_OFFICE), 1, [make_volunteer().id]
            )
        )
        assert client.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


READ = (
    "/rankings?subject=organization&level=unit&period=2026-11",
    "/rankings?subject=organization&level=unit&metric=volunteer_count&period=2026",
    "/rankings.csv?subject=team",
    "/me/ranking?period=2026-11",
    "/rankings?subject=volunteer&metric=attendance_count&period=2026-W47",
)
COUNTED = (
    "/rankings?subject=organization&level=unit&metric=volunteer_count&basis=growth&from=2025-01-01&to=2025-12-31",
    "/rankings?subject=volunteer&metric=attendance_count&from=2026-11-03&to=2026-11-20",
    "/rankings?subject=organization&level=unit&metric=volunteer_count&from=2026-11-03&to=2026-11-20",
    "/rankings.csv?subject=team&metric=volunteer_count&from=2026-11-03&to=2026-11-20",
    "/me/ranking?from=2026-11-03&to=2026-11-20",
    "/statistics",
)


def test_only_so_much_is_counted_at_once(client: Any, unit: Callable[..., Any]) -> None:
    """What is read from sums needs no place, and nobody keeps one."""
    phone = client.as_(unit(make_volunteer))
    with counting(), counting():
        assert {phone.get(path).status_code for path in READ} == {200}
        refused = [phone.get(path) for path in COUNTED]
    assert {path: answer.status_code for path, answer in zip(COUNTED, refused, strict=True)} == dict.fromkeys(
        COUNTED, 503
    )
    assert all("Retry-After" in answer.headers for answer in refused)
    assert [phone.get(path).status_code for path in COUNTED] == [200] * len(COUNTED)
