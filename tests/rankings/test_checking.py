"""The nightly look at the folded sums finds what was written past the triggers, and mends it."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask
from sqlalchemy import delete, insert, update

from tests.factories import make_volunteer
from tests.rankings.factories import Happening, Turn, write
from tests.rankings.test_facets import make_campaign
from tests.rankings.test_service import NOW, build_tree
from volunteer_api.activities.models import ActivityState
from volunteer_api.attendance.models import State
from volunteer_api.cli import common
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.problems import Busy
from volunteer_api.core.tasks import run_task
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import checking, folding, keeping, tasks
from volunteer_api.rankings.facets import facet_of
from volunteer_api.rankings.headcounts import NAMED, NO_SUBJECT
from volunteer_api.rankings.kept import Counts, Kept, note_all
from volunteer_api.rankings.models import (
    MemberCount,
    RankingHeadcount,
    RankingHistogram,
    RankingMinutes,
    RankingRule,
    RankingSum,
    RegisteredCount,
)
from volunteer_api.rankings.spans import BEGINNING, Unit

pytestmark = pytest.mark.both_databases

# Past the triggers, in the tables that the nightly check looks at, and how it calls what it finds.
SPOILED = {
    "2026-11-22": update(RankingSum).where(RankingSum.unit == "day").values(activity_count=7),
    "sums of longer spans": update(RankingSum).where(RankingSum.unit == "quarter").values(activity_count=9),
    "values of volunteers": update(RankingHistogram).where(RankingHistogram.unit == "week").values(volunteer_count=7),
    "minutes of activities": update(RankingMinutes).values(credited_minutes=7),
    "different volunteers": update(RankingHeadcount)
    .where(RankingHeadcount.unit != "day", RankingHeadcount.kind == "organization")
    .values(volunteer_count=7),
    "categories and campaigns": update(RankingHeadcount)
    .where(RankingHeadcount.unit != "day", RankingHeadcount.kind.contains("/"))
    .values(volunteer_count=7),
    "kept questions": update(RankingHistogram).where(RankingHistogram.unit.startswith("k")).values(volunteer_count=7),
    "named volunteers": insert(RankingHeadcount).values(
        kind=NAMED, unit="all", starts_on=BEGINNING, ranked_id=NO_SUBJECT, volunteer_count=7
    ),
    "registered volunteers": insert(RegisteredCount).values(division_code="4104", count=7),
    "members of teams": insert(MemberCount).values(team_id=ids.new_id(), count=7),
}


def serve_yesterday() -> None:
    turn = Turn(NOW - timedelta(hours=30), 60, False, [(0, State.CREDITED, 60), (1, State.HELD, 0)])
    people = [make_volunteer().id for _ in range(2)]
    office = build_tree()[3]
    write(Happening(ActivityState.COMPLETED, [turn]), office, people)
    about = Kept(Counts.PEOPLE, None, None, office.id, None, None)
    note_all({about.key: (about, NOW)})


def warnings(app: Flask) -> list[str]:
    """What `/readyz` says of the rankings."""
    found = app.test_client().get("/readyz").get_json()["warnings"]
    return [one for one in found if "rankings" in one and not one.startswith("Background work failed")]


def test_what_was_written_past_the_triggers_is_found_told_and_mended(app: Flask) -> None:
    with app.app_context(), clock.at(NOW):
        run_unit(serve_yesterday, writes=True)
        while run_unit(folding.fold, writes=True):
            pass
        number = run_unit(keeping.claim, writes=True)
        run_unit(partial(keeping.make, number), writes=True)
        yesterday = clock.today() - timedelta(days=1)

        def is_found(name: str) -> tuple[bool, bool]:
            """Whether the unit's tables differ before and after they are spoiled, of which nothing is kept."""
            before = checking.WHOLE[name](yesterday)
            db.session.execute(SPOILED[name])
            return before, checking.WHOLE[name](yesterday)

        for name in checking.WHOLE:
            assert run_unit(partial(is_found, name), writes=False, at_one_moment=True) == (False, True), name
        for spoil in SPOILED.values():
            run_unit(partial(db.session.execute, spoil), writes=True)
        assert checking.check() == list(SPOILED)
        [told] = warnings(app)
        assert all(name in told for name in SPOILED)
        assert (checking.check(), warnings(app)) == ([], [])


