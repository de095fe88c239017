"""Reminding of what is overdue: once at each stage."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from tests.factories import make_volunteer
from tests.loans.factories import Desk, bring_back, extend, lend, make_desk
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.loans import reminders, tasks
from volunteer_api.notifications.models import Notification

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def desk(unit: Unit) -> Desk:
    made: Desk = unit(make_desk)
    return made


def told(unit: Unit) -> Counter[tuple[str, Any]]:
    """How often each kind of reminder went to each person."""
    return Counter(
        unit(
            lambda: [
                (row.kind, row.volunteer_id)
                for row in db.session.scalars(select(Notification).where(Notification.kind.like("%overdue%")))
            ]
        )
    )


def pass_days(app: Flask, days: float) -> None:
    with clock.at(clock.now() + timedelta(days=days)), app.app_context():
        tasks.remind()


def test_borrower_and_desk_hear_once_of_each_stage(app: Flask, unit: Unit, desk: Desk) -> None:
    volunteer = unit(make_volunteer)
    unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}, due_at=clock.now() + timedelta(days=5)))
    pass_days(app, 4.9)
    assert told(unit) == {}
    for days, times in ((5.1, 1), (5.2, 1), (7.9, 1), (8.1, 2), (12.1, 3), (12.2, 3), (90, 3)):
        pass_days(app, days)
        assert told(unit) == {
            ("loan_overdue", volunteer.id): times,
            ("loans_overdue_at_desk", desk.manager_id): times,
        }, days


def test_stages_that_nobody_worked_through_are_one_reminder(app: Flask, unit: Unit, desk: Desk) -> None:
    volunteer = unit(make_volunteer)
    unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}, due_at=clock.now() + timedelta(days=1)))
    pass_days(app, 30)
    pass_days(app, 31)
    assert told(unit)["loan_overdue", volunteer.id] == 1


def test_a_desk_hears_of_its_loans_together_and_of_no_others(app: Flask, unit: Unit, desk: Desk) -> None:
    other = unit(make_desk)
    for _ in range(3):
        unit(lambda: lend(desk))
    unit(lambda: lend(other))
    pass_days(app, 8.5)
    assert told(unit) == {
        ("loans_overdue_at_desk", desk.manager_id): 1,
        ("loans_overdue_at_desk", other.manager_id): 1,
    }
    values = unit(
        lambda: db.session.scalar(select(Notification.values).where(Notification.volunteer_id == desk.manager_id))
    )
    assert values["count"] == "3"


def test_what_came_back_is_not_reminded_of(app: Flask, unit: Unit, desk: Desk) -> None:
    loan, part = unit(lambda: lend(desk)), unit(lambda: lend(desk, 2))
    unit(lambda: bring_back(desk, loan.id))
    unit(lambda: bring_back(desk, part.id, 1))
    with clock.at(clock.now() + timedelta(days=8)):
        assert unit(reminders.remind) == 1


def test_an_extension_begins_the_stages_anew(app: Flask, unit: Unit, desk: Desk) -> None:
    volunteer = unit(make_volunteer)
    loan = unit(lambda: lend(desk, borrower={"volunteer_id": volunteer.id}, due_at=clock.now() + timedelta(days=1)))
    pass_days(app, 1.1)
    later = clock.now() + timedelta(days=10)
    unit(lambda: extend(desk, loan.id, later))
    pass_days(app, 9.9)
    assert told(unit)["loan_overdue", volunteer.id] == 1
    pass_days(app, 10.1)
    assert told(unit)["loan_overdue", volunteer.id] == 2


def test_more_than_a_batch(app: Flask, unit: Unit, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "BATCH", 2)
    for _ in range(5):
        unit(lambda: lend(desk))
    pass_days(app, 8.5)
    with clock.at(clock.now() + timedelta(days=8.5)):
        assert unit(reminders.remind) == 0
