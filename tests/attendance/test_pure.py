"""Grades, effective times, minutes and presence codes: arithmetic that needs no database."""

import dataclasses
import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from volunteer_api.attendance import presence_code
from volunteer_api.attendance.effective_time import effective_time
from volunteer_api.attendance.grading import Fence, grade, weaker
from volunteer_api.attendance.minutes import clip, count
from volunteer_api.attendance.models import Grade
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.core.settings import EXTENSION
from volunteer_api.hours.days import minutes_by_day, spread, whole_minutes

ZONE = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
FENCE = Fence(center=(33.735, 113.33), radius_m=300)
NEAR, FAR = (33.736, 113.33), (33.745, 113.33)
SHIFT = UUID("01990000-0000-7000-8000-000000000001")
OTHER_SHIFT = UUID("01990000-0000-7000-8000-000000000002")
MOMENTS = st.integers(0, 7 * 24 * 3600 * 1000).map(lambda passed: NOON + timedelta(milliseconds=passed))


@pytest.mark.parametrize(
    ("situation", "expected"),
    [
        ({"code_is_valid": True}, Grade.STRONG),
        ({"code_is_valid": True, "signed_up": False, "fence": None, "place": None}, Grade.STRONG),
        ({"code_is_valid": True, "sees_code": True}, Grade.MEDIUM),
        ({"code_is_valid": True, "sees_code": True, "place": None}, Grade.WEAK),
        ({}, Grade.MEDIUM),
        ({"place": FAR}, Grade.WEAK),
        ({"place": None}, Grade.WEAK),
        ({"fence": None}, Grade.WEAK),
        ({"signed_up": False}, Grade.WEAK),
        # 445 m away: inside only with the doubt, and only as far as the cap lets it count.
        ({"place": (33.739, 113.33), "accuracy_m": 0.0}, Grade.WEAK),
        ({"place": (33.739, 113.33), "accuracy_m": 150.0}, Grade.MEDIUM),
        ({"place": FAR, "accuracy_m": 1e308}, Grade.WEAK),
    ],
)
def test_grade(situation: dict[str, Any], expected: Grade) -> None:
    usual: dict[str, Any] = {
        "code_is_valid": False,
        "sees_code": False,
        "signed_up": True,
        "fence": FENCE,
        "place": NEAR,
        "accuracy_m": 10.0,
        "accuracy_cap_m": 200,
    }
    assert grade(**(usual | situation)) is expected


def test_the_weaker_end_counts() -> None:
    assert weaker(Grade.STRONG, Grade.MEDIUM) is Grade.MEDIUM
    assert weaker(Grade.WEAK, Grade.STRONG) is Grade.WEAK


@pytest.mark.parametrize(
    ("client_offset", "delay_ms", "expected_offset", "is_odd"),
    [
        (timedelta(), None, timedelta(), False),
        (timedelta(hours=-71), None, timedelta(hours=-71), False),
        (timedelta(hours=-73), None, timedelta(hours=-73), True),
        (timedelta(minutes=5), None, timedelta(minutes=5), False),
        (timedelta(minutes=6), None, timedelta(minutes=6), True),
        # The clock is a year off, the monotonic delay is not.
        (timedelta(days=-365), 60_000, timedelta(minutes=-1), False),
        (timedelta(), 73 * 3_600_000, timedelta(hours=-73), True),
    ],
)
def test_effective_time(
    client_offset: timedelta, delay_ms: int | None, expected_offset: timedelta, is_odd: bool
) -> None:
    found = effective_time(
        received_at=NOON, client_time=NOON + client_offset, delay_ms=delay_ms, late_hours=72, future_seconds=300
    )
    assert (found.said_at, found.is_odd) == (NOON + expected_offset, is_odd)
    # An odd clock orders nothing: the moment is then the time received.
    assert found.moment == (NOON if is_odd else found.said_at)


def test_only_the_part_inside_the_shift_counts() -> None:
    begin, end = NOON, NOON + timedelta(hours=2)
    assert clip(begin - timedelta(minutes=20), end + timedelta(hours=1), begin, end) == (begin, end)
    early = clip(begin - timedelta(hours=2), begin - timedelta(hours=1), begin, end)
    late = clip(end + timedelta(hours=1), end + timedelta(hours=2), begin, end)
    assert [whole_minutes(*early), whole_minutes(*late)] == [0, 0]


def test_a_day_over_eight_hours_is_held() -> None:
    counted = count(NOON, NOON + timedelta(hours=10), already={}, limit=480, zone=ZONE)
    assert (counted.within_limit, counted.over_limit) == (480, 120)
    counted = count(NOON, NOON + timedelta(hours=2), already={date(2026, 11, 23): 400}, limit=480, zone=ZONE)
    assert (counted.within_limit, counted.over_limit) == (80, 40)


def test_each_side_of_local_midnight_has_its_own_day() -> None:
    midnight = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    split = minutes_by_day(midnight - timedelta(seconds=90), midnight + timedelta(minutes=2), ZONE)
    assert split == {date(2026, 11, 23): 1, date(2026, 11, 24): 2}


