"""Rankings set against registered volunteers and against the time before; volunteers by name and in private."""

import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from sqlalchemy import update

from tests.factories import make_volunteer
from tests.organizations.factories import make_organization
from tests.rankings.factories import Happening, Turn, write
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.consent_texts import ConsentKind
from volunteer_api.accounts.models import Consent, Volunteer
from volunteer_api.attendance.models import State
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.core.periods import parse_period
from volunteer_api.organizations import structure
from volunteer_api.organizations.models import Division, Organization, OrganizationKind
from volunteer_api.rankings import folding
from volunteer_api.rankings.bases import period_before
from volunteer_api.teams.models import MembershipState

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
ADULT, MINOR = date(1970, 5, 1), date(2012, 5, 1)
Unit = Callable[..., Any]


def hold(organization: Organization, moment: datetime, minutes: int, volunteer_id: UUID, **values: Any) -> None:
    write(
        Happening(turns=[Turn(moment, present=[(0, State.CREDITED, minutes)])]), organization, [volunteer_id], **values
    )


def consent(volunteer: Volunteer, kind: ConsentKind = ConsentKind.RANKING_NAME) -> None:
    db.session.add(
        Consent(id=ids.new_id(), volunteer_id=volunteer.id, kind=kind, version="1", given_at=NOON, withdrawn_at=None)
    )


def division(code: str, level: str, parent: str | None) -> str:
    db.session.add(Division(code=code, parent_code=parent, level=level, name=code, initials=code, pinyin=code))
    db.session.flush()
    return code


@pytest.mark.parametrize(
    ("period", "before"),
    [
        ("2026-11-23", ("2026-11-22", "2026-11-22")),
        ("2026-W01", ("2025-12-22", "2025-12-28")),
        ("2026-03", ("2026-02-01", "2026-02-28")),
        ("2026-01", ("2025-12-01", "2025-12-31")),
        ("2026-Q1", ("2025-10-01", "2025-12-31")),
        ("2024", ("2023-01-01", "2023-12-31")),
    ],
)
def test_the_period_before(period: str, before: tuple[str, str]) -> None:
    asked = parse_period(period)
    assert asked.first is not None
    assert asked.last is not None
    found = period_before(asked.first, asked.last, asked, date(2027, 1, 1))
    assert tuple(map(str, found)) == before


def test_the_days_before_are_as_many() -> None:
    after = date(2026, 4, 1)
    assert period_before(date(2026, 3, 1), date(2026, 3, 10), None, after) == (date(2026, 2, 19), date(2026, 2, 28))


@pytest.mark.parametrize(
    ("period", "today", "before"),
    [
        ("2026-11", "2026-11-27", ("2026-10-01", "2026-10-27")),
        ("2026-11", "2026-11-01", ("2026-10-01", "2026-10-01")),
        # February has fewer days than a March that runs.
        ("2026-03", "2026-03-30", ("2026-02-01", "2026-02-28")),
        ("2026-W48", "2026-11-24", ("2026-11-16", "2026-11-17")),
        ("2026-11", "2026-12-01", ("2026-10-01", "2026-10-31")),
        ("2026-11", "2026-10-20", ("2026-10-01", "2026-10-31")),
    ],
)
def test_a_period_that_runs_is_held_against_as_many_days(period: str, today: str, before: tuple[str, str]) -> None:
    asked = parse_period(period)
    assert asked.first is not None
    assert asked.last is not None
    found = period_before(asked.first, asked.last, asked, date.fromisoformat(today))
    assert tuple(map(str, found)) == before


def test_growth_is_against_the_month_before(client: Any, unit: Unit) -> None:
    def work() -> UUID:
        center = make_organization()
        person = make_volunteer().id
        for name, before, now in (("升", 1, 3), ("降", 2, 0), ("平", 1, 1)):
            office = make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE, name=name)
            for number in range(before):
                hold(office, NOON - timedelta(days=31 + number), 30, person)
            for number in range(now):
                hold(office, NOON - timedelta(days=1 + number), 30, person)
        return center.id

    with clock.at(NOON):
        center_id = unit(work)
        path = f"/rankings?subject=organization&scope={center_id}&period=2026-11&basis=growth"
        body = client.get(path).get_json()
    found = [(row["rank"], row["subject"]["name"], row["value"], row["raw"], row["before"]) for row in body["items"]]
    assert found == [(1, "升", 2, 3, 1), (2, "平", 0, 1, 1), (3, "降", -2, 0, 2)]
    assert body["additive"] is False
    assert [body["scope"][name] for name in ("value", "own", "raw", "before")] == [0, None, 4, 4]
    assert [body["rule"][name] for name in ("basis", "before_from", "before_to")] == [
        "growth",
        "2026-10-01",
        "2026-10-20",
    ]
    assert "2026-10-01至2026-10-20的同口径数值：本期尚未结束" in body["rule"]["text"]
    assert all(row["registered"] is None for row in body["items"])


