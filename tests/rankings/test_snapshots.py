"""Closed periods: published as they were, with what has changed since."""

import io
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from flask import Flask
from sqlalchemy import update

from tests.factories import make_volunteer
from tests.organizations.factories import make_grant, make_organization
from tests.rankings.factories import Happening, Turn, write
from volunteer_api.accounts.models import Volunteer
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock, holidays
from volunteer_api.core.database import db
from volunteer_api.core.settings import EXTENSION as SETTINGS
from volunteer_api.hours.models import TallyChange
from volunteer_api.organizations.models import Organization, OrganizationKind, Role
from volunteer_api.rankings.notices import RANKING_CLOSED as KIND

# October's ten working days end on the 13th of November 2026 (the calendar of 2026 is known).
EARLY, LATE = datetime(2026, 11, 2, 4, 0, tzinfo=UTC), datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
OCTOBER = datetime(2026, 10, 12, 4, 0, tzinfo=UTC)
Unit = Callable[..., Any]


@pytest.fixture
def center(unit: Unit) -> dict[str, UUID]:
    """A center with two offices; the first held two activities in October 2026, the second none."""

    def work() -> dict[str, UUID]:
        root = make_organization()
        offices = [
            make_organization(parent_id=root.id, kind=OrganizationKind.PRACTICE_OFFICE, name=name)
            for name in ("甲", "乙")
        ]
        for number in range(2):
            hold(offices[0], OCTOBER + timedelta(days=number))
        organizer = make_grant(make_volunteer(), Role.ORGANIZER, root.id).volunteer_id
        return {"id": root.id, "first": offices[0].id, "second": offices[1].id, "organizer": organizer}

    with clock.at(OCTOBER - timedelta(days=60)):
        made: dict[str, UUID] = unit(work)
    return made


def hold(office: Organization, moment: datetime) -> None:
    write(Happening(turns=[Turn(moment, present=[(0, State.CREDITED, 30)])]), office, [make_volunteer().id])


def close(client: Any, center: dict[str, UUID], period: str = "2026-10") -> Any:
    body = {"scope": str(center["id"]), "period": period}
    return client.as_(center["organizer"]).post("/ranking-snapshots", json=body)


def rows(client: Any, snapshot_id: str, more: str = "") -> list[tuple[Any, ...]]:
    path = f"/ranking-snapshots/{snapshot_id}?subject=organization&level=practice_office{more}"
    body = client.get(path).get_json()
    return [
        (row["rank"], row["subject"]["name"], row["value"], row["live"], row["adjustment"]) for row in body["items"]
    ]


def test_a_snapshot_stands_still_while_the_ledger_moves(client: Any, unit: Unit, center: dict[str, UUID]) -> None:
    with clock.at(LATE):
        closed = close(client, center).get_json()
        assert (closed["provisional"], closed["from"], closed["to"]) == (False, "2026-10-01", "2026-10-31")
        assert rows(client, closed["id"]) == [(1, "甲", 2, 2, 0), (2, "乙", 0, 0, 0)]
        unit(lambda: hold(db.session.get_one(Organization, center["second"]), OCTOBER))
        rejected = update(Attendance).where(Attendance.checked_in_at == OCTOBER + timedelta(days=1))
        unit(lambda: db.session.execute(rejected.values(state=State.REJECTED, credited_minutes=0)))
        assert rows(client, closed["id"]) == [(1, "甲", 2, 1, -1), (2, "乙", 0, 1, 1)]


def test_every_metric_subject_and_level_is_closed(client: Any, center: dict[str, UUID]) -> None:
    with clock.at(LATE):
        snapshot_id = close(client, center).get_json()["id"]
        path = f"/ranking-snapshots/{snapshot_id}"
        whole = client.get(f"{path}?subject=organization&level=practice_center&metric=credited_minutes").get_json()
        teams = client.get(f"{path}?subject=team&metric=volunteer_count").get_json()
    assert [(row["subject"]["id"], row["value"]) for row in whole["items"]] == [(str(center["id"]), 60)]
    assert teams["items"] == []
    assert whole["rule"]["text"]


