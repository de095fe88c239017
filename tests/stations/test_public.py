"""What everybody sees of a station: services, contact, photos, names as typed, places of other maps, the page."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import prcoords
import pytest

from tests.activities.factories import make_activity, make_scene
from tests.attendance.factories import evidence
from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_grant
from tests.stations.factories import make_station
from volunteer_api.attendance.evidence import usable
from volunteer_api.core import clock, geo, ids
from volunteer_api.core.database import db
from volunteer_api.files import service as files
from volunteer_api.files.models import StoredFile
from volunteer_api.organizations.models import Role
from volunteer_api.stations import offers
from volunteer_api.stations.models import HolidayRule, StationKind, StationStatus
from volunteer_api.stations.offers import NAMES, OfferedService
from volunteer_api.stations.public_page import CHINESE, ENGLISH

PLACE = (33.735, 113.33)
SHIFTED = {"gcj02": tuple(prcoords.wgs_gcj(PLACE)), "bd09": tuple(prcoords.wgs_bd(PLACE)), "wgs84": PLACE}
CLOSE = pytest.approx(PLACE, abs=2e-7)


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


def point(lat: float, lng: float, datum: str) -> dict[str, Any]:
    return {"lat": lat, "lng": lng, "datum": datum}


def photo(owner_id: Any, unit: Any) -> str:
    stored = StoredFile(
        id=ids.new_id(),
        owner_id=owner_id,
        name=f"{ids.new_id().hex}.jpg",
        media_type="image/jpeg",
        width=1,
        height=1,
        byte_size=1,
        sha256=b"",
        thumbnails=[],
    )
    unit(lambda: db.session.add(stored))
    return str(stored.id)


class TestServices:
    def test_known_names_become_codes_and_others_stay(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.office.id)
        given = ["饮用热水", "hot_water", "ＷＩＦＩ", "Wi-Fi", "代收快递"]
        path = f"/stations/{station.id}"
        answer = client.as_(district.organizer).patch(path, json={"services": given}, version=1)
        assert answer.json["services"] == ["hot_water", "wifi", "代收快递"]
        assert answer.json["service_names"] == ["饮用热水", "无线网络", "代收快递"]
        english = client.get(path, headers={"Accept-Language": "en"}).json
        assert english["service_names"] == ["Hot water", "Wi-Fi", "代收快递"]

    @pytest.mark.both_databases
    def test_a_service_is_found(self, client: ApiClient, district: District) -> None:
        place = district.office.id
        make_station(organization_id=place, code="A1", services=["charging", "wifi"])
        make_station(organization_id=place, code="A2", services=["wheelchair_loan"])
        # A text of a station's own that looks like one is none.
        make_station(organization_id=place, code="A3", services=['a "wifi" cable', "wifi2", '\\\\"wifi\\"'])

        def codes(service: str) -> list[str]:
            return [item["code"] for item in client.get(f"/stations?service={service}").json["items"]]

        assert codes("wifi") == ["A1"]
        assert codes("wheelchair_loan") == ["A2"]
        assert codes("toilet") == []
        assert client.get("/stations?service=免费").status_code == 422

    def test_every_service_has_its_names_and_no_two_share_one(self) -> None:
        assert set(NAMES) == set(OfferedService)
        names = [name.casefold() for service, all_names in NAMES.items() for name in {*all_names}]
        assert len(names) == len(set(names))
        for service, (chinese, english, *others) in NAMES.items():
            assert offers.normalized([chinese, english, *others, service]) == [service]
            assert offers.shown([service], "zh-CN") == [chinese]
            assert offers.shown([service], "en") == [english]


class TestContact:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("0375-2861234", "+863752861234"),
            ("（0375）2861234", "+863752861234"),
            ("13800000003", "+8613800000003"),
            ("400-820-8820", "+864008208820"),
            ("+86 375 286 1234", "+863752861234"),
        ],
    )
    def test_a_desks_phone(self, client: ApiClient, district: District, given: str, kept: str) -> None:
        station = make_station(organization_id=district.office.id)
        organizer, path = client.as_(district.organizer), f"/stations/{station.id}"
        changed = organizer.patch(path, json={"contact": {"phone": given}}, version=1)
        assert changed.json["contact"] == {"name": None, "phone": kept}
        assert client.get("/stations").json["items"][0]["contact"]["phone"] == kept
        assert organizer.patch(path, json={"contact": None}, version=2).json["contact"] is None

    @pytest.mark.parametrize("given", ["", "12", "call me", "+1 202 555 0100", "١٢٣٤٥٦٧٨", "0375-2861234-99999999"])
    def test_no_phone(self, client: ApiClient, district: District, given: str) -> None:
        station = make_station(organization_id=district.office.id)
        path = f"/stations/{station.id}"
        answer = client.as_(district.organizer).patch(path, json={"contact": {"phone": given}}, version=1)
        assert answer.status_code == 422
        assert answer.json["errors"][0]["pointer"] == "/contact/phone"


class TestPhotos:
    def test_ones_own_photos_are_shown_in_their_order(self, client: ApiClient, district: District, unit: Any) -> None:
        station = make_station(organization_id=district.office.id)
        path, organizer = f"/stations/{station.id}", client.as_(district.organizer)
        first, second = (photo(district.organizer.id, unit) for _ in range(2))
        changed = organizer.patch(path, json={"photo_ids": [second, first]}, version=1)
        assert (changed.status_code, changed.json["version"]) == (200, 2)
        assert [one["id"] for one in changed.json["photos"]] == [second, first]
        assert client.get(path).json["photo"]["id"] == second
        listed = client.get("/stations").json["items"][0]
        assert listed["photo"]["id"] == second
        assert "photos" not in listed
        assert client.get("/stations?near=33.7,113.3").json["items"][0]["photo"]["id"] == second

    def test_anothers_photo_is_refused_unless_it_is_there(
        self, client: ApiClient, district: District, unit: Any
    ) -> None:
        station, manager = make_station(organization_id=district.office.id), make_volunteer()
        make_grant(manager, Role.STATION_MANAGER, station.id)
        path = f"/stations/{station.id}"
        theirs, mine = photo(district.organizer.id, unit), photo(manager.id, unit)
        refused = client.as_(manager).patch(path, json={"photo_ids": [mine, theirs]}, version=1)
        assert (refused.status_code, refused.json["code"]) == (409, "photo_not_found")
        assert client.as_(district.organizer).patch(path, json={"photo_ids": [theirs]}, version=1).status_code == 200
        both = client.as_(manager).patch(path, json={"photo_ids": [mine, theirs]}, version=2)
        assert [one["id"] for one in both.json["photos"]] == [mine, theirs]
        assert client.as_(manager).patch(path, json={"photo_ids": []}, version=3).json["photo"] is None

    def test_the_sweep_spares_what_a_station_shows(self, client: ApiClient, district: District, unit: Any) -> None:
        station = make_station(organization_id=district.office.id)
        kept, unused = (photo(district.organizer.id, unit) for _ in range(2))
        path = f"/stations/{station.id}"
        client.as_(district.organizer).patch(path, json={"photo_ids": [kept]}, version=1)
        with clock.at(clock.now() + timedelta(days=30)):
            unit(files.delete_unused)
        left = unit(lambda: [str(one) for one in db.session.scalars(db.select(StoredFile.id))])
        assert left == [kept]
        assert unused not in left
        unit(lambda: files.delete_files_of(district.organizer.id))
        assert client.get(path).json["photo"]["id"] == kept

    @pytest.mark.parametrize("count", [11, 2])
    def test_not_too_many_and_each_once(self, client: ApiClient, district: District, count: int) -> None:
        station = make_station(organization_id=district.office.id)
        answer = client.as_(district.organizer).patch(
            f"/stations/{station.id}", json={"photo_ids": [str(ids.new_id())] * count}, version=1
        )
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "/photo_ids")


def test_managers_are_shown_to_those_who_may_see_them(
    client: ApiClient, district: District, statements: Callable[[], Any]
) -> None:
    station = make_station(organization_id=district.office.id)
    manager = make_volunteer(name="王站长")
    make_grant(manager, Role.STATION_MANAGER, station.id)
    path = f"/stations/{station.id}"
    for anybody in (client, client.as_(district.outsider), client.as_(district.other_organizer)):
        assert anybody.get(path).json["managers"] is None
    for insider in (manager, district.organizer, district.auditor):
        phone = client.as_(insider)
        with statements() as seen:
            (shown,) = phone.get(path).json["managers"]
        assert (shown["id"], shown["name"]) == (str(manager.id), "王站长")
        assert "****" in shown["phone"]
        # The session, the station, its organization's name, the caller's roles, the managers.
        assert len(seen) == 5
    assert all("managers" not in item for item in client.as_(manager).get("/stations").json["items"])


@pytest.mark.both_databases
def test_names_are_found_as_they_are_typed(client: ApiClient, district: District) -> None:
    place = district.office.id
    make_station(organization_id=place, code="HX1", name="河西社区志愿服务台")
    make_station(organization_id=place, code="SW1", name="智慧书屋（五一路）", kind=StationKind.READING_ROOM)

    def codes(q: str) -> list[str]:
        return [item["code"] for item in client.get("/stations", query_string={"q": q}).json["items"]]

    assert codes("hxsq") == codes("HXSQ") == codes("hexishe") == codes("河西") == codes("hx1") == ["HX1"]
    assert codes("zhsw") == codes("zhihui") == codes("书屋") == ["SW1"]
    assert codes("%") == codes("_") == codes("\\") == []
    near = client.get("/stations", query_string={"q": "hxsq", "near": "33.7,113.3"})
    assert [item["code"] for item in near.json["items"]] == ["HX1"]


@pytest.mark.both_databases
def test_a_new_name_is_found_by_its_spelling(client: ApiClient, district: District) -> None:
    station = make_station(organization_id=district.office.id, name="河西社区服务台")
    organizer = client.as_(district.organizer)
    organizer.patch(f"/stations/{station.id}", json={"name": "东安社区服务台"}, version=1)
    assert len(client.get("/stations?q=dasq").json["items"]) == 1
    assert client.get("/stations?q=hxsq").json["items"] == []


class TestOtherMaps:
    @pytest.mark.parametrize("datum", SHIFTED)
    def test_a_station_is_set_up_and_moved(self, client: ApiClient, district: District, datum: str) -> None:
        place = point(*SHIFTED[datum], datum)
        body = {"name": "台", "kind": "desk", "organization_id": str(district.office.id), "address": "1"}
        organizer = client.as_(district.organizer)
        made = organizer.post("/stations", json=body | {"place": place}).json
        assert (made["place"]["lat"], made["place"]["lng"]) == CLOSE
        assert set(made["place"]) == {"lat", "lng"}
        away = organizer.patch(f"/stations/{made['id']}", json={"place": {"lat": 30, "lng": 110}}, version=1)
        assert away.status_code == 200
        back = organizer.patch(f"/stations/{made['id']}", json={"place": place}, version=2).json["place"]
        assert (back["lat"], back["lng"]) == CLOSE
        assert client.get("/stations?near=33.735,113.33&radius_m=5").json["items"][0]["id"] == made["id"]

    @pytest.mark.parametrize("datum", SHIFTED)
    def test_near_is_meant_on_ones_own_map(self, client: ApiClient, unit: Any, datum: str) -> None:
        scene = unit(make_scene)
        unit(lambda: make_activity(scene=scene, place={"lat": PLACE[0], "lng": PLACE[1]}))
        make_station(organization_id=scene.office_id, latitude=PLACE[0], longitude=PLACE[1], code="HERE")
        near = f"near={SHIFTED[datum][0]},{SHIFTED[datum][1]}&datum={datum}"
        assert client.get(f"/stations?{near}&radius_m=10").json["items"][0]["distance_m"] == 0
        assert client.get(f"/activities?{near}").json["items"][0]["distance_m"] == 0
        home = client.as_(scene.member_id).get(f"/me/home?{near}").json
        assert home["nearby_stations"][0]["code"] == "HERE"
        assert home["nearby_stations"][0]["distance_m"] == 0

    @pytest.mark.parametrize("path", ["/stations", "/activities", "/me/home"])
    def test_a_datum_needs_its_place(self, client: ApiClient, district: District, path: str) -> None:
        phone = client.as_(district.outsider)
        answer = phone.get(f"{path}?datum=gcj02")
        assert (answer.status_code, answer.json["errors"][0]["code"]) == (422, "datum_without_near")
        assert phone.get(f"{path}?near=33.7,113.3&datum=gps").status_code == 422

    @pytest.mark.parametrize(
        ("written", "datum"),
        [
            ("GCJ-02", "gcj02"),
            ("gcj02ll", "gcj02"),
            ("BD09", "bd09"),
            ("bd-09 ll", "bd09"),
            ("WGS 84", "wgs84"),
            (None, "wgs84"),
        ],
    )
    def test_evidence_is_read_in_any_writing(self, written: str | None, datum: str) -> None:
        given = evidence_place({"lat": SHIFTED[datum][0], "lng": SHIFTED[datum][1], "datum": written})
        assert given == CLOSE

    @pytest.mark.parametrize("written", ["mars", 7, ["gcj02"], "bd09mc", {"a": 1}])
    def test_evidence_of_an_unknown_map_says_nothing(self, written: Any) -> None:
        assert evidence_place({"lat": 33.7, "lng": 113.3, "datum": written}) is None


def evidence_place(place: dict[str, Any]) -> geo.Place | None:
    return usable(evidence(clock.now()) | {"client_time": clock.now(), "place": place}).place


class TestPage:
    def read(self, client: ApiClient, station: Any, **headers: str) -> Any:
        return client.at_root.get(
            f"/c/t/{station.id}", headers={name.replace("_", "-"): v for name, v in headers.items()}
        )

    def test_it_says_what_a_passer_by_needs(self, client: ApiClient, district: District) -> None:
        station = make_station(
            organization_id=district.office.id,
            services=["hot_water", "<b>代收</b>"],
            contact={"name": "值班台", "phone": "+863752861234"},
            holiday_rule="office",
            hour_exceptions=[{"first_on": "2026-12-01", "last_on": "2026-12-02", "hours": [], "note": "盘点"}],
        )
        with clock.at(datetime(2026, 11, 25, 10, tzinfo=ZoneInfo("Asia/Shanghai"))):
            answer = self.read(client, station)
        text = answer.get_data(as_text=True)
        assert answer.status_code == 200
        for part in ("河西社区服务台", "正在开放", "至 18:00", "饮用热水", "建设路1号", "08:00–18:00", "+863752861234"):
            assert part in text
        assert "2026-12-01 – 2026-12-02" in text
        assert "盘点" in text
        assert "&lt;b&gt;代收" in text
        assert "<script" not in text
        assert 'lang="zh-CN"' in text
        english = self.read(client, station, Accept_Language="en").get_data(as_text=True)
        assert "Hot water" in english
        assert 'lang="en"' in english

    def test_its_headers_let_nothing_in_and_keep_nothing(self, client: ApiClient, district: District) -> None:
        answer = self.read(client, make_station(organization_id=district.office.id))
        policy = answer.headers["Content-Security-Policy"]
        for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"):
            assert part in policy
        assert "script-src" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.content_type == "text/html; charset=utf-8"
        assert {"Accept-Language"} <= {part.strip() for part in answer.headers["Vary"].split(",")}

    def test_a_presence_code_is_for_the_app(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.office.id)
        scanned = client.at_root.get(f"/c/t/{station.id}/12345678")
        assert scanned.status_code == 200
        assert "请用志愿服务应用扫描签到" in scanned.get_data(as_text=True)
        assert "12345678" not in scanned.get_data(as_text=True)
        assert "请用志愿服务应用扫描签到" not in self.read(client, station).get_data(as_text=True)

    def test_what_wechat_adds_to_an_address_does_no_harm(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.office.id)
        path = f"/c/t/{station.id}?from=singlemessage&isappinstalled=0&from=timeline"
        assert client.at_root.get(path).status_code == 200

    @pytest.mark.parametrize("status", [StationStatus.PLANNED, StationStatus.PAUSED, StationStatus.CLOSED])
    def test_out_of_service(self, client: ApiClient, district: District, status: StationStatus) -> None:
        text = self.read(client, make_station(organization_id=district.office.id, status=status)).get_data(as_text=True)
        assert {"planned": "筹备中", "paused": "暂停服务", "closed": "已撤销"}[status] in text
        assert "正在开放" not in text

    def test_every_word_is_there_in_both_languages(self) -> None:
        assert set(CHINESE) == set(ENGLISH)
        needed = {f"kind {kind}" for kind in StationKind} | {f"status {status}" for status in StationStatus}
        needed |= {f"holidays {rule}" for rule in HolidayRule if rule != HolidayRule.REGULAR}
        assert needed <= set(CHINESE)

    def test_the_label_leads_there(self, client: ApiClient, district: District) -> None:
        station = make_station(organization_id=district.office.id)
        assert client.get(f"/stations/{station.id}").json["page_url"] == f"http://localhost/c/t/{station.id}"
        assert client.at_root.get(f"/c/t/{district.office.id}").status_code == 404
        assert client.at_root.get("/c/t/nonsense").status_code == 404