def test_what_is_registered_lives_in_the_division_or_below(client: Any, unit: Unit) -> None:
    def work() -> tuple[UUID, UUID]:
        city = division("4104", "city", None)
        district = division("410403", "district", city)
        codes = [division(f"41040300{number}", "subdistrict", district) for number in (1, 2)]
        community = division("410403001001", "community", codes[0])
        center = make_organization()
        center.division_code = district
        offices = []
        for code in (*codes, None):
            office = make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE)
            office.division_code = code
            offices.append(office)
        residents = [make_volunteer(home_division=code) for code in (codes[0], community, community, codes[1], None)]
        for office, minutes in zip(offices, (200, 30, 60), strict=True):
            hold(office, NOON - timedelta(days=1), minutes, residents[0].id)
        return center.id, offices[0].id

    with clock.at(NOON):
        center_id, first_id = unit(work)
        path = "/rankings?subject=organization&metric=credited_minutes&basis=per_volunteer&scope="
        body = client.get(f"{path}{center_id}").get_json()
        first = client.get(f"{path}{first_id}").get_json()["scope"]
    found = [(row["rank"], row["value"], row["raw"], row["registered"]) for row in body["items"]]
    # Two thirds are cut, and the same whether it is one of the places or the scope.
    # The third has no division: it was not measured, which is no zero.
    assert found == [(1, 66.6666, 200, 3), (2, 30, 30, 1)]
    assert [first[name] for name in ("value", "raw", "registered")] == [66.6666, 200, 3]
    assert [body["scope"][name] for name in ("value", "raw", "registered")] == [72.5, 290, 4]
    assert body["additive"] is False


def test_who_lives_where_an_office_was_merged_from_is_counted_by_its_successor(client: Any, unit: Unit) -> None:
    """Else the merged office's people belong to nobody, and the successor looks busier than it is."""

    def work() -> tuple[UUID, UUID]:
        city = division("4104", "city", None)
        district = division("410403", "district", city)
        codes = [division(f"41040300{number}", "subdistrict", district) for number in (1, 2, 3)]
        community = division("410403001001", "community", codes[0])
        center = make_organization()
        center.division_code = district
        kind = OrganizationKind.PRACTICE_OFFICE
        first, second, third = (make_organization(parent_id=center.id, kind=kind) for _ in codes)
        below = make_organization(parent_id=first.id, kind=OrganizationKind.PRACTICE_STATION)
        for office, code in zip((first, second, third, below), (*codes, community), strict=True):
            office.division_code = code
        for code in (*codes, community):
            make_volunteer(home_division=code)
        resident = make_volunteer(home_division=codes[2])
        hold(third, NOON - timedelta(days=1), 100, resident.id)
        db.session.flush()
        # A station into its office, that office into the second, and the second into the third.
        structure.merge(below, into_id=first.id)
        structure.merge(first, into_id=second.id)
        structure.merge(second, into_id=third.id)
        return center.id, third.id

    with clock.at(NOON):
        center_id, third_id = unit(work)
        path = "/rankings?subject=organization&metric=credited_minutes&basis=per_volunteer&scope="
        [row] = [
            row for row in client.get(f"{path}{center_id}").get_json()["items"] if row["subject"]["id"] == str(third_id)
        ]
        scope = client.get(f"{path}{third_id}").get_json()["scope"]
        statistics = client.get(f"/statistics?scope={third_id}").get_json()
        center = client.get(f"/statistics?scope={center_id}").get_json()
    assert (row["value"], row["registered"]) == (20, 5)
    assert (scope["value"], scope["registered"]) == (20, 5)
    assert (statistics["registered_count"], statistics["active_count"], center["registered_count"]) == (5, 1, 5)


