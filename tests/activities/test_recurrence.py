"""Rules that make shifts: what they give in local time, and what they refuse."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.activities.factories import make_activity, make_scene, make_volunteers
from tests.activities.test_endpoints import body_of, text_of
from volunteer_api.activities import recurrence
from volunteer_api.core import clock
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.sign_ups import service as sign_ups

Unit = Callable[[Callable[[], Any]], Any]
# A Saturday, 08:00 in Shanghai.
SATURDAY = datetime(2027, 1, 2, 0, 0, tzinfo=UTC)


def rule(text: str, **rest: Any) -> dict[str, Any]:
    return {"rrule": text, "starts_at": SATURDAY, "ends_at": SATURDAY + timedelta(hours=2)} | rest


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("FREQ=WEEKLY;COUNT=3", ["2027-01-02", "2027-01-09", "2027-01-16"]),
        ("RRULE:FREQ=WEEKLY;BYDAY=SA,SU;COUNT=3", ["2027-01-02", "2027-01-03", "2027-01-09"]),
        ("freq=daily;until=20270104", ["2027-01-02", "2027-01-03", "2027-01-04"]),
        # 23:59 UTC of the 3rd is the morning of the 4th in Shanghai, before eight.
        ("FREQ=DAILY;UNTIL=20270103T235900Z", ["2027-01-02", "2027-01-03"]),
        ("FREQ=DAILY;UNTIL=20270104T000000Z", ["2027-01-02", "2027-01-03", "2027-01-04"]),
        ("FREQ=MONTHLY;BYDAY=1SA;COUNT=2", ["2027-01-02", "2027-02-06"]),
    ],
)
def test_what_rules_give(app: Any, text: str, days: list[str]) -> None:
    with app.app_context():
        made = recurrence.expand(rule(text))
        assert [clock.local_date(shift["starts_at"]).isoformat() for shift in made] == days
        assert {shift["ends_at"] - shift["starts_at"] for shift in made} == {timedelta(hours=2)}
        assert {f"{shift['starts_at']:%H:%M}" for shift in made} == {"00:00"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FREQ=WEEKLY", "without_end"),
        ("FREQ=DAILY;COUNT=367", "too_many_shifts"),
        ("FREQ=DAILY;UNTIL=20991231", "too_many_shifts"),
        ("FREQ=HOURLY;COUNT=3", "too_often"),
        ("FREQ=SECONDLY;COUNT=3", "too_often"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;UNTIL=20991231", "no_shift"),
        ("FREQ=DAILY;COUNT=0", "no_shift"),
        ("every saturday", "not_a_rule"),
        ("FREQ=DAILY;COUNT=2\nEXDATE:20270102", "not_a_rule"),
        ("DTSTART:20270101T000000;FREQ=DAILY;COUNT=2", "not_a_rule"),
        ("FREQ=DAILY;COUNT=2;COUNT=3;UNTIL=zz", "not_a_rule"),
    ],
)
def test_what_rules_refuse(app: Any, text: str, code: str) -> None:
    with app.app_context(), pytest.raises(InvalidPayload) as caught:
        recurrence.expand(rule(text))
    assert [(error["pointer"], error["code"]) for error in caught.value.members["errors"]] == [
        ("/recurrence/rrule", code)
    ]


def test_days_are_left_out(app: Any) -> None:
    with app.app_context():
        made = recurrence.expand(rule("FREQ=DAILY;COUNT=3", except_on=[date(2027, 1, 3)]))
        assert [clock.local_date(shift["starts_at"]).day for shift in made] == [2, 4]


@given(
    freq=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    interval=st.integers(1, 40),
    count=st.integers(1, 400),
)
def test_rules_stay_in_their_bounds(freq: str, interval: int, count: int) -> None:
    from_rule = _expand_bounded(f"FREQ={freq};INTERVAL={interval};COUNT={count}")
    if from_rule is None:
        assert count > recurrence.MOST_OCCURRENCES
        return
    assert 1 <= len(from_rule) <= min(count, recurrence.MOST_OCCURRENCES)
    assert from_rule == sorted(set(from_rule))
    assert from_rule[-1] - from_rule[0] <= timedelta(days=3 * 366)


def _expand_bounded(text: str) -> list[datetime] | None:
    found = recurrence._starts  # the local starts need no application
    try:
        return found(text, SATURDAY.replace(tzinfo=None), "recurrence")
    except InvalidPayload:
        return None


def test_an_activity_recurs(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    organizer = client.as_(scene.organizer_id)
    start = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    given_rule = {
        "rrule": "FREQ=WEEKLY;COUNT=4",
        "starts_at": text_of(start),
        "ends_at": text_of(start + timedelta(hours=2)),
        "capacity": 5,
    }
    body = body_of(scene, recurrence=given_rule)
    both = organizer.post("/activities", json=body)
    assert both.get_json()["errors"][0]["code"] == "shifts_or_recurrence"
    del body["shifts"]
    made = organizer.post("/activities", json=body)
    assert made.status_code == 201, made.get_json()
    activity = made.get_json()
    assert [shift["starts_at"] for shift in activity["shifts"]] == [
        text_of(start + timedelta(weeks=week)) for week in range(4)
    ]
    assert activity["recurrence"]["rrule"] == "FREQ=WEEKLY;COUNT=4"


def test_a_new_rule_keeps_who_signed_up(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    start = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    times = {"starts_at": start, "ends_at": start + timedelta(hours=2)}
    made = unit(
        lambda: make_activity(
            scene=scene, shifts=[], recurrence={"rrule": "FREQ=DAILY;COUNT=4", "capacity": 5, **times}
        )
    )
    volunteer_id = unit(lambda: make_volunteers(1))[0]
    unit(lambda: sign_ups.sign_up(shift_id=made.shift_ids[1], volunteer_id=volunteer_id))
    organizer = client.as_(scene.organizer_id)
    path = f"/activities/{made.id}"
    version = organizer.get(path).get_json()["version"]
    # Every other day: the first and the third stay, the second is kept for who signed up, the fourth goes.
    new = {"rrule": "FREQ=DAILY;INTERVAL=2;COUNT=3", "capacity": 9} | {name: text_of(at) for name, at in times.items()}
    changed = organizer.patch(path, json={"recurrence": new}, version=version)
    assert changed.status_code == 200, changed.get_json()
    standing = [
        ((datetime.fromisoformat(shift["starts_at"]) - start).days, shift["capacity"], shift["confirmed_count"])
        for shift in changed.get_json()["shifts"]
        if shift["canceled_at"] is None
    ]
    assert standing == [(0, 9, 0), (1, 5, 1), (2, 9, 0), (4, 9, 0)]
    again = organizer.patch(path, json={"recurrence": new}, version=changed.get_json()["version"])
    assert [one["id"] for one in again.get_json()["shifts"]] == [one["id"] for one in changed.get_json()["shifts"]]


def test_a_draft_forgets_what_the_new_rule_does_not_give(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    start = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    times = {"starts_at": start, "ends_at": start + timedelta(hours=2)}
    made = unit(
        lambda: make_activity(
            scene=scene, published=False, shifts=[], recurrence={"rrule": "FREQ=DAILY;COUNT=4", **times}
        )
    )
    organizer = client.as_(scene.organizer_id)
    new = {"rrule": "FREQ=DAILY;COUNT=2"} | {name: text_of(at) for name, at in times.items()}
    changed = organizer.patch(f"/activities/{made.id}", json={"recurrence": new}, version=1).get_json()
    assert changed["shift_count"] == 2
