"""Names found as they are typed, on indexes."""

from collections.abc import Callable
from typing import Any

import pytest
from pypinyin import Style, lazy_pinyin
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite

from tests.conftest import ApiClient
from tests.organizations.factories import District, make_district, make_organization
from tests.organizations.test_service import city_rows
from volunteer_api.core.database import db
from volunteer_api.core.pinyin import spelled
from volunteer_api.organizations import divisions, queries

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("wyl", ["五一路街道"]),
        ("WYLJ", ["五一路街道"]),
        ("wuyilu", ["五一路街道"]),
        ("yilu", []),
        ("410403003", ["五一路街道", "河西社区居民委员会", "康复街社区居民委员会"]),
        ("410403003001", ["河西社区居民委员会"]),
        ("9", []),
        ("一路", ["五一路街道"]),
        ("zzz", []),
        ("d", ["东安路街道", "东苑社区居民委员会"]),
    ],
)
@pytest.mark.both_databases
def test_divisions(client: ApiClient, district: District, q: str, names: list[str]) -> None:
    found = client.get("/divisions", query_string={"q": q}).json["items"]
    assert [item["name"] for item in found] == names


@pytest.mark.both_databases
def test_organizations(client: ApiClient, district: District) -> None:
    def found(q: str) -> list[str]:
        return [item["name"] for item in client.get("/organizations", query_string={"q": q}).json["items"]]

    assert found("wyl") == found("wuyilu") == [district.other_office.name]
    assert found("五一路") == [district.other_office.name]
    renamed = client.as_(district.administrator).patch(
        f"/organizations/{district.other_office.id}", json={"name": "重庆路实践所"}, version=1
    )
    assert renamed.status_code == 200
    assert found("wyl") == []
    assert found("cql") == found("chongqing") == ["重庆路实践所"]
    make_organization(name="ZZ中学")
    assert found("zz") == ["ZZ中学"]


def test_a_character_of_two_readings_is_read_by_its_phrase() -> None:
    assert spelled("重庆路街道").initials == "cqljd"
    assert spelled("长安街道").pinyin == "changanjiedao"


def test_an_import_spells_and_renames(unit: Unit, app: Any) -> None:
    unit(lambda: divisions.import_divisions(city_rows()))
    unspelled = text("SELECT count(*) FROM divisions WHERE initials = '' OR pinyin = '' OR pinyin <> lower(pinyin)")
    assert unit(lambda: db.session.scalar(unspelled)) == 0
    assert unit(lambda: divisions.list_divisions({"q": "pdss"})).items[0].name == "平顶山市"


@pytest.mark.both_databases
def test_a_search_by_initials_uses_the_indexes(unit: Unit, app: Any) -> None:
    unit(lambda: divisions.import_divisions(city_rows()))

    def plan() -> str:
        name = db.engine.dialect.name
        dialect = postgresql.dialect() if name == "postgresql" else sqlite.dialect()
        for statement in (queries.divisions(None, "wyl"),):
            sql = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
        if name == "postgresql":
            db.session.execute(text("ANALYZE divisions"))
        explain = "EXPLAIN" if name == "postgresql" else "EXPLAIN QUERY PLAN"
        return "\n".join(str(row) for row in db.session.execute(text(f"{explain} {sql}")))

    shown = unit(plan)
    assert "ix_divisions_initials" in shown
    assert "ix_divisions_pinyin" in shown
    assert "Seq Scan" not in shown


@pytest.mark.parametrize("name", ["A座3号楼", "重庆ABC重", "a啊b", "嗯欸", "①栋 2", "Émile", "  ", "ａ楼", "𠀀好"])
def test_initials_are_as_the_library_reads_them(name: str) -> None:
    assert spelled(name).initials == first_letters(name)


def test_initials_of_the_city_are_as_the_library_reads_them() -> None:
    names = {row["name"] or "" for row in city_rows()}
    assert [name for name in names if spelled(name).initials != first_letters(name)] == []


def first_letters(name: str) -> str:
    return "".join("".join(lazy_pinyin(name, style=Style.FIRST_LETTER)).split()).lower()
