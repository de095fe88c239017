"""Who had a place and did not come."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from tests.activities.factories import make_activity, make_volunteers
from tests.attendance.factories import loaded_evidence
from volunteer_api.attendance import absences, service
from volunteer_api.attendance.models import Attendance, State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups import service as sign_ups
from volunteer_api.sign_ups.models import SignUp

HOUR = timedelta(hours=1)


def test_no_shows_are_recorded_once_no_phone_can_tell_otherwise(unit: Any) -> None:
    start = clock.now() + 5 * HOUR

    def prepare() -> dict[str, UUID]:
        made = make_activity(starts_at=start, capacity=3)
        came, rejected, stayed, waited, withdrew = make_volunteers(5)
        ids = {
            name: sign_ups.sign_up(shift_id=made.shift_id, volunteer_id=one).id
            for name, one in (("came", came), ("rejected", rejected), ("stayed", stayed), ("waited", waited))
        }
        other = make_activity(scene=made.scene, starts_at=start)
        ids["withdrew"] = sign_ups.sign_up(shift_id=other.shift_id, volunteer_id=withdrew).id
        sign_ups.withdraw(sign_up_id=ids["withdrew"])
        with clock.at(start):
            for one in (came, rejected):
                service.check_in(volunteer_id=one, shift_id=made.shift_id, evidence=loaded_evidence(clock.now()))
        db.session.query(Attendance).filter_by(volunteer_id=rejected).one().state = State.REJECTED
        db.session.flush()
        return ids

    ids = unit(prepare)

    def absent() -> set[str]:
        return {name for name, one in ids.items() if unit(lambda one=one: db.session.get(SignUp, one)).absent_at}

    with clock.at(start + 2 * HOUR + timedelta(hours=72) - timedelta(seconds=1)):
        assert unit(absences.record_absences) == 0
    with clock.at(start + 2 * HOUR + timedelta(hours=72)):
        assert unit(absences.record_absences) == 2
        assert absent() == {"rejected", "stayed"}
        assert unit(absences.record_absences) == 0

    def review() -> None:
        db.session.query(Attendance).filter_by(state=State.REJECTED).one().state = State.CREDITED
        db.session.flush()

    unit(review)
    with clock.at(start + timedelta(days=5)):
        assert unit(absences.record_absences) == 1
    assert absent() == {"stayed"}
