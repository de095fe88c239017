"""A batch reads its lines and shows its attendances without the schema's bookkeeping: what comes out is the same."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from volunteer_api.attendance.batches import SCHEMAS, members_of
from volunteer_api.attendance.models import Attendance, Grade, Reason, Remark, State
from volunteer_api.attendance.schemas import AttendanceRead, EvidenceMembers, OperationKind, shown
from volunteer_api.core import clock, ids
from volunteer_api.core.json_provider import written
from volunteer_api.core.schema import Nested

# What PostgreSQL does in one statement, SQLite does in several.
pytestmark = pytest.mark.both_databases

ID = str(ids.new_id())
TIMES = ["2026-11-26T08:00:00Z", "2026-11-26t08:00:00.123+08:00", "0001-01-01T00:00:00+08:00", "2026-11-26", 5, None]
ODD: list[Any] = [
    None,
    "",
    " in-1",
    "in\n1",
    "\x00",
    "x" * 65,
    5,
    True,
    [],
    {},
    "١",
    ID.upper(),
    {"a": "\ud800"},
    2**63,
]
EVIDENCE = st.one_of(
    st.sampled_from(ODD),
    st.fixed_dictionaries(
        {},
        optional={
            "client_time": st.sampled_from(TIMES),
            "place": st.sampled_from([None, {"lat": 33.7, "lng": 113.3}, "here", {"lat": 2**64}]),
            "accuracy_m": st.sampled_from([None, 5, -1, "5"]),
            "delay_ms": st.sampled_from([None, 0, 1.5, 2**63, "soon"]),
            "code": st.sampled_from([None, "123456", 5, "\x00"]),
            "model": st.sampled_from(ODD),
        },
    ),
)
GOOD = st.fixed_dictionaries({"client_time": st.sampled_from(TIMES[:2])}, optional={"place": st.none()})
LINES = st.fixed_dictionaries(
    {"key": st.just("in-1") | st.sampled_from(ODD), "kind": st.sampled_from(OperationKind)},
    optional={
        "evidence": GOOD | EVIDENCE,
        "shift_id": st.just(ID) | st.sampled_from(ODD),
        "station_id": st.just(ID) | st.sampled_from(ODD),
        "attendance_id": st.just(ID) | st.sampled_from(ODD),
        "check_in_key": st.just("in-1") | st.sampled_from(ODD),
        "strange": st.sampled_from(ODD),
    },
)


def read_by(load: Any) -> Any:
    try:
        return load()
    except ValidationError as error:
        return error.messages


@settings(max_examples=300, deadline=None)
@given(line=LINES)
def test_lines_are_read_as_their_schema_does(line: dict[str, Any]) -> None:
    line["kind"] = line["kind"].value
    kind = OperationKind(line["kind"])
    assert read_by(lambda: members_of(kind, line)) == read_by(lambda: SCHEMAS[kind].load(line))


@settings(max_examples=100, deadline=None)
@given(evidence=EVIDENCE)
def test_evidence_is_read_as_its_schema_does(evidence: Any) -> None:
    field = SCHEMAS[OperationKind.CHECK_IN].fields["evidence"]
    read = read_by(lambda: field.deserialize(evidence))
    if isinstance(read, dict) and "client_time" in read and not isinstance(read["client_time"], list):
        assert read == Nested(EvidenceMembers).deserialize(evidence)


@pytest.mark.parametrize("microsecond", [0, 120, 123456])
def test_attendances_are_shown_as_their_schema_does(app: Flask, microsecond: int) -> None:
    moment = clock.now().replace(microsecond=microsecond)
    attendance = Attendance(
        id=ids.new_id(),
        volunteer_id=ids.new_id(),
        shift_id=ids.new_id(),
        state=State.HELD.value,
        grade=Grade.WEAK,
        check_in_grade=Grade.MEDIUM,
        check_out_grade="weak",
        checked_in_at=moment,
        checked_out_at=moment + timedelta(hours=1),
        credited_minutes=0,
        held_minutes=60,
        reasons=[reason.value for reason in Reason],
        check_in_remarks=[remark.value for remark in Remark],
        check_out_remarks=[],
        flagged=False,
    )
    for language in ("zh-CN", "en"):
        with app.test_request_context(headers={"Accept-Language": language}):
            assert written(shown(attendance)) == written(AttendanceRead().dump(attendance))
