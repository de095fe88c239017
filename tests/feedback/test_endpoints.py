"""Feedback by HTTP: who gives it, who reads what of it, and what an organizer does with its words."""

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import orjson
import pytest
from itsdangerous.encoding import base64_decode

from tests.activities.factories import make_scene, make_volunteers
from tests.factories import make_volunteer
from tests.feedback.factories import Past, come, decide, decide_on, make_past, name_leaders
from tests.sign_ups.factories import born, kinds
from volunteer_api.accounts.events import VolunteerErased
from volunteer_api.accounts.models import Volunteer
from volunteer_api.activities.models import ActivityLeader
from volunteer_api.attendance.models import State
from volunteer_api.core import clock
from volunteer_api.core.database import db
from volunteer_api.core.events import publish
from volunteer_api.feedback import service
from volunteer_api.feedback.models import Feedback
from volunteer_api.teams.models import Membership, MembershipRole

WORDS = "组织得很好，就是水不够。"
Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def past(unit: Unit) -> Past:
    made: Past = unit(make_past)
    return made


def give(client: Any, past: Past, who: int, **body: Any) -> Any:
    answer = say(client, past, who, **body)
    assert answer.status_code == 201, answer.get_json()
    return answer.get_json()


def say(client: Any, past: Past, who: int, **body: Any) -> Any:
    return client.as_(past.people[who]).post(f"/activities/{past.activity_id}/feedback", json={"stars": 4} | body)


def refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def public(client: Any, past: Past, query: str = "") -> Any:
    return client.get(f"/activities/{past.activity_id}/feedback{query}").get_json()


def post(client: Any, caller: UUID, feedback: Any, verb: str, **body: Any) -> Any:
    return client.as_(caller).post(f"/feedback/{feedback['id']}/{verb}", json=body)


def test_words_are_read_by_who_leads_at_once_and_by_others_once_approved(client: Any, past: Past) -> None:
    scene = past.scene
    made = give(client, past, 0, words=WORDS)
    assert (made["mine"], made["words_state"], made["volunteer"]["id"]) == (True, "pending", str(past.people[0]))
    for other in (1, 2):
        give(client, past, other, stars=5)
    told = client.as_(scene.leader_id).get(f"/feedback?activity_id={past.activity_id}").get_json()["items"]
    assert sorted(item["words"] or "" for item in told) == ["", "", WORDS]
    assert client.as_(scene.outsider_id).get("/feedback").get_json()["items"] == []
    before = public(client, past)
    assert (before["count"], before["average"], before["items"]) == (3, 4.7, [])
    assert before["distribution"][3:] == [{"stars": 4, "count": 1}, {"stars": 5, "count": 2}]
    approved = post(client, scene.organizer_id, made, "approval", version=made["version"])
    assert approved.status_code == 200, approved.get_json()
    after = public(client, past)["items"]
    assert [(item["words"], len(item["name"]), item["name"][1:]) for item in after] == [(WORDS, 2, "*")]
    assert "feedback_words_wait" in kinds(client, scene.organizer_id)


def test_fewer_than_three_answers_are_not_told(client: Any, past: Past) -> None:
    made = give(client, past, 0, words=WORDS)
    give(client, past, 1)
    post(client, past.scene.organizer_id, made, "approval", version=1)
    told = public(client, past)
    assert (told["count"], told["average"], told["distribution"], told["items"]) == (2, None, [], [])


def test_the_anonymous_are_named_to_nobody_and_read_only_among_enough(client: Any, unit: Unit) -> None:
    past = unit(lambda: make_past(people=4))
    made = give(client, past, 0, words=WORDS, anonymous=True)
    leader = client.as_(past.scene.leader_id)
    seen = leader.get(f"/feedback/{made['id']}").get_json()
    assert (seen["volunteer"], seen["words"], str(past.people[0]) in str(seen)) == (None, WORDS, False)
    signed = give(client, past, 1)
    # With two of four signed, whose it is could be guessed among the two that are left.
    assert refused(say(client, past, 2)) == (409, "name_would_tell")
    give(client, past, 2, anonymous=True)
    giver = client.as_(past.people[0])
    assert refused(giver.patch(f"/feedback/{made['id']}", json={"anonymous": False}, version=1)) == (
        409,
        "name_would_tell",
    )
    # Who takes her name off is one of those who hide, whatever she was.
    nameless = client.as_(past.people[1]).patch(f"/feedback/{signed['id']}", json={"anonymous": True}, version=1)
    assert nameless.status_code == 200
    assert giver.patch(f"/feedback/{made['id']}", json={"anonymous": False}, version=1).status_code == 200
    assert len(leader.get("/feedback").get_json()["items"]) == public(client, past)["count"] == 3


