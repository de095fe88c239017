"""Rankings to take away, by HTTP: workbook, csv, pictures, board and monthly report."""

import base64
import csv
import hashlib
import html
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote
from uuid import UUID
from xml.etree import ElementTree as ET

import openpyxl
import pytest
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.organizations.factories import make_grant, make_organization
from tests.rankings.factories import Happening, Turn, write
from tests.teams.factories import make_member, make_team
from volunteer_api.activities.models import Outcome
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.endpoint import API_PREFIX
from volunteer_api.organizations import structure
from volunteer_api.organizations.models import Organization, OrganizationKind, Role
from volunteer_api.rankings import board, charts, files, folding, report
from volunteer_api.rankings.facts import Question
from volunteer_api.rankings.schemas import Metric, RaceQuery, Subject

# What is drawn and written is judged here; which rows it tells of, by the tests of rankings.
pytestmark = pytest.mark.either_database

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("=五一路街道", "东安路街道", "<b>建设路</b>街道")


@pytest.fixture
def center_id(unit: Callable[..., Any]) -> UUID:
    """A center whose three offices held 3, 2 and 0 activities, one a day back from the 19th of November 2026."""

    def work() -> UUID:
        center = make_organization(name="卫东区实践中心")
        volunteer_ids = [make_volunteer().id, make_volunteer().id]
        for name, count in zip(NAMES, (3, 2, 0), strict=True):
            office = make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE, name=name)
            for number in range(count):
                turn = Turn(NOON - timedelta(days=number + 1), present=[(number % 2, State.CREDITED, 30)])
                write(Happening(turns=[turn]), office, volunteer_ids)
        return center.id

    # Long before all that is asked about: a ranking lists what was founded by its last day.
    with clock.at(NOON - timedelta(days=60)):
        found: UUID = unit(work)
    return found


def query(center_id: UUID, **more: str) -> str:
    return "&".join([f"subject=organization&scope={center_id}", *(f"{name}={value}" for name, value in more.items())])


def drawn(answer: Any) -> ET.Element:
    assert answer.status_code == 200
    assert answer.mimetype == "image/svg+xml"
    return ET.fromstring(answer.get_data())  # our own picture


def texts_of(picture: ET.Element) -> list[str]:
    return [element.text or "" for element in picture.iter(f"{SVG}text")]


def test_the_workbook_has_real_numbers_and_inert_names(client: Any, center_id: UUID) -> None:
    with clock.at(NOON):
        answer = client.get(f"/rankings.xlsx?{query(center_id)}")
    assert answer.status_code == 200
    sheet = openpyxl.load_workbook(io.BytesIO(answer.get_data())).worksheets[0]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    header = next(number for number, row in enumerate(rows) if row[0] == "名次")
    assert sheet.freeze_panes == f"A{header + 2}"
    assert rows[0][0] == "卫东区实践中心 · 活动场次 · 组织"
    assert rows[header + 1 : header + 4] == [[1, NAMES[0], 3, 3], [2, NAMES[1], 2, 2], [3, NAMES[2], 0, 0]]
    assert sheet.cell(header + 2, 2).data_type == "s"
    assert sheet.cell(header + 2, 2).quotePrefix
    assert any("至少" in str(row[0]) for row in rows[:header])


def test_the_csv_is_a_header_and_rows(client: Any, center_id: UUID) -> None:
    with clock.at(NOON):
        answer = client.get(
            f"/rankings.csv?{query(center_id, metric='credited_minutes', period='2026-11')}",
            headers={"Accept-Language": "en"},
        )
    text = answer.get_data().decode("utf-8-sig")
    # Two months' files lie in one folder.
    assert quote("2026-11-01 to 2026-11-30.csv", safe="") in answer.headers["Content-Disposition"]
    rule = (
        "The credited minutes of the hours ledger; a reversal counts on the original date. "
        "It counts for the organization it was published or recorded for, and those above it then."
    )
    about = ["0", "150", "2026-11-01", "2026-11-30", "2026-11-20 12:00", rule]
    assert list(csv.reader(io.StringIO(text))) == [
        [
            *("Rank", "Organizations", "Credited minutes", "Of its own", "In none of these places", "In all"),
            *("First day", "Last day", "Counted at", "Rule"),
        ],
        ["1", f"'{NAMES[0]}", "90", "90", *about],
        ["2", NAMES[1], "60", "60", *about],
        ["3", NAMES[2], "0", "0", *about],
    ]


