"""Loans over HTTP: a day at the desk."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.loans.factories import Desk, lend, make_desk, number, shelf
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, ids
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.core.idempotency import IdempotencyKey
from volunteer_api.loans import borrowers
from volunteer_api.loans.models import Loan

Unit = Callable[[Callable[[], Any]], Any]
NAME, PHONE = "欧阳锋", "+8613799998888"


@pytest.fixture
def desk(unit: Unit) -> Desk:
    made: Desk = unit(make_desk)
    return made


@pytest.fixture
def manager(client: Any, desk: Desk) -> Any:
    return client.as_(desk.manager_id)


def key() -> str:
    return ids.new_id().hex


def body_of(desk: Desk, **members: Any) -> dict[str, Any]:
    return {"item_id": str(desk.item_id), "quantity": 2, "borrower": {"name": NAME, "phone": "137 9999 8888"}} | members


def lend_by_phone(manager: Any, desk: Desk, **members: Any) -> dict[str, Any]:
    answer = manager.post(f"/stations/{desk.station_id}/loans", json=body_of(desk, **members), key=key())
    assert answer.status_code == 201, answer.get_json()
    made: dict[str, Any] = answer.get_json()
    return made


def codes(answer: Any) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.get_json()
    return {(error["pointer"], error["code"]) for error in answer.get_json()["errors"]}


def test_a_day_at_the_desk(client: Any, unit: Unit, desk: Desk, manager: Any) -> None:
    loan = lend_by_phone(manager, desk)
    assert loan["item"] == {"id": str(desk.item_id), "name": loan["item"]["name"], "unit": "件", "kind": "durable"}
    assert loan["borrower"] == {"kind": "passer_by", "volunteer": None, "name": "欧*", "phone": "137****8888"}
    assert loan["documents"][0]["document_number"].startswith(desk.depot.code)
    (row,) = manager.get(f"/stations/{desk.station_id}/stock").get_json()["items"]
    assert (row["quantity"], row["on_loan"]) == (8, 2)
    there = client.as_(desk.other_manager_id)
    (found,) = there.post("/loans/lookup", json={"phone": PHONE}).get_json()["items"]
    assert found["id"] == loan["id"]
    back = there.post(
        f"/loans/{loan['id']}/return",
        json={"station_id": str(desk.other_station_id), "quantity": 1, "condition": "good", "note": "有点湿"},
        key=key(),
    ).get_json()
    assert (back["outstanding"], back["returned"], back["state"]) == (1, 1, "open")
    assert back["returns"][0]["station"]["id"] == str(desk.other_station_id)
    lost = manager.post(
        f"/loans/{loan['id']}/return", json={"station_id": str(desk.station_id), "condition": "lost"}, key=key()
    ).get_json()
    assert (lost["state"], lost["lost"], lost["outstanding"]) == ("closed", 1, 0)
    assert manager.get(f"/loans/{loan['id']}").get_json() == lost
    again = manager.post(
        f"/loans/{loan['id']}/return", json={"station_id": str(desk.station_id), "condition": "good"}, key=key()
    )
    assert (again.status_code, again.get_json()["code"]) == (409, "already_returned")
    assert manager.post("/loans/lookup", json={"phone": PHONE}).get_json()["items"] == []


def test_a_second_tap_lends_nothing_twice(unit: Unit, desk: Desk, manager: Any) -> None:
    path, body = f"/stations/{desk.station_id}/loans", body_of(desk)
    first, second = (manager.post(path, json=body, key="tap") for _ in range(2))
    assert first.get_json() == second.get_json()
    assert second.headers["Idempotency-Replayed"] == "true"
    assert unit(lambda: shelf(desk.station_id, desk.item_id)) == (8, 0, 2)
    other = manager.post(path, json=body | {"quantity": 3}, key="tap")
    assert (other.status_code, other.get_json()["code"]) == (422, "idempotency_key_reused")
    assert manager.post(path, json=body).get_json()["code"] == "idempotency_key_missing"
    giving_back = {"station_id": str(desk.station_id), "quantity": 1, "condition": "good"}
    for _ in range(2):
        back = manager.post(f"/loans/{first.get_json()['id']}/return", json=giving_back, key="back")
    assert back.get_json()["outstanding"] == 1


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"quantity": 0}, ("/quantity", "min")),
        ({"quantity": -1}, ("/quantity", "min")),
        ({"quantity": 1.5}, ("/quantity", "not_whole")),
        ({"quantity": "2"}, ("/quantity", "not_whole")),
        ({"quantity": 10_001}, ("/quantity", "max")),
        ({"borrower": {}}, ("/borrower", "one_of")),
        ({"borrower": {"name": NAME}}, ("/borrower", "one_of")),
        ({"borrower": {"name": NAME, "phone": "12345"}}, ("/borrower/phone", "not_phone")),
        ({"borrower": {"name": NAME, "phone": PHONE, "volunteer_number": "A"}}, ("/borrower", "one_of")),
        ({"asset_id": "00000000-0000-7000-8000-000000000000"}, ("", "one_of")),
        ({"due_at": "2026-12-01T08:00:00"}, ("/due_at", "not_moment")),
    ],
)
def test_what_a_loan_can_not_be(desk: Desk, manager: Any, members: dict[str, Any], expected: tuple[str, str]) -> None:
    answer = manager.post(f"/stations/{desk.station_id}/loans", json=body_of(desk, **members), key=key())
    assert expected in codes(answer)


def test_what_a_return_can_not_be(desk: Desk, manager: Any) -> None:
    loan = lend_by_phone(manager, desk)
    path, body = f"/loans/{loan['id']}/return", {"station_id": str(desk.station_id), "condition": "good"}
    assert codes(manager.post(path, json=body | {"quantity": 0}, key=key())) == {("/quantity", "min")}
    assert codes(manager.post(path, json=body | {"condition": "eaten"}, key=key())) == {("/condition", "not_choice")}
    assert codes(manager.post(path, json=body | {"write_off": True}, key=key())) == {
        ("/write_off", "write_off_of_damaged")
    }
    too_many = manager.post(path, json=body | {"quantity": 3}, key=key()).get_json()
    assert (too_many["code"], too_many["outstanding"], too_many["requested"]) == ("more_than_outstanding", 2, 3)


def test_the_refusal_names_the_balance_in_chinese(desk: Desk, manager: Any) -> None:
    answer = manager.post(
        f"/stations/{desk.station_id}/loans",
        json=body_of(desk, quantity=11),
        key=key(),
        headers={"Accept-Language": "zh-CN"},
    ).get_json()
    assert (answer["code"], answer["balance"], answer["requested"]) == ("stock_too_low", 10, 11)
    assert "10" in answer["detail"]


def test_nobody_takes_back_where_he_does_not_serve(client: Any, desk: Desk, manager: Any) -> None:
    loan = lend_by_phone(manager, desk)
    body = {"station_id": str(desk.other_station_id), "condition": "good"}
    assert manager.post(f"/loans/{loan['id']}/return", json=body, key=key()).status_code == 404
    there = client.as_(desk.other_manager_id)
    assert there.get(f"/loans/{loan['id']}").status_code == 404
    assert there.post(f"/loans/{loan['id']}/return", json=body, key=key()).status_code == 200


def test_a_volunteer_sees_her_own_loans(client: Any, unit: Unit, desk: Desk) -> None:
    volunteer, other = unit(make_volunteer), unit(make_volunteer)
    loan = unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))
    phone = client.as_(volunteer)
    (mine,) = phone.get("/me/loans?state=open").get_json()["items"]
    assert mine["slip_number"] == loan.slip_number
    assert phone.get("/me/loans?state=closed").get_json()["items"] == []
    assert phone.get(f"/loans/{loan.id}").get_json()["borrower"]["volunteer"]["id"] == str(volunteer.id)
    assert client.as_(other).get("/me/loans").get_json()["items"] == []
    assert client.as_(other).get(f"/loans/{loan.id}").status_code == 404
    body = {"station_id": str(desk.station_id), "condition": "good"}
    # She sees it, and so hears that it is not hers to settle.
    assert phone.post(f"/loans/{loan.id}/return", json=body, key=key()).status_code == 403
    lost = body | {"condition": "lost"}
    assert phone.post(f"/loans/{loan.id}/return", json=lost, key=key()).status_code == 403
    later = {"due_at": "2099-01-01T00:00:00Z"}
    assert phone.post(f"/loans/{loan.id}/extension", json=later, key=key()).status_code == 403
    assert client.as_(other).post(f"/loans/{loan.id}/return", json=body, key=key()).status_code == 404
    assert phone.get(f"/loans/{loan.id}/borrower").status_code == 404


@pytest.mark.parametrize("by_phone", [False, True])
def test_nobody_settles_what_she_borrowed_herself(client: Any, unit: Unit, desk: Desk, by_phone: bool) -> None:
    def borrow() -> Any:
        phone = db.session.get_one(Volunteer, desk.manager_id).phone
        return lend(desk, borrower={"name": NAME, "phone": phone} if by_phone else {"volunteer_id": desk.manager_id})

    loan, manager = unit(borrow), client.as_(desk.manager_id)
    later = (clock.now() + timedelta(days=20)).isoformat()
    for verb, body in (
        ("return", {"station_id": str(desk.station_id), "condition": "good"}),
        ("return", {"station_id": str(desk.station_id), "condition": "lost"}),
        ("extension", {"due_at": later}),
    ):
        answer = manager.post(f"/loans/{loan.id}/{verb}", json=body, key=key())
        assert (answer.status_code, answer.get_json()["code"]) == (409, "own_loan")
    # Whoever stands at another desk sees it, and takes it.
    other = client.as_(desk.other_manager_id)
    body = {"station_id": str(desk.other_station_id), "condition": "good"}
    assert other.post(f"/loans/{loan.id}/return", json=body, key=key()).status_code == 200


def test_the_list_of_what_is_overdue(client: Any, unit: Unit, statements: Any) -> None:
    with clock.at(clock.now() - timedelta(days=20)):
        desk = unit(make_desk)
        loans = [unit(lambda days=days: lend(desk, due_at=clock.now() + timedelta(days=days))) for days in (9, 5, 7)]
    unit(lambda: lend(desk))
    manager = client.as_(desk.manager_id)
    path = f"/loans?station_id={desk.station_id}"
    pages, cursor = [], ""
    while cursor is not None:
        answer = manager.get(f"{path}&overdue=true&limit=2" + (f"&cursor={cursor}" if cursor else "")).get_json()
        pages += [row["id"] for row in answer["items"]]
        cursor = answer["next_cursor"]
    assert pages == [str(loans[position].id) for position in (1, 2, 0)]
    with statements() as seen:
        everything = manager.get(f"{path}&limit=100").get_json()["items"]
    assert len(everything) == 4
    assert len([statement for statement in seen if "FROM loans" in statement]) == 1
    assert [row["overdue"] for row in everything] == [False, True, True, True]
    assert manager.get(f"{path}&overdue=false").get_json()["items"] == everything[:1]
    assert manager.get("/loans?borrower=volunteer").get_json()["items"] == []
    assert len(manager.get("/loans?borrower=passer_by&state=open").get_json()["items"]) == 4
    assert manager.get(f"/loans?item_id={ids.new_id()}").get_json()["items"] == []


def test_without_a_station_one_sees_ones_own(client: Any, unit: Unit, desk: Desk, manager: Any) -> None:
    lend_by_phone(manager, desk)
    elsewhere = unit(make_desk)
    unit(lambda: lend(elsewhere))
    for volunteer_id in (desk.manager_id, desk.depot.organizer_id, desk.depot.auditor_id):
        assert len(client.as_(volunteer_id).get("/loans").get_json()["items"]) == 1
    assert client.as_(desk.other_manager_id).get("/loans").get_json()["items"] == []
    assert client.as_(desk.depot.outsider_id).get(f"/loans?station_id={desk.station_id}").status_code == 404


def test_looking_up_by_slip_and_by_piece(client: Any, unit: Unit, desk: Desk, manager: Any) -> None:
    asset = unit(lambda: number(desk))
    loan = lend_by_phone(manager, desk, item_id=str(desk.item_id))
    piece = unit(lambda: lend(desk, asset_id=asset.id))
    typed = f"{loan['slip_number'][:4].lower()}-{loan['slip_number'][4:]} "
    assert [row["id"] for row in manager.post("/loans/lookup", json={"slip_number": typed}).get_json()["items"]] == [
        loan["id"]
    ]
    for text in (asset.code, asset.qr):
        (found,) = manager.post("/loans/lookup", json={"asset_code": text}).get_json()["items"]
        assert found["id"] == str(piece.id)
    assert manager.post("/loans/lookup", json={"slip_number": "22222222"}).get_json()["items"] == []
    assert codes(manager.post("/loans/lookup", json={})) == {("", "one_of")}
    assert codes(manager.post("/loans/lookup", json={"phone": PHONE, "slip_number": "A"})) == {("", "one_of")}


def test_a_volunteers_loans_are_found_by_her_phone(unit: Unit, desk: Desk, manager: Any) -> None:
    volunteer = unit(lambda: make_volunteer(phone="+8613711112222"))
    loan = unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))
    (found,) = manager.post("/loans/lookup", json={"phone": "13711112222"}).get_json()["items"]
    assert found["id"] == str(loan.id)


def test_look_ups_are_audited_and_counted(app: Any, change_settings: Any, unit: Unit, desk: Desk, manager: Any) -> None:
    change_settings(app, limits=True)
    lend_by_phone(manager, desk)
    allowed = int(borrowers.PHONES_LOOKED_UP.partition("/")[0])
    statuses = [
        manager.post("/loans/lookup", json={"phone": PHONE if number == 0 else "13700000000"}).status_code
        for number in range(allowed + 1)
    ]
    assert statuses == [200] * allowed + [429]
    # A slip names nobody: the desk goes on.
    assert manager.post("/loans/lookup", json={"slip_number": "22222222"}).status_code == 200
    entries = unit(
        lambda: list(
            db.session.scalars(select(AuditEntry).where(AuditEntry.action == "data_read").order_by(AuditEntry.id))
        )
    )
    assert len(entries) == allowed + 1
    assert entries[0].details == {"what": "loans", "by": "phone", "found": 1}
    assert entries[0].actor_id == desk.manager_id


def test_whom_to_call_is_told_and_audited(client: Any, unit: Unit, desk: Desk, manager: Any) -> None:
    loan = lend_by_phone(manager, desk)
    assert manager.get(f"/loans/{loan['id']}/borrower").get_json() == {"name": NAME, "phone": PHONE}
    (entry,) = unit(lambda: list(db.session.scalars(select(AuditEntry).where(AuditEntry.action == "data_read"))))
    assert entry.details == {"what": "borrower", "loan_id": loan["id"]}
    assert client.as_(desk.depot.auditor_id).get(f"/loans/{loan['id']}/borrower").status_code == 403
    volunteer = unit(make_volunteer)
    hers = unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))
    answer = manager.get(f"/loans/{hers.id}/borrower")
    assert (answer.status_code, answer.get_json()["code"]) == (409, "borrower_is_volunteer")


def test_no_name_or_phone_is_stored_or_answered_in_the_clear(unit: Unit, desk: Desk, manager: Any) -> None:
    loan = lend_by_phone(manager, desk)
    manager.post("/loans/lookup", json={"phone": PHONE})
    manager.get(f"/loans/{loan['id']}/borrower")
    stored = unit(lambda: db.session.scalars(select(Loan).where(Loan.slip_number == loan["slip_number"])).one())
    answers = unit(lambda: list(db.session.scalars(select(IdempotencyKey.body))))
    assert len(answers) == 1
    for value in (stored.borrower, stored.phone_digest, *answers):
        for secret in (NAME, PHONE, PHONE[3:]):
            assert secret.encode() not in bytes(value)


def test_an_extension_over_http(desk: Desk, manager: Any) -> None:
    loan = lend_by_phone(manager, desk)
    later = (clock.now() + timedelta(days=14)).isoformat().replace("+00:00", "Z")
    answer = manager.post(f"/loans/{loan['id']}/extension", json={"due_at": later}, key=key())
    assert (answer.status_code, answer.get_json()["extended_count"]) == (200, 1)
    too_late = (clock.now() + timedelta(days=60)).isoformat().replace("+00:00", "Z")
    answer = manager.post(f"/loans/{loan['id']}/extension", json={"due_at": too_late}, key=key())
    assert (answer.status_code, answer.get_json()["code"]) == (409, "due_too_late")


def test_numbered_pieces_over_http(client: Any, unit: Unit, desk: Desk, manager: Any) -> None:
    body = {"station_id": str(desk.station_id), "item_id": str(desk.item_id), "code": "WD-0001", "note": "黑色"}
    asset = manager.post("/assets", json=body, key="numbered").get_json()
    assert (asset["code"], asset["state"], asset["condition"], asset["version"]) == ("WD-0001", "in_stock", "good", 1)
    taken = manager.post("/assets", json=body, key=key())
    assert (taken.status_code, taken.get_json()["code"]) == (409, "asset_code_taken")
    read = manager.get(f"/assets/{asset['id']}")
    assert (read.get_json(), read.headers["ETag"][:3]) == (asset, '"1-')
    path = f"/assets/{asset['id']}"
    assert manager.patch(path, json={"state": "repair"}).status_code == 428
    repaired = manager.patch(path, json={"state": "repair", "condition": "damaged"}, version=1).get_json()
    assert (repaired["state"], repaired["condition"], repaired["version"]) == ("repair", "damaged", 2)
    assert manager.patch(path, json={"note": None}, version=1).status_code == 412
    assert codes(manager.patch(path, json={"state": "on_loan"}, version=2)) == {("/state", "not_choice")}
    assert codes(manager.post("/assets", json=body | {"code": "wd 1"}, key=key())) == {("/code", "pattern")}
    row = {
        row["state"]: row["quantity"] for row in manager.get(f"/stations/{desk.station_id}/stock").get_json()["items"]
    }
    assert row == {"ok": 9, "quarantined": 1}
    assert [one["id"] for one in manager.get("/assets?code=WD-0001").get_json()["items"]] == [asset["id"]]
    assert manager.get("/assets?state=in_stock").get_json()["items"] == []
    organizer = client.as_(desk.depot.organizer_id)
    organizer.patch(path, json={"state": "in_stock"}, version=2)
    there = {"station_id": str(desk.other_station_id)}
    # Who manages only one of the two carries nothing over.
    assert manager.post(f"{path}/relocation", json=there, key=key()).status_code == 404
    moved = organizer.post(f"{path}/relocation", json=there, key=key()).get_json()
    assert moved["station"]["id"] == str(desk.other_station_id)
    assert manager.get(path).status_code == 404


def test_a_second_try_gives_a_piece_no_second_number(desk: Desk, manager: Any) -> None:
    body = {"station_id": str(desk.station_id), "item_id": str(desk.item_id)}
    first, again = (manager.post("/assets", json=body, key="wheelchair").get_json() for _ in range(2))
    assert first == again
    keyless = manager.post("/assets", json=body)
    assert (keyless.status_code, keyless.get_json()["code"]) == (400, "idempotency_key_missing")
    assert [row["id"] for row in manager.get("/assets").get_json()["items"]] == [first["id"]]


def test_a_label_leads_to_a_page_that_says_where_the_piece_belongs(client: Any, unit: Unit, desk: Desk) -> None:
    asset = unit(lambda: number(desk, code="WD-0001"))
    unit(lambda: lend(desk, borrower={"name": NAME, "phone": PHONE}, asset_id=asset.id))
    path = asset.qr.removeprefix("http://localhost")
    for language, said in (("zh-CN", "任一志愿服务站点"), ("en", "Any station")):
        page = client.at_root.get(f"{path.lower()}?from=timeline", headers={"Accept-Language": language})
        text = page.get_data(as_text=True)
        assert (page.status_code, page.mimetype) == (200, "text/html")
        for told in (said, asset.item.name, asset.code, asset.station.name, f"/c/t/{desk.station_id}"):
            assert told in text
        assert NAME[0] not in text
    assert client.at_root.get("/c/a/WD-0002").status_code == 404
    assert client.at_root.get("/c/a/%00").status_code == 404


def test_a_write_off_of_a_numbered_piece_is_refused_over_http(unit: Unit, desk: Desk, manager: Any) -> None:
    unit(lambda: number(desk))
    lines = [{"item_id": str(desk.item_id), "quantity": 10}]
    answer = manager.post(
        f"/stations/{desk.station_id}/movements",
        json={"kind": "write_off", "reason": "lost", "lines": lines},
        key=key(),
    )
    assert (answer.status_code, answer.get_json()["code"]) == (409, "pieces_numbered")


def test_loan_documents_are_not_reversed_over_http(desk: Desk, manager: Any) -> None:
    loan = lend_by_phone(manager, desk)
    document_id = loan["documents"][0]["id"]
    answer = manager.post(f"/movements/{document_id}/reversal", json={"reason": "mistake"}, key=key())
    assert (answer.status_code, answer.get_json()["code"]) == (409, "undone_by_return")