def test_what_was_shown_is_not_hidden_by_friends_who_sign(client: Any, unit: Unit) -> None:
    past = unit(lambda: make_past(people=6))
    made = give(client, past, 0, stars=1, words=WORDS, anonymous=True)
    for friend in (1, 2):
        give(client, past, friend, stars=5)
    post(client, past.scene.organizer_id, made, "approval", version=1)
    before = public(client, past)
    assert (before["average"], [item["words"] for item in before["items"]]) == (3.7, [WORDS])
    give(client, past, 3, stars=5)
    assert refused(say(client, past, 4)) == (409, "name_would_tell")
    give(client, past, 4, stars=5, anonymous=True)
    # Nor does a reviewer hide it who finds that others were not there, or she.
    unit(lambda: [decide_on(past, past.people[number], State.REJECTED) for number in (0, 4, 5)])
    after = public(client, past)
    assert (after["average"], after["items"]) == (4.2, before["items"])
    assert client.as_(past.scene.leader_id).get(f"/feedback/{made['id']}").status_code == 200


def test_the_moment_in_which_it_was_given_is_told_to_nobody(client: Any, unit: Unit) -> None:
    """The id holds no time, and what was said on one day is in no order of it, nor does a cursor tell one."""
    past = unit(lambda: make_past(people=6))
    given = [give(client, past, number, anonymous=True)["id"] for number in range(6)]
    assert {UUID(one).version for one in given} == {4}
    unit(lambda: db.session.get_one(Feedback, UUID(given[0])).__setattr__("given_on", date(2026, 1, 1)))
    listed = []
    cursor: str | None = ""
    while cursor is not None:
        found = client.as_(past.scene.leader_id).get(f"/feedback?limit=1{cursor and '&cursor='}{cursor}").get_json()
        listed += [item["id"] for item in found["items"]]
        cursor = found["next_cursor"]
        assert cursor is None or [set(value) for value in open_content(cursor)] == [{"d"}, {"u"}]
    assert listed == [*sorted(given[1:], reverse=True), given[0]]
    own = client.as_(past.people[0]).get("/me/feedback").get_json()["items"]
    assert [(item["id"], item["on"]) for item in own] == [(given[0], "2026-01-01")]


def open_content(cursor: str) -> Any:
    """What whoever has the cursor can read in it, without the key."""
    return [value for value in orjson.loads(base64_decode(cursor.rpartition(".")[0])) if isinstance(value, dict)]


def test_what_nobody_may_read_is_not_taken(client: Any, unit: Unit) -> None:
    past = unit(lambda: make_past(people=5))
    for number in range(3):
        give(client, past, number)
    hidden = say(client, past, 3, words=WORDS, anonymous=True)
    assert refused(hidden) == (409, "too_few_to_be_anonymous")
    assert "feedback_words_wait" not in kinds(client, past.scene.organizer_id)


def test_who_signs_elsewhere_hides_others_here(client: Any, unit: Unit, past: Past) -> None:
    made = give(client, past, 0, words=WORDS, anonymous=True)
    other = unit(lambda: make_past(people=0, scene=past.scene))
    unit(lambda: come(other, past.people[1], State.CREDITED))
    elsewhere = {"stars": 5}
    signed = client.as_(past.people[1]).post(f"/activities/{other.activity_id}/feedback", json=elsewhere)
    assert signed.status_code == 201
    leader = client.as_(past.scene.leader_id)
    assert leader.get(f"/feedback/{made['id']}").status_code == 200
    assert len(leader.get("/feedback").get_json()["items"]) == 2


def test_nobody_brings_people_afterwards_to_tell_who_is_hidden(client: Any, unit: Unit) -> None:
    """A leader may call the roll, and review it, when the feedback is there: these people hide nobody."""
    past = unit(lambda: make_past(people=4))
    give(client, past, 0, words=WORDS, anonymous=True)
    give(client, past, 1)
    unit(lambda: [come(past, person, signed_up=True) for person in make_volunteers(3)])
    assert refused(say(client, past, 2)) == (409, "name_would_tell")
    # Who was there before, and no reviewer had believed it, hides nobody either.
    early = unit(lambda: [come(past, person, ago=timedelta(minutes=30)) for person in make_volunteers(3)])
    unit(lambda: [decide(one, State.CREDITED) for one in early])
    assert refused(say(client, past, 2)) == (409, "name_would_tell")


