"""Strict fields: what marshmallow would bend is refused by name."""

import json
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import marshmallow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from volunteer_api.core import schema
from volunteer_api.core.problems import MalformedBody
from volunteer_api.core.strict_json import parse


class Color(StrEnum):
    RED = "red"


class Everything(schema.Schema):
    text = schema.Text(max_length=5)
    count = schema.Count(minimum=1, maximum=9)
    number = schema.Number(minimum=0)
    flag = schema.Flag()
    id = schema.Id()
    at = schema.Moment()
    on = schema.Day()
    color = schema.Choice(Color)
    items = schema.ListOf(schema.Count(), max_length=3)
    place = schema.Place()
    phone = schema.Phone()
    near = schema.Near()
    open = schema.Open()
    page = schema.CountParameter(minimum=1, maximum=100)


def faults(payload: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        Everything().load(payload)
    except marshmallow.ValidationError as error:
        return [(found["pointer"], found["code"]) for found in schema.error_list(error.messages)]
    return []


REFUSED = [
    ({"text": ""}, "/text", "min_length"),
    ({"text": "  "}, "/text", "min_length"),
    ({"text": "123456"}, "/text", "max_length"),
    ({"text": "a\x00"}, "/text", "unprintable"),
    ({"text": "\u202eab"}, "/text", "unprintable"),
    ({"text": "\u200b"}, "/text", "unprintable"),
    ({"text": "\u200d"}, "/text", "min_length"),
    ({"text": "\u3164 \u00ad"}, "/text", "min_length"),
    ({"text": "\u2800"}, "/text", "min_length"),
    ({"text": "\U000e0061"}, "/text", "min_length"),
    ({"text": 5}, "/text", "not_text"),
    ({"text": None}, "/text", "null"),
    ({"count": "3"}, "/count", "not_whole"),
    ({"count": True}, "/count", "not_whole"),
    ({"count": 3.0}, "/count", "not_whole"),
    ({"count": 0}, "/count", "min"),
    ({"count": 10**30}, "/count", "max"),
    ({"number": "1"}, "/number", "not_number"),
    ({"number": 10**400}, "/number", "not_number"),
    ({"flag": "on"}, "/flag", "not_boolean"),
    ({"flag": 1}, "/flag", "not_boolean"),
    ({"id": "urn:uuid:01a20a59-af9c-72b9-b904-9c59e8e60082"}, "/id", "not_id"),
    ({"id": "01a20a59af9c72b9b9049c59e8e60082"}, "/id", "not_id"),
    ({"at": "2026-11-23T08:00:00"}, "/at", "not_moment"),
    ({"at": "2026-02-30T08:00:00Z"}, "/at", "not_moment"),
    ({"at": "0001-01-01T00:00:00+14:00"}, "/at", "not_moment"),
    ({"on": "2026-W47-1"}, "/on", "not_day"),
    ({"on": "２０２６-11-23"}, "/on", "not_day"),
    ({"on": "2026-02-30"}, "/on", "not_day"),
    ({"color": "blue"}, "/color", "not_choice"),
    ({"color": ["red"]}, "/color", "not_choice"),
    ({"items": [1, 2, 3, 4]}, "/items", "max_length"),
    ({"items": [1, "2"]}, "/items/1", "not_whole"),
    ({"items": {}}, "/items", "not_list"),
    ({"place": {"lat": 91, "lng": 0}}, "/place/lat", "max"),
    ({"place": {"lat": 1, "lng": 0, "datum": "gps"}}, "/place/datum", "not_choice"),
    ({"place": {"lat": 1, "lng": 0, "altitude": 90}}, "/place/altitude", "unknown"),
    ({"place": []}, "/place", "not_object"),
    ({"phone": "１３８００００００５"}, "/phone", "not_phone"),
    ({"phone": "+1 202 555 0100"}, "/phone", "not_phone"),
    ({"phone": "12345"}, "/phone", "not_phone"),
    ({"near": "33.7"}, "/near", "pattern"),
    ({"near": "99.0,113.0"}, "/near", "not_place"),
    ({"open": {"a": ["\x00"]}}, "/open", "unprintable"),
    ({"page": "1_0"}, "/page", "not_whole"),
    ({"page": "１０"}, "/page", "not_whole"),
    ({"a/b~c": 1}, "/a~1b~0c", "unknown"),
]


@pytest.mark.parametrize(("payload", "pointer", "code"), REFUSED)
def test_a_bent_value_is_named(payload: dict[str, Any], pointer: str, code: str) -> None:
    assert faults(payload) == [(pointer, code)]


def test_a_form_is_taken_as_people_type_it_and_told_by_an_example() -> None:
    code = schema.Text(form=schema.Form(r"[A-Z]{2}-[0-9]{2}", "LY-01", capital=True))
    assert [code.deserialize(text) for text in ("LY-01", "ly-01", "ｌｙ－０１", " LY-01 ")] == ["LY-01"] * 4
    with pytest.raises(marshmallow.ValidationError) as refused:
        code.deserialize("LY 01")
    assert [fault.values for fault in refused.value.messages] == [{"example": "LY-01"}]


def test_good_values_load_as_what_they_are() -> None:
    loaded = Everything().load(
        {
            "text": " 雨伞 ",
            "count": 9,
            "at": "2026-11-23T16:00:00.5+08:00",
            "phone": "138 0000 0005",
            "near": "33.73,113.33",
            "open": {"future": {"member": [1]}},
        }
    )
    assert loaded["text"] == "雨伞"
    assert loaded["at"] == datetime(2026, 11, 23, 8, 0, 0, 500000, tzinfo=UTC)
    assert loaded["phone"] == "+8613800000005"
    assert loaded["near"] == (33.73, 113.33)
    assert loaded["open"] == {"future": {"member": [1]}}
    assert Everything(only=["at"]).dump(loaded)["at"] == "2026-11-23T08:00:00.500000Z"


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": "\\ud800"}',
        b'{"a": ' + b"9" * 6000 + b"}",
        b"[" * 40 + b"]" * 40,
        b"[" * 100_000,
        b"",
        b"\xff",
        b'{"a": 1} x',
        b"{'a': 1}",
    ],
)
def test_loose_json_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedBody):
        parse(text)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    try:
        parse(data)
    except MalformedBody:
        return


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(list(Everything().fields)),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=30),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
            max_leaves=8,
        ),
    )
)
def test_no_payload_breaks_the_fields(payload: dict[str, Any]) -> None:
    assert all(code for _, code in faults(payload))


def test_a_huge_list_is_refused_before_its_items_are_read() -> None:
    payload = json.dumps({"items": ["x"] * 50_000}).encode()
    begun = time.perf_counter()
    assert faults(parse(payload)) == [("/items", "max_length")]
    assert time.perf_counter() - begun < 1
