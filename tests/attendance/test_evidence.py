"""The table of docs/attendance.md: each situation, played."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.attendance.evidence_table import page
from tests.attendance.situations import DUTY, SHIFT, Situation, play
from tests.factories import unit_of
from volunteer_api.attendance.models import Remark
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord

PAGE = Path(__file__).resolve().parents[2] / "docs" / "attendance.md"


@pytest.mark.parametrize("situation", SHIFT + DUTY, ids=lambda one: f"{'duty' if one.duty else 'shift'}: {one.words}")
def test_what_comes_of_a_situation(sqlite_app: Flask, situation: Situation) -> None:
    unit = unit_of(sqlite_app)
    found: Any = unit(lambda: play(situation))
    seen = {*found.check_in_remarks, *found.check_out_remarks}
    assert (found.grade, found.state) == (situation.grade, situation.state)
    assert found.reasons == list(situation.reasons)
    assert [remark.value for remark in Remark if remark in seen] == list(situation.remarks)
    minutes = found.credited_minutes if situation.state == "credited" else found.held_minutes
    assert minutes == situation.minutes
    assert 0 in (found.held_minutes, found.credited_minutes)
    ledger = unit(lambda: sum(row.minutes for row in db.session.query(ServiceRecord).all()))
    assert ledger == found.credited_minutes


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run `python -m tests.attendance.evidence_table > docs/attendance.md`"
    )
