"""The names of a roll-call are settled together: the same attendances, hours and news as one by one."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from tests.attendance.factories import FAR, NEAR, Scene, loaded_evidence, make_scene, make_shift, soon
from tests.attendance.test_batch_ways import left_by
from tests.attendance.test_roll_call import HOUR, MINUTE
from tests.factories import make_volunteer
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import Shift
from volunteer_api.attendance import review, roll_call, roll_call_queries, service
from volunteer_api.core import clock
from volunteer_api.sign_ups import service as sign_ups

# What PostgreSQL does in one statement, SQLite does in several.
pytestmark = pytest.mark.both_databases

LYON = NEAR | {"lng": NEAR["lng"] + 5}


@pytest.fixture
def scene(app: Any) -> Scene:
    """A shift of two hours that ended an hour ago."""
    return make_scene(starts_at=soon() - 3 * HOUR)


def elsewhere(scene: Scene) -> tuple[Shift, Shift]:
    """A shift at the same time in another place, and one just before."""
    begins = (scene.shift.starts_at, scene.shift.starts_at - 3 * HOUR)
    first, second = (
        make_shift(organization=scene.organization, created_by=scene.organizer, starts_at=one, title="别处")
        for one in begins
    )
    return first, second


def tap(volunteer: Volunteer, shift: Shift, first: int, last: int | None, **evidence: Any) -> UUID:
    """An attendance from so many minutes after the beginning of a shift on."""
    begins = shift.starts_at + first * MINUTE
    with clock.at(begins):
        made = service.check_in(
            volunteer_id=volunteer.id, shift_id=shift.id, evidence=loaded_evidence(begins, **evidence)
        )
    if last is not None:
        ends = shift.starts_at + last * MINUTE
        with clock.at(ends):
            service.check_out(attendance=made, evidence=loaded_evidence(ends, **evidence))
    return made.id


def live(scene: Scene, beside: Shift, before: Shift) -> list[Volunteer]:
    """A dozen people with different mornings; all but the second have a place in the shift."""
    people = [make_volunteer(name=f"V{number}") for number in range(12)]
    for number, one in enumerate(people):
        for shift in (scene.shift, before) if number != 1 else ():
            with clock.at(shift.starts_at - HOUR):
                sign_ups.sign_up(shift_id=shift.id, volunteer_id=one.id)
    tap(people[2], scene.shift, 1, None)
    tap(people[3], scene.shift, 1, 110, place=FAR, accuracy_m=10)
    tap(people[4], beside, 0, None, place=NEAR)
    tap(people[5], beside, 0, 60, place=NEAR)
    tap(people[6], before, 60, 175, place=LYON)
    tap(people[7], scene.shift, 2, 118, place=NEAR)
    tap(people[8], scene.shift, 0, 20)
    rejected = tap(people[9], scene.shift, 3, 40)
    tap(people[10], scene.shift, 3, 115, place=NEAR)
    review.decide(attendance_id=rejected, reviewer_id=scene.organizer.id, decision="reject", reason="不在")
    with clock.at(scene.shift.ends_at):
        # Hours that are taken back leave rows in the ledger, which what comes after must follow.
        absent = [{"volunteer_id": people[number].id, "status": "absent"} for number in (8, 10, 11)]
        roll_call.take(shift=scene.shift, by=scene.leader.id, entries=absent, taken_at=scene.shift.starts_at)
    return people


def entries(people: list[Volunteer], scene: Scene) -> list[dict[str, Any]]:
    named = [{"volunteer_id": one.id, "status": "present"} for one in people]
    named[7]["left_at"] = scene.shift.ends_at - 30 * MINUTE
    # Whoever is named twice finds what the first entry wrote.
    return [*named, {"volunteer_id": people[0].id, "status": "absent"}]


@pytest.mark.parametrize("when", ["morning", "evening"])
def test_together_is_as_one_by_one(
    app: Any, unit: Any, scene: Scene, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shifts = unit(lambda: elsewhere(scene))
    taken_at = scene.shift.starts_at + 30 * MINUTE if when == "morning" else scene.shift.ends_at + 30 * MINUTE
    found = []
    read_beside = roll_call_queries.read_beside
    with clock.at(clock.now()):
        for together in (True, False):
            people = unit(lambda: live(scene, *shifts))
            monkeypatch.setattr(roll_call_queries, "read_beside", read_beside if together else lambda *_given: None)
            taken = unit(
                lambda people=people: [
                    (one.refusal.code if one.refusal is not None else one.person.attendance.state, one.changed)
                    for one in roll_call.take(
                        shift=scene.shift, by=scene.leader.id, entries=entries(people, scene), taken_at=taken_at
                    )
                ]
            )
            world: Any = SimpleNamespace(app=app)
            found.append([taken, *(left_by(world, one.id, []) for one in people)])
    for number, (one, other) in enumerate(zip(*found, strict=True)):
        assert (number, one) == (number, other)
    states = {state for state, _ in found[0][0]}
    assert {"credited", "held"} <= states if when == "evening" else {"open", "held"} <= states
