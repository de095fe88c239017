"""Calendars: an activity's shifts, and the feed that follows somebody's sign-ups, read back by the library."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from icalendar import Calendar, Event
from sqlalchemy import select

from tests.activities.factories import PLACE, make_activity, make_scene
from tests.activities.test_shifts_of_long_ones import again, plan, rule
from tests.sign_ups.factories import born, make_person
from volunteer_api.accounts.sessions import end_sessions_of
from volunteer_api.activities import service, shifts
from volunteer_api.activities.models import Shift
from volunteer_api.core import clock
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.notifications.queries import inbox
from volunteer_api.phone import access, feed
from volunteer_api.phone.models import CalendarFeed
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp

# What is judged is the text of a calendar.
pytestmark = pytest.mark.either_database

Unit = Callable[[Callable[[], Any]], Any]
TITLE = "百万市民清洁家园大行动，第三期；湛河两岸（请带手套、帽子和水）"


@pytest.fixture
def made(unit: Unit) -> Any:
    start = clock.now().replace(microsecond=0) + timedelta(days=1)
    times = [{"starts_at": start + day, "ends_at": start + day + timedelta(hours=2)} for day in days(0, 1)]
    return unit(
        lambda: make_activity(
            title=TITLE, shifts=times, place=PLACE, place_name="湛河公园", description="第一行\n第二行"
        )
    )


def days(*numbers: int) -> list[timedelta]:
    return [timedelta(days=number) for number in numbers]


def parsed(answer: Any) -> tuple[Calendar, list[Event]]:
    """The calendar of an answer that Apple and Google take."""
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    content = answer.get_data()
    lines = content.split(b"\r\n")
    assert lines[0] == b"BEGIN:VCALENDAR"
    assert lines[-1] == b""
    assert all(b"\n" not in line and len(line) <= 75 for line in lines)
    calendar = Calendar.from_ical(content)
    assert (calendar["VERSION"], calendar["METHOD"]) == ("2.0", "PUBLISH")
    assert calendar["PRODID"]
    events = list(calendar.walk("VEVENT"))
    assert all(event["UID"] and event["DTSTAMP"] and not event.errors for event in events)
    assert len({str(event["UID"]) for event in events}) == len(events)
    return calendar, events


def followed(unit: Unit, volunteer_id: UUID) -> list[str]:
    """The states of the events in what somebody's calendar reads."""
    content = unit(lambda: feed.feed(volunteer_id)).content
    return [str(event["STATUS"]) for event in Calendar.from_ical(content).walk("VEVENT")]


