"""Rules that make shifts: what they give in local time, and what they refuse."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from dateutil import rrule
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.activities.factories import make_activity, make_scene, make_volunteers
from tests.activities.test_endpoints import body_of, text_of
from volunteer_api.activities import recurrence, risks
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock, holidays
from volunteer_api.core.database import db
from volunteer_api.core.problems import InvalidPayload
from volunteer_api.notifications.models import Notification
from volunteer_api.sign_ups import service as sign_ups

Unit = Callable[[Callable[[], Any]], Any]
# A Saturday, 08:00 in Shanghai.
SATURDAY = datetime(2027, 1, 2, 0, 0, tzinfo=UTC)
REBUILD = rrule._iterinfo.rebuild
HOUR = timedelta(hours=1)


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
        ("FREQ=WEEKLY;UNTIL=20991231", "too_far"),
        ("FREQ=YEARLY;COUNT=5", "too_far"),
        ("FREQ=HOURLY;COUNT=3", "too_often"),
        ("FREQ=SECONDLY;COUNT=3", "too_often"),
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;UNTIL=20991231", "no_shift"),
        ("FREQ=DAILY;COUNT=0", "no_shift"),
        ("every saturday", "not_a_rule"),
        ("FREQ=DAILY;COUNT=2\nEXDATE:20270102", "not_a_rule"),
        ("DTSTART:20270101T000000;FREQ=DAILY;COUNT=2", "not_a_rule"),
        ("FREQ=DAILY;COUNT=2;COUNT=3;UNTIL=zz", "not_a_rule"),
        ("FREQ=DAILY;COUNT=2;COUNT=3", "not_a_rule"),
        ("FREQ=DAILY;COUNT=-2", "not_a_rule"),
        # RFC 5545 knows one way to write a day, and one end of a rule.
        ("FREQ=DAILY;UNTIL=2027-01-05", "not_a_rule"),
        ("FREQ=DAILY;UNTIL=5", "not_a_rule"),
        ("FREQ=DAILY;UNTIL=20270105T", "not_a_rule"),
        ("FREQ=DAILY;UNTIL=20270105T235959+0800", "not_a_rule"),
        ("FREQ=DAILY;UNTIL=20271305", "not_a_rule"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270105", "not_a_rule"),
        # dateutil goes round these for ever, or fails of them only once it counts.
        ("FREQ=DAILY;INTERVAL=0;COUNT=3", "not_a_rule"),
        ("FREQ=DAILY;INTERVAL=-1;COUNT=3", "not_a_rule"),
        ("FREQ=YEARLY;INTERVAL=1,2;COUNT=3", "not_a_rule"),
        ("FREQ=DAILY;BYMONTH=13;COUNT=3", "not_a_rule"),
        ("FREQ=MONTHLY;BYMONTHDAY=0;COUNT=3", "not_a_rule"),
        ("FREQ=MONTHLY;BYDAY=6MO;COUNT=3", "not_a_rule"),
        ("FREQ=YEARLY;BYDAY=0MO;COUNT=3", "not_a_rule"),
        ("FREQ=WEEKLY;BYYEARDAY=366;BYMONTH=1;COUNT=3", "no_shift"),
        ("FREQ=DAILY;UNTIL=20270101", "no_shift"),
    ],
)
def test_what_rules_refuse(app: Any, text: str, code: str) -> None:
    with app.app_context(), pytest.raises(InvalidPayload) as caught:
        recurrence.expand(rule(text))
    assert [(error["pointer"], error["code"]) for error in caught.value.members["errors"]] == [
        ("/recurrence/rrule", code)
    ]


def test_a_rule_that_an_earlier_release_took_goes_on(app: Any) -> None:
    with app.app_context():
        kept = recurrence.stored(rule("FREQ=DAILY;UNTIL=2027-01-04"))
        assert [start.day for start in recurrence.gave(kept)] == [2, 3]


@pytest.mark.parametrize("frequency", ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
def test_what_never_comes_true_is_not_looked_for(app: Any, frequency: str) -> None:
    """Not to the year 9999: that held a worker, and on SQLite everybody who writes, for seconds."""
    with app.app_context(), mock.patch.object(rrule._iterinfo, "rebuild", autospec=True) as looked:
        looked.side_effect = REBUILD
        with pytest.raises(InvalidPayload, match="invalid_payload"):
            recurrence.expand(rule(f"FREQ={frequency};BYMONTH=2;BYMONTHDAY=30;COUNT=3"))
        assert looked.call_count < 12 * 40


RULES = st.builds(
    lambda frequency, interval, parts, count: ";".join(
        [f"FREQ={frequency}", f"INTERVAL={interval}", *parts, f"COUNT={count}"]
    ),
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.integers(1, 3),
    st.lists(
        st.sampled_from(
            ["BYDAY=SA,SU", "BYMONTHDAY=1,-1,29", "BYMONTH=2,3,12", "BYSETPOS=1,-1", "WKST=SU", "BYWEEKNO=1,53"]
        ),
        max_size=2,
        unique=True,
    ),
    st.integers(1, 6),
)


@given(RULES, st.dates(date(2026, 1, 1), date(2104, 12, 31)))
@hypothesis_settings(max_examples=40)
def test_a_rule_gives_what_it_gives_in_its_own_years(text: str, day: date) -> None:
    first = datetime.combine(day, time(8))
    try:
        plain = rrule.rrulestr(text, dtstart=first)
    except ValueError:
        # BYSETPOS stands alone.
        return
    last = first + recurrence.LONGEST_REACH
    bounded = plain.replace(count=None, until=last)
    if bounded.after(first - timedelta(days=1), inc=True) is not None:
        expected = list(islice(bounded, 6))
        assert recurrence._listed(plain, first, last, 6) == expected


def test_days_are_left_out(app: Any) -> None:
    with app.app_context():
        made = recurrence.expand(rule("FREQ=DAILY;COUNT=3", except_on=[date(2027, 1, 3)]))
        assert [clock.local_date(shift["starts_at"]).day for shift in made] == [2, 4]


def test_holidays_are_left_out_as_far_as_they_are_known(app: Any) -> None:
    """The National Day of 2026, whose eve and the Saturday after the week are worked."""
    first = datetime(2026, 9, 19, 0, 0, tzinfo=UTC)
    given_rule = rule("FREQ=DAILY;COUNT=23") | {"starts_at": first, "ends_at": first + timedelta(hours=2)}
    with app.app_context():
        made = {
            names: [f"{clock.local_date(one['starts_at']):%m%d}" for one in recurrence.expand(given_rule | dict(names))]
            for names in (
                (("skip_holidays", True),),
                (("skip_moved_workdays", True),),
                (("skip_holidays", True), ("skip_moved_workdays", True)),
            )
        }
        every = [f"{date(2026, 9, 19) + timedelta(days=day):%m%d}" for day in range(23)]
        off = {"0925", "0926", "0927", *(f"100{day}" for day in range(1, 8))}
        assert [[day for day in every if day not in days] for days in made.values()] == [
            sorted(off),
            ["0920", "1010"],
            sorted({*off, "0920", "1010"}),
        ]
        kept = recurrence.loaded(recurrence.stored(given_rule | {"skip_holidays": True}))
        assert kept is not None
        assert {f"{day:%m%d}" for day in kept["skipped_on"]} == off
        assert kept["holidays_known_through"] >= date(2026, 12, 31)
        assert "skipped_on" not in recurrence.stored(given_rule)


def test_of_a_year_to_be_announced_the_fixed_holidays_are_left_out(
    app: Any, client: Any, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says until when the calendar is known, and the rule keeps its wish when it is given again."""
    monkeypatch.setattr(holidays, "LAST_YEAR", 2026)
    scene = unit(make_scene)
    start = datetime(2027, 4, 30, 0, 0, tzinfo=UTC)
    given_rule = {
        "rrule": "FREQ=DAILY;COUNT=4",
        "starts_at": text_of(start),
        "ends_at": text_of(start + timedelta(hours=2)),
        "skip_holidays": True,
        "except_on": ["2027-05-03"],
    }
    body = body_of(scene, recurrence=given_rule)
    del body["shifts"]
    made = client.as_(scene.organizer_id).post("/activities", json=body)
    assert made.status_code == 201, made.get_json()
    activity = made.get_json()
    assert [shift["starts_at"][:10] for shift in activity["shifts"]] == ["2027-04-30"]
    kept = activity["recurrence"]
    assert (kept["skipped_on"], kept["holidays_known_through"]) == (["2027-05-01", "2027-05-02"], "2026-12-31")
    again = client.as_(scene.organizer_id).patch(
        f"/activities/{activity['id']}", json={"recurrence": given_rule | {"rrule": "FREQ=DAILY;COUNT=5"}}, version=1
    )
    assert [shift["starts_at"][:10] for shift in again.get_json()["shifts"]] == ["2027-04-30", "2027-05-04"]
    assert again.get_json()["recurrence"]["except_on"] == ["2027-05-03"]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        # The clocks of Berlin jump from two to three on 2027-03-28: of half past two to a quarter past three nothing
        # is left, so it is as long as on other days.
        ((2, 30), (3, 15), [("01:30", "02:15"), ("01:30", "02:15"), ("00:30", "01:15")]),
        ((1, 0), (4, 0), [("00:00", "03:00"), ("00:00", "02:00"), ("23:00", "02:00")]),
    ],
)
def test_when_the_clocks_change(
    app: Any, change_settings: Any, first: tuple[int, int], last: tuple[int, int], expected: list[tuple[str, str]]
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    change_settings(app, zone=zone)
    times = {name: datetime(2027, 3, 27, *at, tzinfo=zone) for name, at in (("starts_at", first), ("ends_at", last))}
    with app.app_context():
        made = recurrence.expand({"rrule": "FREQ=DAILY;COUNT=3", **times})
    assert [(f"{one['starts_at']:%H:%M}", f"{one['ends_at']:%H:%M}") for one in made] == expected


@pytest.mark.parametrize(
    ("times", "pointer", "code"),
    [
        (("2027-01-02T10:00:00Z", "2027-01-02T09:00:00Z"), "/shifts/0/ends_at", "ends_before_it_starts"),
        (("2027-01-02T10:00:00Z", "2027-01-02T10:00:00Z"), "/shifts/0/ends_at", "ends_before_it_starts"),
        # Eleven in Shanghai is before ten in London.
        (("2027-01-02T10:00:00Z", "2027-01-02T11:00:00+08:00"), "/shifts/0/ends_at", "ends_before_it_starts"),
        (("2027-01-02T08:00:00Z", "2027-01-04T00:00:00Z"), "/shifts/0/ends_at", "too_long"),
        (("2027-01-02T08:00:00", "2027-01-02T10:00:00Z"), "/shifts/0/starts_at", "not_moment"),
    ],
)
def test_times_that_can_not_be(client: Any, unit: Unit, times: tuple[str, str], pointer: str, code: str) -> None:
    scene = unit(make_scene)
    given_times = dict(zip(("starts_at", "ends_at"), times, strict=True))
    answer = client.as_(scene.organizer_id).post("/activities", json=body_of(scene, shifts=[given_times]))
    error = answer.get_json()["errors"][0]
    assert (answer.status_code, error["pointer"], error["code"]) == (422, pointer, code)
    body = body_of(scene, recurrence={"rrule": "FREQ=DAILY;COUNT=2", **given_times})
    del body["shifts"]
    again = client.as_(scene.organizer_id).post("/activities", json=body).get_json()["errors"][0]
    assert (again["pointer"], again["code"]) == (pointer.replace("shifts/0", "recurrence"), code)


@given(
    freq=st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    interval=st.integers(1, 40),
    count=st.integers(1, 400),
)
def test_rules_stay_in_their_bounds(freq: str, interval: int, count: int) -> None:
    from_rule = _expand_bounded(f"FREQ={freq};INTERVAL={interval};COUNT={count}")
    if from_rule is None:
        days = {"DAILY": 1, "WEEKLY": 7, "MONTHLY": 28, "YEARLY": 365}[freq] * interval * (count - 1)
        assert count > recurrence.MOST_OCCURRENCES or days > 2.7 * 365
        return
    assert len(from_rule) == count
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


def test_what_an_older_rule_gave_goes_with_the_next_once_its_people_are_gone(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    start = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    rule = {"rrule": "FREQ=DAILY;COUNT=2", "starts_at": text_of(start)}
    first = {**rule, "starts_at": start, "ends_at": start + timedelta(hours=2)}
    made = unit(lambda: make_activity(scene=scene, shifts=[], recurrence=first))
    person = unit(lambda: make_volunteers(1))[0]
    place = unit(lambda: sign_ups.sign_up(shift_id=made.shift_ids[1], volunteer_id=person).id)
    organizer, path = client.as_(scene.organizer_id), f"/activities/{made.id}"

    def give(hours: int) -> list[int]:
        version = organizer.get(path).get_json()["version"]
        given = rule | {"ends_at": text_of(start + timedelta(hours=hours))}
        told = organizer.patch(path, json={"recurrence": given}, version=version).get_json()["shifts"]
        times = [[datetime.fromisoformat(one[name]) for name in ("starts_at", "ends_at")] for one in told]
        return [(until - since) // timedelta(hours=1) for since, until in times]

    assert give(3) == [3, 2]
    assert client.as_(person).post(f"/sign-ups/{place}/withdrawal", json={}).status_code == 200
    assert give(4) == [4, 4]


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


def standing(told: Any) -> list[str]:
    """When the shifts of an answer begin that are not canceled."""
    assert told.status_code == 200, told.get_json()
    return [one["starts_at"] for one in told.get_json()["shifts"] if one["canceled_at"] is None]


@pytest.mark.parametrize("published", [True, False])
def test_what_was_given_by_itself_is_the_rules_where_it_stands_at_its_time(
    client: Any, unit: Unit, published: bool
) -> None:
    start = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    days = [start + timedelta(days=day) for day in range(4)]
    given: list[dict[str, Any]] = [{"starts_at": one, "ends_at": one + timedelta(hours=2)} for one in days[:2]]
    given[0]["sign_up_closes_at"] = start - timedelta(hours=5)
    made = unit(lambda: make_activity(shifts=given, published=published))
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}"

    def give(count: int) -> Any:
        rule = {
            "rrule": f"FREQ=DAILY;COUNT={count}",
            "starts_at": text_of(start),
            "ends_at": text_of(start + timedelta(hours=2)),
            "capacity": 7,
        }
        version = organizer.get(path).get_json()["version"]
        return organizer.patch(path, json={"recurrence": rule}, version=version)

    told = give(4)
    assert standing(told) == [text_of(one) for one in days]
    assert [one["id"] for one in told.get_json()["shifts"]][:2] == [str(one) for one in made.shift_ids]
    assert {one["capacity"] for one in told.get_json()["shifts"]} == {7}
    assert {one["sign_up_closes_at"] for one in told.get_json()["shifts"]} == {
        text_of(start - timedelta(hours=5)),
        None,
    }
    assert standing(give(1)) == [text_of(start)]


def test_a_shift_moved_to_another_day_of_the_rule_is_not_doubled(client: Any, unit: Unit) -> None:
    start = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    times = {"starts_at": start, "ends_at": start + timedelta(hours=2)}
    weekly = {"rrule": "FREQ=WEEKLY;COUNT=2", **times}
    made = unit(lambda: make_activity(shifts=[], recurrence=weekly))
    [person] = unit(lambda: make_volunteers(1))
    unit(lambda: sign_ups.sign_up(shift_id=made.shift_ids[0], volunteer_id=person))
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}"
    plain = {name: text_of(at) for name, at in times.items()}
    later = {name: text_of(at + timedelta(days=1)) for name, at in times.items()}
    assert organizer.patch(f"/shifts/{made.shift_ids[0]}", json=later, version=1).status_code == 200

    def give(rrule: str, **given: str) -> Any:
        version = organizer.get(path).get_json()["version"]
        return organizer.patch(path, json={"recurrence": {"rrule": rrule, **plain, **given}}, version=version)

    daily = [text_of(start + timedelta(days=day)) for day in range(1, 4)]
    for _ in range(2):
        told = give("FREQ=DAILY;COUNT=4")
        assert standing(told) == daily
        assert [one["why"] for one in told.get_json()["kept_shifts"]] == ["signed_up"]
    # The first day is no day of the rule any more: what was moved is the second's own.
    told = give("FREQ=DAILY;COUNT=3", **later)
    assert standing(told) == daily
    assert told.get_json()["kept_shifts"] == []


def test_leaders_hear_of_holidays_that_were_announced_later(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The National Day's week of 2026, of a rule that was given when only 2025 was known."""
    start = datetime(2026, 9, 28, 1, 0, tzinfo=UTC)
    given_rule = rule("FREQ=DAILY;COUNT=14") | {"starts_at": start, "ends_at": start + timedelta(hours=2)}
    with clock.at(datetime(2025, 10, 20, 2, 0, tzinfo=UTC)):
        scene = unit(make_scene)
        with monkeypatch.context() as before:
            before.setattr(holidays, "LAST_YEAR", 2025)
            unit(
                lambda: activities.create_activity(
                    by=scene.organizer_id,
                    title="清洁湛河",
                    category="environment_protection",
                    organization_id=scene.office_id,
                    recurrence=given_rule | {"skip_holidays": True},
                )
            )
            assert unit(risks.tell_of_holidays) == 0
        for _ in range(2):
            assert unit(risks.tell_of_holidays) == 1
        told = unit(lambda: db.session.query(Notification).filter_by(kind="holidays_known").all())
        # The law fixes the first three days; the four after them were not known.
        assert [(one.volunteer_id, one.values["count"], one.values["first_on"]) for one in told] == [
            (scene.organizer_id, "4", "2026-10-04")
        ]


def test_a_rule_of_which_the_holidays_left_nothing_is_given_again(
    client: Any, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5 to 7 October 2026, known to be days off only after the rule was given."""
    start = datetime(2026, 10, 5, 1, 0, tzinfo=UTC)
    given_rule = rule("FREQ=DAILY;COUNT=3") | {"starts_at": start, "ends_at": start + timedelta(hours=2)}
    with clock.at(datetime(2025, 10, 20, 2, 0, tzinfo=UTC)):
        scene = unit(make_scene)
        with monkeypatch.context() as before:
            before.setattr(holidays, "LAST_YEAR", 2025)
            made = unit(lambda: make_activity(scene=scene, recurrence=given_rule | {"skip_holidays": True}, shifts=[]))
        anew = given_rule | {"rrule": "FREQ=DAILY;COUNT=5", "skip_holidays": True}
        unit(lambda: activities.update_activity(db.session.get_one(Activity, made.id), recurrence=anew))
        standing = unit(
            lambda: db.session.query(Shift).filter_by(activity_id=made.id, canceled_at=None).order_by("starts_at").all()
        )
    assert [one.starts_at.date() for one in standing] == [date(2026, 10, 8), date(2026, 10, 9)]


@pytest.mark.either_database
def test_a_campaign_and_a_rule_are_changed_together(client: Any, unit: Unit) -> None:
    """The rule's lock read the activity anew, and its campaign was as before."""
    scene = unit(make_scene)
    organizer = client.as_(scene.organizer_id)
    campaign = organizer.post("/campaigns", json={"name": "春", "organization_id": str(scene.office_id)}).json["id"]
    start = clock.now().replace(hour=2, minute=0, second=0, microsecond=0) + timedelta(days=3)
    times = {"starts_at": text_of(start), "ends_at": text_of(start + timedelta(hours=1))}
    given = {name: value for name, value in body_of(scene).items() if name != "shifts"}
    made = organizer.post("/activities", json=given | {"recurrence": {"rrule": "FREQ=DAILY;COUNT=2", **times}}).json
    path = f"/activities/{made['id']}"
    for wanted, count in ((campaign, 3), (None, 4)):
        change = {"campaign_id": wanted, "recurrence": {"rrule": f"FREQ=DAILY;COUNT={count}", **times}}
        changed = organizer.patch(path, json=change, version=organizer.get(path).json["version"])
        assert (changed.status_code, changed.json["campaign_id"], len(changed.json["shifts"])) == (200, wanted, count)


def test_a_rule_that_is_given_again_cancels_no_shift_at_its_time(client: Any, unit: Any) -> None:
    """A second group beside the rule's shift; and one that the rule took over, while somebody counts on another."""
    start = unit(lambda: clock.at_local(clock.today() + timedelta(days=2), time(9)))
    daily = {"rrule": "FREQ=DAILY;COUNT=2", "starts_at": start, "ends_at": start + 2 * HOUR}
    made = unit(lambda: make_activity(shifts=[], recurrence=daily))
    organizer, path = client.as_(made.scene.organizer_id), f"/activities/{made.id}"

    def alive(at: datetime) -> list[tuple[str, int | None]]:
        """Gives the rule anew, beginning at this time."""
        again = {"rrule": daily["rrule"], "starts_at": text_of(at), "ends_at": text_of(at + 2 * HOUR)}
        answer = organizer.patch(path, json={"recurrence": again}, version=organizer.get(path).json["version"])
        assert answer.status_code == 200, answer.json
        return [(one["starts_at"], one["capacity"]) for one in answer.json["shifts"] if one["canceled_at"] is None]

    beside = {"starts_at": text_of(start), "ends_at": text_of(start + 2 * HOUR), "capacity": 3}
    assert organizer.post(f"{path}/shifts", json=beside).status_code == 201
    first, later = alive(start), alive(start)
    assert first == later
    assert len([one for one in later if one[0] == text_of(start)]) == 2
    unit(lambda: sign_ups.sign_up(shift_id=made.shift_ids[0], volunteer_id=made.scene.member_id))
    afternoon = start + 5 * HOUR
    single = {"starts_at": text_of(afternoon), "ends_at": text_of(afternoon + 2 * HOUR)}
    assert organizer.post(f"{path}/shifts", json=single).status_code == 201
    found = [alive(afternoon) for _ in range(3)]
    assert found[0] == found[1] == found[2]
    assert text_of(afternoon) in [one[0] for one in found[2]]
