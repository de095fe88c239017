"""The nightly look at the folded sums finds what was written past the triggers, and mends it."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from tests.factories import make_volunteer
from tests.rankings.factories import Happening, Turn, write
from tests.rankings.test_service import NOW, build_tree
from volunteer_api.activities.models import ActivityState
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.unit_of_work import run_unit
from volunteer_api.rankings import checking, folding
from volunteer_api.rankings.models import RankingHeadcount, RankingSum

MORE = {
    "sum": update(RankingSum).where(RankingSum.unit == "day").values(credited_minutes=RankingSum.credited_minutes + 1),
    "headcount": update(RankingHeadcount).where(RankingHeadcount.unit == "day").values(volunteer_count=7),
}


@pytest.mark.parametrize("what", MORE)
@pytest.mark.both_databases
def test_what_was_written_past_the_triggers_is_found_and_mended(app: Flask, what: str) -> None:
    def serve_yesterday() -> None:
        turn = Turn(NOW - timedelta(hours=30), 60, False, [(0, State.CREDITED, 60), (1, State.HELD, 0)])
        people = [make_volunteer().id for _ in range(2)]
        write(Happening(ActivityState.COMPLETED, [turn]), build_tree()[3], people)

    with app.app_context(), clock.at(NOW):
        run_unit(serve_yesterday, writes=True)
        while run_unit(folding.fold, writes=True):
            pass
        yesterday = clock.today() - timedelta(days=1)
        assert checking.check() == []
        run_unit(lambda: db.session.execute(MORE[what]), writes=True)
        assert checking.differs(yesterday)
        assert checking.check() == [yesterday]
        assert not checking.differs(yesterday)
