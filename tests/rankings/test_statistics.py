"""Statistics: totals, and parts that add up to them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete

from tests.factories import make_volunteer
from tests.organizations.factories import make_organization
from tests.rankings.factories import Happening, Turn, write
from volunteer_api.accounts.categories import Category
from volunteer_api.accounts.models import Volunteer
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord, Source
from volunteer_api.organizations.models import Division, Organization, OrganizationKind
from volunteer_api.rankings import folding
from volunteer_api.rankings.models import RankingRule

# A Friday; 04:00 in UTC is noon in Shanghai.
NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
MONDAY_AT_ONE = datetime(2026, 11, 15, 17, 0, tzinfo=UTC)
Unit = Callable[..., Any]
ADDITIVE = ("activity_count", "attendance_count", "credited_minutes")


@pytest.fixture
def center_id(unit: Unit) -> UUID:
    """A center whose office held two activities on Monday from one at night, and itself one the month before."""

    def work() -> UUID:
        db.session.add(Division(code="4104", parent_code=None, level="city", name="市", initials="s", pinyin="shi"))
        db.session.flush()
        center = make_organization()
        center.division_code = "4104"
        office = make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE)
        people = [make_volunteer(home_division="4104").id, make_volunteer().id, make_volunteer(home_division="4104").id]
        present = [(0, State.CREDITED, 60), (1, State.CREDITED, 30)]
        for category in (Category.ENVIRONMENT_PROTECTION, Category.CULTURE_AND_SPORTS):
            happening = Happening(turns=[Turn(MONDAY_AT_ONE, present=present)])
            write(happening, office, people).category = category
        earlier = Turn(NOON - timedelta(days=40), present=[(0, State.CREDITED, 15)])
        write(Happening(turns=[earlier]), center, people)
        return center.id

    with clock.at(NOON):
        found: UUID = unit(work)
    return found


def read(client: Any, query: str) -> Any:
    with clock.at(NOON):
        answer = client.get(f"/statistics?{query}")
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def test_the_parts_add_up(client: Any, center_id: UUID) -> None:
    body = read(client, f"scope={center_id}&period=2026")
    assert body["totals"] == {
        "activity_count": 3,
        "attendance_count": 5,
        "credited_minutes": 195,
        "volunteer_count": 2,
    }
    for parts in (body["by_period"], body["by_category"]):
        assert {name: sum(part[name] for part in parts) for name in ADDITIVE} == {
            name: body["totals"][name] for name in ADDITIVE
        }
    assert [part["period"] for part in body["by_period"]] == ["2026-10-11", "2026-11-16"]
    assert sum(body["attendances_by_hour_of_week"]) == 5
    assert body["attendances_by_hour_of_week"][1] == 4
    # Two live there; of the two who attended, one does.
    assert [body[name] for name in ("registered_count", "active_count", "active_percent")] == [2, 1, 50.0]
    assert body["minutes_per_volunteer"] == 97.5


def record(person: Volunteer, organization: Organization, minutes: int, **values: Any) -> None:
    """Minutes that no attendance at a shift gave: of a duty, or of an activity that is named."""
    values = {"source": Source.ATTENDED} | values
    record = ServiceRecord(
        volunteer_id=person.id,
        minutes=minutes,
        organization_id=organization.id,
        organization_path_id=organization.path_id,
        on=clock.local_date(NOON - timedelta(days=1)),
        starts_at=NOON - timedelta(days=1),
        ends_at=NOON - timedelta(days=1) + timedelta(minutes=abs(minutes)),
        content="值守",
        **values,
    )
    db.session.add(record)


@pytest.mark.parametrize("folded", [True, False])
def test_minutes_are_set_against_those_who_have_them(client: Any, unit: Unit, center_id: UUID, folded: bool) -> None:
    """Of a duty or backfilled, and by whom nobody saw at a shift; who came and was not credited is no such head."""

    def work() -> None:
        center = db.session.get_one(Organization, center_id)
        on_duty, absent, came, taken_back = (make_volunteer(home_division="4104") for _ in range(4))
        record(on_duty, center, 400)
        activity = write(
            Happening(turns=[Turn(NOON - timedelta(days=1), present=[(0, State.HELD, 0)])]), center, [came.id]
        )
        vouched = {"source": Source.BACKFILLED, "recorder_id": came.id, "approver_id": on_duty.id}
        record(absent, center, 40, activity_id=activity.id, **vouched)
        record(taken_back, center, 30)
        record(taken_back, center, -30)

    with clock.at(NOON):
        unit(work)
    if folded:
        unit(folding.fold)
    else:
        unit(lambda: db.session.execute(delete(RankingRule)))
    body = read(client, f"scope={center_id}&period=2026")
    assert (body["totals"]["credited_minutes"], body["totals"]["volunteer_count"]) == (635, 3)
    assert (body["served_count"], body["minutes_per_volunteer"]) == (4, 158.7)
    assert sum(part["credited_minutes"] for part in body["by_category"]) + body["duty_minutes"] == 635
    assert body["duty_minutes"] == 400
    # Six live there; of the two who were credited for the month before and since, and the two from here, one does not.
    assert (body["registered_count"], body["active_count"], body["active_percent"]) == (6, 3, 50.0)
    everywhere = read(client, "period=2026")
    assert [everywhere[name] for name in ("served_count", "minutes_per_volunteer", "active_count")] == [4, 158.7, None]


def test_how_many_attendances_wait_for_a_review_is_told(client: Any, unit: Any, center_id: UUID) -> None:
    """They count, and one person alone can write them down: who stands behind the figure knows how many they are."""

    def work() -> None:
        people = [make_volunteer().id for _ in range(3)]
        present = [(0, State.HELD, 0), (1, State.REJECTED, 0), (2, State.CREDITED, 20)]
        canceled = Turn(NOON - timedelta(days=2), present=[(0, State.HELD, 0)], canceled=True)
        turns = [Turn(NOON - timedelta(days=1), present=present), canceled]
        write(Happening(turns=turns), db.session.get_one(Organization, center_id), people)

    with clock.at(NOON):
        unit(work)
    found = [read(client, f"scope={center_id}&period={period}") for period in ("2026-11", "2026-10")]
    assert [one["held_attendance_count"] for one in found] == [1, 0]
    assert found[0]["totals"]["attendance_count"] == 6


def test_the_registered_are_set_against_the_residents(client: Any, unit: Any, center_id: UUID) -> None:
    def told(count: int | None) -> tuple[int | None, float | None]:
        unit(lambda: setattr(db.session.get_one(Organization, center_id), "resident_count", count))
        body = read(client, f"scope={center_id}&period=2026")
        return body["resident_count"], body["registered_percent"]

    # Cut, not rounded: two of 700 are 0.28 percent.
    assert [told(count) for count in (None, 0, 700, 3)] == [(None, None), (0, None), (700, 0.2), (3, 66.6)]


def test_all_time_is_by_month(client: Any, center_id: UUID) -> None:
    body = read(client, f"scope={center_id}")
    assert [(part["period"], part["activity_count"]) for part in body["by_period"]] == [("2026-10", 1), ("2026-11", 2)]


def test_a_category_alone(client: Any, center_id: UUID) -> None:
    body = read(client, f"scope={center_id}&category={Category.CULTURE_AND_SPORTS}&period=2026-11")
    assert [(part["category"], part["attendance_count"]) for part in body["by_category"]] == [
        (Category.CULTURE_AND_SPORTS, 2)
    ]
    assert body["totals"]["credited_minutes"] == 90


def test_nothing_is_zero(client: Any) -> None:
    body = read(client, "period=2020")
    assert body["totals"] == dict.fromkeys((*ADDITIVE, "volunteer_count"), 0)
    assert (body["scope"], body["registered_count"], body["minutes_per_volunteer"]) == (None, None, None)


def test_it_costs_the_same_however_much_there_is(client: Any, center_id: UUID, statements: Callable[[], Any]) -> None:
    with statements() as seen:
        read(client, f"scope={center_id}&period=2026")
    assert len(seen) <= 12
    unknown = client.get(f"/statistics?scope={make_unknown()}")
    assert unknown.status_code == 404


def make_unknown() -> UUID:
    return UUID(int=7)
