"""docs/sign-ups.md and the code say the same: each row of the table, over all rows below it, and each reason."""

import inspect
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.sign_ups.factories import HOUR
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock
from volunteer_api.core.ids import new_id
from volunteer_api.sign_ups import eligibility, judgment
from volunteer_api.sign_ups.eligibility import Demands, Person
from volunteer_api.sign_ups.judgment import Engagement, Question, Standing, judge

DOCUMENT = (Path(__file__).parents[2] / "docs" / "sign-ups.md").read_text(encoding="utf-8")
TABLE = re.findall(r"^\| (\d+) \| `(\w+)` \| (\d+) \| (.+) \| (.+) \|$", DOCUMENT, re.MULTILINE)
REASONS = re.findall(r"^\| `(\w+)`(?: \*)? \|", DOCUMENT, re.MULTILINE)


class World:
    """A shift against which everything speaks; `fit` takes the causes away one by one."""

    def __init__(self) -> None:
        self.now = clock.now()
        asked: dict[str, Any] = {"minimum_age": 60, "members_only": False, "hazardous": False}
        asked |= {"required_skills": [], "required_training_ids": []}
        self.activity = Activity(id=new_id(), state="draft", sign_up_mode="open", **asked)
        self.shift = Shift(
            id=new_id(),
            activity_id=self.activity.id,
            starts_at=self.now - 2 * HOUR,
            ends_at=self.now - HOUR,
            sign_up_closes_at=self.now - 3 * HOUR,
            canceled_at=self.now,
            capacity=1,
            confirmed_count=1,
            waitlisted_count=0,
        )
        hours = (self.now + HOUR, self.now + 2 * HOUR)
        self.here = Engagement(new_id(), self.shift.id, "waitlisted", *hours, role_has_place=False)
        self.there = Engagement(new_id(), new_id(), "confirmed", *hours)
        self.engagements = [self.here, self.there]
        self.is_signed_in = False

    def ask(self) -> judgment.Judgment:
        standing = Standing(self.engagements, Person(birth_date=date(2000, 1, 1))) if self.is_signed_in else None
        return judge(Question(self.activity, self.shift, Demands(), self.now), standing)

    def fit(self, code: str) -> None:
        """Take the cause of this refusal away."""
        ways: dict[str, Callable[[], Any]] = {
            "sign_in_required": lambda: setattr(self, "is_signed_in", True),
            "not_published": lambda: setattr(self.activity, "state", "published"),
            "canceled": lambda: setattr(self.shift, "canceled_at", None),
            "ended": lambda: (
                setattr(self.shift, "starts_at", self.now + HOUR),
                setattr(self.shift, "ends_at", self.now + 2 * HOUR),
            ),
            "sign_up_closed": lambda: setattr(self.shift, "sign_up_closes_at", None),
            "already_signed_up": lambda: self.engagements.remove(self.here),
            "not_eligible": lambda: setattr(self.activity, "minimum_age", None),
            "overlapping_shift": lambda: self.engagements.remove(self.there),
            "shift_full": lambda: setattr(self.shift, "confirmed_count", 0),
        }
        ways[code]()


@pytest.mark.parametrize(("number", "code", "status"), [(int(row[0]), row[1], int(row[2])) for row in TABLE])
def test_each_row_comes_before_those_below_it(sqlite_app: Any, number: int, code: str, status: int) -> None:
    with sqlite_app.app_context():
        world = World()
        for _, above, *_ in TABLE[: number - 1]:
            world.fit(above)
        told = world.ask()
        assert told.refusal is not None
        assert (told.refusal.code, told.refusal.status, told.would_be) == (code, status, None)
        world.fit(code)
        then = world.ask()
        below = TABLE[number][1] if number < len(TABLE) else None
        assert (then.refusal.code if then.refusal is not None else None) == below


def test_the_document_has_all_that_the_judgment_says() -> None:
    assert [int(row[0]) for row in TABLE] == list(range(1, 10))
    raised = re.findall(r"return (?:Judgment\(None, )?([A-Z]\w+)\(", inspect.getsource(judgment))
    named = {re.sub(r"(?<!^)(?=[A-Z])", "_", one).lower() for one in raised} - {"judgment", "standing"}
    assert named == {row[1] for row in TABLE}
    faults = r'Fault\(\s*"(\w+)"'
    codes = re.findall(faults, inspect.getsource(eligibility.faults))
    parts = (
        eligibility._age_faults,
        eligibility._protection_faults,
        eligibility._skill_faults,
        eligibility._credential_faults,
        judgment._why_not,
    )
    for part in parts:
        codes += re.findall(faults, inspect.getsource(part))
    assert set(REASONS) == set(codes)
    assert len(REASONS) == len(set(REASONS))
