"""The progress of a campaign: what it counts, that its parts add up, and that asking again costs nothing."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from tests.attendance.factories import Scene, loaded_evidence, make_scene, soon
from tests.factories import make_volunteer
from tests.hours.factories import make_backfill
from tests.organizations.factories import make_organization
from tests.rankings.factories import Happening, Turn, move, write
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import ActivityState, Campaign, Outcome, Unit
from volunteer_api.attendance.check_ins import check_in
from volunteer_api.attendance.models import State
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.organizations.models import Organization, OrganizationKind
from volunteer_api.rankings import folding
from volunteer_api.rankings.models import RankingRule
from volunteer_api.rankings.progress import share

pytestmark = pytest.mark.both_databases

ADDITIVE = ("activity_count", "attendance_count", "credited_minutes")
# Three days ago at nine in the morning, in Shanghai: nothing of a test lies across midnight.
MORNING = clock.now().replace(hour=1, minute=0, second=0, microsecond=0) - timedelta(days=3)
GOALS = {"activities": 8, "attendances": 3, "minutes": None}


class Effort:
    """A campaign of a center with two offices, one of which has a practice station; one office stands beside it."""

    def __init__(self) -> None:
        self.center = make_organization()
        self.offices = [
            make_organization(parent_id=self.center.id, kind=OrganizationKind.PRACTICE_OFFICE) for _ in range(2)
        ]
        self.station = make_organization(parent_id=self.offices[0].id, kind=OrganizationKind.PRACTICE_STATION)
        self.beside = make_organization(kind=OrganizationKind.PRACTICE_OFFICE)
        self.people = [make_volunteer().id for _ in range(3)]
        self.campaign: Campaign = activities.create_campaign(
            name="清洁家园", organization_id=self.center.id, goals=GOALS
        )

    @property
    def places(self) -> list[Organization]:
        """Everybody who may hold something."""
        return [self.center, *self.offices, self.station, self.beside]

    def hold(self, place: Organization, *present: tuple[int, State, int], days: int = 0, **turn: Any) -> UUID:
        """One activity with one shift, `days` after the first."""
        happening = Happening(turns=[Turn(MORNING + timedelta(days=days), present=present, **turn)])
        return write(happening, place, self.people, campaign_id=self.campaign.id).id


def read(client: Any, effort: Effort, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/campaigns/{effort.campaign.id}/progress{query}")
    assert answer.status_code == 200, answer.get_json()
    body: dict[str, Any] = answer.get_json()
    return body


def adds_up(body: dict[str, Any]) -> None:
    """Every part with its rest is the whole, for all that adds up."""
    parts = body["by_organization"]
    for name in ADDITIVE:
        reached = body["reached"][name]
        assert parts["own"][name] + sum(item[name] for item in parts["items"]) + parts["elsewhere"][name] == reached
        assert sum(day[name] for day in body["by_day"]) + body["earlier"][name] == reached


@pytest.fixture
def effort(unit: Callable[..., Any]) -> Effort:
    def work() -> Effort:
        made = Effort()
        made.hold(made.center, (0, State.CREDITED, 60))
        first = made.hold(made.offices[0], (0, State.CREDITED, 30), (1, State.HELD, 0))
        made.hold(made.station, (1, State.CREDITED, 45), (1, State.CREDITED, 15), days=1)
        made.hold(made.beside, (2, State.CREDITED, 20), days=1)
        # Not held: all rejected, canceled, nobody there, still to come.
        rejected = made.hold(made.offices[1], (2, State.REJECTED, 0))
        made.hold(made.offices[1], (2, State.CREDITED, 0), canceled=True)
        made.hold(made.offices[1])
        later = Happening(
            ActivityState.PUBLISHED, [Turn(clock.now() + timedelta(days=1), present=[(2, State.OPEN, 0)])]
        )
        write(later, made.offices[1], made.people, campaign_id=made.campaign.id)
        for one in (first, rejected):
            db.session.add(Outcome(activity_id=one, kind="river_cleaned", unit=Unit.METER, quantity=350_500))
        return made

    found: Effort = unit(work)
    return found


def test_goals_stand_against_what_is_reached(client: Any, effort: Effort) -> None:
    body = read(client, effort)
    assert body["campaign"]["id"] == str(effort.campaign.id)
    assert body["goals"] == GOALS
    assert body["reached"] == {
        "activity_count": 4,
        "attendance_count": 5,
        "volunteer_count": 3,
        "credited_minutes": 170,
    }
    assert body["share_percent"] == {"activities": 50.0, "attendances": 166.6, "minutes": None}
    # What somebody reported of an activity at which nobody counts is beside nothing that was held.
    assert body["outcomes"] == [{"kind": "river_cleaned", "unit": "m", "quantity": 350.5, "activity_count": 1}]
    # What nobody came to has outcomes in neither.
    assert client.get(f"/activity-outcomes?campaign_id={effort.campaign.id}").json["items"] == body["outcomes"]
    assert body["held_attendance_count"] == 1
    assert [(day["activity_count"], day["volunteer_count"]) for day in body["by_day"]] == [(2, 2), (2, 2)]
    assert body["by_day"][0]["on"] == clock_day(0)
    assert all(body["rule"]["texts"].values())
    assert body["as_of"].endswith("Z")
    adds_up(body)


def clock_day(days: int) -> str:
    return (MORNING + timedelta(days=days)).date().isoformat()


def test_the_parts_are_children_or_a_level(client: Any, effort: Effort) -> None:
    children = read(client, effort)["by_organization"]
    assert children["scope"]["id"] == str(effort.center.id)
    assert children["own"]["activity_count"] == 1
    # The office counts what its station held; the one that has held nothing is listed too.
    assert [(item["organization"]["id"], item["activity_count"]) for item in children["items"]] == [
        (str(effort.offices[0].id), 2),
        (str(effort.offices[1].id), 0),
    ]
    assert children["elsewhere"] == {"activity_count": 1, "attendance_count": 1, "credited_minutes": 20}
    body = read(client, effort, "?level=practice_station")
    assert [item["organization"]["id"] for item in body["by_organization"]["items"]] == [str(effort.station.id)]
    assert body["by_organization"]["elsewhere"]["activity_count"] == 2
    adds_up(body)


def test_whoever_asks_again_gets_304_until_something_changes(client: Any, unit: Any, effort: Effort) -> None:
    path = f"/campaigns/{effort.campaign.id}/progress"
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    unit(lambda: effort.hold(effort.offices[1], (2, State.CREDITED, 5)))
    assert client.get(path, headers={"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_it_takes_the_same_statements_for_more(client: Any, unit: Any, statements: Any, effort: Effort) -> None:
    with statements() as few:
        read(client, effort)
    unit(lambda: [effort.hold(effort.offices[1], (0, State.CREDITED, 5), days=-number) for number in range(10)])
    with statements() as many:
        read(client, effort)
    assert len(many) == len(few) <= 17


def test_it_is_read_from_what_is_folded_and_equals_the_live_count(
    client: Any, unit: Any, statements: Any, effort: Effort
) -> None:
    unfolded = read(client, effort, "?level=practice_station")
    unit(folding.fold)
    unit(lambda: effort.hold(effort.offices[1], (0, State.CREDITED, 5), (2, State.CREDITED, 7)))
    unit(lambda: effort.hold(effort.station, (1, State.CREDITED, 9), days=1))
    with statements() as seen:
        partly = read(client, effort, "?level=practice_station")
    assert sum("ranking_presences" in statement for statement in seen) == 3
    unit(lambda: db.session.execute(delete(RankingRule)))
    live = read(client, effort, "?level=practice_station")
    assert unfolded["reached"]["credited_minutes"] + 21 == live["reached"]["credited_minutes"]
    assert {**partly, "as_of": None} == {**live, "as_of": None}


def came(scene: Scene) -> None:
    check_in(volunteer_id=scene.volunteer.id, shift_id=scene.shift.id, evidence=loaded_evidence(clock.now()))


@pytest.mark.parametrize("served", [came, make_backfill])
def test_an_activity_stays_with_its_campaign_once_somebody_has_served(
    client: Any, unit: Any, served: Callable[[Scene], Any]
) -> None:
    """So that the progress of a campaign and its tally tell of the same minutes."""
    # Hours are recorded of a shift that is over; this one has only begun for who checks in.
    starts_at = soon() - timedelta(hours=0 if served is came else 3)
    scene = make_scene(starts_at=starts_at)
    campaigns = unit(
        lambda: [activities.create_campaign(name=name, organization_id=scene.organization.id) for name in "甲乙"]
    )
    path, organizer = f"/activities/{scene.activity.id}", client.as_(scene.organizer)

    def join(campaign: Campaign | None) -> Any:
        version = organizer.get(path).get_json()["version"]
        return organizer.patch(path, json={"campaign_id": str(campaign.id) if campaign else None}, version=version)

    assert [join(one).status_code for one in (*campaigns, None, campaigns[0])] == [200] * 4
    unit(lambda: served(scene))
    refused = [join(one) for one in (campaigns[1], None)]
    assert [(answer.status_code, answer.get_json()["code"]) for answer in refused] == [(409, "campaign_frozen")] * 2
    assert join(campaigns[0]).status_code == 200


def test_unknown_campaigns_and_levels(client: Any, effort: Effort) -> None:
    assert client.get(f"/campaigns/{ids.new_id()}/progress").status_code == 404
    assert client.get(f"/campaigns/{effort.campaign.id}/progress?level=village").status_code == 422


@pytest.mark.parametrize(
    ("reached", "goal", "percent"),
    [(0, 3, 0.0), (999_999, 1_000_000, 99.9), (3, 3, 100.0), (-5, 3, 0.0), (1, None, None)],
)
def test_a_share_is_never_rounded_up(reached: int, goal: int | None, percent: float | None) -> None:
    assert share(reached, goal) == percent


STATES = st.sampled_from([State.CREDITED, State.HELD, State.REJECTED])
SHIFTS = st.tuples(
    st.integers(0, 4), st.integers(0, 2), st.lists(st.tuples(st.integers(0, 2), STATES), max_size=3), st.booleans()
)


@given(held=st.lists(SHIFTS, max_size=5), moved=st.booleans())
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_parts_add_up_whatever_was_held_and_moved(
    client: Any, unit: Any, held: list[tuple[int, int, list[tuple[int, State]], bool]], moved: bool
) -> None:
    def work() -> Effort:
        effort = Effort()
        for position, (place, days, present, canceled) in enumerate(held):
            attended = [(who, state, 10 if state is State.CREDITED else 0) for who, state in present]
            effort.hold(effort.places[place], *attended, days=days, canceled=canceled)
            if moved and position == len(held) // 2:
                move(effort.station, effort.offices[1])
        return effort

    effort = unit(work)
    for query in ("", "?level=practice_office", "?level=practice_station"):
        adds_up(read(client, effort, query))
