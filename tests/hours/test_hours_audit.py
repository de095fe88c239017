"""What people did with hours stands in the audit log: who recorded, decided on, took back and read them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.attendance.factories import Scene, make_scene, soon
from tests.attendance.test_review import attend
from tests.hours.factories import make_backfill
from tests.hours.test_backfills import post
from tests.hours.test_hours_imports import send
from tests.qualifications.test_imports import workbook
from volunteer_api.attendance import review
from volunteer_api.core.audit import AuditAction, AuditEntry
from volunteer_api.core.database import db
from volunteer_api.hours.models import ServiceRecord

Unit = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def scene(app: Flask) -> Scene:
    """A shift of two hours that was held yesterday."""
    return make_scene(starts_at=soon() - timedelta(days=1))


def entries(unit: Unit, *actions: AuditAction) -> list[AuditEntry]:
    """The entries of these actions, in their order."""
    found: list[AuditEntry] = unit(
        lambda: db.session.query(AuditEntry).filter(AuditEntry.action.in_(actions)).order_by(AuditEntry.id).all()
    )
    return found


def test_every_row_that_a_person_vouched_for_or_took_back_is_there(client: Any, unit: Unit, scene: Scene) -> None:
    """By a backfill, by the review of an attendance and by its correction, and by taking both back."""
    made = make_backfill(scene)
    post(client, scene.organizer, f"/service-records/{made.id}/approval", {})
    held = unit(lambda: attend(scene, scene.unsigned))
    for minutes in (60, 30):
        unit(
            lambda minutes=minutes: review.decide(
                attendance_id=held,
                reviewer_id=scene.organizer.id,
                decision="credit",
                credited_minutes=minutes,
                reason="都在",
            )
        )
    standing = unit(lambda: db.session.query(ServiceRecord.id).filter_by(attendance_id=held, minutes=30).scalar())
    for record_id in (made.id, standing):
        assert post(client, scene.organizer, f"/service-records/{record_id}/reversal", {"reason": "误记"})[0] == 201
    rows = unit(lambda: db.session.query(ServiceRecord).order_by(ServiceRecord.id).all())
    assert len(rows) == 6
    reversed_by_hand = {
        (entry.actor_id, entry.subject_id, entry.details["service_record_id"], entry.details["minutes"])
        for entry in entries(unit, AuditAction.HOURS_REVERSED)
    }
    decided = {
        (entry.actor_id, entry.subject_id, entry.details.get("service_record_id") or entry.details["attendance_id"])
        for entry in entries(unit, AuditAction.HOURS_DECIDED, AuditAction.ATTENDANCE_REVIEWED)
    }
    for row in rows:
        if row.reverses_id is not None:
            assert (row.recorder_id, row.volunteer_id, str(row.reverses_id), -row.minutes) in reversed_by_hand
        else:
            assert (row.approver_id, row.volunteer_id, str(row.attendance_id or row.id)) in decided


def test_what_is_recorded_and_turned_down_is_there_too(client: Any, unit: Unit, scene: Scene) -> None:
    made = make_backfill(scene)
    post(client, scene.organizer, f"/service-records/{made.id}/rejection", {"reason": "无人见到"})
    content = workbook(["手机号"], [scene.volunteer.phone], [scene.unsigned.phone])
    for query in ("reason=手机没电&dry_run=true", "reason=手机没电"):
        assert send(client, scene.leader, scene, content, query=query).status_code == 200
    recorded = entries(unit, AuditAction.HOURS_RECORDED)
    assert [(entry.actor_id, entry.subject_id, entry.details["minutes"]) for entry in recorded] == [
        (scene.leader.id, scene.volunteer.id, 60),
        (scene.leader.id, scene.volunteer.id, 120),
        (scene.leader.id, scene.unsigned.id, 120),
    ]
    [decided] = entries(unit, AuditAction.HOURS_DECIDED)
    assert (decided.actor_id, decided.organization_id) == (scene.organizer.id, scene.organization.id)
    assert decided.details == {"service_record_id": str(made.id), "minutes": 60, "decision": "rejected"}


def test_who_read_hours_of_others_is_there(client: Any, unit: Unit, scene: Scene) -> None:
    made = make_backfill(scene)
    place = f"organization_id={scene.organization.id}"
    for query in (f"{place}&state=pending&volunteer_id={scene.volunteer.id}", place):
        assert client.as_(scene.organizer).get(f"/service-records?{query}").status_code == 200
    # An empty list told nothing.
    [read] = entries(unit, AuditAction.DATA_READ)
    assert (read.actor_id, read.subject_id, read.organization_id) == (
        scene.organizer.id,
        scene.volunteer.id,
        scene.organization.id,
    )
    assert read.details == {"what": "service_records", "service_record_ids": str(made.id)}