def test_files_say_what_a_basis_is_made_of(client: Any, center_id: UUID) -> None:
    with clock.at(NOON):
        path = f"{query(center_id, basis='growth', period='2026-11-19')}"
        table = client.get(f"/rankings.csv?{path}", headers={"Accept-Language": "en"}).get_data().decode("utf-8-sig")
        ranking = client.get(f"/rankings?{path}").get_json()
        sheet = openpyxl.load_workbook(io.BytesIO(client.get(f"/rankings.xlsx?{path}").get_data())).worksheets[0]
    rows = list(csv.reader(io.StringIO(table)))
    assert rows[0][:5] == ["Rank", "Organizations", "Activities held growth", "Activities held", "The time before"]
    expected = [[row["value"], row["raw"], row["before"]] for row in ranking["items"]]
    assert [[int(cell) for cell in row[2:5]] for row in rows[1:]] == expected
    assert rows[0][5] == "In all (places do not add up)"
    assert expected[0] == [0, 1, 1]
    assert [[cell.value for cell in row[2:]] for row in sheet.iter_rows(min_row=5, max_row=7)] == expected


def test_a_picture_tells_what_it_leaves_out(client: Any, center_id: UUID) -> None:
    path = f"{query(center_id)}&level=practice_office&category=environment_protection"
    told = texts_of(drawn(client.get(f"/rankings.svg?{path}", headers={"Accept-Language": "en"})))
    rule = client.get(f"/rankings?{path}", headers={"Accept-Language": "en"}).get_json()["rule"]["text"]
    assert told[0] == "卫东区实践中心 · Activities held · Environment protection · Practice offices"
    assert " ".join(told[2 + 3 * len(NAMES) :]) == rule


def test_bars_are_as_long_as_their_values(client: Any, center_id: UUID) -> None:
    with clock.at(NOON):
        picture = drawn(client.get(f"/rankings.svg?{query(center_id, top='2')}"))
    assert {NAMES[0], NAMES[1], "3", "2"} <= set(texts_of(picture))
    assert NAMES[2] not in texts_of(picture)
    widths = [float(box.get("width", "0")) for box in picture.iter(f"{SVG}rect")][1:]
    assert widths[1] / widths[0] == pytest.approx(2 / 3, abs=0.01)


def test_who_shares_the_last_place_is_told_of(client: Any, unit: Callable[..., Any], center_id: UUID) -> None:
    """Else one of two streets with the same number stands on the screen, and the other asks why."""

    def catch_up() -> None:
        office = db.session.scalars(select(Organization).where(Organization.name == NAMES[2])).one()
        for days in (1, 2):
            turn = Turn(NOON - timedelta(days=days), present=[(0, State.CREDITED, 30)])
            write(Happening(turns=[turn]), office, [make_volunteer().id])

    with clock.at(NOON):
        apart = texts_of(drawn(client.get(f"/rankings.svg?{query(center_id, top='2')}")))
        unit(catch_up)
        shared, whole = (texts_of(drawn(client.get(f"/rankings.svg?{query(center_id, top=top)}"))) for top in "23")
    assert apart[1].startswith("前2个，共3个 · ")
    assert not any("并列" in line for line in [*apart, *whole])
    assert "另有1个并列第2名" in shared
    assert not whole[1].startswith("前")


def test_files_end_with_what_the_places_add_up_to(client: Any, unit: Callable[..., Any], center_id: UUID) -> None:
    def work() -> None:
        center = db.session.get_one(Organization, center_id)
        turn = Turn(NOON - timedelta(days=1), present=[(0, State.CREDITED, 30)])
        write(Happening(turns=[turn]), center, [make_volunteer().id])

    def last_rows(**more: str) -> list[list[Any]]:
        answer = client.get(f"/rankings.xlsx?{query(center_id, **more)}")
        sheet = openpyxl.load_workbook(io.BytesIO(answer.get_data())).worksheets[0]
        return [[cell for cell in row if cell is not None] for row in sheet.iter_rows(values_only=True)][-2:]

    with clock.at(NOON):
        unit(work)
        assert last_rows() == [["未计入以上各项", 1], ["合计", 6, 1]]
        assert last_rows(metric="volunteer_count") == [[3, NAMES[2], 0, 0], ["合计（各项不可相加）", 3, 1]]
        answer = client.get(f"/rankings.csv?{query(center_id)}")
    rows = list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert [(row["未计入以上各项"], row["合计"]) for row in rows] == [("1", "6")] * 3


