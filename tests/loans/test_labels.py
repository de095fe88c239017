"""Labels to stick on numbered pieces: which pieces, what stands on them, and how many go on one sheet."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from tests.conftest import ApiClient
from tests.loans.factories import Desk, bring_back, lend, make_desk, number
from tests.pdf import fonts_of, pages_of, text_of, texts_of
from volunteer_api.core.database import db
from volunteer_api.loans import labels
from volunteer_api.organizations.models import Organization
from volunteer_api.stations.models import Station


@pytest.fixture
def desk(unit: Callable[..., Any]) -> Desk:
    made: Desk = unit(make_desk)
    return made


def path_of(station_id: UUID) -> str:
    return f"/stations/{station_id}/asset-labels.pdf"


def test_a_sheet_of_what_can_be_stuck_on(
    unit: Callable[..., Any], client: ApiClient, desk: Desk, statements: Callable[[], Any]
) -> None:
    """In stock, lent or being repaired, by their numbers; not what is lost, and not another station's."""

    def arrange() -> None:
        repaired, lost, lent = (number(desk, code=code) for code in ("A-3", "A-4", "A-2"))
        number(desk, code="A-1")
        for piece, condition in ((repaired, "damaged"), (lost, "lost")):
            bring_back(desk, lend(desk, asset_id=piece.id).id, condition=condition)
        lend(desk, asset_id=lent.id)

    unit(arrange)
    phone = client.as_(desk.manager_id)
    with statements() as seen:
        answer = phone.get(path_of(desk.station_id))
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert (fonts_of(answer.data), pages_of(answer.data)) == (["NotoSansSC-Regular"], 1)
    assert [text for text in texts_of(answer.data) if "A-" in text] == ["A-1", "A-2", "A-3"]
    station = unit(lambda: db.session.get_one(Station, desk.station_id))
    organization = unit(lambda: db.session.get_one(Organization, station.organization_id))
    assert all(name in text_of(answer.data) for name in ("雨伞", station.name, organization.name, labels.HINT))
    # The session, the station, the grants, and the labels themselves.
    assert len(seen) == 4
    elsewhere = client.as_(desk.other_manager_id).get(path_of(desk.other_station_id))
    assert (elsewhere.status_code, pages_of(elsewhere.data), text_of(elsewhere.data)) == (200, 1, "")


@pytest.mark.either_database
def test_some_of_them_from_a_place_on_the_sheet(unit: Callable[..., Any], client: ApiClient, desk: Desk) -> None:
    """By number or by item; a sheet that was used in part goes on."""
    unit(lambda: [number(desk, code=f"U-{place}") for place in range(1, 7)])
    phone = client.as_(desk.manager_id)

    def codes(query: str) -> tuple[list[str], int]:
        pdf = phone.get(f"{path_of(desk.station_id)}?{query}").data
        return [text for text in texts_of(pdf) if text.startswith("U-")], pages_of(pdf)

    assert codes("codes=U-5,U-2,NONE-1&used=22") == (["U-2", "U-5"], 1)
    assert codes(f"item_id={desk.item_id}&used=23") == ([f"U-{place}" for place in range(1, 7)], 2)
    assert codes(f"item_id={desk.station_id}") == ([], 1)
    for query in ("codes=U 1", "codes=U-1,", "used=24", "used=-1"):
        assert phone.get(f"{path_of(desk.station_id)}?{query}").status_code == 422


@pytest.mark.either_database
def test_too_many_are_refused_by_name(
    unit: Callable[..., Any], client: ApiClient, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "MOST_LABELS", 1)
    unit(lambda: [number(desk) for _ in range(2)])
    answer = client.as_(desk.manager_id).get(path_of(desk.station_id))
    assert (answer.status_code, answer.json["code"]) == (422, "too_many_pieces")
