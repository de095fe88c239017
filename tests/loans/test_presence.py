"""A volunteer who serves at a station lends and takes back there, for as long as she serves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.attendance.factories import Scene, loaded_evidence, make_scene
from tests.inventory.factories import line_of, make_item
from volunteer_api.attendance import presence_code
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.access import serves_now
from volunteer_api.attendance.models import Attendance, Grade
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock, ids
from volunteer_api.core.database import db
from volunteer_api.inventory import service as inventory
from volunteer_api.inventory.models import MovementReason, RecordableKind

Unit = Callable[[Callable[[], Any]], Any]
BORROWER = {"name": "王大爷", "phone": "13712345678"}


@pytest.fixture
def scene(app: Any, unit: Unit) -> Scene:
    """A shift at a station that has umbrellas."""
    return make_scene()


@pytest.fixture
def item(unit: Unit, scene: Scene) -> UUID:
    def receive() -> UUID:
        made = make_item(kind=ItemKind.DURABLE)
        inventory.record_movement(
            station_id=scene.station.id,
            actor_id=scene.station_manager.id,
            kind=RecordableKind.RECEIPT,
            reason=MovementReason.DONATION,
            lines=[line_of(made, 5)],
        )
        return made

    found: UUID = unit(receive)
    return found


def key() -> str:
    return ids.new_id().hex


def come(unit: Unit, scene: Scene, volunteer_id: UUID, **evidence: Any) -> Attendance:
    """The volunteer checks in; with a code unless other evidence is given."""

    def check_in() -> Attendance:
        given = evidence or {"code": scene.code(clock.now())}
        return attendance.check_in(
            volunteer_id=volunteer_id, shift_id=scene.shift.id, evidence=loaded_evidence(clock.now(), **given)
        )

    made: Attendance = unit(check_in)
    return made


def test_who_serves_lends_and_takes_back_until_she_leaves(client: Any, unit: Unit, scene: Scene, item: UUID) -> None:
    phone = client.as_(scene.volunteer)
    path, body = f"/stations/{scene.station.id}/loans", {"item_id": str(item), "borrower": BORROWER}
    assert phone.post(path, json=body, key=key()).status_code == 404
    assert phone.post("/loans/lookup", json={"phone": BORROWER["phone"]}).status_code == 404
    came = come(unit, scene, scene.volunteer.id)
    lent = phone.post(path, json=body | {"quantity": 3}, key=key())
    assert lent.status_code == 201, lent.get_json()
    loan = lent.get_json()
    (found,) = phone.post("/loans/lookup", json={"phone": BORROWER["phone"]}).get_json()["items"]
    assert found["id"] == loan["id"]
    assert [row["id"] for row in phone.get(f"/loans?station_id={scene.station.id}").get_json()["items"]] == [loan["id"]]
    returning = {"station_id": str(scene.station.id), "quantity": 1, "condition": "good"}
    back = f"/loans/{loan['id']}/return"
    assert phone.post(back, json=returning, key=key()).status_code == 200
    damaged = phone.post(back, json=returning | {"condition": "damaged"}, key=key()).get_json()
    assert (damaged["damaged"], damaged["returns"][1]["written_off"]) == (1, False)
    # She takes back; she writes nothing off, calls nobody, and does not keep the stock.
    for members in ({"condition": "lost"}, {"condition": "damaged", "write_off": True}):
        refused = phone.post(back, json=returning | members, key=key())
        assert (refused.status_code, refused.get_json()["code"]) == (403, "write_off_forbidden")
    assert phone.get(f"/loans/{loan['id']}/borrower").status_code == 404
    assert phone.get(f"/stations/{scene.station.id}/stock").status_code == 404
    assert phone.get("/loans").status_code == 404
    unit(
        lambda: attendance.check_out(
            attendance=db.session.get_one(Attendance, came.id), evidence=loaded_evidence(clock.now())
        )
    )
    assert phone.post(path, json=body, key=key()).status_code == 404
    assert phone.post(back, json=returning, key=key()).status_code == 404
    assert phone.get(f"/loans/{loan['id']}").status_code == 404


def test_she_serves_there_and_nowhere_else(client: Any, unit: Unit, scene: Scene, item: UUID) -> None:
    other = make_scene()
    come(unit, other, other.volunteer.id)
    phone = client.as_(other.volunteer)
    body = {"item_id": str(item), "borrower": BORROWER}
    assert phone.post(f"/stations/{scene.station.id}/loans", json=body, key=key()).status_code == 404
    assert unit(lambda: serves_now(other.volunteer.id, other.station.id))
    assert unit(lambda: serves_now(other.volunteer.id, None))
    assert not unit(lambda: serves_now(other.volunteer.id, scene.station.id))


def test_a_forgotten_check_out_gives_no_rights_for_days(unit: Unit, scene: Scene) -> None:
    come(unit, scene, scene.volunteer.id)
    for hours, serves in ((1, True), (3.9, True), (4.1, False), (48, False)):
        with clock.at(scene.shift.starts_at + timedelta(hours=hours)):
            assert unit(lambda: serves_now(scene.volunteer.id, scene.station.id)) is serves


def test_a_check_in_long_before_the_shift_gives_no_rights(unit: Unit) -> None:
    scene = make_scene(starts_at=clock.now() + timedelta(hours=5))
    come(unit, scene, scene.volunteer.id)
    assert not unit(lambda: serves_now(scene.volunteer.id, scene.station.id))


def test_a_check_in_from_a_sofa_gives_no_rights(unit: Unit, scene: Scene) -> None:
    sofa = come(unit, scene, scene.unsigned.id, place={"lat": 31.2, "lng": 121.5})
    assert sofa.check_in_grade == Grade.WEAK
    assert not unit(lambda: serves_now(scene.unsigned.id, scene.station.id))
    # Who signed up and whose phone finds no satellite serves all the same.
    weak = come(unit, scene, scene.volunteer.id, place={"lat": 31.2, "lng": 121.5})
    assert weak.check_in_grade == Grade.WEAK
    assert unit(lambda: serves_now(scene.volunteer.id, scene.station.id))


def test_duty_at_the_station_counts(unit: Unit, scene: Scene) -> None:
    def begin() -> None:
        code = presence_code.code_at(scene.station.id, clock.now(), CodeKind.STATION).code
        attendance.check_in(
            volunteer_id=scene.volunteer.id,
            station_id=scene.station.id,
            evidence=loaded_evidence(clock.now(), code=code),
        )

    unit(begin)
    assert unit(lambda: serves_now(scene.volunteer.id, scene.station.id))
    with clock.at(clock.now() + timedelta(hours=9)):
        assert not unit(lambda: serves_now(scene.volunteer.id, scene.station.id))
