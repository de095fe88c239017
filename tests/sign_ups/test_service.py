"""Signing up, the waitlist and withdrawing."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.activities.factories import MadeActivity, make_activity, make_volunteers
from volunteer_api.activities import service as activities
from volunteer_api.activities.models import Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.problems import Problem
from volunteer_api.sign_ups import service
from volunteer_api.sign_ups.models import SignUp

HOUR = timedelta(hours=1)


def sign_up(client: Any, shift_id: UUID, volunteer_id: UUID, **body: Any) -> Any:
    return client.as_(volunteer_id).post(f"/shifts/{shift_id}/sign-ups", json=body, key=uuid4().hex)


def refusal(client: Any, shift_id: UUID, volunteer_id: UUID, **body: Any) -> str:
    """The code of the refusal, which the shift must have announced."""
    announced = client.as_(volunteer_id).get(f"/shifts/{shift_id}").get_json()
    answer = sign_up(client, shift_id, volunteer_id, **body)
    assert answer.status_code == 409, answer.get_json()
    if not body:
        assert announced["can_sign_up"] is False
        assert announced["would_be"] is None
        assert announced["refusal"]["code"] == answer.get_json()["code"]
    return str(answer.get_json()["code"])


def test_a_sign_up_as_the_contract_has_it(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(capacity=1, place={"lat": 33.7, "lng": 113.3}, place_name="湛河公园"))
    first_id, second_id = unit(lambda: make_volunteers(2))
    answer = sign_up(client, made.shift_id, first_id)
    assert answer.status_code == 201, answer.get_json()
    first = answer.get_json()
    assert first["shift"]["id"] == str(made.shift_id)
    assert first["activity"]["title"] == "清洁湛河"
    assert first["activity"]["place"] == {"lat": 33.7, "lng": 113.3}
    assert first["volunteer"]["id"] == str(first_id)
    assert (first["state"], first["waitlist_position"], first["late"], first["team_id"]) == (
        "confirmed",
        None,
        False,
        None,
    )
    assert client.as_(second_id).get(f"/shifts/{made.shift_id}").get_json()["would_be"] == "waitlisted"
    second = sign_up(client, made.shift_id, second_id).get_json()
    assert (second["state"], second["waitlist_position"]) == ("waitlisted", 1)
    shift = client.get(f"/shifts/{made.shift_id}").get_json()
    assert (shift["confirmed_count"], shift["waitlisted_count"]) == (1, 1)
    assert shift["version"] == 1
    assert client.as_(second_id).get("/me/sign-ups").get_json()["items"] == [second]


def test_a_sign_up_needs_a_key_and_a_token(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity())
    path = f"/shifts/{made.shift_id}/sign-ups"
    assert client.post(path, json={}, key="a").status_code == 401
    answer = client.as_(made.scene.outsider_id).post(path, json={})
    assert answer.get_json()["code"] == "idempotency_key_missing"
    assert sign_up(client, uuid4(), made.scene.outsider_id).status_code == 404
    draft = unit(lambda: make_activity(published=False))
    assert sign_up(client, draft.shift_id, draft.scene.outsider_id).status_code == 404


def test_a_key_replays_the_first_answer(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity())
    phone = client.as_(made.scene.outsider_id)
    path = f"/shifts/{made.shift_id}/sign-ups"
    first, again = [phone.post(path, json={}, key="tap") for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert phone.post(path, json={}, key="other tap").status_code == 400
    assert phone.post(path, json={}, key="other-tap").get_json()["code"] == "already_signed_up"


# Each refusal, with everything that comes later in the documented order true as well where it can be.


def test_refusal_not_published(client: Any, unit: Any) -> None:
    made = unit(lambda: make_activity(published=False, starts_at=clock.now() - 5 * HOUR))
    assert refusal(client, made.shift_id, made.scene.organizer_id) == "not_published"


def test_refusal_canceled(client: Any, unit: Any) -> None:
    def prepare() -> MadeActivity:
        made = make_activity(starts_at=clock.now() - 5 * HOUR)
        # While it ran; by now it would be over too.
        with clock.at(clock.now() - 4 * HOUR):
            activities.cancel(activities.queries.lock_activity(made.id), reason="下雨")
        return made

    made = unit(prepare)
    assert refusal(client, made.shift_id, made.scene.outsider_id) == "canceled"


def test_refusal_ended(client: Any, unit: Any) -> None:
    start = clock.now() - 5 * HOUR
    shift = {"starts_at": start, "ends_at": start + HOUR, "sign_up_closes_at": start}
    made = unit(lambda: make_activity(shifts=[shift]))
    assert refusal(client, made.shift_id, made.scene.outsider_id) == "ended"


def closing_shift(capacity: int | None = None) -> dict[str, Any]:
    start = clock.now() + 5 * HOUR
    return {"starts_at": start, "ends_at": start + HOUR, "sign_up_closes_at": clock.now() + HOUR, "capacity": capacity}


def test_refusal_sign_up_closed(client: Any, unit: Any) -> None:
    def prepare() -> MadeActivity:
        with clock.at(clock.now() - 2 * HOUR):
            made = make_activity(shifts=[closing_shift()])
            service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id)
        return made

    made = unit(prepare)
    assert refusal(client, made.shift_id, made.scene.member_id) == "sign_up_closed"


def test_refusal_already_signed_up(client: Any, unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, UUID]:
        made = make_activity(capacity=1)
        return made, service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.outsider_id).id

    made, sign_up_id = unit(prepare)
    outsider = made.scene.outsider_id
    assert refusal(client, made.shift_id, outsider, team_id=str(made.scene.team_id)) == "already_signed_up"
    assert refusal(client, made.shift_id, outsider) == "already_signed_up"
    assert sign_up(client, made.shift_id, outsider).get_json()["sign_up_id"] == str(sign_up_id)


def test_refusal_not_eligible(client: Any, unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, MadeActivity]:
        made = make_activity()
        other = make_activity(scene=made.scene)
        service.sign_up(shift_id=other.shift_id, volunteer_id=made.scene.outsider_id)
        return made, other

    made, _other = unit(prepare)
    team_id = str(made.scene.team_id)
    assert refusal(client, made.shift_id, made.scene.outsider_id, team_id=team_id) == "not_eligible"
    assert sign_up(client, made.shift_id, made.scene.member_id, team_id=team_id).get_json()["team_id"] == team_id


def test_refusal_overlapping_shift(client: Any, unit: Any) -> None:
    start = clock.now() + HOUR

    def prepare() -> tuple[MadeActivity, MadeActivity, MadeActivity]:
        made = make_activity(starts_at=start, duration=HOUR)
        inside = make_activity(scene=made.scene, capacity=1, starts_at=start + HOUR / 2, duration=HOUR)
        service.sign_up(shift_id=inside.shift_id, volunteer_id=made.scene.member_id)
        after = make_activity(scene=made.scene, starts_at=start + HOUR, duration=HOUR)
        service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.outsider_id)
        return made, inside, after

    made, inside, after = unit(prepare)
    # Full and past its waitlist as well; the overlap is named first.
    assert refusal(client, inside.shift_id, made.scene.outsider_id) == "overlapping_shift"
    assert sign_up(client, inside.shift_id, made.scene.outsider_id).get_json()["shift_id"] == str(made.shift_id)
    assert sign_up(client, after.shift_id, made.scene.outsider_id).status_code == 201


def test_refusal_shift_full(client: Any, unit: Any) -> None:
    def prepare() -> MadeActivity:
        made = make_activity(capacity=1, starts_at=clock.now() + HOUR)
        service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.member_id)
        return made

    made = unit(prepare)
    assert refusal(client, made.shift_id, made.scene.outsider_id) == "shift_full"


def state_of(unit: Any, sign_up_id: UUID) -> tuple[str, bool]:
    found = unit(lambda: db.session.get(SignUp, sign_up_id))
    return found.state, found.late


def fill(capacity: int, count: int, **values: Any) -> tuple[MadeActivity, list[UUID]]:
    """A shift and `count` sign-ups in order; the first `capacity` are confirmed."""
    made = make_activity(capacity=capacity, **values)
    return made, [
        service.sign_up(shift_id=made.shift_id, volunteer_id=volunteer_id).id for volunteer_id in make_volunteers(count)
    ]


def test_a_withdrawal_promotes_the_first(client: Any, unit: Any) -> None:
    _made, (first, second, third) = unit(lambda: fill(1, 3))
    volunteer_id = unit(lambda: db.session.get(SignUp, first)).volunteer_id
    withdrawn = client.as_(volunteer_id).post(f"/sign-ups/{first}/withdrawal")
    assert withdrawn.status_code == 200, withdrawn.get_json()
    assert (withdrawn.get_json()["state"], withdrawn.get_json()["late"]) == ("withdrawn", False)
    assert [state_of(unit, one)[0] for one in (first, second, third)] == ["withdrawn", "confirmed", "waitlisted"]
    promoted = unit(lambda: db.session.get(SignUp, second)).volunteer_id
    assert client.as_(promoted).get("/me/notifications").get_json()["items"][0]["kind"] == "sign_up_promoted"
    third_volunteer = unit(lambda: db.session.get(SignUp, third)).volunteer_id
    assert client.as_(third_volunteer).get(f"/sign-ups/{third}").get_json()["waitlist_position"] == 1
    again = client.as_(volunteer_id).post(f"/sign-ups/{first}/withdrawal")
    assert (again.status_code, again.get_json()["code"], again.get_json()["state"]) == (409, "wrong_state", "withdrawn")


def test_the_waitlist_passes_over_who_is_busy(unit: Any) -> None:
    def prepare() -> tuple[UUID, ...]:
        made, sign_ups = fill(1, 3)
        busy = db.session.get_one(SignUp, sign_ups[1]).volunteer_id
        other = make_activity(scene=made.scene)
        elsewhere = service.sign_up(shift_id=other.shift_id, volunteer_id=busy)
        service.withdraw(sign_up_id=sign_ups[0])
        return (*sign_ups, elsewhere.id)

    first, busy, third, elsewhere = unit(prepare)
    assert [state_of(unit, one)[0] for one in (first, busy, third)] == ["withdrawn", "waitlisted", "confirmed"]
    unit(lambda: service.withdraw(sign_up_id=third))
    assert state_of(unit, busy)[0] == "waitlisted"
    # Free again elsewhere, the one who waits gets the free place at once.
    unit(lambda: service.withdraw(sign_up_id=elsewhere))
    assert state_of(unit, busy)[0] == "confirmed"


def test_who_waits_goes_before_a_newcomer_after_a_cancellation(unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, UUID, MadeActivity]:
        made, sign_ups = fill(1, 2)
        other = make_activity(scene=made.scene)
        waiting = db.session.get_one(SignUp, sign_ups[1]).volunteer_id
        service.sign_up(shift_id=other.shift_id, volunteer_id=waiting)
        service.withdraw(sign_up_id=sign_ups[0])
        activities.cancel(activities.queries.lock_activity(other.id), reason="下雨")
        return made, sign_ups[1], other

    made, waiting, _other = unit(prepare)
    newcomer = unit(lambda: service.sign_up(shift_id=made.shift_id, volunteer_id=made.scene.outsider_id))
    assert state_of(unit, waiting)[0] == "confirmed"
    assert newcomer.state == "waitlisted"


@pytest.mark.parametrize(("minutes_before", "promoted"), [(121, True), (119, False)])
def test_promotion_closes_two_hours_before(unit: Any, minutes_before: int, promoted: bool) -> None:
    start = clock.now() + 24 * HOUR
    made, (first, second) = unit(lambda: fill(1, 2, starts_at=start))
    with clock.at(start - timedelta(minutes=minutes_before)):
        unit(lambda: service.withdraw(sign_up_id=first))
    assert state_of(unit, second)[0] == ("confirmed" if promoted else "waitlisted")
    shift = unit(lambda: db.session.get(Shift, made.shift_id))
    assert (shift.confirmed_count, shift.waitlisted_count) == ((1, 0) if promoted else (0, 1))


@pytest.mark.parametrize(("minutes_before", "late"), [(181, False), (179, True)])
def test_a_late_withdrawal(unit: Any, minutes_before: int, late: bool) -> None:
    start = clock.now() + 24 * HOUR
    _made, (first,) = unit(lambda: fill(1, 1, starts_at=start))
    with clock.at(start - timedelta(minutes=minutes_before)):
        unit(lambda: service.withdraw(sign_up_id=first))
    assert state_of(unit, first) == ("withdrawn", late)


@pytest.mark.parametrize(("minutes_later", "late"), [(60, False), (61, True)])
def test_a_promotion_has_a_grace(unit: Any, minutes_later: int, late: bool) -> None:
    start = clock.now() + 24 * HOUR
    promotion = start - timedelta(minutes=180)
    _made, (first, second) = unit(lambda: fill(1, 2, starts_at=start))
    with clock.at(promotion):
        unit(lambda: service.withdraw(sign_up_id=first))
    with clock.at(promotion + timedelta(minutes=minutes_later)):
        unit(lambda: service.withdraw(sign_up_id=second))
    assert state_of(unit, second) == ("withdrawn", late)


def test_a_waiting_one_is_never_late(unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    _made, (_first, second) = unit(lambda: fill(1, 2, starts_at=start))
    with clock.at(start - HOUR):
        unit(lambda: service.withdraw(sign_up_id=second))
    assert state_of(unit, second) == ("withdrawn", False)


def test_who_waits_takes_a_late_place_before_a_newcomer(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    made, (first, second, third) = unit(lambda: fill(1, 3, starts_at=start))
    waiting = unit(lambda: db.session.get(SignUp, third)).volunteer_id
    path = f"/shifts/{made.shift_id}"
    with clock.at(start - HOUR):
        phone = client.as_(waiting)
        assert phone.get(path).get_json()["refusal"]["code"] == "already_signed_up"
        unit(lambda: service.withdraw(sign_up_id=first))
        assert refusal(client, made.shift_id, made.scene.outsider_id) == "shift_full"
        assert client.get("/activities?open=true").get_json()["items"] == []
        shown = phone.get(path).get_json()
        assert (shown["can_sign_up"], shown["would_be"], shown["refusal"]) == (True, "confirmed", None)
        taken = sign_up(client, made.shift_id, waiting)
        assert taken.status_code == 201, taken.get_json()
        assert (taken.get_json()["id"], taken.get_json()["state"]) == (str(third), "confirmed")
        other = unit(lambda: db.session.get(SignUp, second)).volunteer_id
        assert refusal(client, made.shift_id, other) == "already_signed_up"
        shift = unit(lambda: db.session.get(Shift, made.shift_id))
        assert (shift.confirmed_count, shift.waitlisted_count) == (1, 1)
        # Taken knowingly, so without the grace of somebody who was promoted.
        unit(lambda: service.withdraw(sign_up_id=third))
    assert state_of(unit, third) == ("withdrawn", True)


def test_a_late_place_beyond_those_who_wait_is_a_newcomers(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    made, (first, second, _third) = unit(lambda: fill(2, 3, starts_at=start))
    with clock.at(start - HOUR):
        unit(lambda: service.withdraw(sign_up_id=first))
        assert refusal(client, made.shift_id, made.scene.outsider_id) == "shift_full"
        unit(lambda: service.withdraw(sign_up_id=second))
        assert [item["id"] for item in client.get("/activities?open=true").get_json()["items"]] == [str(made.id)]
        assert sign_up(client, made.shift_id, made.scene.outsider_id).get_json()["state"] == "confirmed"
        assert refusal(client, made.shift_id, made.scene.member_id) == "shift_full"


def test_a_late_place_is_not_for_who_is_busy(client: Any, unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    made, (first, second) = unit(lambda: fill(1, 2, starts_at=start))
    waiting = unit(lambda: db.session.get(SignUp, second)).volunteer_id
    other = unit(lambda: make_activity(scene=made.scene, starts_at=start))
    unit(lambda: service.sign_up(shift_id=other.shift_id, volunteer_id=waiting))
    with clock.at(start - HOUR):
        unit(lambda: service.withdraw(sign_up_id=first))
        assert refusal(client, made.shift_id, waiting) == "overlapping_shift"


def test_a_place_that_who_waits_can_not_have_is_promised_and_given(client: Any, unit: Any) -> None:
    def prepare() -> MadeActivity:
        made, sign_ups = fill(1, 2)
        other = make_activity(scene=made.scene)
        waiting = db.session.get_one(SignUp, sign_ups[1]).volunteer_id
        service.sign_up(shift_id=other.shift_id, volunteer_id=waiting)
        service.withdraw(sign_up_id=sign_ups[0])
        return made

    made = unit(prepare)
    shown = client.as_(made.scene.outsider_id).get(f"/shifts/{made.shift_id}").get_json()
    # The one who waits is busy elsewhere.
    assert (shown["confirmed_count"], shown["waitlisted_count"], shown["would_be"]) == (0, 1, "confirmed")
    assert sign_up(client, made.shift_id, made.scene.outsider_id).get_json()["state"] == "confirmed"


@pytest.mark.parametrize("ending", ["cancellation", "completion"])
def test_an_activity_that_ends_frees_who_waits_elsewhere(client: Any, unit: Any, ending: str) -> None:
    start = clock.now() + 24 * HOUR

    def prepare() -> tuple[UUID, MadeActivity, UUID]:
        made, sign_ups = fill(1, 2, starts_at=start + 6 * HOUR)
        long = make_activity(scene=made.scene, starts_at=start, duration=7 * HOUR)
        waiting = db.session.get_one(SignUp, sign_ups[1]).volunteer_id
        service.sign_up(shift_id=long.shift_id, volunteer_id=waiting)
        service.withdraw(sign_up_id=sign_ups[0])
        return sign_ups[1], long, waiting

    waits, long, waiting = unit(prepare)
    assert state_of(unit, waits)[0] == "waitlisted"
    with clock.at(start + HOUR):
        body = {"reason": "下雨"} if ending == "cancellation" else {}
        answer = client.as_(long.scene.organizer_id).post(f"/activities/{long.id}/{ending}", json=body)
        assert answer.status_code == 200, answer.get_json()
        assert state_of(unit, waits)[0] == "confirmed"
        kinds = [item["kind"] for item in client.as_(waiting).get("/me/notifications").get_json()["items"]]
    assert "sign_up_promoted" in kinds


@pytest.mark.parametrize(("minutes", "code"), [(-1, None), (0, "shift_begun"), (59, "shift_begun"), (60, "ended")])
def test_who_serves_withdraws_no_more(client: Any, unit: Any, minutes: int, code: str | None) -> None:
    start = clock.now() + HOUR
    _made, (first,) = unit(lambda: fill(1, 1, starts_at=start, duration=HOUR))
    volunteer_id = unit(lambda: db.session.get(SignUp, first)).volunteer_id
    with clock.at(start + timedelta(minutes=minutes)):
        answer = client.as_(volunteer_id).post(f"/sign-ups/{first}/withdrawal", json={})
    assert (answer.status_code, answer.get_json().get("code")) == ((409, code) if code else (200, None))


def test_who_waits_withdraws_from_a_running_shift(unit: Any) -> None:
    start = clock.now() + 24 * HOUR
    _made, (_first, second) = unit(lambda: fill(1, 2, starts_at=start))
    with clock.at(start + HOUR):
        unit(lambda: service.withdraw(sign_up_id=second))
    assert state_of(unit, second) == ("withdrawn", False)


def test_a_withdrawal_takes_a_reason(client: Any, unit: Any) -> None:
    made, (first, second) = unit(lambda: fill(2, 2))
    phones = [client.as_(unit(lambda one=one: db.session.get(SignUp, one)).volunteer_id) for one in (first, second)]
    path = f"/sign-ups/{first}/withdrawal"
    unknown = phones[0].post(path, json={"why": "发烧"})
    assert (unknown.status_code, unknown.get_json()["errors"][0]["pointer"]) == (422, "/why")
    assert phones[0].post(path, json={"reason": "长" * 501}).status_code == 422
    assert phones[0].post(path, json={"reason": "发烧"}).get_json()["withdrawal_reason"] == "发烧"
    listed = client.as_(made.scene.organizer_id).get(f"/shifts/{made.shift_id}/sign-ups").get_json()["items"]
    assert {one["id"]: one["withdrawal_reason"] for one in listed} == {str(first): "发烧", str(second): None}
    assert phones[1].post(f"/sign-ups/{second}/withdrawal").status_code == 200
    assert unit(lambda: db.session.get(SignUp, second)).withdrawal_reason is None


def test_after_the_shift_nothing_is_withdrawn(unit: Any) -> None:
    start = clock.now() + HOUR
    _made, (first,) = unit(lambda: fill(1, 1, starts_at=start, duration=HOUR))
    with clock.at(start + HOUR), pytest.raises(Problem, match="ended"):
        unit(lambda: service.withdraw(sign_up_id=first))


def test_a_cancellation_is_heard_of_by_everybody(client: Any, unit: Any) -> None:
    made, sign_ups = unit(lambda: fill(1, 2))
    client.as_(made.scene.organizer_id).post(f"/activities/{made.id}/cancellation", json={"reason": "下雨"})
    for sign_up_id in sign_ups:
        volunteer_id = unit(lambda sign_up_id=sign_up_id: db.session.get(SignUp, sign_up_id)).volunteer_id
        notification = client.as_(volunteer_id).get("/me/notifications").get_json()["items"][0]
        assert notification["kind"] == "activity_canceled"
        assert "下雨" in notification["body"]


def test_who_sees_sign_ups(client: Any, unit: Any) -> None:
    made, (first, second) = unit(lambda: fill(1, 2))
    path = f"/shifts/{made.shift_id}/sign-ups"
    assert client.get(path).status_code == 401
    assert client.as_(made.scene.outsider_id).get(path).status_code == 404
    assert client.as_(made.scene.inspector_id).get(path).status_code == 403
    organizer = client.as_(made.scene.organizer_id)
    page = organizer.get(f"{path}?limit=1").get_json()
    rest = organizer.get(f"{path}?limit=1&cursor={page['next_cursor']}").get_json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [str(first), str(second)]
    assert [item["waitlist_position"] for item in page["items"] + rest["items"]] == [None, 1]
    assert len(organizer.get(f"{path}?state=waitlisted").get_json()["items"]) == 1


def test_who_sees_and_withdraws_one(client: Any, unit: Any) -> None:
    made, (first,) = unit(lambda: fill(1, 1))
    volunteer_id = unit(lambda: db.session.get(SignUp, first)).volunteer_id
    for volunteer, read, withdrawn in (
        (made.scene.outsider_id, 404, 404),
        (made.scene.inspector_id, 403, 403),
        (made.scene.organizer_id, 200, 403),
        (volunteer_id, 200, 200),
    ):
        phone = client.as_(volunteer)
        assert phone.get(f"/sign-ups/{first}").status_code == read
        assert phone.post(f"/sign-ups/{first}/withdrawal").status_code == withdrawn
    assert client.get(f"/sign-ups/{first}").status_code == 401
    assert client.post(f"/sign-ups/{first}/withdrawal").status_code == 401


def test_statements_of_a_sign_up(client: Any, unit: Any, statements: Any) -> None:
    made = unit(lambda: make_activity(capacity=1))
    phone = client.as_(made.scene.outsider_id)
    with statements() as seen:
        assert phone.post(f"/shifts/{made.shift_id}/sign-ups", json={}, key="a").status_code == 201
    assert len(seen) <= 11, seen