def test_what_was_merged_is_told_to_be(client: Any, unit: Callable[..., Any], center_id: UUID) -> None:
    def merge() -> None:
        gone, into = (
            db.session.scalars(select(Organization).where(Organization.name == name)).one() for name in NAMES[1::-1]
        )
        structure.merge(gone, into_id=into.id)

    with clock.at(NOON):
        unit(merge)
        items = client.get(f"/rankings?{query(center_id)}").get_json()["items"]
        picture = texts_of(drawn(client.get(f"/rankings.svg?{query(center_id)}")))
        race = texts_of(drawn(client.get(f"/rankings/race.svg?{query(center_id, period='2026')}")))
        table = client.get(f"/rankings.csv?{query(center_id)}").get_data().decode("utf-8-sig")
    subjects = [row["subject"] for row in items]
    assert [(one["closed_on"], one["merged_into"]) for one in subjects] == [
        (None, None),
        ("2026-11-20", {"id": subjects[0]["id"], "name": NAMES[0]}),
        (None, None),
    ]
    assert f"{NAMES[1]}（已合并）" in picture
    assert f"{NAMES[1]}（已合并）" in race
    assert f"{NAMES[1]}（已并入{NAMES[0]}）" in table


def test_a_period_to_come_says_so(client: Any, center_id: UUID) -> None:
    """There everybody is first with nothing."""
    with clock.at(NOON):
        coming, now = (client.get(f"/rankings?{query(center_id, period=one)}").get_json() for one in ("2027", "week"))
    assert coming["rule"]["text"].endswith("该时段尚未开始。")
    assert (now["rule"]["from"], now["rule"]["to"]) == ("2026-11-16", "2026-11-22")
    assert "尚未开始" not in now["rule"]["text"]


def test_names_are_text_in_a_picture(client: Any, center_id: UUID) -> None:
    with clock.at(NOON):
        answer = client.get(f"/rankings.svg?{query(center_id)}")
    assert b"<b>" not in answer.get_data()
    assert NAMES[2] in texts_of(drawn(answer))


@pytest.mark.parametrize("path", ["/rankings.png?{}", "/rankings/weeks.png?scope={}"])
def test_a_picture_can_be_a_png(client: Any, center_id: UUID, path: str) -> None:
    with clock.at(NOON):
        answer = client.get(path.format(query(center_id) if path.startswith("/rankings.png") else center_id))
    assert answer.status_code == 200
    assert answer.mimetype == "image/png"
    assert answer.get_data()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_race_ends_where_the_ranking_is(client: Any, center_id: UUID) -> None:
    with clock.at(NOON):
        days = {"from": "2026-11-17", "to": "2026-11-19"}
        picture = drawn(client.get(f"/rankings/race.svg?{query(center_id, step='week', **days)}"))
        ranking = client.get(f"/rankings?{query(center_id, **days)}").get_json()
    told = texts_of(picture)
    assert "2026-11-19" in told
    assert {str(item["value"]) for item in ranking["items"]} <= set(told)


def test_a_race_of_months_has_a_frame_for_each(client: Any, center_id: UUID) -> None:
    with clock.at(NOON):
        picture = drawn(client.get(f"/rankings/race.svg?{query(center_id, period='2026')}"))
    # The year is not over: its last frame is today.
    ends = [text for text in texts_of(picture) if text.startswith("2026-") and len(text) == 10]
    assert ends == [
        f"2026-{month:02d}-{day}" for month, day in enumerate((31, 28, 31, 30, 31, 30, 31, 31, 30, 31), 1)
    ] + ["2026-11-20"]
    assert len(list(picture.iter(f"{SVG}animateTransform"))) == len(NAMES)


def test_a_race_tells_values_as_people_read_them(client: Any, unit: Callable[..., Any]) -> None:
    """Whole minutes however many, and per head what the ranking says."""

    def work() -> UUID:
        center = make_organization()
        team = make_team(organization_id=center.id)
        turn = Turn(NOON - timedelta(days=1), present=[(0, State.CREDITED, 1_234_567)])
        write(Happening(turns=[turn]), center, [make_volunteer().id], team_id=team.id)
        make_member(team, make_volunteer())
        return center.id

    with clock.at(NOON):
        path = f"/rankings/race.svg?subject=team&scope={unit(work)}&metric=credited_minutes&period=2026-11"
        raw, per_head = (texts_of(drawn(client.get(f"{path}&basis={basis}"))) for basis in ("raw", "per_volunteer"))
        growth = client.get(f"{path}&basis=growth")
    assert "1,234,567" in raw
    assert "617,283.5" in per_head
    assert [error["code"] for error in growth.get_json()["errors"]] == ["basis_without_race"]


