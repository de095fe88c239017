"""The refusal table: each code, in the documented order, and each reason of not_eligible."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.activities.factories import MadeActivity, in_daylight, make_activity, make_scene
from tests.qualifications.factories import make_policy, make_training
from tests.sign_ups.factories import HOUR, born, make_person, post
from volunteer_api.activities.models import Activity, Shift
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.ids import new_id
from volunteer_api.core.settings import EXTENSION, rules
from volunteer_api.qualifications.models import Insured, Policy, TrainingRecord
from volunteer_api.sign_ups import service
from volunteer_api.sign_ups.eligibility import Demands, Person
from volunteer_api.sign_ups.judgment import Engagement, Question, Standing, judge

ORDER = [
    "sign_in_required",
    "not_published",
    "canceled",
    "ended",
    "sign_up_closed",
    "already_signed_up",
    "not_eligible",
    "overlapping_shift",
    "shift_full",
]


def test_the_order_of_the_refusals(app: Any) -> None:
    """Everything speaks against it at first; lifted one by one, the causes are told in the documented order."""
    with app.app_context():
        now = clock.now()
        activity = Activity(
            id=new_id(),
            state="draft",
            sign_up_mode="open",
            minimum_age=60,
            members_only=False,
            required_skills=[],
            required_training_ids=[],
            hazardous=False,
        )
        shift = Shift(
            id=new_id(),
            activity_id=activity.id,
            starts_at=now - 2 * HOUR,
            ends_at=now - HOUR,
            sign_up_closes_at=now - 3 * HOUR,
            canceled_at=now,
            capacity=1,
            confirmed_count=1,
            waitlisted_count=0,
        )
        here = Engagement(new_id(), shift.id, "waitlisted", shift.starts_at, shift.ends_at, role_has_place=False)
        standing: Standing | None = None
        lifts: list[Callable[[], Any]] = [
            lambda: None,
            lambda: setattr(activity, "state", "published"),
            lambda: setattr(shift, "canceled_at", None),
            lambda: [setattr(shift, "starts_at", now + HOUR), setattr(shift, "ends_at", now + 2 * HOUR)],
            lambda: setattr(shift, "sign_up_closes_at", None),
        ]
        question = Question(activity, shift, Demands(), now)
        told = []
        for number in range(len(ORDER)):
            judgment = judge(question, standing)
            told.append(judgment.refusal.code if judgment.refusal is not None else None)
            assert judgment.would_be is None
            there = Engagement(new_id(), new_id(), "confirmed", now + HOUR, now + 2 * HOUR)
            if number == 0:
                standing = Standing([here, there], Person(birth_date=date(2000, 1, 1)))
            elif number < len(lifts):
                lifts[number]()
            elif standing is not None and told[-1] == "already_signed_up":
                standing = replace(standing, engagements=[there])
            elif told[-1] == "not_eligible":
                activity.minimum_age = 18
            elif standing is not None and told[-1] == "overlapping_shift":
                standing = replace(standing, engagements=[])
        assert told == ORDER
        shift.confirmed_count = 0
        assert judge(question, standing).would_be == "confirmed"


def refused(client: Any, shift_id: UUID, volunteer_id: UUID, **body: Any) -> list[str]:
    """The reasons of not_eligible, which the shift announces as the sign-up gives them."""
    announced = client.as_(volunteer_id).get(f"/shifts/{shift_id}").get_json()
    answer = post(client, volunteer_id, f"/shifts/{shift_id}/sign-ups", **body)
    assert (answer.status_code, answer.get_json()["code"]) == (409, "not_eligible")
    assert answer.get_json()["detail"] == answer.get_json()["reasons"][0]["detail"]
    if not body:
        assert announced["would_be"] is None
        assert announced["refusal"]["code"] == "not_eligible"
        assert announced["refusal"]["reasons"] == answer.get_json()["reasons"]
        assert announced["refusal"]["detail"] == answer.get_json()["detail"]
    return [reason["code"] for reason in answer.get_json()["reasons"]]


@pytest.mark.parametrize(
    ("asked", "known", "reasons"),
    [
        ({"minimum_age": 18}, {"birth_date": 17, "has_contact": True}, ["too_young"]),
        ({"minimum_age": 18}, {"birth_date": 18}, []),
        ({"minimum_age": 18}, {}, []),
        ({"minimum_age": 21}, {}, ["age_unknown"]),
        ({"maximum_age": 70}, {}, ["age_unknown"]),
        ({"maximum_age": 70}, {"birth_date": 71}, ["too_old"]),
        ({"maximum_age": 70}, {"birth_date": 70}, []),
        ({}, {"birth_date": 13}, ["guardian_consent"]),
        ({}, {"birth_date": 15}, ["guardian_contact"]),
        ({}, {"birth_date": 15, "has_contact": True}, []),
        ({"hazardous": True}, {"birth_date": 17, "has_contact": True}, ["minor_hazardous", "insurance"]),
        ({"hazardous": True}, {"birth_date": 18}, ["insurance"]),
        ({"required_skills": ["急救", "Python"]}, {"skills": ["python"]}, ["skill"]),
        ({"required_skills": ["急救", "Python"]}, {"skills": ["python", "急救", "手语"]}, []),
        ({"minimum_age": 60, "required_skills": ["急救"]}, {"birth_date": 30}, ["too_young", "skill"]),
    ],
)
def test_who_is_eligible(
    client: Any, unit: Any, asked: dict[str, Any], known: dict[str, Any], reasons: list[str]
) -> None:
    def prepare() -> tuple[MadeActivity, UUID]:
        values = dict(known)
        if "birth_date" in values:
            values["birth_date"] = born(values["birth_date"])
        if values.pop("has_contact", False):
            values["guardian_contact"] = b"sealed"
        return make_activity(starts_at=in_daylight(), **asked), make_person(**values)

    made, volunteer_id = unit(prepare)
    if reasons:
        assert refused(client, made.shift_id, volunteer_id) == reasons
    else:
        assert post(client, volunteer_id, f"/shifts/{made.shift_id}/sign-ups").status_code == 201


@pytest.mark.parametrize(
    ("begins", "hours", "reasons"),
    [
        (time(6), 16, []),
        (time(21), 2, ["minor_at_night"]),
        (time(23), 3, ["minor_at_night"]),
        (time(5, 30), 2, ["minor_at_night"]),
        (time(9), 30, ["minor_at_night"]),
    ],
)
def test_no_minor_serves_at_night(client: Any, unit: Any, begins: time, hours: int, reasons: list[str]) -> None:
    def prepare() -> tuple[UUID, UUID, UUID]:
        starts_at = clock.at_local(clock.today() + timedelta(days=2), begins)
        made = make_activity(starts_at=starts_at, duration=timedelta(hours=hours))
        young, adult = (make_person(birth_date=born(age), guardian_contact=b"sealed") for age in (17, 18))
        return made.shift_id, young, adult

    shift_id, young, adult = unit(prepare)
    if reasons:
        assert refused(client, shift_id, young) == reasons
    else:
        assert post(client, young, f"/shifts/{shift_id}/sign-ups").status_code == 201
    assert post(client, adult, f"/shifts/{shift_id}/sign-ups").status_code == 201


def test_a_deployment_may_allow_minors_more(app: Any, client: Any, unit: Any, change_settings: Any) -> None:
    allowed = replace(app.extensions[EXTENSION].rules, minors_at_night=True, minors_in_hazardous=True)
    change_settings(app, rules=allowed)
    starts_at = unit(lambda: clock.at_local(clock.today() + timedelta(days=2), time(23)))
    made = unit(lambda: make_activity(starts_at=starts_at, hazardous=True))
    young = unit(lambda: make_person(birth_date=born(17), guardian_contact=b"sealed"))
    assert refused(client, made.shift_id, young) == ["insurance"]
    # Whoever leads the activity lets her in as well.
    night = unit(lambda: make_activity(scene=made.scene, starts_at=starts_at, sign_up_mode="approval"))
    asked = post(client, young, f"/shifts/{night.shift_id}/sign-ups").json
    approved = client.as_(made.scene.organizer_id).post(f"/sign-ups/{asked['id']}/approval")
    assert (asked["state"], approved.json["state"]) == ("pending", "confirmed"), approved.json


def test_an_age_is_that_of_the_day_of_the_shift(client: Any, unit: Any) -> None:
    def prepare() -> tuple[MadeActivity, MadeActivity, UUID]:
        birth_date = clock.today().replace(year=clock.today().year - 60) + timedelta(days=3)
        before = make_activity(minimum_age=60, starts_at=clock.now() + timedelta(days=2))
        after = make_activity(scene=before.scene, minimum_age=60, starts_at=clock.now() + timedelta(days=4))
        return before, after, make_person(birth_date=birth_date)

    before, after, volunteer_id = unit(prepare)
    assert refused(client, before.shift_id, volunteer_id) == ["too_young"]
    assert post(client, volunteer_id, f"/shifts/{after.shift_id}/sign-ups").status_code == 201


def test_members_only(client: Any, unit: Any) -> None:
    scene = unit(make_scene)
    made = unit(lambda: make_activity(scene=scene, team_id=scene.team_id, members_only=True))
    assert refused(client, made.shift_id, scene.outsider_id) == ["members_only"]
    assert refused(client, made.shift_id, scene.outsider_id, team_id=str(scene.team_id)) == ["team", "members_only"]
    assert post(client, scene.member_id, f"/shifts/{made.shift_id}/sign-ups").status_code == 201
    body = {"title": "x", "category": "large_event", "organization_id": str(scene.office_id), "members_only": True}
    start = (clock.now() + HOUR).isoformat()
    body |= {"shifts": [{"starts_at": start, "ends_at": (clock.now() + 2 * HOUR).isoformat()}]}
    answer = client.as_(scene.organizer_id).post("/activities", json=body)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/members_only")


def record(training_id: UUID, volunteer_id: UUID, by: UUID, *, valid_until: date | None) -> None:
    db.session.add(
        TrainingRecord(
            training_id=training_id,
            volunteer_id=volunteer_id,
            phone_digest=volunteer_id.bytes,
            masked_phone="138****0000",
            recorded_by=by,
            completed_on=clock.today() - timedelta(days=30),
            valid_until=valid_until,
        )
    )
    db.session.flush()


def insure(policy: Policy, volunteer_id: UUID, by: UUID) -> None:
    db.session.add(
        Insured(
            policy_id=policy.id,
            volunteer_id=volunteer_id,
            phone_digest=volunteer_id.bytes,
            masked_phone="138****0000",
            recorded_by=by,
            starts_on=policy.starts_on,
            ends_on=policy.ends_on,
        )
    )
    db.session.flush()


@pytest.mark.parametrize(("days", "fits"), [(None, True), (1, True), (0, False)])
@pytest.mark.both_databases
def test_a_training_is_valid_on_the_day(client: Any, unit: Any, days: int | None, fits: bool) -> None:
    def prepare() -> tuple[MadeActivity, UUID]:
        scene = make_scene()
        training = make_training(scene.center_id)
        tomorrow = clock.today() + timedelta(days=1)
        made = make_activity(
            scene=scene, required_training_ids=[training.id], starts_at=clock.at_local(tomorrow, time(9))
        )
        until = None if days is None else clock.today() + timedelta(days=days)
        record(training.id, scene.outsider_id, scene.organizer_id, valid_until=until)
        return made, training.id

    made, training_id = unit(prepare)
    shown = client.get(f"/activities/{made.id}").get_json()
    assert shown["required_training_ids"] == [str(training_id)]
    assert refused(client, made.shift_id, made.scene.member_id) == ["training"]
    if fits:
        assert post(client, made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups").status_code == 201
    else:
        assert refused(client, made.shift_id, made.scene.outsider_id) == ["training"]


@pytest.mark.parametrize(("hours", "reasons"), [(2, []), (2.5, ["training", "insurance"])])
@pytest.mark.both_databases
def test_a_shift_over_midnight_asks_for_both_days(client: Any, unit: Any, hours: float, reasons: list[str]) -> None:
    """One that ends at midnight does not touch the next day."""

    def prepare() -> MadeActivity:
        scene, tomorrow = make_scene(), clock.today() + timedelta(days=1)
        training = make_training(scene.center_id)
        record(training.id, scene.outsider_id, scene.organizer_id, valid_until=tomorrow)
        insure(make_policy(scene.center_id, days=1), scene.outsider_id, scene.organizer_id)
        return make_activity(
            scene=scene,
            hazardous=True,
            required_training_ids=[training.id],
            starts_at=clock.at_local(tomorrow, time(22)),
            duration=timedelta(hours=hours),
        )

    made = unit(prepare)
    if reasons:
        assert refused(client, made.shift_id, made.scene.outsider_id) == reasons
    else:
        assert post(client, made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups").status_code == 201


def test_a_training_of_another_branch_is_no_reference(unit: Any, client: Any) -> None:
    scene = unit(make_scene)
    training = unit(lambda: make_training(scene.other_office_id))
    start = clock.now() + HOUR
    body = {
        "title": "x",
        "category": "large_event",
        "organization_id": str(scene.office_id),
        "required_training_ids": [str(training.id)],
        "shifts": [{"starts_at": start.isoformat(), "ends_at": (start + HOUR).isoformat()}],
    }
    answer = client.as_(scene.organizer_id).post("/activities", json=body)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/required_training_ids")


def test_what_is_hazardous_needs_insurance_on_the_day(client: Any, unit: Any) -> None:
    def prepare() -> MadeActivity:
        scene = make_scene()
        made = make_activity(scene=scene, hazardous=True)
        for office_id, volunteer_id, days in (
            (scene.center_id, scene.outsider_id, 5),
            (scene.center_id, scene.leader_id, 0),
            (scene.other_office_id, scene.member_id, 5),
        ):
            insure(make_policy(office_id, days=days), volunteer_id, scene.organizer_id)
        return made

    made = unit(prepare)
    assert post(client, made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups").status_code == 201
    # Insured until today; insured by an office that does not hold the activity.
    assert refused(client, made.shift_id, made.scene.leader_id) == ["insurance"]
    assert refused(client, made.shift_id, made.scene.member_id) == ["insurance"]


def test_a_list_asks_no_more_for_many_than_for_one(client: Any, unit: Any, statements: Any) -> None:
    """Members, trainings and insurance cost four statements, however many activities ask for them."""

    def prepare(count: int) -> Any:
        scene = make_scene()
        training = make_training(scene.center_id)
        for _ in range(count):
            make_activity(
                scene=scene,
                team_id=scene.team_id,
                members_only=True,
                hazardous=True,
                required_training_ids=[training.id],
            )
        return scene

    spent = []
    for count in (1, 12):
        scene = unit(lambda count=count: prepare(count))
        caller = client.as_(scene.outsider_id)
        with statements() as seen:
            items = caller.get(f"/activities?limit=100&organization_id={scene.office_id}").get_json()["items"]
        assert len(items) == count
        assert {len(item["shifts"][0]["refusal"]["reasons"]) for item in items} == {3}
        spent.append(len(seen))
    assert spent == [7, 7]


def with_rules(app: Any, change_settings: Any, **changes: Any) -> None:
    with app.app_context():
        change_settings(app, rules=replace(rules(), **changes))


@pytest.mark.parametrize(("gap_minutes", "code"), [(0, "overlapping_shift"), (59, "overlapping_shift"), (60, None)])
@pytest.mark.both_databases
def test_rest_between_shifts(
    app: Any, client: Any, unit: Any, change_settings: Any, gap_minutes: int, code: str | None
) -> None:
    start = clock.now() + 24 * HOUR
    with_rules(app, change_settings, rest_minutes=60)

    def prepare() -> tuple[MadeActivity, MadeActivity]:
        first = make_activity(starts_at=start, duration=HOUR)
        later = make_activity(scene=first.scene, starts_at=start + HOUR + timedelta(minutes=gap_minutes), duration=HOUR)
        service.sign_up(shift_id=later.shift_id, volunteer_id=first.scene.member_id)
        service.sign_up(shift_id=first.shift_id, volunteer_id=first.scene.outsider_id)
        return first, later

    first, later = unit(prepare)
    for shift_id, volunteer_id in (
        (later.shift_id, first.scene.outsider_id),
        (first.shift_id, first.scene.member_id),
    ):
        answer = post(client, volunteer_id, f"/shifts/{shift_id}/sign-ups")
        assert (answer.status_code, answer.get_json().get("code")) == ((409, code) if code else (201, None))
        if gap_minutes == 59:
            assert "60" in answer.get_json()["detail"]


@pytest.mark.parametrize(("gap_minutes", "code"), [(30, "overlapping_shift"), (60, None)])
def test_rest_before_a_shift_that_runs(
    app: Any, client: Any, unit: Any, change_settings: Any, gap_minutes: int, code: str | None
) -> None:
    """It is counted to the shift's own start, however late somebody asks for a place in it."""
    with_rules(app, change_settings, rest_minutes=60)
    running = clock.now() - HOUR

    def prepare() -> MadeActivity:
        with clock.at(running - 3 * HOUR):
            first = make_activity(starts_at=running - timedelta(minutes=gap_minutes) - HOUR, duration=HOUR)
            service.sign_up(shift_id=first.shift_id, volunteer_id=first.scene.member_id)
            return make_activity(scene=first.scene, starts_at=running, duration=2 * HOUR)

    later = unit(prepare)
    answer = post(client, later.scene.member_id, f"/shifts/{later.shift_id}/sign-ups")
    assert (answer.status_code, answer.get_json().get("code")) == ((409, code) if code else (201, None))


