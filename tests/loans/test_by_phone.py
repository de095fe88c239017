"""A volunteer at the desk says her phone: she borrows by her account, and nobody tries a street's numbers."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.factories import make_volunteer
from tests.loans.factories import Desk, make_desk
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import audit, ids
from volunteer_api.core.audit import AuditEntry
from volunteer_api.core.database import db
from volunteer_api.loans import borrowers
from volunteer_api.loans.models import Loan

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def desk(unit: Unit) -> Desk:
    made: Desk = unit(make_desk)
    return made


@pytest.fixture
def volunteer(unit: Unit) -> Volunteer:
    made: Volunteer = unit(lambda: make_volunteer(name="李大姐"))
    return made


def lend_to(manager: Any, desk: Desk, quantity: int = 1, **borrower: Any) -> Any:
    body = {"item_id": str(desk.item_id), "quantity": quantity, "borrower": borrower}
    return manager.post(f"/stations/{desk.station_id}/loans", json=body, key=ids.new_id().hex)


def looked_up(unit: Unit) -> list[tuple[Any, Any]]:
    noted = select(AuditEntry).where(AuditEntry.action == audit.AuditAction.DATA_READ).order_by(AuditEntry.id)
    entries = unit(lambda: db.session.scalars(noted).all())
    return [(entry.subject_id, entry.details["found"]) for entry in entries if entry.details["what"] == "borrower"]


def test_her_phone_is_her_account(client: Any, unit: Unit, desk: Desk, volunteer: Volunteer) -> None:
    manager = client.as_(desk.manager_id)
    lent = lend_to(manager, desk, phone=volunteer.phone)
    assert (lent.status_code, lent.get_json()["borrower"]["kind"]) == (201, "volunteer")
    hers = client.as_(volunteer.id).get("/me/loans").get_json()["items"]
    assert [loan["id"] for loan in hers] == [lent.get_json()["id"]]
    # By her name too: no second, silent borrower beside the account.
    again = lend_to(manager, desk, name="李大姐", phone=volunteer.phone).get_json()
    assert again["borrower"]["volunteer"]["id"] == str(volunteer.id)
    # Somebody else's name on her number is not her.
    other = lend_to(manager, desk, name="赵大爷", phone=volunteer.phone).get_json()
    assert other["borrower"]["kind"] == "passer_by"
    assert looked_up(unit) == [(volunteer.id, 1)]


def test_each_try_is_counted_and_audited(
    app: Flask,
    client: Any,
    unit: Unit,
    desk: Desk,
    volunteer: Volunteer,
    change_settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change_settings(app, limits=True)
    monkeypatch.setattr(borrowers, "PHONES_LOOKED_UP", "2/hour")
    manager = client.as_(desk.manager_id)
    unknown = lend_to(manager, desk, phone="+8613700000000")
    assert (unknown.status_code, unknown.get_json()["code"]) == (409, "borrower_unknown")
    # Nor is the refusal for another reason a way to ask for nothing; and nothing of the loan stays.
    too_many = lend_to(manager, desk, 11, phone=volunteer.phone)
    assert (too_many.status_code, too_many.get_json()["code"]) == (409, "stock_too_low")
    assert lend_to(manager, desk, phone=volunteer.phone).status_code == 429
    assert looked_up(unit) == [(None, 0), (volunteer.id, 1)]
    assert unit(lambda: db.session.scalar(select(func.count()).select_from(Loan))) == 0