def test_who_leads_is_nobody_to_hide_behind(client: Any, unit: Unit) -> None:
    past = unit(lambda: make_past(people=2))
    unit(lambda: come(past, past.scene.leader_id, State.CREDITED))
    answer = client.as_(past.people[0]).post(
        f"/activities/{past.activity_id}/feedback", json={"stars": 1, "anonymous": True}
    )
    assert refused(answer) == (409, "too_few_to_be_anonymous")


def test_who_is_taken_off_an_activity_led_it_all_the_same(client: Any, unit: Unit, past: Past) -> None:
    """She hides nobody among her people, and decides nothing about what they said of her."""
    organizer = past.scene.organizer_id
    named_at = clock.now() - timedelta(days=1)
    named = ActivityLeader(activity_id=past.activity_id, volunteer_id=organizer, named_at=named_at)
    unit(lambda: (db.session.add(named), come(past, organizer, State.CREDITED)))
    made = give(client, past, 0, words=WORDS, anonymous=True)
    name_leaders(client, organizer, past)
    assert refused(say(client, past, 1)) == (409, "name_would_tell")
    assert refused(post(client, organizer, made, "rejection", version=1, reason="不实")) == (403, "leads_activity")
    assert post(client, past.scene.administrator_id, made, "approval", version=1).status_code == 200
    said = client.as_(organizer).post(f"/activities/{past.activity_id}/feedback", json={"stars": 5})
    assert refused(said) == (403, "leads_activity")


def test_whoever_is_named_afterwards_hides_the_others_and_has_her_say(client: Any, unit: Unit, past: Past) -> None:
    """Who leads could else name the others, until only one is left who can have said it, or who may say anything."""
    leader = past.scene.leader_id
    made = give(client, past, 0, words=WORDS, anonymous=True)
    name_leaders(client, leader, past, *past.people[1:])
    assert client.as_(leader).get(f"/feedback/{made['id']}").status_code == 200
    assert give(client, past, 1, words=WORDS, anonymous=True)["mine"] is True


def test_who_planned_it_led_it_where_nobody_was_named(client: Any, unit: Unit) -> None:
    """The ledger names her; that she names somebody afterwards changes nothing."""
    scene = unit(make_scene)
    past = unit(lambda: make_past(scene=scene, planned_by=scene.organizer_id, team_id=None))
    made = give(client, past, 0, words=WORDS)
    rejected = partial(post, client, scene.organizer_id, made, "rejection", version=1, reason="措辞不当")
    assert refused(rejected()) == (403, "leads_activity")
    name_leaders(client, scene.organizer_id, past, scene.leader_id)
    assert refused(rejected()) == (403, "leads_activity")
    assert post(client, scene.administrator_id, made, "approval", version=1).status_code == 200


def test_who_led_with_the_team_led_it_all_the_same(client: Any, unit: Unit) -> None:
    scene = unit(make_scene)
    past = unit(lambda: make_past(scene=scene, planned_by=scene.organizer_id))
    leader = past.scene.leader_id
    unit(lambda: come(past, leader, State.CREDITED))

    def step_down() -> None:
        own = db.session.query(Membership).filter_by(volunteer_id=leader).one()
        # Since long before the shift.
        own.leads_since = None
        own.take_role(MembershipRole.MEMBER, clock.now())

    unit(step_down)
    unit(service.ask)
    assert "feedback_asked" not in kinds(client, leader)
    give(client, past, 0)
    # Two are left among whom she could hide.
    assert refused(say(client, past, 1, anonymous=True)) == (409, "too_few_to_be_anonymous")


def test_a_doubtful_check_in_gives_no_feedback_without_a_sign_up(client: Any, unit: Unit, past: Past) -> None:
    path = f"/activities/{past.activity_id}/feedback"
    stranger, expected = unit(lambda: make_volunteers(2))
    unit(lambda: (come(past, stranger), come(past, expected, signed_up=True)))
    assert refused(client.as_(stranger).post(path, json={"stars": 1})) == (403, "not_attended")
    assert client.as_(expected).post(path, json={"stars": 5}).status_code == 201