@pytest.mark.parametrize("metric", ["credited_minutes", "activity_count"])
def test_what_a_merged_office_did_is_set_against_its_own_people(client: Any, unit: Unit, metric: str) -> None:
    """Else its successor falls because it took over a neighbor, in months that were over long before."""

    def work() -> tuple[UUID, UUID, UUID]:
        city = division("4104", "city", None)
        district = division("410403", "district", city)
        codes = [division(f"41040300{number}", "subdistrict", district) for number in (1, 2, 3)]
        center = make_organization()
        center.division_code = district
        offices = [make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE) for _ in codes]
        for office, code in zip(offices, codes, strict=True):
            office.division_code = code
            people = [make_volunteer(home_division=code).id for _ in range(2)]
            hold(office, NOON - timedelta(days=1), 100, people[0])
        idle, gone, successor = offices
        hold(successor, NOON, 100, make_volunteer(home_division=codes[2]).id)
        db.session.flush()
        # What is merged on its way through another counts there once that one has figures and it has none.
        structure.merge(idle, into_id=gone.id)
        structure.merge(gone, into_id=successor.id)
        return center.id, gone.id, successor.id

    with clock.at(NOON + timedelta(days=1)):
        center_id, gone_id, successor_id = unit(work)
        for days, registered in (("period=2026-11", (2, 2, 3)), ("period=2026-11-20", (7,))):
            path = f"/rankings?subject=organization&metric={metric}&basis=per_volunteer&{days}&scope="
            body = client.get(f"{path}{center_id}").get_json()
            told = {row["subject"]["id"]: row["registered"] for row in body["items"]}
            assert tuple(sorted(told.values())) == registered
            assert sum(told.values()) == body["scope"]["registered"] == 7
            for one in told:
                assert client.get(f"{path}{one}").get_json()["scope"]["registered"] == told[one]
                assert client.get(f"/statistics?scope={one}&{days}").get_json()["registered_count"] == told[one]
    assert {str(gone_id), str(successor_id)} - told.keys() == {str(gone_id)}


def test_what_came_from_elsewhere_by_a_merger_is_told_alike_everywhere(client: Any, unit: Unit) -> None:
    """It has no place among those of its successor's parent, and figures all the same."""

    def work() -> tuple[UUID, UUID]:
        city = division("4104", "city", None)
        codes = [division(code, "district", city) for code in ("410402", "410403")]
        root = make_organization()
        above = [make_organization(parent_id=root.id, kind=OrganizationKind.PRACTICE_OFFICE) for _ in codes]
        offices = [make_organization(parent_id=one.id, kind=OrganizationKind.PRACTICE_STATION) for one in above]
        for office, code, residents in zip(offices, codes, (1, 3), strict=True):
            office.division_code = code
            people = [make_volunteer(home_division=code).id for _ in range(residents)]
            hold(office, NOON - timedelta(days=1), 100, people[0])
        db.session.flush()
        structure.merge(offices[1], into_id=offices[0].id)
        return above[0].id, offices[0].id

    with clock.at(NOON + timedelta(days=1)):
        above_id, office_id = unit(work)
        path = "/rankings?subject=organization&metric=volunteer_count&basis=per_volunteer&period=2026-11&scope="
        [row] = client.get(f"{path}{above_id}").get_json()["items"]
        scope = client.get(f"{path}{office_id}").get_json()["scope"]
    assert (row["value"], row["registered"]) == (scope["value"], scope["registered"]) == (1, 1)


def test_a_team_is_set_against_its_members(client: Any, unit: Unit) -> None:
    def work() -> UUID:
        center = make_organization()
        team = make_team(organization_id=center.id)
        for state in (MembershipState.ACTIVE, MembershipState.ACTIVE, MembershipState.REQUESTED):
            make_member(team, make_volunteer(), state=state)
        hold(center, NOON - timedelta(days=1), 200, make_volunteer().id, team_id=team.id)
        return center.id

    with clock.at(NOON):
        center_id = unit(work)
        query = f"subject=team&scope={center_id}&metric=credited_minutes&basis=per_volunteer"
        body = client.get(f"/rankings?{query}").get_json()
        book = openpyxl.load_workbook(io.BytesIO(client.get(f"/rankings.xlsx?{query}").get_data()))
    assert [(row["value"], row["registered"]) for row in body["items"]] == [(66.6666, 3)]
    # A scope has no members: it is not said to be set against any, nor against those who live in its division.
    assert [body["scope"][name] for name in ("value", "raw", "registered")] == [None, 200, None]
    [title], _, [rule], headers = [
        [cell for cell in line if cell is not None]
        for line in book.worksheets[0].iter_rows(values_only=True, max_row=4)
    ]
    assert "（队员人均）" in title
    assert rule.endswith("但该队须属于该站点所在组织或其上级组织。再除以该队现有队员人数。")
    assert headers == ["名次", "志愿服务队", "计入时长（分钟）（队员人均）", "计入时长（分钟）", "队员"]