@pytest.mark.parametrize("unit_name", checking.LONGER)
def test_each_night_different_volunteers_of_another_span_are_counted(app: Flask, unit_name: Unit) -> None:
    with app.app_context(), clock.at(NOW):
        run_unit(serve_yesterday, writes=True)
        while run_unit(folding.fold, writes=True):
            pass
        yesterday = clock.today() - timedelta(days=1)
        spoil = update(RankingHeadcount).where(RankingHeadcount.unit == unit_name.value).values(volunteer_count=7)
        run_unit(lambda: db.session.execute(spoil), writes=True)
        nights = [yesterday - timedelta(days=ago) for ago in range(len(checking.LONGER))]

        def found() -> list[bool]:
            return [checking.heads_differ(yesterday.replace(day=night.day)) for night in nights]

        assert sum(run_unit(found, writes=False, at_one_moment=True)) == 1


@pytest.mark.parametrize("by", ["category", "campaign", "category in campaign"])
def test_a_category_a_campaign_and_a_category_in_one_are_each_counted(app: Flask, by: str) -> None:
    def serve_for_a_campaign() -> str:
        turn = Turn(NOW - timedelta(hours=30), 60, False, [(0, State.CREDITED, 60)])
        campaign_id, office = make_campaign(), build_tree()[3]
        activity = write(
            Happening(ActivityState.COMPLETED, [turn]), office, [make_volunteer().id], campaign_id=campaign_id
        )
        return facet_of(activity.category if "category" in by else None, campaign_id if "campaign" in by else None)

    with app.app_context(), clock.at(NOW):
        kind = f"organization{run_unit(serve_for_a_campaign, writes=True)}"
        while run_unit(folding.fold, writes=True):
            pass

        def found() -> bool:
            return checking.facets_differ(clock.today() - timedelta(days=1))

        assert not run_unit(found, writes=False, at_one_moment=True)
        of_kind = update(RankingHeadcount).where(RankingHeadcount.kind == kind, RankingHeadcount.unit == "month")
        run_unit(lambda: db.session.execute(of_kind.values(volunteer_count=7)), writes=True)
        assert run_unit(found, writes=False, at_one_moment=True)


@pytest.mark.either_database
def test_a_fold_or_a_check_that_is_late_or_fails_is_told(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise Busy()

    with app.app_context(), clock.at(NOW):
        run_task(app, tasks.FOLD)
        run_task(app, checking.CHECK)
        assert warnings(app) == []
        with clock.at(NOW + timedelta(minutes=16)):
            [late] = warnings(app)
            assert "folded until 2026-11-23T04:00:00Z only" in late
            run_task(app, tasks.FOLD)
            assert warnings(app) == []
        with clock.at(NOW + timedelta(days=3)):
            run_task(app, tasks.FOLD)
            [late] = warnings(app)
            assert "last checked on 2026-11-23" in late
        monkeypatch.setattr(checking, "check", fail)
        run_task(app, checking.CHECK)
        [failed] = warnings(app)
        assert "check of the rankings failed (Busy)" in failed
        monkeypatch.undo()
        run_task(app, checking.CHECK)
        run_unit(lambda: db.session.execute(delete(RankingRule)), writes=True)
        monkeypatch.setattr(folding, "fold", fail)
        run_task(app, tasks.FOLD)
        [failed] = warnings(app)
        assert "not folded and counted live" in failed


def test_a_rebuild_that_can_not_have_the_database_ends_with_a_line(
    sqlite_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_show: Any) -> None:
        raise Busy()

    monkeypatch.setattr(common, "ready_app", lambda: sqlite_app)
    done = CliRunner().invoke(common.group, ["rankings", "rebuild"])
    assert (done.exit_code, done.output.split("\n")[-2]) == (0, "The rankings are folded.")
    monkeypatch.setattr(folding, "rebuild", fail)
    refused = CliRunner().invoke(common.group, ["rankings", "rebuild"])
    [line] = refused.output.split("\n")[-2:-1]
    assert (refused.exit_code, line.startswith("Error: "), isinstance(refused.exception, SystemExit)) == (1, True, True)
