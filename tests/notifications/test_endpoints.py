"""The inbox, by HTTP."""

from datetime import timedelta

import pytest

from tests.factories import make_volunteer
from volunteer_api.core import clock
from volunteer_api.notifications import queries, service


def hear(unit, volunteer, number=1, kind="sign_up_confirmed", **values):
    unit(
        lambda: service.notify(
            volunteer_id=volunteer.id,
            kind=kind,
            values={"activity": f"清洁家园{number}", "reason": "下雨"} | values,
            dedup_key=f"{kind}:{volunteer.id}:{number}",
        )
    )


@pytest.fixture
def reader(unit):
    return unit(make_volunteer)


def test_the_inbox_is_in_the_readers_language(client, unit, reader):
    hear(unit, reader, kind="activity_canceled")
    english = client.as_(reader).get("/me/notifications", headers={"Accept-Language": "en"}).json["items"][0]
    assert (english["title"], english["body"]) == ("Activity canceled", "清洁家园1 is canceled: 下雨")
    assert english["values"] == {"activity": "清洁家园1", "reason": "下雨"}
    assert english["read_at"] is None


def test_who_is_named_has_the_name_of_the_account(client, unit, reader):
    for number, name in enumerate(("王秀英", "李阿姨")):
        hear(unit, reader, number, "sign_up_accepted", person_id=str(unit(lambda n=name: make_volunteer(name=n)).id))
    items = client.as_(reader).get("/me/notifications").json["items"]
    assert [(item["values"]["name"], item["body"][:3]) for item in items] == [("李阿姨",) * 2, ("王秀英",) * 2]
    rows = client.as_(reader).get("/me/export").json["sections"]["notifications"]
    assert [row["content"]["name"] for row in rows] == ["李阿姨", "王秀英"]


def test_newest_first_in_pages_that_do_not_tear(client, unit, reader):
    for number in range(5):
        hear(unit, reader, number)
    phone, cursor, seen = client.as_(reader), "", []
    while cursor is not None:
        answer = phone.get(f"/me/notifications?limit=2{cursor and '&cursor=' + cursor}").json
        seen += [item["values"]["activity"] for item in answer["items"]]
        cursor = answer["next_cursor"]
    assert seen == [f"清洁家园{number}" for number in (4, 3, 2, 1, 0)]


def test_reading_by_ids_and_until(client, unit, reader):
    start = clock.now()
    for number in range(3):
        with clock.at(start + timedelta(minutes=number)):
            hear(unit, reader, number)
    phone = client.as_(reader)
    newest = phone.get("/me/notifications").json["items"][0]
    assert phone.post("/me/notifications/read", json={"ids": [newest["id"]]}).status_code == 204
    assert len(phone.get("/me/notifications?unread=true").json["items"]) == 2
    assert [item["id"] for item in phone.get("/me/notifications?unread=false").json["items"]] == [newest["id"]]
    until = phone.get("/me/notifications?unread=true").json["items"][1]["created_at"]
    assert phone.post("/me/notifications/read", json={"until": until}).status_code == 204
    assert unit(lambda: queries.unread_count(reader.id)) == 1


def test_reading_again_keeps_the_first_moment(client, unit, reader):
    hear(unit, reader)
    phone = client.as_(reader)
    mark = {"ids": [phone.get("/me/notifications").json["items"][0]["id"]]}
    phone.post("/me/notifications/read", json=mark)
    first = phone.get("/me/notifications").json["items"][0]["read_at"]
    phone.post("/me/notifications/read", json=mark)
    assert phone.get("/me/notifications").json["items"][0]["read_at"] == first


def test_nobody_reads_or_marks_anothers(client, unit, reader):
    hear(unit, reader)
    outsider = client.as_(unit(make_volunteer))
    assert outsider.get("/me/notifications").json["items"] == []
    found = client.as_(reader).get("/me/notifications").json["items"][0]["id"]
    assert outsider.post("/me/notifications/read", json={"ids": [found]}).status_code == 204
    assert unit(lambda: queries.unread_count(reader.id)) == 1


def test_strangers_sign_in_first(client):
    assert client.get("/me/notifications").status_code == 401
    assert client.post("/me/notifications/read", json={"until": "2026-11-23T08:00:00Z"}).status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"ids": []}, {"ids": ["1"]}, {"until": "2026-11-23T08:00:00"}, {"all": True}, {"ids": None}]
)
def test_bad_marks_are_refused(client, reader, body):
    assert client.as_(reader).post("/me/notifications/read", json=body).status_code == 422


def test_both_ways_of_marking_at_once_are_refused(client, reader):
    body = {"ids": [str(reader.id)], "until": "2026-11-23T08:00:00Z"}
    assert client.as_(reader).post("/me/notifications/read", json=body).json["errors"][0]["code"] == "one_of"


@pytest.mark.parametrize("query", ["unread=1", "unread=true&unread=true", "limit=0", "limit=101", "sort=x"])
def test_bad_filters_are_refused(client, reader, query):
    assert client.as_(reader).get(f"/me/notifications?{query}").status_code == 422


def test_a_list_costs_two_statements_however_long(client, unit, reader, statements):
    phone = client.as_(reader)
    for number in range(12):
        hear(unit, reader, number)
    with statements() as seen:
        phone.get("/me/notifications")
    assert len(seen) == 2
