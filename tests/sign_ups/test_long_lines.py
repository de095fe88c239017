"""Long waitlists: what a walk along one costs while everybody else queues at the shift."""

from typing import Any
from uuid import UUID

from tests.activities.factories import MadeActivity
from tests.sign_ups.test_service import fill, state_of
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Activity, Shift, ShiftRole
from volunteer_api.core.database import db
from volunteer_api.sign_ups.models import SignUp


def test_statements_do_not_grow_with_those_who_wait_and_are_unfit(client: Any, unit: Any, statements: Any) -> None:
    """Everybody else queues at the shift meanwhile: a page of the line costs so much, and not each person of it."""
    spent = {}
    for waiting in (1, 50):
        made, _ = unit(lambda waiting=waiting: fill(1, 1 + waiting))

        def ask_for_insurance(made: MadeActivity = made) -> None:
            db.session.get_one(Activity, made.id).hazardous = True
            db.session.get_one(Shift, made.shift_id).capacity = 2

        unit(ask_for_insurance)
        phone = client.as_(made.scene.outsider_id)
        phone.get("/me")
        with statements() as seen:
            assert phone.post(f"/shifts/{made.shift_id}/sign-ups", json={}, key="a").status_code == 409
        spent[waiting] = len(seen)
    # One more page: the line, who they are, their trainings, their insurance.
    assert spent[50] - spent[1] == 4, spent


def test_a_line_is_walked_once_for_all_who_are_promoted(client: Any, unit: Any, statements: Any) -> None:
    """Those at its head can't be called; of those behind them, more than one wait for a role with one place."""
    spent = {}
    for places in (6, 12):
        made, sign_up_ids = unit(lambda: fill(1, 31))
        fit = sign_up_ids[13:]

        def change(made: MadeActivity = made, fit: list[UUID] = fit) -> None:
            db.session.get_one(Activity, made.id).required_skills = ["急救"]
            role = ShiftRole(shift_id=made.shift_id, name="讲解", capacity=1, waitlisted_count=5)
            db.session.add(role)
            db.session.flush()
            for number, sign_up_id in enumerate(fit):
                one = db.session.get_one(SignUp, sign_up_id)
                one.role_id = role.id if number in range(1, 6) else None
                db.session.get_one(Volunteer, one.volunteer_id).skills = ["急救"]

        unit(change)
        organizer = client.as_(made.scene.organizer_id)
        version = organizer.get(f"/shifts/{made.shift_id}").get_json()["version"]
        with statements() as seen:
            answer = organizer.patch(f"/shifts/{made.shift_id}", json={"capacity": 1 + places}, version=version)
        assert answer.status_code == 200
        states = [state_of(unit, one)[0] for one in sign_up_ids[1:]]
        assert [number for number, state in enumerate(states) if state == "confirmed"] == [
            *(12, 13),
            *range(18, 16 + places),
        ]
        spent[places] = len([one for one in seen if one.startswith("SELECT")])
    assert spent[6] == spent[12]