def test_a_rejected_attendance_takes_its_signed_stars_back(client: Any, unit: Unit) -> None:
    past = unit(lambda: make_past(people=7))
    for number in range(3):
        give(client, past, number, stars=1 + number)
    fourth = give(client, past, 3, stars=5, words=WORDS)
    give(client, past, 4, stars=5, anonymous=True)
    post(client, past.scene.organizer_id, fourth, "approval", version=1)
    unit(lambda: decide_on(past, past.people[3], State.REJECTED))
    told = public(client, past)
    assert (told["count"], told["items"]) == (4, [])
    assert told["distribution"][4] == {"stars": 5, "count": 1}
    # Without her name they would count again.
    nameless = client.as_(past.people[3]).patch(f"/feedback/{fourth['id']}", json={"anonymous": True}, version=2)
    assert refused(nameless) == (403, "not_attended")
    # Whose anonymous stars went away could be told from whose attendance did.
    unit(lambda: decide_on(past, past.people[4], State.REJECTED))
    assert public(client, past)["count"] == 4


@pytest.mark.both_databases
def test_a_rejected_attendance_hides_nothing_that_others_said(client: Any, unit: Unit, past: Past) -> None:
    """Whoever reviews attendances would make words vanish that everybody could read."""
    made = give(client, past, 0, stars=1, words=WORDS)
    give(client, past, 1, stars=3)
    give(client, past, 2, stars=5)
    post(client, past.scene.organizer_id, made, "approval", version=1)
    before = public(client, past)
    assert (before["count"], before["average"], len(before["items"])) == (3, 3.0, 1)
    unit(lambda: decide_on(past, past.people[2], State.REJECTED))
    told = public(client, past)
    assert (told["count"], told["average"], told["items"]) == (2, 2.0, before["items"])
    assert [one["count"] for one in told["distribution"]] == [1, 0, 1, 0, 0]


def test_two_people_can_not_be_anonymous(client: Any, unit: Unit) -> None:
    past = unit(lambda: make_past(people=2))
    body = {"stars": 1, "anonymous": True}
    answer = client.as_(past.people[0]).post(f"/activities/{past.activity_id}/feedback", json=body)
    assert refused(answer) == (409, "too_few_to_be_anonymous")
    made = give(client, past, 0)
    changed = client.as_(past.people[0]).patch(f"/feedback/{made['id']}", json={"anonymous": True}, version=1)
    assert refused(changed) == (409, "too_few_to_be_anonymous")


def test_minors_are_never_named(client: Any, unit: Unit, past: Past) -> None:
    unit(lambda: setattr(db.session.get_one(Volunteer, past.people[0]), "birth_date", born(15)))
    made = give(client, past, 0, words=WORDS)
    give(client, past, 1)
    give(client, past, 2)
    seen = post(client, past.scene.organizer_id, made, "approval", version=1).get_json()
    assert seen["volunteer"] is None
    assert public(client, past)["items"][0]["name"] is None


def test_refusals_of_giving(client: Any, unit: Unit, past: Past) -> None:
    path = f"/activities/{past.activity_id}/feedback"
    body = {"stars": 5}
    assert refused(client.as_(past.scene.outsider_id).post(path, json=body)) == (403, "not_attended")
    assert refused(client.as_(past.scene.leader_id).post(path, json=body)) == (403, "leads_activity")
    made = give(client, past, 0)
    again = client.as_(past.people[0]).post(path, json=body)
    assert (*refused(again), again.get_json()["feedback_id"]) == (409, "feedback_given", made["id"])
    for stars in (0, 6, 4.5, True, "5"):
        assert client.as_(past.people[1]).post(path, json={"stars": stars}).status_code == 422
    assert client.as_(past.people[1]).post(path, json={"stars": 5, "words": "字" * 1001}).status_code == 422
    cases = {
        "feedback_not_open": {"ended": timedelta(minutes=-30), "people": 1},
        "feedback_closed": {"ended": timedelta(days=31)},
        "not_attended": {"state": State.REJECTED},
    }
    for code, values in cases.items():
        other = unit(lambda values=values: make_past(**values))
        answer = client.as_(other.people[0]).post(f"/activities/{other.activity_id}/feedback", json=body)
        assert answer.get_json()["code"] == code


