"""Notifying once, and what each kind says."""

import re
from uuid import uuid4

import pytest

from tests.factories import make_volunteer
from volunteer_api.core import texts
from volunteer_api.notifications import queries, service
from volunteer_api.notifications.groups import Group
from volunteer_api.notifications.models import NotificationKind
from volunteer_api.notifications.templates import TEMPLATES, group_of, render


def notify(volunteer, key="a", kind="membership_accepted", values=None):
    service.notify(
        volunteer_id=volunteer.id,
        kind=kind,
        values=values if values is not None else {"team": "鹰城大妈"},
        dedup_key=key,
    )


def test_the_same_key_notifies_once(unit):
    reader = unit(make_volunteer)
    for _ in range(3):
        unit(lambda: notify(reader))
    assert unit(lambda: queries.unread_count(reader.id)) == 1


def test_several_people_hear_of_it_once_each(unit):
    readers = unit(lambda: [make_volunteer().id for _ in range(2)])
    for once in ("a", "a", "b"):
        unit(lambda once=once: service.notify_each(readers, "membership_accepted", {"team": "鹰城大妈"}, once=once))
    assert [unit(lambda one=one: queries.unread_count(one)) for one in readers] == [2, 2]


def test_what_is_not_committed_is_not_heard_of(unit):
    reader = unit(make_volunteer)

    def fail():
        notify(reader)
        raise RuntimeError("the unit fails")

    with pytest.raises(RuntimeError):
        unit(fail)
    assert unit(lambda: queries.unread_count(reader.id)) == 0


def test_a_missing_value_and_an_unknown_kind_are_found_where_they_are_written(unit):
    reader = unit(make_volunteer)
    with pytest.raises(KeyError):
        unit(lambda: notify(reader, values={}))
    with pytest.raises(KeyError, match="gossip"):
        unit(lambda: notify(reader, kind="gossip"))


def test_parallel_twins_notify_once(postgresql_app, postgresql_unit, race):
    reader = postgresql_unit(make_volunteer)
    outcomes = race(6, lambda _number: postgresql_unit(lambda: notify(reader, "twin")))
    assert outcomes == [None] * 6
    assert postgresql_unit(lambda: queries.unread_count(reader.id)) == 1


def test_every_kind_says_something():
    assert set(TEMPLATES) >= set(NotificationKind)
    # These are of one's own account, and need no name of anything.
    unfilled = [kind for kind, template in TEMPLATES.items() if not re.findall(r"%\((\w+)\)s", template.body)]
    assert sorted(unfilled) == [
        "calendar_feed_closed",
        "calendar_feed_opened",
        "erasure_taken_back",
        "guardian_withdrew",
        "password_changed",
        "resident_id_in_national_export",
        "signed_in_elsewhere",
        "token_reused",
    ]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("未参加", "“清洁湛河”的到岗未被认定：未参加。如有异议，"),
        ("点名时登记为缺席。", "“清洁湛河”的到岗未被认定：点名时登记为缺席。如有异议，"),
        ("真的在吗？ ", "“清洁湛河”的到岗未被认定：真的在吗？如有异议，"),
    ],
)
def test_a_reason_ends_once_before_the_next_sentence(reason, told):
    with texts.speaking("zh-CN"):
        _, body = render("attendance_rejected", {"activity": "清洁湛河", "reason": reason})
    assert body.startswith(told)


def test_without_a_reason_there_is_no_colon():
    with texts.speaking("zh-CN"):
        bodies = [render(kind, {"activity": "清洁湛河"})[1] for kind in ("sign_up_rejected", "activity_canceled")]
        # Of a release before this one.
        _, lost = render("sign_up_place_lost", {"activity": "清洁湛河"})
    assert bodies == ["“清洁湛河”负责人未同意您参加。", "清洁湛河已取消。"]
    assert "再次接受邀请可查看缺少什么" in lost


def test_every_kind_has_its_group_and_no_group_is_empty():
    assert {group_of(kind) for kind in TEMPLATES} == set(Group)


def test_of_the_account_itself_nothing_can_be_switched_off():
    assert {kind for kind in TEMPLATES if group_of(kind) is Group.SECURITY} == {
        "calendar_feed_closed",
        "calendar_feed_opened",
        "erasure_near",
        "erasure_requested",
        "guardian_needed",
        "guardian_withdrew",
        "signed_in_elsewhere",
        "password_changed",
        "phone_changed",
        "phone_released",
        "erasure_taken_back",
        "token_reused",
    }


def test_a_notification_needs_somebody(unit):
    with pytest.raises(Exception, match=r"conflict|foreign|FOREIGN"):
        unit(
            lambda: service.notify(
                volunteer_id=uuid4(), kind="membership_accepted", values={"team": "x"}, dedup_key="k"
            )
        )