def test_what_is_closed_early_is_provisional_and_closed_once_more(client: Any, center: dict[str, UUID]) -> None:
    with clock.at(EARLY):
        early = close(client, center)
        again = close(client, center)
    assert (early.status_code, early.get_json()["provisional"]) == (201, True)
    assert early.get_json()["final_after"] == "2026-11-13"
    assert (again.status_code, again.get_json()["code"]) == (409, "already_closed")
    assert again.get_json()["snapshot_id"] == early.get_json()["id"]
    with clock.at(LATE):
        final = close(client, center)
        assert (final.status_code, final.get_json()["provisional"]) == (201, False)
        assert close(client, center).status_code == 409
        listed = client.get(f"/ranking-snapshots?scope={center['id']}").get_json()["items"]
    assert {one["id"]: one["provisional"] for one in listed} == {
        early.get_json()["id"]: True,
        final.get_json()["id"]: False,
    }


def test_nothing_is_final_while_its_holidays_are_not_announced(
    client: Any, center: dict[str, UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An old release does not know the calendar of that year: the ten working days may end later than it reckons."""
    with clock.at(LATE):
        with monkeypatch.context() as unannounced:
            unannounced.setattr(holidays, "LAST_YEAR", 2025)
            early = close(client, center).get_json()
            assert (early["provisional"], early["final_after_is_certain"]) == (True, False)
            path = f"/ranking-snapshots/{early['id']}.xlsx?subject=team"
            book = openpyxl.load_workbook(io.BytesIO(client.get(path).get_data()))
        final = close(client, center).get_json()
        told = client.get(f"/ranking-snapshots/{early['id']}?subject=team").get_json()["snapshot"]
    assert "（该时段放假安排尚未公布）" in book.worksheets[0]["A2"].value
    assert (final["provisional"], final["final_after_is_certain"]) == (False, True)
    # It stays what it was; its day is the one that is known by now.
    assert (told["provisional"], told["final_after"], told["final_after_is_certain"]) == (True, "2026-11-13", True)


@pytest.mark.parametrize("period", ["2026-11", "2026", "all", "2026-11-20"])
def test_only_what_is_over_is_closed(client: Any, center: dict[str, UUID], period: str) -> None:
    with clock.at(LATE):
        answer = close(client, center, period)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "period_still_running")


def test_two_snapshots_side_by_side(client: Any, unit: Unit, center: dict[str, UUID]) -> None:
    with clock.at(LATE):
        unit(lambda: hold(db.session.get_one(Organization, center["second"]), OCTOBER - timedelta(days=30)))
        october = close(client, center).get_json()["id"]
        september = close(client, center, "2026-09").get_json()["id"]
        path = f"/ranking-snapshots/{october}/comparison?subject=organization&level=practice_office"
        body = client.get(f"{path}&with={september}").get_json()
        unknown = client.get(f"{path}&with={center['id']}")
    assert (body["snapshot"]["period"], body["other"]["period"]) == ("2026-10", "2026-09")
    assert [
        (row["subject"]["name"], row["rank"], row["value"], row["other_rank"], row["other_value"], row["difference"])
        for row in body["items"]
    ] == [("甲", 1, 2, 2, 0, 2), ("乙", 2, 0, 1, 1, -1)]
    assert (unknown.status_code, unknown.get_json()["code"]) == (409, "other_snapshot_unknown")


def test_only_rankings_of_one_scope_are_compared(client: Any, unit: Unit, center: dict[str, UUID]) -> None:
    with clock.at(LATE):
        unit(lambda: hold(db.session.get_one(Organization, center["second"]), OCTOBER - timedelta(days=30)))
        district, september = (close(client, center, period).get_json()["id"] for period in ("2026-10", "2026-09"))
        office = close(client, center | {"id": center["first"]}).get_json()["id"]
        path, which = f"/ranking-snapshots/{district}/comparison", "subject=organization&level=practice_office&with="
        refused = client.get(f"{path}?{which}{office}")
        book = openpyxl.load_workbook(io.BytesIO(client.get(f"{path}.xlsx?{which}{september}").get_data()))
    assert (refused.status_code, refused.json["code"], refused.json["scope_id"]) == (
        409,
        "other_scope",
        str(center["first"]),
    )
    lines = [[cell for cell in line if cell is not None] for line in book.worksheets[0].iter_rows(values_only=True)]
    assert [line[0].partition(" · ")[0] for line in lines[1:3]] == [
        "2026-10: 2026-10-01 至 2026-10-31",
        "2026-09: 2026-09-01 至 2026-09-30",
    ]
    assert lines[4:] == [
        ["名次 2026-10", "实践所", "2026-10", "2026-09", "名次 2026-09", "差额"],
        [1, "甲", 2, 0, 2, 2],
        [2, "乙", 0, 1, 1, -1],
    ]


def test_a_snapshot_keeps_what_waited_and_those_below_hear_of_it(
    client: Any, unit: Unit, center: dict[str, UUID]
) -> None:
    """Later reviews move what was final: who closes it, and who reads it, know by how much."""

    def work() -> UUID:
        office = db.session.get_one(Organization, center["first"])
        change = TallyChange(
            on=OCTOBER.date(),
            volunteer_id=make_volunteer().id,
            organization_id=office.id,
            organization_path_id=office.path_id,
            credited_minutes=0,
            held_minutes=559,
        )
        db.session.add(change)
        below = make_volunteer()
        for one in ("first", "second"):
            make_grant(below, Role.ORGANIZER, center[one])
        # Who closes it knows, whatever else is hers.
        make_grant(db.session.get_one(Volunteer, center["organizer"]), Role.ORGANIZER, center["first"])
        return below.id

    with clock.at(LATE):
        below = unit(work)
        closed = close(client, center).get_json()
        which = "subject=organization&level=practice_office"
        read = client.get(f"/ranking-snapshots/{closed['id']}?{which}").get_json()
        [listed] = client.get(f"/ranking-snapshots?scope={center['id']}").get_json()["items"]
        answer = client.get(f"/ranking-snapshots/{closed['id']}.xlsx?{which}")
    assert closed["held_minutes"] == read["snapshot"]["held_minutes"] == listed["held_minutes"] == 559
    line = openpyxl.load_workbook(io.BytesIO(answer.get_data())).worksheets[0]["A2"].value
    assert f"存档时{listed['scope']['name']}有559分钟待审核" in line
    told = {
        who: [one["values"] for one in client.as_(who).get("/me/notifications").json["items"] if one["kind"] == KIND]
        for who in (below, center["organizer"])
    }
    assert [one["snapshot_id"] for one in told[below]] == [closed["id"]]
    assert told[center["organizer"]] == []


def test_nothing_is_closed_of_before_there_was_anybody(client: Any, center: dict[str, UUID]) -> None:
    with clock.at(LATE):
        refused = [close(client, center, period) for period in ("2025", "2026-07")]
        founded_in = close(client, center, "2026-Q3")
    assert [answer.json["code"] for answer in refused] == ["period_before_scope"] * 2
    assert founded_in.status_code == 201


def test_a_comparison_tells_by_which_rule_each_was_counted(
    app: Flask, client: Any, center: dict[str, UUID], change_settings: Callable[..., None]
) -> None:
    with clock.at(LATE):
        october = close(client, center).get_json()["id"]
        change_settings(app, rules=replace(app.extensions[SETTINGS].rules, attendances_for_held_shift=2))
        other = close(client, center, "2026-10-12").get_json()["id"]
        path = f"/ranking-snapshots/{october}/comparison?subject=organization&level=practice_office&with={other}"
        body = client.get(path).get_json()
    assert [body[name]["attendances_for_held_shift"] for name in ("snapshot", "other")] == [1, 2]
    assert [(row["value"], row["other_value"]) for row in body["items"]] == [(2, 0), (0, 0)]


def test_pages_of_a_snapshot_hold_every_row_once(client: Any, unit: Unit, center: dict[str, UUID]) -> None:
    with clock.at(OCTOBER):
        kind = OrganizationKind.PRACTICE_OFFICE
        unit(lambda: [make_organization(parent_id=center["id"], kind=kind) for _ in range(3)])
    with clock.at(LATE):
        snapshot_id = close(client, center).get_json()["id"]
        path = f"/ranking-snapshots/{snapshot_id}?subject=organization&level=practice_office&limit=2"
        found: list[str] = []
        cursor = ""
        while True:
            body = client.get(path + cursor).get_json()
            found += [row["subject"]["id"] for row in body["items"]]
            if body["next_cursor"] is None:
                break
            cursor = f"&cursor={body['next_cursor']}"
    assert len(found) == len(set(found)) == 5


def test_who_counts_only_since_the_closing_is_told(client: Any, unit: Unit, center: dict[str, UUID]) -> None:
    """So that the offices' adjustments add up to the center's."""

    def hold_late() -> None:
        office = make_organization(parent_id=center["id"], kind=OrganizationKind.PRACTICE_OFFICE, name="丙")
        hold(office, OCTOBER)
        make_organization(parent_id=center["id"], kind=OrganizationKind.PRACTICE_OFFICE, name="丁")

    with clock.at(LATE):
        closed = close(client, center).get_json()["id"]
        unit(hold_late)
        assert rows(client, closed) == [(1, "甲", 2, 2, 0), (2, "乙", 0, 0, 0), (None, "丙", 0, 1, 1)]
        path = f"/ranking-snapshots/{closed}?subject=organization"
        whole = client.get(f"{path}&level=practice_center").get_json()["items"]
        pages = [client.get(f"{path}&level=practice_office&limit=2").get_json()]
        book = client.get(f"/ranking-snapshots/{closed}.xlsx?subject=organization&level=practice_office")
        pages.append(client.get(f"{path}&level=practice_office&limit=2&cursor={pages[0]['next_cursor']}").get_json())
    assert [row["adjustment"] for row in whole] == [1]
    told = list(openpyxl.load_workbook(io.BytesIO(book.get_data())).worksheets[0].iter_rows(values_only=True))
    assert told[1][0].startswith("2026-10-01 至 2026-10-31 · 结榜于2026-11-20 12:00 · ")
    assert told[3:7] == [
        ("名次", "实践所", "活动场次", "本级", "现值", "调整"),
        (1, "甲", 2, 2, 2, 0),
        (2, "乙", 0, 0, 0, 0),
        (None, "丙", 0, None, 1, 1),
    ]
    assert [row["subject"]["name"] for page in pages for row in page["items"]] == ["甲", "乙", "丙"]


def test_a_snapshot_is_asked_again_for_nothing(client: Any, center: dict[str, UUID]) -> None:
    with clock.at(LATE):
        path = f"/ranking-snapshots/{close(client, center).get_json()['id']}?subject=organization&level=unit"
        first = client.get(path)
    with clock.at(LATE + timedelta(minutes=5)):
        again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


def test_volunteers_are_in_no_snapshot(client: Any, center: dict[str, UUID]) -> None:
    with clock.at(LATE):
        snapshot_id = close(client, center).get_json()["id"]
        answer = client.get(f"/ranking-snapshots/{snapshot_id}?subject=volunteer")
    assert [error["code"] for error in answer.get_json()["errors"]] == ["subject_not_published"]


@pytest.mark.parametrize("query", ["subject=organization", "subject=team&level=unit"])
def test_a_level_belongs_to_organizations(client: Any, center: dict[str, UUID], query: str) -> None:
    with clock.at(LATE):
        snapshot_id = close(client, center).get_json()["id"]
    answer = client.get(f"/ranking-snapshots/{snapshot_id}?{query}")
    assert [error["code"] for error in answer.get_json()["errors"]] == ["level_of_organizations"]


def test_a_period_is_closed_once(postgresql_client: Any, postgresql_unit: Unit, race: Any) -> None:
    def work() -> dict[str, UUID]:
        root = make_organization()
        return {"id": root.id, "organizer": make_grant(make_volunteer(), Role.ORGANIZER, root.id).volunteer_id}

    with clock.at(LATE - timedelta(days=400)):
        center = postgresql_unit(work)
    last = f"{datetime.now(UTC) - timedelta(days=40):%Y-%m-%d}"
    answers = race(6, lambda _number: close(postgresql_client, center, last).status_code)
    assert sorted(answers) == [201, 409, 409, 409, 409, 409]
