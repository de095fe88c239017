"""Grants by phone to somebody not yet registered, revocation, and the last administrator."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.conftest import ApiClient
from tests.factories import make_volunteer
from tests.organizations.factories import District, make_district, make_grant
from volunteer_api.accounts.events import PhoneProven, VolunteerErased
from volunteer_api.accounts.service import create_volunteer
from volunteer_api.core import clock, events, ids, personal_data
from volunteer_api.core.access import Principal
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.notifications.models import Notification
from volunteer_api.organizations import grants
from volunteer_api.organizations.models import Grant, Organization, PendingGrant, Role

Unit = Callable[[Callable[[], Any]], Any]
Race = Callable[[int, Callable[[int], Any]], list[Any]]
PHONE = "+8613700000123"


@pytest.fixture
def district(app: Any) -> District:
    return make_district()


def body(district: District, **changes: Any) -> dict[str, Any]:
    scope = {"type": "organization", "id": str(district.practice_station.id)}
    return {"phone": PHONE, "role": "organizer", "scope": scope} | changes


def register(phone: str = PHONE) -> Any:
    """What a registration does to what waits."""
    volunteer = create_volunteer(phone=phone, name="新人")
    events.publish(PhoneProven(volunteer_id=volunteer.id, phone=phone))
    return volunteer


def live_of(unit: Unit, volunteer: Any) -> list[str]:
    live = select(Grant.role).where(Grant.volunteer_id == volunteer.id, Grant.revoked_at.is_(None))
    return unit(lambda: list(db.session.scalars(live)))


def waiting(unit: Unit) -> int:
    return unit(lambda: db.session.scalar(select(func.count()).select_from(PendingGrant)))


def test_it_takes_effect_when_the_phone_is_proven(client: ApiClient, district: District, unit: Unit) -> None:
    organizer = client.as_(district.organizer)
    made = organizer.post("/grants", json=body(district)).json
    shown = organizer.get("/grants").json["items"][-1]
    assert shown["id"] == made["id"]
    assert (shown["state"], shown["volunteer"]) == ("pending", {"id": None, "name": None, "phone": "137****0123"})
    assert shown["expires_at"] is not None
    newcomer = unit(register)
    assert live_of(unit, newcomer) == ["organizer"]
    assert waiting(unit) == 0
    shown = organizer.get("/grants").json["items"][-1]
    assert (shown["state"], shown["volunteer"]["name"], shown["expires_at"]) == ("granted", "新人", None)
    school = {"parent_id": str(district.practice_station.id), "kind": "unit", "name": "一中"}
    assert client.as_(newcomer).post("/organizations", json=school).status_code == 201
    told = unit(lambda: db.session.scalars(select(Notification).where(Notification.volunteer_id == newcomer.id)).one())
    assert (told.kind, told.values["scope"]) == ("grant_given", district.practice_station.name)
    granted = select(AuditEntry).where(AuditEntry.action == AuditAction.GRANTED).order_by(AuditEntry.id)
    recorded = unit(lambda: db.session.scalars(granted).all())
    assert [(entry.subject_id, entry.details.get("pending")) for entry in recorded] == [
        (None, True),
        (newcomer.id, None),
    ]
    assert {entry.organization_id for entry in recorded} == {district.practice_station.id}


def test_no_phone_is_kept(client: ApiClient, district: District, unit: Unit) -> None:
    client.as_(district.organizer).post("/grants", json=body(district))
    row = unit(lambda: db.session.scalars(select(PendingGrant)).one())
    kept = [repr(getattr(row, column.name)) for column in PendingGrant.__table__.columns]
    assert not any("3700000123" in value for value in kept)
    assert len(row.phone_digest) == 32


def test_its_giver_must_still_have_the_right(client: ApiClient, district: District, unit: Unit) -> None:
    client.as_(district.organizer).post("/grants", json=body(district))
    own = unit(lambda: db.session.scalars(select(Grant.id).where(Grant.volunteer_id == district.organizer.id)).one())
    assert client.as_(district.administrator).delete(f"/grants/{own}").status_code == 204
    assert live_of(unit, unit(register)) == []
    assert waiting(unit) == 0


def test_a_closed_place_gives_no_rights(client: ApiClient, district: District, unit: Unit) -> None:
    client.as_(district.organizer).post("/grants", json=body(district))
    unit(lambda: setattr(db.session.get(Organization, district.practice_station.id), "closed_at", clock.now()))
    assert live_of(unit, unit(register)) == []


def test_it_ends_after_ninety_days(client: ApiClient, district: District, unit: Unit) -> None:
    by = Principal(volunteer_id=district.organizer.id, session_id=ids.new_id())
    given = body(district, role=Role.ORGANIZER)
    with clock.at(clock.now() - timedelta(days=91)):
        unit(lambda: grants.grant_below(by=by, **given))
    organizer = client.as_(district.organizer)
    assert "pending" not in [item["state"] for item in organizer.get("/grants").json["items"]]
    assert live_of(unit, unit(register)) == []
    assert waiting(unit) == 1
    # Its place is free for another one, and what nobody asks for is swept.
    assert organizer.post("/grants", json=body(district, phone="+8613700000124")).status_code == 201
    assert unit(grants.forget_expired) == 1
    assert waiting(unit) == 1


def test_it_is_taken_back_by_those_who_could_give_it(client: ApiClient, district: District, unit: Unit) -> None:
    made = client.as_(district.organizer).post("/grants", json=body(district)).json
    path = f"/grants/{made['id']}"
    assert client.delete(path).status_code == 401
    assert client.as_(district.other_organizer).delete(path).status_code == 404
    assert client.as_(district.auditor).delete(path).status_code == 403
    assert client.as_(district.administrator).delete(path).status_code == 204
    assert client.as_(district.administrator).delete(path).status_code == 404
    assert live_of(unit, unit(register)) == []


def test_who_loses_a_role_hears_of_it_and_loses_it_at_once(client: ApiClient, district: District, unit: Unit) -> None:
    held = make_grant(district.outsider, Role.ORGANIZER, district.practice_station.id)
    caller = client.as_(district.outsider)
    rename = f"/organizations/{district.practice_station.id}"
    assert caller.patch(rename, json={"name": "甲站"}, version=1).status_code == 200
    client.as_(district.organizer).delete(f"/grants/{held.id}")
    assert caller.patch(rename, json={"name": "乙站"}, version=2).status_code == 404
    told = unit(lambda: db.session.scalars(select(Notification.kind)).all())
    assert told == ["grant_revoked"]


def test_anybody_may_give_up_her_own_role_but_the_last_administrator_of_a_root(
    client: ApiClient, district: District, unit: Unit
) -> None:
    def own(volunteer: Any) -> str:
        held = select(Grant.id).where(Grant.volunteer_id == volunteer.id, Grant.revoked_at.is_(None))
        return f"/grants/{unit(lambda: db.session.scalars(held).one())}"

    assert client.as_(district.organizer).delete(own(district.organizer)).status_code == 204
    administrator = client.as_(district.administrator)
    refused = administrator.delete(own(district.administrator))
    assert (refused.status_code, refused.json["code"]) == (409, "last_administrator")
    assert refused.json["detail"].endswith("请先将该角色授予接任者。")
    make_grant(district.outsider, Role.ADMINISTRATOR, district.center.id)
    assert administrator.delete(own(district.administrator)).status_code == 204
    assert client.as_(district.outsider).delete(own(district.outsider)).status_code == 409


def test_an_administrator_hands_her_post_over(client: ApiClient, district: District, unit: Unit) -> None:
    """A change of post needed somebody with a shell on the server; nobody in the district could give the role."""
    other, successor = make_volunteer(), make_volunteer(name="接任者")
    make_grant(other, Role.ADMINISTRATOR, district.center.id)
    administrator = client.as_(district.administrator)
    scope = {"type": "organization", "id": str(district.center.id)}
    post = {"role": "administrator", "scope": scope}
    # It waits for no phone that anybody may prove hers one day.
    refused = administrator.post("/grants", json=post | {"phone": PHONE})
    assert (refused.status_code, refused.json["code"], waiting(unit)) == (409, "account_comes_first", 0)
    assert administrator.post("/grants", json=post | {"phone": successor.phone}).status_code == 201
    told = unit(lambda: db.session.scalars(select(Notification).order_by(Notification.id)).all())
    assert [(one.volunteer_id, one.kind) for one in told] == [
        (successor.id, "grant_given"),
        (other.id, "administrator_added"),
    ]
    entry = unit(lambda: db.session.scalars(select(AuditEntry).where(AuditEntry.subject_id == successor.id)).one())
    assert (entry.action, entry.actor_id) == (AuditAction.GRANTED, district.administrator.id)
    # She takes it from nobody beside her, and an office's administrator gives none away beside herself.
    held = select(Grant.id).where(Grant.volunteer_id == other.id)
    assert client.as_(successor).delete(f"/grants/{unit(lambda: db.session.scalars(held).one())}").status_code == 403
    make_grant(district.outsider, Role.ADMINISTRATOR, district.office.id)
    below = post | {"volunteer_id": str(make_volunteer().id), "scope": scope | {"id": str(district.office.id)}}
    assert client.as_(district.outsider).post("/grants", json=below).status_code == 403


def test_whose_data_is_erased_holds_nothing(client: ApiClient, district: District, unit: Unit) -> None:
    client.as_(district.organizer).post("/grants", json=body(district))
    exported = unit(lambda: personal_data.collect(district.organizer.id)["grants"])
    assert [row["role"] for row in exported] == ["organizer"]
    unit(lambda: grants.end_all_of(district.organizer.id))
    assert live_of(unit, district.organizer) == []
    assert waiting(unit) == 0
    unit(lambda: events.publish(VolunteerErased(volunteer_id=district.auditor.id, name="审计员")))
    assert live_of(unit, district.auditor) == []


def test_a_grant_and_a_registration_at_one_moment_meet(
    postgresql_client: ApiClient, postgresql_unit: Unit, race: Race
) -> None:
    district = make_district()
    caller = postgresql_client.as_(district.organizer)
    for number in range(6):
        phone = f"+861370000{number:04d}"

        def act(who: int, phone: str = phone) -> Any:
            if who == 0:
                return postgresql_unit(lambda: register(phone))
            return caller.post("/grants", json=body(district, phone=phone)).status_code

        volunteer, status = race(2, act)
        assert status == 201
        assert live_of(postgresql_unit, volunteer) == ["organizer"]
    assert waiting(postgresql_unit) == 0


def test_the_last_two_administrators_can_not_both_go(
    postgresql_client: ApiClient, postgresql_unit: Unit, race: Race
) -> None:
    district = make_district()
    second = make_volunteer()
    held = [
        postgresql_unit(
            lambda: db.session.scalars(select(Grant.id).where(Grant.volunteer_id == district.administrator.id)).one()
        ),
        make_grant(second, Role.ADMINISTRATOR, district.center.id).id,
    ]
    callers = [postgresql_client.as_(district.administrator), postgresql_client.as_(second)]
    statuses = race(2, lambda number: callers[number].delete(f"/grants/{held[number]}").status_code)
    assert sorted(statuses) == [204, 409]


def lapses(unit: Unit) -> list[tuple[Any, str]]:
    entries = select(AuditEntry).where(AuditEntry.action == AuditAction.REVOKED).order_by(AuditEntry.id)
    return unit(
        lambda: [
            (entry.organization_id, entry.details["reason"])
            for entry in db.session.scalars(entries)
            if entry.details.get("pending")
        ]
    )


def test_each_way_to_lapse_is_in_the_audit_log(client: ApiClient, district: District, unit: Unit) -> None:
    organizer, place = client.as_(district.organizer), district.practice_station.id
    assert organizer.post("/grants", json=body(district)).status_code == 201
    with clock.at(clock.now() + timedelta(days=91)):
        assert unit(grants.forget_expired) == 1
    assert lapses(unit) == [(place, "expired")]
    assert organizer.post("/grants", json=body(district)).status_code == 201
    unit(lambda: setattr(db.session.get_one(Organization, place), "closed_at", clock.now()))
    unit(register)
    assert lapses(unit)[1:] == [(place, "no_longer_possible")]
    unit(lambda: setattr(db.session.get_one(Organization, place), "closed_at", None))
    assert organizer.post("/grants", json=body(district, phone="+8613700000124")).status_code == 201
    unit(lambda: events.publish(VolunteerErased(volunteer_id=district.organizer.id, name="x")))
    assert lapses(unit)[2:] == [(place, "giver_erased")]
    assert waiting(unit) == 0


def test_a_hundred_phones_are_a_day(
    client: ApiClient, district: District, change_settings: Callable[..., None]
) -> None:
    change_settings(client.app, limits=True)
    organizer, statuses, moment = client.as_(district.organizer), [], clock.now()
    for hour in range(5):
        with clock.at(moment + timedelta(hours=hour, minutes=hour)):
            for number in range(30):
                phone = f"+861370010{hour}{number:03d}"
                answer = organizer.post("/grants", json=body(district, phone=phone))
                statuses.append(answer.status_code)
    assert statuses.count(201) == 100
    assert set(statuses[100:]) == {429}