def test_it_is_changed_for_a_while_and_waits_anew(client: Any, unit: Unit, past: Past) -> None:
    made = give(client, past, 0, words=WORDS)
    giver, path = client.as_(past.people[0]), f"/feedback/{made['id']}"
    post(client, past.scene.organizer_id, made, "approval", version=1)
    assert giver.patch(path, json={"stars": 1}, version=1).status_code == 412
    assert giver.patch(path, json={}, version=2).status_code == 422
    stars = giver.patch(path, json={"stars": 1}, version=2).get_json()
    assert (stars["stars"], stars["words_state"], stars["version"]) == (1, "approved", 3)
    words = giver.patch(path, json={"words": "换一句"}, version=3).get_json()
    assert (words["words"], words["words_state"]) == ("换一句", "pending")
    gone = giver.patch(path, json={"words": None}, version=4).get_json()
    assert (gone["words"], gone["words_state"]) == (None, None)
    assert refused(post(client, past.scene.organizer_id, made, "approval", version=5)) == (409, "no_words")
    unit(lambda: backdate(made["id"], timedelta(days=14)))
    assert refused(giver.patch(path, json={"stars": 2}, version=5)) == (409, "feedback_frozen")


def backdate(feedback_id: str, by: timedelta) -> None:
    db.session.execute(
        Feedback.__table__.update()
        .where(Feedback.__table__.c.id == UUID(feedback_id))
        .values(created_at=clock.now() - by)
    )


def test_nobody_approves_words_that_she_has_not_read(client: Any, past: Past) -> None:
    made = give(client, past, 0, words=WORDS)
    client.as_(past.people[0]).patch(f"/feedback/{made['id']}", json={"words": "骂人的话"}, version=1)
    late = post(client, past.scene.organizer_id, made, "approval", version=1)
    assert (*refused(late), late.get_json()["version"]) == (409, "words_changed", 2)
    rejected = post(client, past.scene.organizer_id, made, "rejection", version=2, reason="用语不当")
    assert rejected.get_json()["words_state"] == "rejected"
    assert refused(post(client, past.scene.organizer_id, made, "rejection", version=3, reason="再来")) == (
        409,
        "wrong_state",
    )
    told = client.as_(past.people[0]).get("/me/notifications").get_json()["items"][0]
    assert (told["kind"], "用语不当" in told["body"]) == ("feedback_rejected", True)
    # A second look may let it stand after all.
    assert post(client, past.scene.organizer_id, made, "approval", version=3).status_code == 200


def test_who_leads_by_name_decides_nothing_but_answers_once(client: Any, unit: Unit, past: Past) -> None:
    made = give(client, past, 0, words=WORDS)
    scene = past.scene
    assert refused(post(client, scene.leader_id, made, "approval", version=1)) == (403, "forbidden")
    unit(lambda: db.session.add(ActivityLeader(activity_id=past.activity_id, volunteer_id=scene.organizer_id)))
    assert refused(post(client, scene.organizer_id, made, "approval", version=1)) == (403, "leads_activity")
    assert post(client, scene.administrator_id, made, "approval", version=1).status_code == 200
    answer = post(client, scene.leader_id, made, "reply", text="下次多带水。")
    assert answer.get_json()["reply"] == "下次多带水。"
    assert refused(post(client, scene.organizer_id, made, "reply", text="我也说一句")) == (409, "already_replied")
    assert post(client, past.people[0], made, "reply", text="谢谢").status_code == 403
    assert "feedback_replied" in kinds(client, past.people[0])


def test_an_answer_does_not_stay_under_other_words(client: Any, past: Past) -> None:
    made = give(client, past, 0, words=WORDS)
    post(client, past.scene.leader_id, made, "reply", text="谢谢肯定！")
    giver, path = client.as_(past.people[0]), f"/feedback/{made['id']}"
    stars = giver.patch(path, json={"stars": 1}, version=2).get_json()
    assert stars["reply"] == "谢谢肯定！"
    words = giver.patch(path, json={"words": "领队收钱。"}, version=3).get_json()
    assert (words["reply"], words["replied_at"]) == (None, None)
    assert post(client, past.scene.leader_id, made, "reply", text="没有这回事。").status_code == 200