@pytest.mark.parametrize(
    ("refuse", "missed", "outcome"), [(True, 2, 409), (False, 2, "pending"), (True, 1, "confirmed")]
)
@pytest.mark.both_databases
def test_no_shows(
    app: Any, client: Any, unit: Any, change_settings: Any, refuse: bool, missed: int, outcome: Any
) -> None:
    with_rules(app, change_settings, no_show_limit=2, no_show_days=30, no_shows_refuse=refuse)

    def absence(scene: Any, when: datetime) -> None:
        with clock.at(when):
            made = make_activity(scene=scene, starts_at=when + HOUR)
            mine = service.sign_up(shift_id=made.shift_id, volunteer_id=scene.outsider_id)
        with clock.at(when + 4 * HOUR):
            service.record_absences([mine.id], absent=True)

    def prepare() -> MadeActivity:
        scene = make_scene()
        # Too long ago to count.
        absence(scene, clock.now() - timedelta(days=40))
        for number in range(missed):
            absence(scene, clock.now() - timedelta(days=number + 2))
        return make_activity(scene=scene)

    made = unit(prepare)
    if outcome == 409:
        assert refused(client, made.shift_id, made.scene.outsider_id) == ["absences"]
        invited = post(
            client,
            made.scene.organizer_id,
            f"/shifts/{made.shift_id}/sign-ups",
            volunteer_id=str(made.scene.outsider_id),
        )
        assert invited.get_json()["state"] == "invited"
    else:
        shown = client.as_(made.scene.outsider_id).get(f"/shifts/{made.shift_id}").get_json()
        answer = post(client, made.scene.outsider_id, f"/shifts/{made.shift_id}/sign-ups")
        assert (shown["would_be"], answer.get_json()["state"]) == (outcome, outcome)
