"""What becomes of each shift when a rule is given anew: judged by itself, with nothing read or changed."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest

from volunteer_api.activities.models import Shift, ShiftRole
from volunteer_api.activities.renewal import Renewal, renewal_of
from volunteer_api.core.ids import new_id

# 08:00 in Shanghai; the shifts of these tests are named by their day behind it.
FIRST = datetime(2027, 1, 2, 0, 0, tzinfo=UTC)
NOW = FIRST - timedelta(days=1)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture(autouse=True)
def zone(app: Any) -> Iterator[None]:
    with app.app_context():
        yield


def one(day: int, hour: int = 0, hours: int = 2, *, given: int | None = 0, **rest: Any) -> Shift:
    """A shift of a day that begins `hour` after eight; `given` is the hour that its rule gave it, if one did."""
    start = FIRST + day * DAY
    ruled = start + given * HOUR if given is not None else None
    until = ruled + 2 * HOUR if ruled is not None else None
    times = {"starts_at": start + hour * HOUR, "ends_at": start + (hour + hours) * HOUR}
    return Shift(id=new_id(), from_recurrence=ruled, until_recurrence=until, **times, **rest)


def rule(*days: int, hour: int = 0, hours: int = 2, roles: Collection[Any] = ()) -> list[dict[str, Any]]:
    """What a rule gives on these days."""
    given = []
    for day in days:
        starts_at = FIRST + day * DAY + hour * HOUR
        times = {"starts_at": starts_at, "ends_at": starts_at + hours * HOUR}
        ruled = {"from_recurrence": times["starts_at"], "until_recurrence": times["ends_at"]}
        given.append({**times, **ruled, "capacity": None, "minimum": None, "roles": [*roles]})
    return given


def renewed(
    shifts: list[Shift],
    given: list[dict[str, Any]],
    *,
    gave: Collection[dict[str, Any]] = (),
    now: datetime = NOW,
    signed_up: Collection[Shift] = (),
    roles: Mapping[Shift, list[ShiftRole]] = MappingProxyType({}),
    earliest: datetime = NOW,
    is_draft: bool = False,
) -> Renewal:
    states = [dict(vars(shift)) for shift in shifts]
    found = renewal_of(
        shifts,
        given,
        {shift["starts_at"]: shift["ends_at"] for shift in gave},
        now,
        signed_up={shift.id for shift in signed_up},
        roles={shift.id: roles.get(shift, []) for shift in shifts},
        can_come=lambda shift: shift["ends_at"] > now and shift["starts_at"] >= earliest,
        is_draft=is_draft,
    )
    assert [dict(vars(shift)) for shift in shifts] == states
    return found


def days(given: Collection[Any]) -> list[int]:
    return [(shift["starts_at"] - FIRST).days for shift in given]


def test_the_days_of_the_rule_take_its_times_and_others_go() -> None:
    stays, goes, by_itself = one(0), one(1), one(3, given=None)
    given = rule(0, 2, hour=1)
    found = renewed([stays, goes, by_itself], given)
    assert (found.ruled, found.gone, days(found.new)) == ({stays: given[0]}, [goes], [2])
    assert (found.kept, found.known) == ([], {})


def test_what_somebody_signed_up_for_stays_and_is_told_of_where_it_is_otherwise() -> None:
    as_given, at_another_time, of_another_day = one(0), one(1), one(5)
    shifts = [as_given, at_another_time, of_another_day]
    found = renewed(shifts, [*rule(0), *rule(1, hour=3)], signed_up=shifts)
    assert found.kept == [(at_another_time, "signed_up"), (of_another_day, "signed_up")]
    assert (found.ruled, found.gone, found.new) == ({}, [], [])


def test_roles_make_it_otherwise_too() -> None:
    mine = one(0)
    guides = {mine: [ShiftRole(name="引导", capacity=2)]}
    same = renewed([mine], rule(0, roles=[{"name": "引导", "capacity": 2}]), signed_up=[mine], roles=guides)
    assert same.kept == []
    assert renewed([mine], rule(0), signed_up=[mine], roles=guides).kept == [(mine, "signed_up")]


def test_a_moved_one_of_a_day_of_the_rule_stays_and_is_known_by_it() -> None:
    moved, elsewhere = one(0, hour=4), one(5, hour=4)
    given = rule(0, hour=1)
    found = renewed([moved, elsewhere], given)
    assert (found.kept, found.known) == ([(moved, "moved")], {moved: given[0]})
    assert (found.ruled, found.gone, found.new) == ({}, [elsewhere], [])


def test_the_day_of_a_canceled_one_stays_empty_as_far_as_the_rule_before_gave_it() -> None:
    canceled, left_out = one(0, canceled_at=NOW), one(1, canceled_at=NOW)
    found = renewed([canceled, left_out], rule(0, 1), gave=rule(0))
    assert (found.kept, days(found.new)) == ([(canceled, "canceled")], [1])


def test_what_stands_at_its_time_by_itself_is_the_rules() -> None:
    by_itself, longer = one(0, given=None), one(1, hours=3, given=None)
    given = rule(0, 1)
    found = renewed([by_itself, longer], given)
    assert found.known == {by_itself: given[0], longer: given[1]}
    assert (found.ruled, found.kept, found.new) == ({by_itself: given[0]}, [(longer, "moved")], [])


def test_of_two_of_a_day_that_one_is_its_own_which_stands_at_its_time() -> None:
    counted_on, at_its_time = one(0, hour=3, given=3), one(0)
    given = rule(0)
    found = renewed([counted_on, at_its_time], given, signed_up=[counted_on])
    assert (found.ruled, found.kept) == ({at_its_time: given[0]}, [(counted_on, "signed_up")])
    # None stands there: it is the one on which somebody counts.
    free, counted_on = one(0, hour=3, given=3), one(0, hour=5, given=5)
    found = renewed([free, counted_on], given, signed_up=[counted_on])
    assert (found.ruled, found.gone, found.kept) == ({}, [free], [(counted_on, "signed_up")])


def test_none_is_moved_to_where_another_one_stands() -> None:
    mine, moved_there = one(0), one(1)
    moved_there.starts_at, moved_there.ends_at = FIRST + 5 * HOUR, FIRST + 7 * HOUR
    given = rule(0, 1, hour=5)
    found = renewed([mine, moved_there], given)
    assert (found.gone, found.ruled, found.new) == ([mine], {}, [])
    assert (found.kept, found.known) == ([(moved_there, "moved")], {moved_there: given[1]})


def test_what_has_begun_is_planned_now_and_no_shift_that_was_known() -> None:
    later = one(0, hour=6)
    given, now = rule(0), FIRST + HOUR
    later.from_recurrence, later.until_recurrence = later.starts_at, later.ends_at
    found = renewed([later], given, now=now)
    assert (found.gone, found.new, found.ruled) == ([later], given, {})
    draft = renewed([later], given, now=now, is_draft=True)
    assert (draft.gone, draft.new, draft.ruled) == ([], [], {later: given[0]})


def test_past_ones_and_what_may_not_come_are_left_out() -> None:
    past = one(0)
    found = renewed([past], rule(0, 1, 2), now=FIRST + 3 * HOUR, earliest=FIRST + 2 * DAY)
    assert (found.kept, found.ruled, found.gone, days(found.new)) == ([], {}, [], [2])
