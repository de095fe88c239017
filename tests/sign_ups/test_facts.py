"""What is read of the caller with the shifts that are shown is what a statement of its own would read."""

from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.activities.factories import Scene, make_activity, make_scene
from volunteer_api.accounts.models import Volunteer
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.sign_ups import people, service

MEMBERS = people._people(Volunteer.id.is_not(None)).selected_columns.keys()


def facts_of(volunteer_id: UUID) -> list[Any]:
    now = clock.now()
    value = db.session.execute(select(people.caller_facts()), people.facts_values(volunteer_id, now)).scalar_one()
    known = people._known([volunteer_id], now).get(volunteer_id, [])
    told = [[getattr(row, name) for name in MEMBERS] for row in people._facts().read(value)]
    assert told == [[getattr(row, name) for name in MEMBERS] for row in known]
    # True and 1 are equal, and so are moments of different zones.
    assert [list(map(type, row)) for row in told] == [[type(getattr(row, name)) for name in MEMBERS] for row in known]
    return told


@pytest.mark.both_databases
def test_they_are_the_same(unit: Any) -> None:
    def build() -> Scene:
        scene = make_scene()
        member = db.session.get_one(Volunteer, scene.member_id)
        member.birth_date, member.skills = date(2011, 2, 28), ["理发", '引号"和\\', "😀"]
        member.guardian_contact = b"sealed"
        # By day: at night no minor takes part.
        start = clock.at_local(clock.today() + timedelta(days=3), time(9))
        for number, mode in enumerate(("open", "approval", "open")):
            times = {"starts_at": start + timedelta(days=number), "ends_at": start + timedelta(days=number, hours=2)}
            roles = [{"name": "急救", "capacity": 1}] if number == 2 else []
            made = make_activity(scene=scene, sign_up_mode=mode, shifts=[{**times, "capacity": 2, "roles": roles}])
            service.sign_up(shift_id=made.shift_id, volunteer_id=scene.member_id)
        return scene

    scene = unit(build)
    assert len(unit(lambda: facts_of(scene.member_id))) == 3
    (plain,) = unit(lambda: facts_of(scene.outsider_id))
    assert dict(zip(MEMBERS, plain, strict=True))["sign_up_id"] is None
    assert unit(lambda: facts_of(UUID(int=7))) == []