@settings(deadline=None)
@given(MOMENTS, MOMENTS, st.integers(0, 600), st.integers(0, 600))
def test_minutes_are_neither_lost_nor_made(first: datetime, second: datetime, already: int, limit: int) -> None:
    starts_at, ends_at = min(first, second), max(first, second)
    by_day = minutes_by_day(starts_at, ends_at, ZONE)
    assert sum(by_day.values()) == whole_minutes(starts_at, ends_at)
    assert all(0 <= minutes <= 24 * 60 for minutes in by_day.values())
    counted = count(starts_at, ends_at, already=dict.fromkeys(by_day, already), limit=limit, zone=ZONE)
    assert counted.minutes == whole_minutes(starts_at, ends_at)
    assert counted.within_limit <= max(0, limit - already) * len(by_day)


@settings(deadline=None)
@given(MOMENTS, MOMENTS, MOMENTS, MOMENTS)
def test_never_more_than_the_shift(first: datetime, second: datetime, begin: datetime, other: datetime) -> None:
    shift_starts_at, shift_ends_at = min(begin, other), max(begin, other)
    starts_at, ends_at = clip(first, second, shift_starts_at, shift_ends_at)
    assert shift_starts_at <= starts_at <= ends_at <= shift_ends_at
    assert whole_minutes(starts_at, ends_at) <= whole_minutes(first, second)


@settings(deadline=None)
@given(st.integers(-3000, 3000), MOMENTS, MOMENTS)
def test_a_record_spread_over_its_days_is_still_the_record(minutes: int, first: datetime, second: datetime) -> None:
    shares = spread(minutes, min(first, second), max(first, second), ZONE)
    assert sum(shares.values()) == minutes
    assert all(share * minutes >= 0 for share in shares.values())


@pytest.mark.parametrize(
    ("offset_seconds", "expected"), [(0, True), (-60, True), (60, True), (-120, False), (120, False)]
)
def test_a_code_is_accepted_one_step_around(sqlite_app: Flask, offset_seconds: int, expected: bool) -> None:
    with sqlite_app.app_context():
        code = presence_code.code_at(SHIFT, NOON).code
        assert presence_code.is_valid(code, SHIFT, NOON + timedelta(seconds=offset_seconds)) is expected


def test_what_may_be_given_as_a_code(sqlite_app: Flask) -> None:
    with sqlite_app.app_context():
        code = presence_code.code_at(SHIFT, NOON).code
        text = presence_code.qr_text(SHIFT, code)
        assert text.endswith(f"/c/s/{SHIFT}/{code}")
        accepted = [code, f" {code} ", text, text.replace(str(SHIFT), str(SHIFT).upper())]
        # As people type and read it out, and as messengers and cameras pass an address on.
        wide = code.translate({ord(str(digit)): chr(0xFF10 + digit) for digit in range(10)})
        accepted += [wide, f"{code[:4]} {code[4:]}", f"{code[:4]}\u00a0{code[4:]}", f"{wide[:4]}\u3000{wide[4:]}"]
        accepted += [f"{code[:4]}-{code[4:]}", f"{code[:4]}—{code[4:]}", text.upper(), f"{text}\n"]
        accepted += [f"{text}/", f"{text}?from=wechat&isappinstalled=0", f"{text}/?x=1#top", f"{text}#"]
        assert [given for given in accepted if not presence_code.is_valid(given, SHIFT, NOON)] == []
        other = presence_code.code_at(OTHER_SHIFT, NOON).code
        refused = ["", code[:-1], code + "0", f"x{code}", other, presence_code.qr_text(OTHER_SHIFT, code)]
        refused += [f"{code} 0", f"{text}0", f"{text} {code}", "-", f"{text}/{code}"]
        assert not any(presence_code.is_valid(given, SHIFT, NOON) for given in refused)
        assert not presence_code.is_valid(code, SHIFT, datetime(1900, 1, 1, tzinfo=UTC))


def test_codes_follow_each_other_without_gaps(sqlite_app: Flask) -> None:
    with sqlite_app.app_context():
        codes = list(presence_code.codes_between(SHIFT, NOON, NOON + timedelta(hours=1)))
        assert len(codes) == 60
        assert codes[0] == presence_code.code_at(SHIFT, NOON)
        assert all(before.valid_until == after.valid_from for before, after in itertools.pairwise(codes))
        assert len(list(presence_code.codes_between(SHIFT, NOON, NOON + timedelta(days=99)))) == 1441


def test_a_code_outlives_the_change_of_the_secret(sqlite_app: Flask) -> None:
    before = sqlite_app.extensions[EXTENSION]
    later = dataclasses.replace(before, secret_key="the next secret of some forty characters", secret_key_previous=None)
    with sqlite_app.app_context():
        code = presence_code.code_at(SHIFT, NOON).code
        try:
            sqlite_app.extensions[EXTENSION] = later
            assert not presence_code.is_valid(code, SHIFT, NOON)
            sqlite_app.extensions[EXTENSION] = dataclasses.replace(later, secret_key_previous=before.secret_key)
            assert presence_code.is_valid(code, SHIFT, NOON)
            assert presence_code.code_at(SHIFT, NOON).code != code
        finally:
            sqlite_app.extensions[EXTENSION] = before


def test_each_kind_has_secrets_of_its_own(sqlite_app: Flask) -> None:
    with sqlite_app.app_context():
        codes = {kind: presence_code.code_at(SHIFT, NOON, kind).code for kind in CodeKind}
        assert len(set(codes.values())) == 3
        for kind, code in codes.items():
            text = presence_code.qr_text(SHIFT, code, kind)
            assert {other: presence_code.is_valid(text, SHIFT, NOON, other) for other in CodeKind} == {
                other: other is kind for other in CodeKind
            }