@pytest.fixture
def served(unit: Unit) -> dict[str, UUID]:
    """Somebody who may be named with 90 minutes, a minor with 80, somebody without consent 70, without a date 60."""

    def work() -> dict[str, UUID]:
        center = make_organization()
        found = {"center": center.id}
        for name, minutes, born, consents in (
            ("named", 90, ADULT, True),
            ("minor", 80, MINOR, True),
            ("silent", 70, ADULT, False),
            ("undated", 60, None, True),
            ("second", 50, ADULT, True),
            ("idle", 0, ADULT, True),
        ):
            person = make_volunteer(name=name, birth_date=born)
            found[name] = person.id
            if consents:
                consent(person)
            if minutes:
                hold(center, NOON - timedelta(days=1), minutes, person.id)
        return found

    with clock.at(NOON):
        made: dict[str, UUID] = unit(work)
    return made


def test_only_who_consents_and_is_of_age_is_named(client: Any, served: dict[str, UUID]) -> None:
    with clock.at(NOON):
        body = client.as_(served["idle"]).get("/rankings?subject=volunteer&metric=credited_minutes").get_json()
    assert [(row["rank"], row["subject"]["name"], row["value"]) for row in body["items"]] == [
        (1, "named", 90),
        (2, "second", 50),
        (3, "idle", 0),
    ]
    assert body["additive"] is False
    # The list looks whole and is not.
    assert body["rule"]["text"].endswith("仅列出同意公开姓名且已知成年的志愿者。")


def test_a_scope_lists_who_served_there(client: Any, served: dict[str, UUID]) -> None:
    with clock.at(NOON):
        path = f"/rankings?subject=volunteer&metric=attendance_count&scope={served['center']}"
        body = client.as_(served["idle"]).get(path).get_json()
    assert {row["subject"]["name"]: row["value"] for row in body["items"]} == {"named": 1, "second": 1}
    assert body["rule"]["text"].endswith("仅列出同意公开姓名、已知成年且有数值的志愿者。")


def test_a_consent_taken_back_counts_at_once(client: Any, unit: Unit, served: dict[str, UUID]) -> None:
    unit(
        lambda: db.session.execute(
            update(Consent).where(Consent.volunteer_id == served["named"]).values(withdrawn_at=NOON)
        )
    )
    body = client.as_(served["idle"]).get("/rankings?subject=volunteer&metric=credited_minutes").get_json()
    assert "named" not in [row["subject"]["name"] for row in body["items"]]


def test_who_has_asked_for_erasure_is_no_longer_named(client: Any, unit: Unit, served: dict[str, UUID]) -> None:
    asked = update(Volunteer).where(Volunteer.id == served["named"]).values(erases_at=NOON + timedelta(days=15))
    unit(lambda: db.session.execute(asked))
    with clock.at(NOON):
        body = client.as_(served["idle"]).get("/rankings?subject=volunteer&metric=credited_minutes").get_json()
    assert [row["subject"]["name"] for row in body["items"]] == ["second", "idle"]


@pytest.mark.parametrize(
    ("who", "rank", "above", "below"),
    [
        ("named", 1, [], [80, 70]),
        ("silent", 3, [90, 80], [60, 50]),
        ("second", 5, [70, 60], []),
        ("idle", None, [60, 50], []),
    ],
)
@pytest.mark.both_databases
def test_my_rank_is_among_all(
    client: Any, served: dict[str, UUID], who: str, rank: int | None, above: list[int], below: list[int]
) -> None:
    with clock.at(NOON):
        body = client.as_(served[who]).get("/me/ranking").get_json()
    assert (body["rank"], body["ranked"], body["above"], body["below"]) == (rank, 5, above, below)
    assert "仅列出" not in body["rule"]["text"]