ASKED = {
    "organizations": "subject=organization&scope={}",
    "of a category": "subject=organization&scope={}&category=environment_protection",
    "teams": "subject=team&scope={}",
}
WAYS = (
    ("activity_count", "raw", "week"),
    ("attendance_count", "per_volunteer", "month"),
    ("credited_minutes", "raw", "month"),
)


def hold_more(center_id: UUID) -> None:
    center = db.session.get_one(Organization, center_id)
    people = [make_volunteer().id for _ in range(2)]
    with clock.at(NOON - timedelta(days=60)):
        team = make_team(organization_id=center_id)
        make_member(team, make_volunteer())
    for days in (3, 12, 41):
        turn = Turn(NOON - timedelta(days=days), present=[(number, State.CREDITED, 20) for number in range(2)])
        write(Happening(turns=[turn]), center, people, team_id=team.id)


def frames_of(query: str) -> dict[str, dict[str, float]]:
    """What a race draws: the values at the end of each frame."""
    seen: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "bar_race", lambda _caption, _runners, frames, _top: seen.extend(frames) or "")
        files.race_picture(RaceQuery().load(dict(parse_qsl(query))))
    return {frame.label: dict(frame.values) for frame in seen}


@pytest.mark.parametrize("asked", ASKED)
def test_every_frame_of_a_race_is_the_ranking_of_its_days(
    client: Any, unit: Callable[..., Any], center_id: UUID, statements: Callable[[], Any], asked: str
) -> None:
    """From what is folded and from what is not; in as many statements, however many frames."""
    with clock.at(NOON):
        unit(folding.fold)
        unit(lambda: hold_more(center_id))
        for metric, basis, step in WAYS:
            path = f"{ASKED[asked].format(center_id)}&metric={metric}&basis={basis}&from=2026-10-07"
            with statements() as counted:
                frames = unit(partial(frames_of, f"{path}&to=2026-11-20&top=3&step={step}"))
            assert len(counted) <= 6, counted
            assert len(frames) >= 2
            for end, values in frames.items():
                items = client.get(f"/rankings?{path}&to={end}&limit=3").get_json()["items"]
                assert values == {item["subject"]["id"]: item["value"] for item in items}, (path, end)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("subject=organization&level=unit&metric=volunteer_count", "metric_without_race"),
        ("subject=volunteer", "subject_without_race"),
    ],
)
def test_what_does_not_add_up_does_not_race(client: Any, asked: str, code: str) -> None:
    refused = client.get(f"/rankings/race.svg?{asked}")
    assert (refused.status_code, [error["code"] for error in refused.get_json()["errors"]]) == (422, [code])


def test_official_names_are_whole(client: Any, unit: Callable[..., Any], center_id: UUID) -> None:
    name = "东工人镇街道新时代文明实践所"
    unit(lambda: make_organization(parent_id=center_id, kind=OrganizationKind.PRACTICE_OFFICE, name=name))
    assert name in texts_of(drawn(client.get(f"/rankings.svg?{query(center_id)}")))


def test_a_race_of_too_many_frames_is_refused(client: Any, center_id: UUID) -> None:
    answer = client.get(f"/rankings/race.svg?{query(center_id, step='week', period='2020')}")
    assert answer.status_code == 200
    long = client.get(f"/rankings/race.svg?{query(center_id, step='week')}&from=2016-01-01&to=2026-01-01")
    assert (long.status_code, long.get_json()["code"]) == (422, "period_too_long")


def test_weeks_are_as_dark_as_their_days(client: Any, center_id: UUID) -> None:
    with clock.at(NOON):
        picture = drawn(client.get(f"/rankings/weeks.svg?scope={center_id}&from=2026-11-16&to=2026-11-22"))
    titles = {title.text: box.get("fill") for box in picture.iter(f"{SVG}rect") for title in box.iter(f"{SVG}title")}
    assert list(titles) == [f"2026-11-{day}: {value}" for day, value in ((16, 0), (17, 1), (18, 2), (19, 2), (20, 0))]
    assert titles["2026-11-16: 0"] != titles["2026-11-17: 1"] != titles["2026-11-18: 2"]


