"""Labels with QR codes: which stations, what stands on them, and how many go on one sheet."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import ApiClient
from tests.organizations.factories import District, make_district
from tests.pdf import fonts_of, pages_of, text_of, texts_of
from tests.stations.factories import make_station
from volunteer_api.core.documents import DocumentTooLarge
from volunteer_api.stations import labels
from volunteer_api.stations.models import StationStatus


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


def test_a_poster_of_one_station(client: ApiClient, district: District, statements: Callable[[], Any]) -> None:
    station = make_station(organization_id=district.practice_station.id, name="河西#服务台", code="HX-01")
    phone = client.as_(district.organizer)
    with statements() as seen:
        answer = phone.get(f"/stations/{station.id}/label.pdf")
    assert answer.status_code == 200
    assert answer.content_type == "application/pdf"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert fonts_of(answer.data) == ["NotoSansSC-Regular"]
    assert pages_of(answer.data) == 1
    text = text_of(answer.data)
    for shown in ("河西#服务台", "HX-01", district.practice_station.name, district.office.name, "建设路1号"):
        assert shown in text
    # The session, the station, the grants, and the label itself.
    assert len(seen) == 4


def test_a_sheet_of_a_subtree(client: ApiClient, district: District, statements: Callable[[], Any]) -> None:
    here = [make_station(organization_id=district.practice_station.id, code=f"A-{number:02d}") for number in range(9)]
    make_station(organization_id=district.practice_station.id, code="GONE-1", status=StationStatus.CLOSED)
    make_station(organization_id=district.practice_station.id, code="SOON-1", status=StationStatus.PLANNED)
    make_station(organization_id=district.other_office.id, code="OTHER-1")
    phone = client.as_(district.organizer)
    with statements() as seen:
        answer = phone.get(f"/organizations/{district.office.id}/station-labels.pdf")
    codes = [text for text in texts_of(answer.data) if "-" in text]
    assert codes == [*(station.code for station in here), "SOON-1"]
    assert pages_of(answer.data) == 2
    assert len(seen) == 4


def test_no_station_is_an_empty_page(client: ApiClient, district: District) -> None:
    answer = client.as_(district.organizer).get(f"/organizations/{district.office.id}/station-labels.pdf")
    assert (answer.status_code, pages_of(answer.data)) == (200, 1)


def test_too_many_are_refused_by_name(client: ApiClient, district: District, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MOST_LABELS", 2)
    for _ in range(2):
        make_station(organization_id=district.practice_station.id)
    phone, path = client.as_(district.organizer), f"/organizations/{district.office.id}/station-labels.pdf"
    assert phone.get(path).status_code == 200
    make_station(organization_id=district.practice_station.id)
    answer = phone.get(path)
    assert (answer.status_code, answer.json["code"]) == (422, "too_many_labels")


def test_a_refusal_after_the_unit_is_a_problem(
    client: ApiClient, district: District, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused after the unit has ended is a problem like any other."""

    def refuse(*_arguments: Any, **_options: Any) -> bytes:
        raise DocumentTooLarge()

    monkeypatch.setattr(labels, "typeset", refuse)
    station = make_station(organization_id=district.practice_station.id)
    answer = client.as_(district.organizer).get(f"/stations/{station.id}/label.pdf")
    assert (answer.status_code, answer.json["code"]) == (422, "document_too_large")
    assert answer.content_type == "application/problem+json"