@pytest.mark.both_databases
def test_my_neighbors_count_once_however_much_of_theirs_is_not_folded(
    client: Any, unit: Unit, served: dict[str, UUID]
) -> None:
    def work() -> None:
        center = db.session.get_one(Organization, served["center"])
        for hours in (5, 9):
            hold(center, NOON - timedelta(hours=hours), 30, served["second"])

    unit(folding.rebuild)
    with clock.at(NOON):
        unit(work)
        body = client.as_(served["idle"]).get("/me/ranking").get_json()
    # 50 and twice 30.
    assert (body["ranked"], body["above"]) == (5, [70, 60])
    with clock.at(NOON):
        body = client.as_(served["named"]).get("/me/ranking").get_json()
    assert (body["rank"], body["above"], body["below"]) == (2, [110], [80, 70])


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ("named", None),
        ("silent", "consent_missing"),
        ("undated", "birth_date_missing"),
        ("minor", "not_of_age"),
        ("idle", "nothing_counted"),
    ],
)
def test_i_am_told_why_the_list_does_not_name_me(
    client: Any, served: dict[str, UUID], who: str, reason: str | None
) -> None:
    filters = "metric=credited_minutes&category=environment_protection"
    with clock.at(NOON):
        mine = client.as_(served[who]).get(f"/me/ranking?{filters}").get_json()
        listed = client.as_(served[who]).get(f"/rankings?subject=volunteer&{filters}").get_json()["items"]
        everywhere = client.as_(served[who]).get("/me/ranking?period=month").get_json()
    assert (mine["listed"], mine["not_listed_because"]) == (reason is None, reason)
    assert mine["listed"] == (str(served[who]) in [row["subject"]["id"] for row in listed])
    # A list of all names those with nothing too.
    assert everywhere["listed"] == (who in ("named", "idle"))


def test_among_few_nobody_is_told_the_values_of_others(client: Any, unit: Unit, served: dict[str, UUID]) -> None:
    """Of two who swept a street, one would know what the other has."""

    def work() -> None:
        center = db.session.get_one(Organization, served["center"])
        hold(center, NOON - timedelta(days=3), 45, served["minor"])
        hold(center, NOON - timedelta(days=3), 30, served["silent"])

    with clock.at(NOON):
        unit(work)
        body = client.as_(served["silent"]).get("/me/ranking?period=2026-11-17").get_json()
    assert (body["rank"], body["ranked"], body["above"], body["below"]) == (2, 2, [], [])


def test_my_activities_count_once_a_day(client: Any, served: dict[str, UUID]) -> None:
    with clock.at(NOON):
        body = client.as_(served["silent"]).get("/me/ranking?metric=activity_count&period=2026-11").get_json()
    assert (body["rank"], body["value"]) == (1, 1)


def test_neighbors_of_a_place(client: Any, unit: Unit) -> None:
    def work() -> tuple[UUID, list[UUID]]:
        center = make_organization()
        person = make_volunteer().id
        found = []
        for count in range(7):
            office = make_organization(parent_id=center.id, kind=OrganizationKind.PRACTICE_OFFICE)
            found.append(office.id)
            for number in range(count):
                hold(office, NOON - timedelta(days=1 + number), 30, person)
        return center.id, found

    with clock.at(NOON):
        center_id, office_ids = unit(work)
        path = f"/rankings?subject=organization&scope={center_id}&around="
        middle = client.get(f"{path}{office_ids[3]}").get_json()
        first = client.get(f"{path}{office_ids[6]}").get_json()
        nobody = client.get(f"{path}{center_id}")
    assert [(row["rank"], row["value"]) for row in middle["items"]] == [(2, 5), (3, 4), (4, 3), (5, 2), (6, 1)]
    assert [row["rank"] for row in first["items"]] == [1, 2, 3]
    assert nobody.status_code == 404


def test_a_screen_shows_no_names_of_volunteers(client: Any) -> None:
    answer = client.get("/board?subject=volunteer", base="")
    assert [error["code"] for error in answer.get_json()["errors"]] == ["subject_not_shown"]


@pytest.mark.parametrize("path", ["rankings", "rankings.csv", "rankings.xlsx", "rankings.svg", "rankings.png"])
def test_names_are_shown_to_nobody_without_an_account(client: Any, path: str) -> None:
    answer = client.get(f"/{path}?subject=volunteer")
    assert (answer.status_code, answer.get_json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subject=volunteer&metric=volunteer_count", "metric_without_subject"),
        ("subject=station&basis=per_volunteer", "basis_without_subject"),
        ("subject=volunteer&basis=per_volunteer", "basis_without_subject"),
        ("subject=team&basis=growth", "growth_without_period"),
        ("subject=team&basis=growth&period=all", "growth_without_period"),
        ("subject=team&basis=growth&from=2026-01-01", "growth_without_period"),
        ("subject=team&basis=growth&from=1900-01-01&to=4000-01-01", "no_days_before"),
        # The days before begin with the first of all days, whose beginning in Shanghai no clock can tell.
        ("subject=team&basis=growth&from=2026-11-01&to=4052-08-30", "no_days_before"),
    ],
)
def test_what_cannot_be_combined_is_named(client: Any, query: str, code: str) -> None:
    answer = client.get(f"/rankings?{query}")
    assert (answer.status_code, [error["code"] for error in answer.get_json()["errors"]]) == (422, [code])