def test_an_activity_is_a_calendar(client: Any, made: Any, unit: Unit) -> None:
    answer = client.get(f"/activities/{made.id}.ics")
    calendar, (first, second) = parsed(answer)
    assert "filename*=UTF-8''" in answer.headers["Content-Disposition"]
    start = unit(lambda: db.session.get_one(Shift, made.shift_id).starts_at)
    assert first.decoded("DTSTART") == start
    assert first.decoded("DTEND") == start + timedelta(hours=2)
    assert second.decoded("DTSTART") == start + timedelta(days=1)
    assert first["DTSTART"].to_ical().endswith(b"Z")
    assert (str(first["SUMMARY"]), str(first["LOCATION"])) == (TITLE, "湛河公园")
    assert str(first["DESCRIPTION"]) == "主办：五一路街道实践所\n第一行\n第二行"
    assert (first["GEO"].latitude, first["GEO"].longitude) == (PLACE["lat"], PLACE["lng"])
    assert (str(first["STATUS"]), str(calendar["X-WR-CALNAME"])) == ("CONFIRMED", TITLE)
    assert list(first.walk("VALARM")) == []
    again = client.get(f"/activities/{made.id}.ics", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("title", ["上午\n下午", "上午\r下午", "上午\r\n下午", "一\\二;三,四"])
def test_any_title_names_a_calendar(client: Any, unit: Unit, title: str) -> None:
    """One of an earlier release may have a line break, which a calendar's name must not let through."""
    made = unit(lambda: make_activity(title=title))
    answer = client.get(f"/activities/{made.id}.ics")
    _, (event,) = parsed(answer)
    assert str(event["SUMMARY"]) == re.sub("\r\n?", "\n", title)
    # What reads here does not know a calendar's name for a text: the lines are looked at.
    lines = answer.get_data(as_text=True).split("\r\n")
    [written] = [line.removeprefix("SUMMARY:") for line in lines if line.startswith("SUMMARY:")]
    assert {f"NAME:{written}", f"X-WR-CALNAME:{written}"} <= set(lines)


def test_a_calendar_has_what_is_to_come_whatever_a_former_rule_left(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    start = (clock.now() + timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    made = plan(client, scene, rule(start, 366, 1))
    later = start + timedelta(days=400)
    assert again(client, scene, made, rule(later, 10, 1)).status_code == 200
    _, events = parsed(client.get(f"/activities/{made}.ics"))
    standing = [event.decoded("DTSTART") for event in events if event["STATUS"] == "CONFIRMED"]
    assert standing == [later + timedelta(days=day) for day in range(10)]
    assert len(events) == 366


def test_a_draft_is_a_calendar_for_its_makers_alone(client: Any, unit: Unit) -> None:
    draft = unit(lambda: make_activity(published=False))
    assert client.get(f"/activities/{draft.id}.ics").status_code == 404
    _, (event,) = parsed(client.as_(draft.scene.organizer_id).get(f"/activities/{draft.id}.ics"))
    assert str(event["STATUS"]) == "TENTATIVE"


class TestFeed:
    @pytest.fixture
    def address(self, client: Any, made: Any, unit: Unit) -> str:
        member_id = made.scene.member_id
        unit(lambda: sign_ups.sign_up(shift_id=made.shift_ids[0], volunteer_id=member_id))
        # Somebody else's is not in her calendar.
        unit(lambda: sign_ups.sign_up(shift_id=made.shift_ids[1], volunteer_id=made.scene.outsider_id))
        opened = client.as_(member_id).post("/me/calendar-feed")
        assert opened.status_code == 201, opened.json
        assert opened.json["subscribe_url"] == opened.json["url"].replace("http://", "webcal://")
        return str(opened.json["url"]).removeprefix("http://localhost")

    def test_has_what_she_signed_up_for(self, client: Any, made: Any, address: str, statements: Any) -> None:
        with statements() as seen:
            answer = client.get(address, base="")
        calendar, (event,) = parsed(answer)
        assert str(event["UID"]).startswith(str(made.shift_ids[0]))
        assert str(calendar["X-WR-CALNAME"]) == "我的志愿服务"
        (alarm,) = event.walk("VALARM")
        assert alarm.decoded("TRIGGER") == timedelta(hours=-1)
        assert "志愿者" not in answer.get_data(as_text=True)
        # The token, the sign-ups, the names.
        assert len(seen) == 3
        assert client.get(address, base="", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304

    def test_it_ends_with_the_sessions_of_whoever_got_in(
        self, client: Any, made: Any, address: str, unit: Unit
    ) -> None:
        """Where an owner takes her account back, a thief's calendar follows her no more."""
        member_id = made.scene.member_id
        (heard,) = unit(lambda: inbox(member_id, {"limit": 1, "unread": True})).items
        assert heard.kind == "calendar_feed_opened"
        opened = select(AuditEntry.subject_id).where(AuditEntry.action == "calendar_feed_opened")
        assert unit(lambda: db.session.scalars(opened).all()) == [member_id]
        unit(lambda: end_sessions_of(member_id))
        assert client.get(address, base="").status_code == 404

    def test_a_moved_shift_is_the_same_event_and_newer(self, client: Any, made: Any, address: str, unit: Unit) -> None:
        _, (before,) = parsed(client.get(address, base=""))

        def move() -> None:
            shift = db.session.get_one(Shift, made.shift_ids[0])
            shifts.change_shift(shift, ends_at=shift.ends_at + timedelta(hours=1))

        unit(move)
        _, (after,) = parsed(client.get(address, base=""))
        assert (after["UID"], after["SEQUENCE"] > before["SEQUENCE"]) == (before["UID"], True)
        assert after.decoded("DTEND") == before.decoded("DTEND") + timedelta(hours=1)

    def test_a_sign_up_of_somebody_else_changes_no_sequence(
        self, client: Any, made: Any, address: str, unit: Unit
    ) -> None:
        _, (before,) = parsed(client.get(address, base=""))
        unit(lambda: sign_ups.sign_up(shift_id=made.shift_ids[0], volunteer_id=made.scene.outsider_id))
        assert parsed(client.get(address, base=""))[1][0]["SEQUENCE"] == before["SEQUENCE"]

    @pytest.mark.parametrize("whole", [True, False])
    def test_what_is_canceled_says_so(self, client: Any, made: Any, address: str, unit: Unit, whole: bool) -> None:
        _, (before,) = parsed(client.get(address, base=""))

        def cancel() -> None:
            if whole:
                service.cancel(service.queries.lock_activity(made.id), reason="大雨")
            else:
                shifts.cancel_shift(db.session.get_one(Shift, made.shift_ids[0]), reason="大雨")

        unit(cancel)
        _, (event,) = parsed(client.get(address, base=""))
        assert (event["UID"], str(event["STATUS"])) == (before["UID"], "CANCELLED")
        assert event["SEQUENCE"] > before["SEQUENCE"]
        assert list(event.walk("VALARM")) == []
        assert "已取消：大雨" in str(event["DESCRIPTION"])

    def test_a_place_that_was_lost_is_canceled_for_a_while(
        self, client: Any, made: Any, address: str, unit: Unit
    ) -> None:
        """A calendar removes it, and takes it again when she comes back: the sequence only grows."""
        _, (before,) = parsed(client.get(address, base=""))
        member_id, shift_id = made.scene.member_id, made.shift_ids[0]
        mine = unit(lambda: db.session.query(SignUp).filter_by(volunteer_id=member_id).one().id)
        unit(lambda: sign_ups.withdraw(sign_up_id=mine))
        _, (lost,) = parsed(client.get(address, base=""))
        assert (lost["UID"], str(lost["STATUS"])) == (before["UID"], "CANCELLED")
        assert lost["SEQUENCE"] > before["SEQUENCE"]
        assert lost.decoded("DTSTAMP") >= before.decoded("DTSTAMP")
        assert (str(lost["TRANSP"]), list(lost.walk("VALARM"))) == ("TRANSPARENT", [])
        assert "您在本班次已没有名额。" in str(lost["DESCRIPTION"])
        unit(lambda: sign_ups.sign_up(shift_id=shift_id, volunteer_id=member_id))
        _, (again,) = parsed(client.get(address, base=""))
        assert (again["UID"], str(again["STATUS"])) == (before["UID"], "CONFIRMED")
        assert again["SEQUENCE"] > lost["SEQUENCE"]
        taken_out = unit(lambda: db.session.query(SignUp).filter_by(volunteer_id=member_id, state="confirmed").one().id)
        unit(lambda: sign_ups.reject(sign_up_id=taken_out, by=made.scene.organizer_id, reason="名额调整"))
        _, (rejected,) = parsed(client.get(address, base=""))
        assert (str(rejected["STATUS"]), rejected["SEQUENCE"] > again["SEQUENCE"]) == ("CANCELLED", True)
        shift = unit(lambda: db.session.get_one(Shift, shift_id))
        with clock.at(shift.ends_at + timedelta(days=29)):
            assert followed(unit, member_id) == ["CANCELLED"]
        with clock.at(shift.ends_at + timedelta(days=31)):
            assert followed(unit, member_id) == []

    @pytest.mark.parametrize("way", ["withdrawal", "rejection", "waitlist"])
    def test_a_place_that_was_lost_long_before_is_canceled_until_then(
        self, client: Any, made: Any, unit: Unit, way: str
    ) -> None:
        """A calendar that looks seldom would keep the event for good, and ring before it."""
        member_id, start = made.scene.member_id, clock.now() + timedelta(days=80)
        far = unit(lambda: make_activity(scene=made.scene, capacity=1, starts_at=start))
        mine = unit(lambda: sign_ups.sign_up(shift_id=far.shift_id, volunteer_id=member_id).id)
        with clock.at(clock.now() + timedelta(days=2)):
            if way == "withdrawal":
                unit(lambda: sign_ups.withdraw(sign_up_id=mine))
            elif way == "rejection":
                unit(lambda: sign_ups.reject(sign_up_id=mine, by=made.scene.organizer_id))
            else:
                unit(lambda: self.lose_to_another(far, mine))
        with clock.at(clock.now() + timedelta(days=70)):
            assert followed(unit, member_id) == ["CANCELLED"]

    def lose_to_another(self, far: Any, mine: UUID) -> None:
        """Asked anew after a demand was missed, she says yes when somebody else has the place."""
        activity = service.queries.lock_activity(far.id)
        service.update_activity(activity, minimum_age=60)
        sign_ups.sign_up(shift_id=far.shift_id, volunteer_id=make_person(birth_date=born(70)))
        service.update_activity(activity, minimum_age=None)
        assert sign_ups.accept(sign_up_id=mine).state == "waitlisted"

    def test_what_she_has_comes_before_what_she_lost(
        self, made: Any, unit: Unit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else whoever gave up a year of shifts would not see her next one."""
        member_id = made.scene.member_id
        for shift_id in made.shift_ids:
            unit(lambda one=shift_id: sign_ups.sign_up(shift_id=one, volunteer_id=member_id))
        lost = unit(lambda: db.session.query(SignUp).filter_by(shift_id=made.shift_ids[0]).one().id)
        unit(lambda: sign_ups.withdraw(sign_up_id=lost))
        monkeypatch.setattr(feed, "MOST_EVENTS", 1)
        assert followed(unit, member_id) == ["CONFIRMED"]

    def test_who_never_had_a_place_is_told_nothing(self, client: Any, made: Any, address: str, unit: Unit) -> None:
        member_id = made.scene.member_id
        full = unit(lambda: make_activity(scene=made.scene, capacity=1, starts_at=clock.now() + timedelta(days=5)))
        unit(lambda: sign_ups.sign_up(shift_id=full.shift_id, volunteer_id=made.scene.leader_id))
        waiting = unit(lambda: sign_ups.sign_up(shift_id=full.shift_id, volunteer_id=member_id).id)
        unit(lambda: sign_ups.withdraw(sign_up_id=waiting))
        assert len(parsed(client.get(address, base=""))[1]) == 1

    def test_only_the_digest_is_kept(self, made: Any, address: str, unit: Unit) -> None:
        token = address.rpartition("/")[2].removesuffix(".ics")
        assert re.fullmatch(access.TOKEN, token)
        assert token.encode() not in unit(lambda: db.session.get_one(CalendarFeed, made.scene.member_id)).token_digest

    def test_another_address_ends_the_first(self, client: Any, made: Any, address: str) -> None:
        member = client.as_(made.scene.member_id)
        second = member.post("/me/calendar-feed", key="same").json["url"].removeprefix("http://localhost")
        third = member.post("/me/calendar-feed", key="same").json["url"].removeprefix("http://localhost")
        assert [client.get(one, base="").status_code for one in (address, second, third)] == [404, 404, 200]

    def test_is_taken_back(self, client: Any, made: Any, address: str) -> None:
        member = client.as_(made.scene.member_id)
        assert member.get("/me/calendar-feed").json["since"] is not None
        assert member.delete("/me/calendar-feed").status_code == 204
        assert client.get(address, base="").status_code == 404
        assert member.get("/me/calendar-feed").json == {"since": None}
        assert member.delete("/me/calendar-feed").status_code == 204

    def test_that_it_ended_with_the_sessions_is_told(self, client: Any, made: Any, address: str, unit: Unit) -> None:
        """Else the calendar of somebody who changed her number stops in silence."""
        for _ in range(2):
            unit(lambda: end_sessions_of(made.scene.member_id))
        assert client.get(address, base="").status_code == 404
        heard = client.as_(made.scene.member_id).get("/me/notifications").json["items"]
        assert [one["kind"] for one in heard].count("calendar_feed_closed") == 1

    @pytest.mark.parametrize("token", ["", "a" * 43, "a" * 42, "%00" * 43, "é" * 43])
    def test_no_other_token_opens_one(self, client: Any, address: str, token: str) -> None:
        assert client.get(f"/c/cal/{token}.ics", base="").status_code == 404

    def test_is_read_at_most_sixty_times_an_hour(
        self, app: Flask, client: Any, address: str, change_settings: Any
    ) -> None:
        change_settings(app, limits=True)
        answers = [client.get(address, base="").status_code for _ in range(61)]
        assert answers == [200] * 60 + [429]