def test_three_reports_take_approved_words_down_until_somebody_looks(client: Any, unit: Unit, past: Past) -> None:
    made = give(client, past, 0, words=WORDS)
    give(client, past, 1)
    give(client, past, 2)
    reporters = unit(lambda: [make_volunteer().id for _ in range(3)])
    assert post(client, reporters[0], made, "reports", reason="骂人").status_code == 404
    post(client, past.scene.organizer_id, made, "approval", version=1)
    assert post(client, past.people[0], made, "reports", reason="后悔了").status_code == 403
    for reporter in reporters[:2]:
        assert post(client, reporter, made, "reports", reason="骂人").status_code == 204
    assert refused(post(client, reporters[0], made, "reports", reason="骂人")) == (409, "already_reported")
    assert len(public(client, past)["items"]) == 1
    post(client, reporters[2], made, "reports", reason="骂人")
    assert public(client, past)["items"] == []
    queue = client.as_(past.scene.organizer_id).get("/feedback?state=pending").get_json()["items"]
    assert [(item["id"], item["report_count"]) for item in queue] == [(made["id"], 3)]
    assert kinds(client, past.scene.organizer_id).count("feedback_reported") == 1
    back = post(client, past.scene.organizer_id, made, "approval", version=queue[0]["version"]).get_json()
    assert (back["words_state"], back["report_count"]) == ("approved", 0)


@pytest.mark.parametrize("by", ["giver", "erasure"])
def test_reports_of_words_that_are_gone_are_settled(client: Any, unit: Unit, past: Past, by: str) -> None:
    made = give(client, past, 0, words=WORDS)
    post(client, past.scene.organizer_id, made, "approval", version=1)
    assert post(client, past.people[1], made, "reports", reason="骂人").status_code == 204
    leader = client.as_(past.scene.leader_id)
    assert leader.get(f"/feedback/{made['id']}").get_json()["report_count"] == 1
    if by == "giver":
        taken = client.as_(past.people[0]).patch(f"/feedback/{made['id']}", json={"words": None}, version=2)
        assert taken.status_code == 200
    else:
        unit(lambda: publish(VolunteerErased(past.people[0], "某人")))
    found = leader.get(f"/feedback/{made['id']}").get_json()
    assert (found["words"], found["report_count"]) == (None, 0)


def test_lists_cost_the_same_for_more(client: Any, statements: Any, past: Past) -> None:
    phones = [client.as_(past.scene.leader_id), client.as_(past.people[0])]

    def read_all() -> list[str]:
        with statements() as seen:
            phones[0].get("/feedback")
            phones[1].get("/me/feedback")
            public(client, past)
        return list(seen)

    give(client, past, 0, words=WORDS)
    few = read_all()
    give(client, past, 1, words=WORDS)
    give(client, past, 2, words=WORDS)
    assert len(read_all()) == len(few) <= 9


def test_what_an_earlier_release_kept_back_stays_hidden(client: Any, unit: Unit) -> None:
    """It had taken what nobody might read, and its giver may still sign it."""
    past = unit(lambda: make_past(people=4))
    hidden = give(client, past, 0, words=WORDS, anonymous=True)
    unit(lambda: setattr(db.session.get_one(Feedback, UUID(hidden["id"])), "kept_back", True))
    for number in (1, 2, 3):
        give(client, past, number)
    leader, giver = client.as_(past.scene.leader_id), client.as_(past.people[0])
    told = public(client, past)
    assert (told["count"], sum(one["count"] for one in told["distribution"])) == (4, 3)
    assert len(leader.get("/feedback").get_json()["items"]) == 3
    assert leader.get(f"/feedback/{hidden['id']}").status_code == 404
    assert post(client, past.scene.organizer_id, hidden, "approval", version=2).status_code == 404
    signed = giver.patch(f"/feedback/{hidden['id']}", json={"anonymous": False}, version=2)
    assert signed.status_code == 200
    assert leader.get(f"/feedback/{hidden['id']}").status_code == 200


def test_the_stars_of_who_is_hidden_among_nobody_are_not_told(client: Any, unit: Unit, past: Past) -> None:
    """Three came and two signed: what is left of the sums would be the third's, whom everybody there knows."""
    give(client, past, 0, stars=5)
    give(client, past, 1, stars=5)
    assert refused(say(client, past, 2, stars=1, anonymous=True)) == (409, "too_few_to_be_anonymous")
    told = client.get(f"/activities/{past.activity_id}/feedback").get_json()
    assert (told["count"], told["average"], told["distribution"]) == (2, None, [])
    more = unit(lambda: make_past(people=5))
    for number in range(5):
        give(client, more, number, stars=number + 1, anonymous=number > 1)
    told = client.get(f"/activities/{more.activity_id}/feedback").get_json()
    assert (told["count"], told["average"]) == (5, 3.0)