def test_ten_years_by_day_are_refused(client: Any, center_id: UUID) -> None:
    answer = client.get(f"/rankings/weeks.svg?scope={center_id}&from=2016-01-01&to=2026-01-01")
    assert (answer.status_code, answer.get_json()["code"]) == (422, "period_too_long")


@pytest.mark.parametrize("path", ["/rankings.xlsx", "/rankings.csv", "/rankings.svg", "/rankings/race.svg", "/board"])
@pytest.mark.parametrize("more", ["period=2026-13", "metric=fame", "from=2026-02-01&to=2026-01-01", "top=999&x=1"])
def test_what_is_no_question_is_named(client: Any, center_id: UUID, path: str, more: str) -> None:
    answer = client.get(f"{path}?{query(center_id)}&{more}", base="" if path == "/board" else API_PREFIX)
    assert answer.status_code == 422
    assert answer.get_json()["errors"]


def test_the_board_stands_still_until_something_changes(client: Any, unit: Callable[..., Any], center_id: UUID) -> None:
    path = f"/board?{query(center_id)}"
    with clock.at(NOON):
        first = client.get(path, base="")
        assert first.status_code == 200
        assert b'http-equiv="refresh"' in first.get_data()
        assert NAMES[1] in first.get_data().decode()
        again = client.get(path, base="", headers={"If-None-Match": first.headers["ETag"]})
        assert again.status_code == 304
        unit(lambda: _hold_one(center_id))
        changed = client.get(path, base="", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200


def test_the_board_tells_its_moment_and_goes_on_with_the_month(client: Any, center_id: UUID) -> None:
    def shown(query: str, moment: datetime) -> str:
        with clock.at(moment):
            answer = client.get(f"/board?subject=organization&scope={center_id}{query}", base="")
        assert answer.status_code == 200
        return html.unescape(answer.get_data().decode())

    later = NOON + timedelta(days=12)
    assert "2026-11-01 至 2026-11-30 · 统计于 2026-11-20 12:00" in shown("", NOON)
    assert "2026-12-01 至 2026-12-31 · 统计于 2026-12-02 12:00" in shown("", later)
    periods = {
        "day": "2026-12-02",
        "week": "2026-11-30",
        "quarter": "2026-10-01",
        "year": "2026-01-01",
        "2025": "2025-01-01",
    }
    assert all(f"{first} 至 " in shown(f"&period={period}", later) for period, first in periods.items())
    assert "全部时间" in shown("&period=all", later)
    assert "2026-11-16 至 …" in shown("&from=2026-11-16", later)


def test_a_board_that_was_passed_on_is_the_same(client: Any, center_id: UUID) -> None:
    """WeChat hangs names of its own to an address, and one that is ours."""
    path = f"/board?{query(center_id)}"
    with clock.at(NOON):
        own, passed_on = (
            client.get(f"{path}{more}", base="")
            for more in ("", "&from=singlemessage&isappinstalled=0&scene=1&clicktime=1&scene=2")
        )
        days = client.get(f"{path}&from=2026-11-18&to=2026-11-20&from=groupmessage", base="")
        wrong = client.get(f"{path}&from=2026-13-40", base="")
    assert passed_on.get_data() == own.get_data()
    assert "2026-11-18 至 2026-11-20" in days.get_data().decode()
    assert [error["code"] for error in wrong.get_json()["errors"]] == ["not_day"]


def test_the_board_runs_its_own_script_alone(client: Any, center_id: UUID) -> None:
    answer = client.get(f"/board?{query(center_id)}", base="")
    [script] = re.findall(r"<script>(.*?)</script>", answer.get_data().decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", f"script-src 'sha256-{digest}'", "connect-src 'self'"} <= set(policy)
    assert f"setInterval(ask, {board.SECONDS}000)" in script


def test_a_board_that_fails_asks_again(client: Any, center_id: UUID) -> None:
    failed = client.get(f"/board?subject=organization&scope={UUID(int=7)}", base="")
    assert (failed.status_code, failed.headers["Refresh"]) == (404, "30")
    assert "Refresh" not in client.get(f"/board?{query(center_id)}", base="").headers
    # People in the hall read it.
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "zh-CN"}
    page = client.get("/board?subject=organisation", base="", headers=browser)
    assert (page.status_code, page.mimetype, page.headers["Refresh"]) == (422, "text/html", str(board.SECONDS))
    assert "<h1>有些内容填写不正确" in page.get_data(as_text=True)


def test_parts_of_a_report_beyond_the_most_are_one_line(unit: Callable[..., Any], center_id: UUID) -> None:
    """Own + parts = in all, however many parts there are."""

    def work() -> list[Any]:
        for _ in range(report.MOST_PARTS):
            office = make_organization(parent_id=center_id, kind=OrganizationKind.PRACTICE_OFFICE)
        turn = Turn(NOON - timedelta(days=40), present=[(0, State.CREDITED, 30)])
        write(Happening(turns=[turn]), office, [make_volunteer().id])
        question = Question(Subject.ORGANIZATION, Metric.ACTIVITY_COUNT, NOON, scope=center_id)
        figures = [report.Figure(metric, 0, 0, 0) for metric in Metric]
        rows: list[Any] = report._parts(question, figures)[0]["rows"]
        return rows

    with clock.at(NOON):
        rows = unit(work)
    assert len(rows) == report.MOST_PARTS + 3
    assert rows[-3][0] == "其他3个"
    assert [sum(int(row[column]) for row in rows[:-2]) for column in (1, 2, 4)] == [6, 6, 180]


def _hold_one(center_id: UUID) -> None:
    office = make_organization(parent_id=center_id, kind=OrganizationKind.PRACTICE_OFFICE)
    write(
        Happening(turns=[Turn(NOON - timedelta(days=1), present=[(0, State.CREDITED, 30)])]),
        office,
        [make_volunteer().id],
    )


def test_the_report_is_a_pdf_of_the_month(client: Any, unit: Callable[..., Any], center_id: UUID) -> None:
    phone = client.as_(unit(lambda: make_grant(make_volunteer(), Role.ORGANIZER, center_id).volunteer_id))
    with clock.at(NOON):
        answer = phone.get(f"/organizations/{center_id}/report.pdf?month=2026-11")
        future = phone.get(f"/organizations/{center_id}/report.pdf?month=2027-01")
    assert answer.status_code == 200
    assert answer.get_data().startswith(b"%PDF-")
    assert (future.status_code, future.get_json()["code"]) == (409, "month_not_begun")


@pytest.mark.parametrize("month", ["1899-12", "0001-01", "9001-01", "2026-13", "2026", "2026-Q4", "2026-W47"])
def test_what_is_no_month_of_a_report_is_named(
    client: Any, unit: Callable[..., Any], center_id: UUID, month: str
) -> None:
    phone = client.as_(unit(lambda: make_grant(make_volunteer(), Role.ORGANIZER, center_id).volunteer_id))
    refused = phone.get(f"/organizations/{center_id}/report.pdf?month={month}")
    assert refused.status_code == 422
    assert [error["code"] for error in refused.get_json()["errors"]] == ["not_month"]


def test_a_report_keeps_the_units_that_were_written(client: Any, unit: Callable[..., Any], center_id: UUID) -> None:
    """Of before there was a list of units."""

    def work() -> UUID:
        center = db.session.get_one(Organization, center_id)
        turn = Turn(NOON - timedelta(hours=2), present=[(0, State.CREDITED, 30)])
        activity = write(Happening(turns=[turn]), center, [make_volunteer().id])
        activity.completed_at = NOON
        db.session.add(Outcome(activity_id=activity.id, kind="leaflets", unit="份", quantity=1_234_567_000))
        return make_grant(make_volunteer(), Role.ORGANIZER, center_id).volunteer_id

    with clock.at(NOON):
        answer = client.as_(unit(work)).get(f"/organizations/{center_id}/report.pdf?month=2026-11")
        told = unit(lambda: report._outcomes(center_id, NOON.date(), NOON.date()))["rows"]
    assert answer.status_code == 200
    assert told == [["发放宣传品", "1,234,567 份", "1"]]


def test_files_take_few_statements(client: Any, statements: Callable[[], Any], center_id: UUID) -> None:
    most = {"/rankings.xlsx": 6, "/rankings.svg": 6, "/board": 6}
    for path, count in most.items():
        with clock.at(NOON), statements() as counted:
            client.get(f"{path}?{query(center_id)}", base="" if path == "/board" else API_PREFIX)
        assert len(counted) <= count, (path, counted)
