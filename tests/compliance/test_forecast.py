"""The day of failure, against a simulation that goes day by day."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volunteer_api.compliance.forecast import Because, Failure, Portion, Rate, forecast, forecast_all

TODAY = date(2026, 11, 23)


def day(days: int) -> date:
    return TODAY + timedelta(days=days)


portions = st.lists(
    st.tuples(st.integers(0, 12), st.one_of(st.none(), st.integers(-3, 45))).map(
        lambda one: Portion(one[0], None if one[1] is None else day(one[1]))
    ),
    max_size=6,
)
# From how many days on how many must be held; 0 for nothing.
announced = st.dictionaries(st.integers(1, 70), st.integers(0, 15), max_size=2)
rates = st.tuples(st.integers(0, 60), st.integers(1, 40)).map(lambda one: Rate(*one))


def simulate(held: list[Portion], rate: Rate, minimums: dict[int, int], horizon: int) -> date | None:
    """The slow and simple way: every day, every piece."""
    pieces = sorted(
        one.expires_on or date.max
        for one in held
        for _ in range(one.quantity)
        if one.expires_on is None or one.expires_on >= TODAY
    )
    used = 0
    for days in range(horizon + 1):
        pieces = [expires_on for expires_on in pieces if expires_on >= day(days)]
        if len(pieces) < minimums[max(begin for begin in minimums if begin <= days)]:
            return day(days)
        # What this day uses up, from what expires first.
        while used < rate.quantity * (days + 1) // rate.days:
            used += 1
            pieces = pieces[1:]
    return None


@settings(max_examples=600, deadline=None)
@given(held=portions, rate=rates, minimum=st.integers(0, 15), later=announced, horizon=st.integers(0, 60))
def test_the_day_is_that_of_a_simulation(
    held: list[Portion], rate: Rate, minimum: int, later: dict[int, int], horizon: int
) -> None:
    minimums = {0: minimum} | later
    asked = [(day(begin), minimums[begin]) for begin in sorted(minimums)]
    found = forecast_all(held, rate, asked, today=TODAY, horizon_days=horizon)
    assert (found.day if found else None) == simulate(held, rate, minimums, horizon)


@settings(max_examples=300, deadline=None)
@given(held=portions, rate=rates, minimum=st.integers(1, 15))
def test_the_reason_alone_would_do(held: list[Portion], rate: Rate, minimum: int) -> None:
    found = forecast(held, rate, minimum, today=TODAY, horizon_days=60)
    if found is None:
        return
    usable = [one for one in held if one.expires_on is None or one.expires_on >= TODAY]
    by_expiry = simulate(usable, Rate(0, 1), {0: minimum}, 60)
    by_use = simulate([Portion(one.quantity, None) for one in usable], rate, {0: minimum}, 60)
    assert {
        Because.MISSING: found.day == TODAY,
        Because.EXPIRY: by_expiry == found.day,
        Because.CONSUMPTION: by_use == found.day != by_expiry,
        Because.EXPIRY_AND_CONSUMPTION: found.day not in (by_expiry, by_use),
    }[found.because]


@pytest.mark.parametrize(
    ("held", "rate", "minimum", "expected"),
    [
        ([], Rate(0, 90), 1, Failure(TODAY, Because.MISSING)),
        ([Portion(5, None)], Rate(0, 90), 5, None),
        # Used to the end of its last day, gone on the next.
        ([Portion(5, day(20))], Rate(0, 90), 1, Failure(day(21), Because.EXPIRY)),
        ([Portion(5, day(-1)), Portion(1, None)], Rate(0, 90), 2, Failure(TODAY, Because.MISSING)),
        # One in nine days: after nine days 9 are left, after 18 days 8.
        ([Portion(10, None)], Rate(10, 90), 9, Failure(day(18), Because.CONSUMPTION)),
        # Use takes the lot that would expire anyway: six are used, four expire, ten remain.
        ([Portion(10, day(5)), Portion(10, None)], Rate(1, 1), 10, Failure(day(7), Because.EXPIRY_AND_CONSUMPTION)),
    ],
)
def test_examples(held: list[Portion], rate: Rate, minimum: int, expected: Failure | None) -> None:
    assert forecast(held, rate, minimum, today=TODAY, horizon_days=365) == expected
