"""When feedback is open."""

from datetime import UTC, datetime, timedelta

from volunteer_api.feedback.windows import window

FIRST, SECOND = datetime(2026, 11, 2, 10, tzinfo=UTC), datetime(2026, 11, 9, 10, tzinfo=UTC)


def test_it_opens_with_the_first_end_and_closes_after_the_last_that_has_passed() -> None:
    month = timedelta(days=30)
    assert window([FIRST, SECOND], FIRST - timedelta(hours=1), 30) == (FIRST, FIRST + month)
    assert window([FIRST, SECOND], FIRST, 30) == (FIRST, FIRST + month)
    assert window([FIRST, SECOND], SECOND, 30) == (FIRST, SECOND + month)
