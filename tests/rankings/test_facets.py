"""What a category or a campaign had is read from sums, and goes where its activities go."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from tests.factories import make_volunteer
from tests.rankings.factories import Happening, Turn, write, write_turn
from tests.rankings.test_service import build_tree
from tests.stations.factories import make_station
from tests.teams.factories import make_team
from volunteer_api.accounts.categories import Category
from volunteer_api.activities.models import Activity, ActivityState, Campaign
from volunteer_api.attendance.models import State
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.organizations.models import OrganizationKind
from volunteer_api.rankings import counting, folding, sums
from volunteer_api.rankings.checking import _values
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.schemas import Metric, Subject

NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
BEFORE, AFTER = Category.ENVIRONMENT_PROTECTION, Category.TRAFFIC_GUIDANCE
SUBJECTS = (Subject.ORGANIZATION, Subject.TEAM, Subject.STATION)


def make_campaign() -> UUID:
    campaign = Campaign(id=ids.new_id(), name="清洁家园", organization_id=build_tree()[0].id)
    db.session.add(campaign)
    db.session.flush()
    return campaign.id


def make_activity(*turns: Turn) -> UUID:
    office, people = build_tree()[1], [make_volunteer() for _ in range(2)]
    values = {
        "team_id": make_team(organization_id=office.id, leader=people[0]).id,
        "station_id": make_station(organization_id=office.id).id,
    }
    return write(Happening(ActivityState.PUBLISHED, turns), office, [one.id for one in people], **values).id


def turn(hours: int, *present: tuple[int, State, int]) -> Turn:
    return Turn(NOW - timedelta(hours=hours), present=present)


def total(metric: Metric, subject: Subject, **facet: Any) -> int:
    """What all subjects have, read from sums, in the same request compared with what is counted live."""
    level = OrganizationKind.PRACTICE_OFFICE if subject is Subject.ORGANIZATION else None
    question = Question(subject, metric, clock.now(), level=level, **facet)
    assert counting.is_read(question)
    read = _values(question)
    with sums.counting_live():
        assert _values(question) == read
    return sum(value for value, _ in read.values())


@pytest.mark.parametrize("facet", ["category", "campaign_id"])
def test_an_activity_that_is_changed_takes_all_of_it_along(unit: Callable[..., Any], facet: str) -> None:
    """Also minutes of a shift that was not held."""
    here, there = ({facet: value} for value in ((BEFORE, AFTER) if facet == "category" else (None, None)))
    with clock.at(NOW):
        # A shift at which nobody is counted keeps the minutes that were recorded for it.
        mine = unit(lambda: make_activity(turn(5, (0, State.CREDITED, 60)), turn(9, (1, State.REJECTED, 30))))
        unit(lambda: make_activity(turn(5, (0, State.CREDITED, 7))))
        if facet == "campaign_id":
            there = {facet: unit(make_campaign)}
        while unit(folding.fold):
            pass
        expected = {
            Metric.ACTIVITY_COUNT: (1, 2),
            Metric.ATTENDANCE_COUNT: (1, 2),
            Metric.VOLUNTEER_COUNT: (1, 2),
            Metric.CREDITED_MINUTES: (90, 97),
        }

        def told(**asked: Any) -> list[list[int]]:
            return [[total(metric, subject, **asked) for metric in expected] for subject in SUBJECTS]

        moved, every = ([[both[number] for both in expected.values()]] * 3 for number in (0, 1))
        left = [[all_of_it - part for part, all_of_it in expected.values()]] * 3
        nothing = [[0] * 4] * 3
        assert unit(lambda: [told(**there), told()]) == [nothing, every]
        for value, of_there in ((there, moved), (here, nothing)):
            unit(lambda: db.session.execute(update(Activity).where(Activity.id == mine).values(value)))  # noqa: B023
            for _ in range(2):
                assert unit(lambda: [told(**there), told()]) == [of_there, every]
                if facet == "category":
                    assert unit(lambda: told(**here)) == (left if of_there is moved else every)
                else:
                    in_it = unit(lambda: [told(**there, category=one) for one in (BEFORE, AFTER)])
                    assert in_it == [of_there, nothing]
                assert unit(folding.fold) is False


def test_records_wait_for_the_changes_that_were_made_before(
    unit: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is folded of an activity stands where it counts for now, before anything is added to it."""
    monkeypatch.setattr(folding, "AT_ONCE", dict.fromkeys(folding.AT_ONCE, folding.Batch(1, 1, 9)))
    with clock.at(NOW):
        activities = [unit(lambda: make_activity(turn(5, (0, State.CREDITED, 60)))) for _ in range(3)]
        while unit(folding.fold):
            pass
        change = update(Activity).values(category=AFTER)
        unit(lambda: db.session.execute(change.where(Activity.id.in_(activities[:2]))))

        def add() -> None:
            for number in (0, 2):
                activity = db.session.get_one(Activity, activities[number])
                write_turn(activity, turn(7, (0, State.CREDITED, 5)), [make_volunteer().id], activity.team_id)

        unit(add)
        asked = Metric.CREDITED_MINUTES, Subject.TEAM
        for _ in range(9):
            assert unit(lambda: [total(*asked, category=one) for one in (BEFORE, AFTER)]) == [65, 125]
            unit(folding.fold)
        assert unit(folding.fold) is False
