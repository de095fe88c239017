"""Weekly hours in one cell: what people type, and the same hours back."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from volunteer_api.core.schema import Fault
from volunteer_api.stations.written_hours import hours_of, ordered, written

TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
SPANS = st.fixed_dictionaries({"weekday": st.integers(1, 7), "opens": TIMES, "closes": TIMES | st.just("24:00")})


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("周一至周五 08:00-18:00", "周一至周五 08:00-18:00"),
        ("每天 08:00-20:00", "每天 08:00-20:00"),
        ("周一至周日 8:30-17:30", "每天 08:30-17:30"),
        ("08:00-20:00", "每天 08:00-20:00"),
        ("全天", "每天 00:00-24:00"),
        ("24小时", "每天 00:00-24:00"),
        (
            "周一至周五 8:00—12:00,14点-18点30分；周六日 ９：００～17:00",
            "周一至周五 08:00-12:00,14:00-18:30;周六、周日 09:00-17:00",
        ),
        ("星期一到星期五08:00至18:00 星期六09:00至12:00", "周一至周五 08:00-18:00;周六 09:00-12:00"),
        ("周一、三、五：08:00-12:00", "周一、周三、周五 08:00-12:00"),
        ("周一三五 08:00-12:00", "周一、周三、周五 08:00-12:00"),
        ("工作日 8:00-18:00;周末 9:00-17:00;", "周一至周五 08:00-18:00;周六、周日 09:00-17:00"),
        ("周一至周五 08:00-12:00；14:00-18:00", "周一至周五 08:00-12:00,14:00-18:00"),
        (
            "周一至周五 8:00-12:00;14:00-18:00;周六 9:00-12:00。14:00-16:00",
            "周一至周五 08:00-12:00,14:00-18:00;周六 09:00-12:00,14:00-16:00",
        ),
        ("8:00-12:00;14:00-18:00", "每天 08:00-12:00,14:00-18:00"),
        ("周六至周二 20:00-次日02:00", "周一、周二、周六、周日 20:00-02:00"),
        ("周日 18:00-24点", "周日 18:00-24:00"),
    ],
)
def test_what_people_type(typed: str, meant: str) -> None:
    assert written(hours_of(typed)) == meant  # type: ignore[arg-type]  # a fault fails here


@pytest.mark.parametrize(
    "typed",
    [
        "随时",
        "周一 8-18",
        "周八 08:00-10:00",
        "周一 25:00-26:00",
        "周一 08:00",
        "节假日除外",
        "周一至周五",
        "每天 8:00-18:00 法定节假日除外",
    ],
)
def test_what_is_not_understood(typed: str) -> None:
    found = hours_of(typed)
    assert isinstance(found, Fault)
    assert found.code == "hours_unread"


@given(st.lists(SPANS, max_size=12))
@settings(max_examples=200)
def test_any_hours_come_back(hours: list[dict[str, Any]]) -> None:
    assert hours_of(written(hours)) == ordered(hours)