def test_an_average_is_rounded_as_people_round_it(client: Any, unit: Unit) -> None:
    past = unit(lambda: make_past(people=4))
    for number, stars in enumerate((5, 1, 4, 3)):
        give(client, past, number, stars=stars)
    assert client.get(f"/activities/{past.activity_id}/feedback").get_json()["average"] == 3.3


def test_who_was_there_is_asked_once(client: Any, unit: Unit, past: Past) -> None:
    give(client, past, 0)
    unit(lambda: make_past(scene=past.scene, ended=timedelta(minutes=-10)))
    with clock.at(clock.now() - timedelta(days=4)):
        unit(lambda: make_past(scene=past.scene))
    unit(lambda: make_past(scene=past.scene, state=State.REJECTED))
    assert unit(service.ask) == 2
    assert unit(service.ask) == 0
    assert [kinds(client, one) for one in past.people] == [[], ["feedback_asked"], ["feedback_asked"]]


def test_who_is_believed_late_is_asked_then(client: Any, unit: Unit) -> None:
    walk_in, too_late = unit(lambda: make_volunteers(2))
    days = {walk_in: timedelta(days=5), too_late: timedelta(days=31)}
    came = [
        unit(lambda who=who, ago=ago: come(make_past(people=0, ended=ago), who, ago=ago)) for who, ago in days.items()
    ]
    assert unit(service.ask) == 0
    unit(lambda: [decide(one, State.CREDITED) for one in came])
    assert unit(service.ask) == 1
    assert unit(service.ask) == 0
    assert (kinds(client, walk_in), kinds(client, too_late)) == (["feedback_asked"], [])


def test_two_who_sign_at_once_leave_enough_to_hide_among(
    postgresql_client: Any, postgresql_unit: Unit, race: Any
) -> None:
    made = [postgresql_unit(lambda: make_past(people=4)) for _ in range(6)]
    for past in made:
        give(postgresql_client, past, 0, anonymous=True)
        answers = race(2, lambda number, past=past: say(postgresql_client, past, number + 1))
        assert sorted(answer.status_code for answer in answers) == [201, 409]


def test_two_taps_at_once_are_one_feedback(postgresql_client: Any, postgresql_unit: Unit, race: Any) -> None:
    past = postgresql_unit(make_past)
    phone = postgresql_client.as_(past.people[0])
    answers = race(4, lambda number: phone.post(f"/activities/{past.activity_id}/feedback", json={"stars": number + 1}))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


def test_changed_words_are_not_approved_by_a_race(postgresql_client: Any, postgresql_unit: Unit, race: Any) -> None:
    past = postgresql_unit(make_past)
    made = give(postgresql_client, past, 0, words=WORDS)
    giver, organizer = postgresql_client.as_(past.people[0]), postgresql_client.as_(past.scene.organizer_id)
    taps = (
        lambda: giver.patch(f"/feedback/{made['id']}", json={"words": "骂人的话"}, version=1),
        lambda: organizer.post(f"/feedback/{made['id']}/approval", json={"version": 1}),
    )
    statuses = sorted(answer.status_code for answer in race(2, lambda number: taps[number]()))
    assert statuses in ([200, 409], [200, 412])
    found = giver.get(f"/feedback/{made['id']}").get_json()
    assert (found["words"], found["words_state"]) in ((WORDS, "approved"), ("骂人的话", "pending"))


def test_reports_at_once_are_all_counted(postgresql_client: Any, postgresql_unit: Unit, race: Any) -> None:
    past = postgresql_unit(lambda: make_past(people=6))
    phones = [postgresql_client.as_(one) for one in postgresql_unit(lambda: make_volunteers(3))]
    given = [give(postgresql_client, past, number, words=WORDS) for number in range(6)]
    for made in given:
        post(postgresql_client, past.scene.organizer_id, made, "approval", version=1)

    def report(made: Any) -> str:
        path, body = f"/feedback/{made['id']}/reports", {"reason": "骂人"}
        answers = race(3, lambda who: phones[who].post(path, json=body))
        assert [answer.status_code for answer in answers] == [204] * 3
        state: str = (
            postgresql_client.as_(past.scene.leader_id).get(f"/feedback/{made['id']}").get_json()["words_state"]
        )
        return state

    assert [report(made) for made in given] == ["pending"] * 6
