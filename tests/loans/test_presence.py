"""A volunteer who serves at a station lends and takes back there, for as long as she serves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.attendance.factories import PLACE, Scene, loaded_evidence, make_scene
from tests.factories import make_volunteer
from tests.inventory.factories import line_of, make_item
from tests.teams.factories import make_member, make_team
from volunteer_api.accounts.models import Volunteer
from volunteer_api.attendance import presence_code
from volunteer_api.attendance import service as attendance
from volunteer_api.attendance.access import serves_now
from volunteer_api.attendance.models import Attendance, Grade
from volunteer_api.attendance.presence_code import CodeKind
from volunteer_api.attendance.problems import NotYet
from volunteer_api.catalog.models import ItemKind
from volunteer_api.core import clock, ids
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.inventory import service as inventory
from volunteer_api.inventory.models import MovementReason, RecordableKind
from volunteer_api.sign_ups import service as sign_ups

Unit = Callable[[Callable[[], Any]], Any]
BORROWER = {"name": "王大爷", "phone": "13712345678"}


def make_served_scene(**values: Any) -> Scene:
    """A shift at a station; the volunteer is in a team of the office, whose leader took her."""
    scene: Scene = make_scene(**values)
    make_member(make_team(organization_id=scene.organization.id), scene.volunteer)
    return scene


@pytest.fixture
def scene(app: Any, unit: Unit) -> Scene:
    """A shift at a station that has umbrellas."""
    return make_served_scene()


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
    # What came back whole is nobody's business at the desk any more; what the desk's manager reads, she does not.
    assert phone.post(back, json=returning, key=key()).get_json()["state"] == "closed"
    assert phone.get(f"/loans/{loan['id']}").status_code == 404
    desk = f"/loans?station_id={scene.station.id}"
    assert phone.get(desk).get_json()["items"] == phone.get(f"{desk}&state=closed").get_json()["items"] == []
    manager = client.as_(scene.station_manager)
    assert [row["id"] for row in manager.get(desk).get_json()["items"]] == [loan["id"]]
    unit(
        lambda: attendance.check_out(
            attendance=db.session.get_one(Attendance, came.id), evidence=loaded_evidence(clock.now())
        )
    )
    assert phone.post(path, json=body, key=key()).status_code == 404
    assert phone.post(back, json=returning, key=key()).status_code == 404
    assert phone.get(f"/loans/{loan['id']}").status_code == 404


def test_whoever_only_serves_sees_which_volunteer_borrowed_by_a_mask(
    client: Any, unit: Unit, scene: Scene, item: UUID
) -> None:
    come(unit, scene, scene.volunteer.id)
    phone, manager = client.as_(scene.volunteer), client.as_(scene.station_manager)
    borrower = unit(lambda: make_volunteer(name="欧阳志愿"))
    body = {"item_id": str(item), "borrower": {"volunteer_number": borrower.volunteer_number}}
    loan = phone.post(f"/stations/{scene.station.id}/loans", json=body, key=key()).get_json()
    masked = loan["borrower"]
    assert (masked["volunteer"], masked["name"]) == (None, "欧*")
    path, desk = f"/loans/{loan['id']}", f"/loans?station_id={scene.station.id}"
    by_phone = phone.post("/loans/lookup", json={"phone": borrower.phone}).get_json()["items"]
    assert [row["borrower"] for row in by_phone + phone.get(desk).get_json()["items"]] == [masked, masked]
    assert phone.get(path).get_json()["borrower"] == masked
    for reader in (manager, client.as_(borrower)):
        named = reader.get(path).get_json()["borrower"]
        assert (named["volunteer"], named["name"]) == ({"id": str(borrower.id), "name": "欧阳志愿"}, "欧阳志愿")
    # Whose loans were looked up stands in the audit log all the same.
    entries = unit(
        lambda: db.session.scalars(select(AuditEntry).where(AuditEntry.actor_id == scene.volunteer.id)).all()
    )
    assert [entry.subject_id for entry in entries if entry.details.get("what") == "loans"] == [borrower.id]


def test_she_serves_there_and_nowhere_else(client: Any, unit: Unit, scene: Scene, item: UUID) -> None:
    other = make_served_scene()
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
    scene = make_served_scene(starts_at=clock.now() + timedelta(hours=5))
    with pytest.raises(NotYet):
        come(unit, scene, scene.volunteer.id)
    assert not unit(lambda: serves_now(scene.volunteer.id, scene.station.id))


@pytest.mark.parametrize("place", [{"lat": 31.2, "lng": 121.5}, PLACE])
def test_a_place_that_the_phone_claims_gives_no_rights(unit: Unit, scene: Scene, place: dict[str, float]) -> None:
    for person in (scene.unsigned, scene.volunteer):
        sofa = come(unit, scene, person.id, place=place)
        assert sofa.check_in_grade != Grade.STRONG
        assert not unit(lambda person=person: serves_now(person.id, scene.station.id))


def test_a_code_from_the_screen_alone_gives_no_rights(unit: Unit) -> None:
    scene = make_scene()
    # She signed up to what is open to all, and read the code off the screen.
    assert come(unit, scene, scene.volunteer.id).check_in_grade == Grade.STRONG
    assert not unit(lambda: serves_now(scene.volunteer.id, scene.station.id))
    on_duty(unit, scene, scene.stranger.id)
    assert not unit(lambda: serves_now(scene.stranger.id, scene.station.id))
    # A team of somewhere else took her: not of here.
    make_member(make_team(organization_id=make_scene().organization.id), scene.stranger)
    assert not unit(lambda: serves_now(scene.stranger.id, scene.station.id))


def test_whom_somebody_vouches_for_serves(unit: Unit) -> None:
    scene = make_scene()
    # Her own code was read at the desk, by who manages it.
    on_duty(unit, scene, scene.stranger.id, scanned_by=scene.station_manager.id)
    assert unit(lambda: serves_now(scene.stranger.id, scene.station.id))
    # Who leads the activity was chosen by who published it.
    come(unit, scene, scene.leader.id, place=PLACE)
    assert unit(lambda: serves_now(scene.leader.id, scene.station.id))


def test_whom_a_leader_chose_for_the_shift_serves(unit: Unit) -> None:
    scene = make_scene()

    def choose(person: Volunteer, **values: Any) -> None:
        made = sign_ups.invite(shift_id=scene.shift.id, volunteer_id=person.id, by=scene.leader.id)
        made = sign_ups.accept(sign_up_id=made.id)
        for name, value in values.items():
            setattr(made, name, value)

    unit(lambda: choose(scene.stranger))
    come(unit, scene, scene.stranger.id)
    assert unit(lambda: serves_now(scene.stranger.id, scene.station.id))
    # Whose own team's leader asked her, nobody of here chose.
    unit(lambda: choose(scene.unsigned, asked_by_team=True))
    come(unit, scene, scene.unsigned.id)
    assert not unit(lambda: serves_now(scene.unsigned.id, scene.station.id))


def on_duty(unit: Unit, scene: Scene, volunteer_id: UUID, **values: Any) -> None:
    """She begins a duty at the station, with the code of its screen."""

    def begin() -> None:
        code = presence_code.code_at(scene.station.id, clock.now(), CodeKind.STATION).code
        attendance.check_in(
            volunteer_id=volunteer_id,
            station_id=scene.station.id,
            evidence=loaded_evidence(clock.now(), code=code),
            **values,
        )

    unit(begin)


def test_duty_at_the_station_counts(unit: Unit, scene: Scene) -> None:
    on_duty(unit, scene, scene.volunteer.id)
    assert unit(lambda: serves_now(scene.volunteer.id, scene.station.id))
    with clock.at(clock.now() + timedelta(hours=9)):
        assert not unit(lambda: serves_now(scene.volunteer.id, scene.station.id))
