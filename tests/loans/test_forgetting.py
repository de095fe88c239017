"""What is known of borrowers, and when it is forgotten."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.loans.factories import PASSER_BY, Desk, bring_back, lend, make_desk, read
from volunteer_api.accounts import erasure, reencryption
from volunteer_api.accounts.events import ErasureRequested
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock, events, keyring, personal_data
from volunteer_api.core.database import db
from volunteer_api.loans import borrowers, queries, tasks
from volunteer_api.loans.models import Loan
from volunteer_api.loans.problems import BorrowerForgotten
from volunteer_api.notifications.models import Notification

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def desk(unit: Unit) -> Desk:
    made: Desk = unit(make_desk)
    return made


def erase(volunteer_id: UUID) -> bool:
    db.session.get_one(Volunteer, volunteer_id).erases_at = clock.now()
    db.session.flush()
    return erasure.execute(volunteer_id)


def found(desk: Desk) -> list[queries.LoanView]:
    return queries.find_by_phone("+8613855557777", reader_id=desk.manager_id)


def test_a_passer_by_is_forgotten_thirty_days_after_the_return(unit: Unit, desk: Desk) -> None:
    loan, open_one = unit(lambda: lend(desk)), unit(lambda: lend(desk))
    unit(lambda: bring_back(desk, loan.id))
    before, after = clock.now() + timedelta(days=29), clock.now() + timedelta(days=30, minutes=1)
    with clock.at(before):
        assert unit(borrowers.forget) == 0
    assert unit(lambda: read(desk, loan.id)).borrower.kind == "passer_by"
    with clock.at(after):
        assert unit(borrowers.forget) == 1
        assert unit(borrowers.forget) == 0
    forgotten = unit(lambda: db.session.get_one(Loan, loan.id))
    assert (forgotten.borrower, forgotten.phone_digest, forgotten.volunteer_id) == (None, None, None)
    assert unit(lambda: read(desk, loan.id)).borrower == queries.Borrower("forgotten", None, None, None)
    with pytest.raises(BorrowerForgotten):
        unit(lambda: borrowers.contact_of(db.session.get_one(Loan, loan.id)))
    # What is still out is still somebody's, however long.
    with clock.at(after + timedelta(days=400)):
        assert unit(borrowers.forget) == 0
    assert unit(lambda: read(desk, open_one.id)).borrower.kind == "passer_by"


def test_a_partly_returned_loan_is_not_forgotten(unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk, 2))
    unit(lambda: bring_back(desk, loan.id, 1))
    with clock.at(clock.now() + timedelta(days=60)):
        assert unit(borrowers.forget) == 0


def test_a_volunteers_history_is_forgotten_after_a_year(app: Flask, unit: Unit, desk: Desk) -> None:
    volunteer = unit(make_volunteer)
    loan = unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))
    unit(lambda: bring_back(desk, loan.id))
    with clock.at(clock.now() + timedelta(days=364)):
        unit(tasks.forget_borrowers)
        assert len(unit(lambda: queries.loans_of(volunteer.id, {})).items) == 1
    with clock.at(clock.now() + timedelta(days=366)):
        unit(tasks.forget_borrowers)
        assert unit(lambda: queries.loans_of(volunteer.id, {})).items == []


def test_erasure_keeps_whom_to_ask_for_what_is_out(unit: Unit, desk: Desk) -> None:
    volunteer = unit(lambda: make_volunteer(name="欧阳翠花", phone="+8613855557777"))
    borrower = {"volunteer_id": volunteer.id}
    closed, out = unit(lambda: lend(desk, borrower=borrower)), unit(lambda: lend(desk, borrower=borrower))
    unit(lambda: bring_back(desk, closed.id))
    assert unit(lambda: erase(volunteer.id))
    rows = {row.id: row for row in unit(lambda: list(db.session.scalars(select(Loan))))}
    assert rows[closed.id].volunteer_id is None
    assert rows[closed.id].forgotten_at is not None
    assert (rows[closed.id].borrower, rows[closed.id].phone_digest) == (None, None)
    assert (rows[out.id].volunteer_id, rows[out.id].forgotten_at) == (None, None)
    contact = unit(lambda: borrowers.contact_of(db.session.get_one(Loan, out.id)))
    assert contact == borrowers.Contact("欧阳翠花", "+8613855557777")
    assert [loan.id for loan in unit(lambda: found(desk))] == [out.id]
    # The second look of the erasure changes nothing more.
    unit(lambda: erasure.look_again(volunteer.id))
    assert unit(lambda: borrowers.contact_of(db.session.get_one(Loan, out.id))) == contact
    unit(lambda: bring_back(desk, out.id))
    with clock.at(clock.now() + timedelta(days=31)):
        assert unit(borrowers.forget) == 1
    assert unit(lambda: found(desk)) == []


def test_erasure_of_somebody_whose_number_went_to_another(unit: Unit, desk: Desk) -> None:
    volunteer = unit(lambda: make_volunteer(name="李四"))
    loan = unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))
    unit(lambda: setattr(db.session.get_one(Volunteer, volunteer.id), "phone", None))
    assert unit(lambda: erase(volunteer.id))
    assert unit(lambda: borrowers.contact_of(db.session.get_one(Loan, loan.id))) == borrowers.Contact("李四", None)
    assert unit(lambda: read(desk, loan.id)).borrower == queries.Borrower("passer_by", None, "李*", None)


def test_whoever_asks_for_erasure_hears_what_is_still_out(unit: Unit, desk: Desk) -> None:
    volunteer, other = unit(make_volunteer), unit(make_volunteer)
    unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}))
    for one in (volunteer, other):
        unit(lambda one=one: events.publish(ErasureRequested(volunteer_id=one.id, erases_at=clock.now())))
    told = unit(lambda: list(db.session.scalars(select(Notification).where(Notification.kind == "loan_at_erasure"))))
    assert [(row.volunteer_id, row.values) for row in told] == [(volunteer.id, {"count": "1"})]


def test_the_export_has_what_one_borrowed_and_handled(unit: Unit, desk: Desk) -> None:
    volunteer = unit(make_volunteer)
    loan = unit(lambda: lend(desk, 2, borrower={"volunteer_id": volunteer.id}))
    unit(lambda: bring_back(desk, loan.id, 1))
    mine = unit(lambda: personal_data.collect(volunteer.id))
    assert [(row["id"], row["outstanding"]) for row in mine["loans"]] == [(loan.id, 1)]
    assert mine["loans_handled"] == []
    handled = unit(lambda: personal_data.collect(desk.manager_id))["loans_handled"]
    assert [(row["action"], row["id"]) for row in handled] == [("lent", loan.id), ("received", loan.id)]


def test_borrowers_are_sealed_anew_by_the_newest_key(app: Flask, unit: Unit, desk: Desk) -> None:
    loan = unit(lambda: lend(desk))
    unit(lambda: lend(desk, borrower={"volunteer_id": unit_volunteer()}))
    unit(lambda: keyring.rotate(borrowers.PURPOSE))
    with app.app_context():
        keyring.forget()
        assert reencryption.reencrypt(borrowers.SEALED) == 1
        assert reencryption.reencrypt(borrowers.SEALED) == 0
    newest = unit(lambda: keyring.newest_key_id(borrowers.PURPOSE))
    sealed = unit(lambda: db.session.get_one(Loan, loan.id).borrower)
    assert keyring.key_id_of(sealed) == newest
    assert unit(lambda: borrowers.unseal(sealed, loan.id)) == borrowers.Contact(PASSER_BY["name"], PASSER_BY["phone"])


def unit_volunteer() -> UUID:
    return make_volunteer().id


def test_sealed_borrowers_do_not_open_on_another_loan(unit: Unit, desk: Desk) -> None:
    first, second = unit(lambda: lend(desk)), unit(lambda: lend(desk))
    sealed = unit(lambda: db.session.get_one(Loan, first.id).borrower)
    with pytest.raises(keyring.SealBroken):
        unit(lambda: borrowers.unseal(sealed, second.id))
